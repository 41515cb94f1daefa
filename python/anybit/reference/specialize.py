"""From an ONNX file and a candidate to a flat graph of standard ops and quantizers (docs/onnx-convention.md C1-C5).

Everything that depends on no input is a constant afterwards; quantized constants keep their codes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from .canonical import recognise_fake_quantize, recognise_mix_bands
from .errors import UnsupportedModel
from .expand import MICROSOFT, QLINEAR, Expansion, quant_on_reals
from .formats import Codes, encode
from .ops import OPS, Node, apply
from .quantize_linear import dequantize_constant, on_reals, qonnx_quantizer, quantize_linear

QONNX_DOMAINS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
_DEPTH = 32
Value = Any  # np.ndarray or Codes


@dataclass
class Graph:
    """nodes in topological order; constants by name; output name -> value name; aliases: other names of values."""

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Value] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read a value, one entry for each operand; None stands for a graph output."""
        users: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                users.setdefault(name, []).append(node)
        for name in self.outputs.values():
            users.setdefault(name, []).append(None)
        return users

    def producers(self) -> dict[str, Node]:
        return {name: node for node in self.nodes for name in node.outputs}


def real(value: Value) -> np.ndarray:
    """The array a float op sees."""
    return value.real if isinstance(value, Codes) else value


def load(model: "onnx.ModelProto | str | os.PathLike") -> onnx.ModelProto:
    return model if isinstance(model, onnx.ModelProto) else onnx.load(os.fspath(model))


def candidate_names(model: onnx.ModelProto) -> list[str]:
    """C1: names in order, from the metadata ``anybit.candidates``; [] where the file has none."""
    for entry in model.metadata_props:
        if entry.key == "anybit.candidates":
            return entry.value.split(",")
    return []


def specialize(model: onnx.ModelProto, candidate: "str | int | None" = None) -> Graph:
    """The graph of one candidate (C1, C2), functions resolved (C3), constants folded, dead nodes dropped."""
    return _Specializer(model, candidate).run()


def _attribute(proto: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(proto)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if proto.type == onnx.AttributeProto.STRINGS:
        return [v.decode("utf-8", "replace") for v in value]
    return list(value) if proto.type in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS) else value


class _Specializer:
    """Walks the nodes in order and folds; ``scope`` maps the names of one graph or function body to values here."""

    def __init__(self, model: onnx.ModelProto, candidate: "str | int | None") -> None:
        self.model, self.graph = model, Graph()
        self.functions = {(f.domain, f.name, f.overload): f for f in model.functions}
        self.unsupported: list[str] = []
        self.index = self._candidate_index(candidate)

    def _candidate_index(self, candidate: "str | int | None") -> int:
        names = candidate_names(self.model)
        if isinstance(candidate, str):
            if candidate not in names:
                raise UnsupportedModel(f"no candidate '{candidate}'; the model has {', '.join(names) or 'none'}")
            return names.index(candidate)
        index = 0 if candidate is None else int(candidate)
        if not 0 <= index < max(len(names), 1):
            raise UnsupportedModel(f"candidate index {index} is outside of 0 ... {max(len(names), 1) - 1}")
        return index

    def run(self) -> Graph:
        proto, graph = self.model.graph, self.graph
        scope = {}
        for tensor in proto.initializer:
            graph.constants[tensor.name] = numpy_helper.to_array(tensor)
            scope[tensor.name] = tensor.name
        for value in proto.input:
            scope[value.name] = value.name
            if value.name in graph.constants:
                continue
            if value.name == "candidate":
                graph.constants["candidate"] = np.asarray(self.index, np.int64)
                continue
            graph.inputs.append(value.name)
        opsets = {entry.domain: entry.version for entry in self.model.opset_import}
        self._walk(proto.node, scope, opsets, "", 0)
        if self.unsupported:
            raise UnsupportedModel("not implemented by the reference: " + "; ".join(self.unsupported))
        graph.outputs = {value.name: self.resolve(scope[value.name]) for value in proto.output}
        graph.aliases = {name: self.resolve(name) for name in graph.aliases}
        drop_dead(graph)
        return graph

    def resolve(self, name: str) -> str:
        while name in self.graph.aliases:
            name = self.graph.aliases[name]
        return name

    def _walk(self, protos: Any, scope: dict[str, str], opsets: dict[str, int], prefix: str, depth: int) -> None:
        if depth > _DEPTH:
            raise UnsupportedModel(f"functions or branches nest deeper than {_DEPTH}")
        for proto in protos:
            inputs = [self.resolve(scope[name]) if name else "" for name in proto.input]
            outputs = [prefix + name if name else "" for name in proto.output]
            scope.update({old: new for old, new in zip(proto.output, outputs) if old})
            attributes = {a.name: _attribute(a) for a in proto.attribute if not a.ref_attr_name}
            domain = "" if proto.domain == "ai.onnx" else proto.domain
            opset = opsets.get(domain, opsets.get("ai.onnx", 1) if domain == "" else 1)
            node = Node(proto.op_type, inputs, outputs, attributes, opset, prefix + proto.name)
            self._add(node, proto, domain, scope, opsets, depth)

    def _add(self, node: Node, proto: onnx.NodeProto, domain: str, scope: dict, opsets: dict, depth: int) -> None:
        function = self.functions.get((proto.domain, proto.op_type, proto.overload))
        if function is not None:
            self._call(node, function, depth)
        elif domain in QONNX_DOMAINS:
            self._qonnx(node)
        elif (domain, node.op) in QLINEAR:
            QLINEAR[domain, node.op](Expansion(self, node))
        elif domain == MICROSOFT and node.op in ("QuantizeLinear", "DequantizeLinear"):
            self.standard(replace(node, opset=Expansion.opset))
        elif domain:
            self.unsupported.append(f"{node.label} of domain '{domain}' opset {node.opset}")
        elif node.op == "If":
            self._branch(node, scope, opsets, depth)
        else:
            self.standard(node)

    def _qonnx(self, node: Node) -> None:
        """A quantizer of N2; one that N2 does not have as float ops, and a quantizer that keeps what they make."""
        operands = self._constants(node)
        reals = on_reals(node, operands)
        if reals is None:
            self._quantizer(node, qonnx_quantizer(node, operands))
            return
        bits, zero = reals
        values, signed, narrow = quant_on_reals(Expansion(self, node), operands[1], zero, bits)
        if bits <= 8:
            attributes = {"signed": int(signed), "narrow": int(narrow)}
            plain = Node(node.op, [values] + node.inputs[1:], node.outputs, attributes, node.opset, node.name)
            self._quantizer(plain, qonnx_quantizer(plain, operands))

    def _constants(self, node: Node) -> list:
        """Constant operands as float or integer arrays, None for the others."""
        found = [self.graph.constants.get(name) for name in node.inputs]
        return [None if value is None else real(value) for value in found]

    def standard(self, node: Node) -> None:
        node.op = "Add" if node.op == "Sum" and len(node.inputs) == 2 else node.op
        if node.op == "Constant":
            self._constant(node)
        elif node.op in ("QuantizeLinear", "DequantizeLinear"):
            self._linear(node)
        elif node.op in ("Identity", "Dropout"):
            self.graph.aliases[node.outputs[0]] = node.inputs[0]
        elif node.op == "Where" and self._is_flag(node.inputs[0]):
            taken = bool(self.graph.constants[node.inputs[0]].reshape(-1)[0])
            self.graph.aliases[node.outputs[0]] = self.resolve(node.inputs[1 if taken else 2])
        elif node.op not in OPS:
            self.unsupported.append(f"{node.label} of opset {node.opset}")
        elif all(name == "" or name in self.graph.constants for name in node.inputs):
            self._fold(node)
        else:
            self.graph.nodes.append(node)

    def _is_flag(self, name: str) -> bool:
        value = self.graph.constants.get(name)
        return isinstance(value, np.ndarray) and value.size == 1

    def _fold(self, node: Node) -> None:
        first = self.graph.constants.get(node.inputs[0]) if node.inputs else None
        if node.op == "Transpose" and isinstance(first, Codes) and first.quantizer.scale.ndim in (0, first.q.ndim):
            self.graph.constants[node.outputs[0]] = transpose_codes(first, node.attributes.get("perm"))
            return
        values = [None if name == "" else real(self.graph.constants[name]) for name in node.inputs]
        for name, value in zip(node.outputs, apply(node, values)):
            self.graph.constants[name] = np.asarray(value)

    def _constant(self, node: Node) -> None:
        attributes = node.attributes
        for key, kind in (("value", None), ("value_float", np.float32), ("value_floats", np.float32),
                          ("value_int", np.int64), ("value_ints", np.int64)):
            if key in attributes:
                self.graph.constants[node.outputs[0]] = np.asarray(attributes[key], kind)
                return
        self.unsupported.append(f"{node.label} with {', '.join(attributes)}")

    def _branch(self, node: Node, scope: dict, opsets: dict, depth: int) -> None:
        if not self._is_flag(node.inputs[0]):
            self.unsupported.append(f"{node.label} whose condition is not constant")
            return
        taken = bool(self.graph.constants[node.inputs[0]].reshape(-1)[0])
        body = node.attributes["then_branch" if taken else "else_branch"]
        inner, prefix = dict(scope), f"{node.outputs[0]}/"
        for tensor in body.initializer:
            self.graph.constants[prefix + tensor.name] = numpy_helper.to_array(tensor)
            inner[tensor.name] = prefix + tensor.name
        self._walk(body.node, inner, opsets, prefix, depth + 1)
        self._bind(node, [inner[value.name] for value in body.output])

    def _bind(self, node: Node, results: list[str]) -> None:
        for name, result in zip(node.outputs, results):
            if name:
                self.graph.aliases[name] = self.resolve(result)

    def _call(self, node: Node, function: onnx.FunctionProto, depth: int) -> None:
        if function.domain == "ai.anybit" and self._recognised(node, function, depth):
            return
        self._inline(node, function, depth)

    def _inline(self, node: Node, function: onnx.FunctionProto, depth: int) -> None:
        body = onnx.FunctionProto()
        body.CopyFrom(function)
        given = {a.name: _attribute(a) for a in function.attribute_proto} | node.attributes
        for inner in body.node:
            bind_attributes(inner, given)
        names = list(node.inputs) + [""] * (len(function.input) - len(node.inputs))
        scope = dict(zip(function.input, names))
        opsets = {entry.domain: entry.version for entry in function.opset_import}
        self._walk(body.node, scope, opsets, f"{node.outputs[0]}/", depth + 1)
        self._bind(node, [scope[name] for name in function.output])

    def _recognised(self, node: Node, function: onnx.FunctionProto, depth: int) -> bool:
        """C3: a call counts as ours only if its body computes what the rule says."""
        defaults = {a.name: _attribute(a) for a in function.attribute_proto}
        named = Node(node.op, node.inputs, node.outputs, defaults | node.attributes, node.opset, node.name)
        operands = self._constants(node)

        def evaluate(values: list) -> np.ndarray:
            probe = _Specializer(self.model, self.index)
            names = [f"probe{i}" for i in range(len(values))]
            probe.graph.constants.update(zip(names, values))
            probe._inline(Node(node.op, names, ["probe"], node.attributes, node.opset), function, depth)
            return real(probe.graph.constants[probe.resolve("probe")])

        if node.op == "MixBands":
            mixed = recognise_mix_bands(named, operands, evaluate)
            if mixed is not None:
                self.graph.constants[node.outputs[0]] = mixed
            return mixed is not None
        quantizer = recognise_fake_quantize(named, operands, evaluate)
        if quantizer is not None:
            self._quantizer(node, quantizer)
        return quantizer is not None

    def _quantizer(self, node: Node, quantizer: Any) -> None:
        if node.inputs[0] in self.graph.constants:
            value = real(self.graph.constants[node.inputs[0]])
            self.graph.constants[node.outputs[0]] = encode(value, quantizer)
            return
        attributes = {"quantizer": quantizer}
        if node.op == "QuantizeLinear" and not quantizer.per_tensor:
            attributes["axis"] = node.attributes.get("axis", 1)
        self.graph.nodes.append(
            Node("FakeQuantize", node.inputs[:1], node.outputs[:1], attributes, node.opset, node.name))

    def _linear(self, node: Node) -> None:
        operands = [self.graph.constants.get(name) if name else None for name in node.inputs]
        if node.op == "DequantizeLinear" and operands[0] is not None and not isinstance(operands[0], Codes):
            self.graph.constants[node.outputs[0]] = dequantize_constant(node, operands)
            return
        self._quantizer_or_alias(node, quantize_linear(node, operands, self._producer_chain(node),
                                                     self.graph.constants))

    def _producer_chain(self, node: Node) -> list[Node]:
        """The nodes that lead to the first operand, nearest first, up to its QuantizeLinear."""
        producers, chain, name = self.graph.producers(), [], node.inputs[0]
        while name in producers:
            chain.append(producers[name])
            if chain[-1].op == "FakeQuantize" or not chain[-1].inputs:
                break
            name = chain[-1].inputs[0]
        return chain

    def _quantizer_or_alias(self, node: Node, found: "tuple[str, Any]") -> None:
        """found: ('quantizer', Quantizer), ('source', (name, Quantizer)) or ('alias', None)."""
        what, value = found
        if what == "alias":
            self.graph.aliases[node.outputs[0]] = node.inputs[0]
        elif what == "source":
            self._quantizer(Node(node.op, [value[0]], node.outputs, {}, node.opset, node.name), value[1])
        else:
            self._quantizer(node, value)


def bind_attributes(node: onnx.NodeProto, given: dict[str, Any]) -> None:
    """Replaces attribute references of a function body, in branches too; an absent optional one disappears."""
    kept = []
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            for inner in attribute.g.node:
                bind_attributes(inner, given)
        if not attribute.ref_attr_name:
            kept.append(attribute)
        elif attribute.ref_attr_name in given:
            value = given[attribute.ref_attr_name]
            value = numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
            kept.append(onnx.helper.make_attribute(attribute.name, value))
    kept = [onnx.AttributeProto.FromString(a.SerializeToString()) for a in kept]
    del node.attribute[:]
    node.attribute.extend(kept)


def transpose_codes(value: Codes, permutation: Any) -> Codes:
    """A transposed constant; a scale of the same rank moves with it."""
    quantizer = value.quantizer
    moved = {key: np.transpose(array, permutation) for key, array in
             (("scale", quantizer.scale), ("zero", quantizer.zero)) if array.ndim == value.q.ndim}
    return Codes(np.transpose(value.q, permutation), replace(quantizer, **moved))


def drop_dead(graph: Graph) -> None:
    """Keeps the nodes that an output depends on."""
    alive, kept = set(graph.outputs.values()), []
    for node in reversed(graph.nodes):
        if alive.intersection(node.outputs):
            alive.update(node.inputs)
            kept.append(node)
    graph.nodes = kept[::-1]
