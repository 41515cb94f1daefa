"""Running a whole model by the rules."""

from __future__ import annotations

import os
from typing import Any, Mapping

import numpy as np
import onnx

from . import grouping
from .errors import NumericsError, UnsupportedModel
from .formats import Codes, encode
from .integer import accumulate_convolution, accumulate_matmul, check_int32
from .ops import Node, apply
from .ops_network import pool_sums
from .requantize import (activation_table, average_real, clip, real_value, requantize, requantize_residual,
                         requantize_sum)
from .specialize import Graph, candidate_names, load, real, specialize
from .windows import like, two_dimensional, window_of

__all__ = ["candidate_names", "run"]


def run(model: "onnx.ModelProto | str | os.PathLike", inputs: "Mapping[str, np.ndarray] | np.ndarray",
        candidate: "str | int | None" = None, taps: "dict[str, Any] | None" = None,
        overrides: "Mapping[str, np.ndarray] | None" = None) -> dict[str, np.ndarray]:
    """Executes an ONNX file (switchable, QDQ, QONNX or float) at one candidate by N1-N9.

    model: a path or a ModelProto. inputs: name -> array, or one array for a model of one input (the candidate input
    not counted). candidate: name or index, default 0. taps: a dict that receives every tensor that exists by the
    grouping rules: ``Codes`` where it is held as codes, float or integer arrays elsewhere; values inside of an integer
    group do not exist. overrides: code arrays that replace the named code tensors for their readers (``taps`` still gets
    what was computed), to feed a layer the codes of another executor.
    Returns output name -> array. Raises UnsupportedModel or NumericsError.
    """
    graph = specialize(load(model), candidate)
    grouping.hoist_quantizers(graph)
    if not isinstance(inputs, Mapping):
        if len(graph.inputs) != 1:
            raise UnsupportedModel(f"the model has the inputs {', '.join(graph.inputs)}; give a dict")
        inputs = {graph.inputs[0]: inputs}
    missing = [name for name in graph.inputs if name not in inputs]
    if missing:
        raise UnsupportedModel(f"no value for the inputs {', '.join(missing)}")
    machine = _Machine(graph, {} if taps is None else taps, overrides or {})
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        machine.run({name: np.asarray(inputs[name]) for name in graph.inputs})
    if taps is not None:
        taps.update({name: taps[target] for name, target in graph.aliases.items() if target in taps})
    return {name: real(machine.values[value]) for name, value in graph.outputs.items()}


def _per_channel(parameter: np.ndarray, weights: np.ndarray, axis: int) -> bool:
    """One number, or one per output channel of the weights."""
    if parameter.size == 1:
        return True
    shape = (1,) * (weights.ndim - parameter.ndim) + parameter.shape
    return len(shape) == weights.ndim and parameter.size == shape[axis] == weights.shape[axis]


class _Machine:
    """values: name -> array or Codes. pending: quantizer node -> how its group makes its codes."""

    def __init__(self, graph: Graph, taps: dict[str, Any], overrides: Mapping[str, np.ndarray]) -> None:
        self.graph, self.taps, self.overrides = graph, taps, overrides
        self.codes = grouping.code_tensors(graph)
        self.sources = grouping.table_sources(graph, self.codes)
        self.matcher = grouping.Matcher(graph, self.codes)
        self.producers = graph.producers()
        self.values: dict[str, Any] = dict(graph.constants)
        self.pending: dict[int, Any] = {}
        self.skipped: set[int] = set()

    def run(self, inputs: dict[str, np.ndarray]) -> None:
        for name, value in inputs.items():
            self._set(name, value)
        for node in self.graph.nodes:
            if id(node) not in self.skipped:
                self._step(node)

    def _set(self, name: str, value: Any) -> None:
        if name == "":
            return
        self.taps[name] = value
        if isinstance(value, Codes) and name in self.overrides:
            value = Codes(np.asarray(self.overrides[name], np.int32).reshape(value.shape), value.quantizer)
        self.values[name] = value

    def _step(self, node: Node) -> None:
        if node.op == "FakeQuantize":
            self._set(node.outputs[0], self._quantize(node))
        elif node.op in ("Conv", "MatMul", "Gemm") and self._is_integer(node):
            self._integer(node)
        elif node.op in ("AveragePool", "GlobalAveragePool") and self._codes(node.inputs[0]) is not None:
            self._average(node)
        elif node.outputs[0] in self.codes:
            self._move(node)
        else:
            values = [None if name == "" else real(self.values[name]) for name in node.inputs]
            for name, value in zip(node.outputs, apply(node, values)):
                self._set(name, np.asarray(value))

    def _codes(self, name: str) -> Codes | None:
        value = self.values.get(name)
        return value if isinstance(value, Codes) and value.quantizer.per_tensor else None

    def _move(self, node: Node) -> None:
        """G2: the op on codes."""
        data = grouping.data_inputs(node)
        quantizer = self.codes[node.outputs[0]]
        values = [self.values[name].q for name in data]
        values += [None if name == "" else real(self.values[name]) for name in node.inputs[len(data):]]
        if grouping.pads_with_zero(node):
            zero = encode(np.zeros((), np.float32), quantizer).q
            node = Node(node.op, node.inputs, node.outputs, node.attributes | {"value": zero}, node.opset, node.name)
            values = values[:2] + [zero] + values[3:] if node.opset >= 11 else values
        for name, value in zip(node.outputs, apply(node, values)):
            self._set(name, Codes(np.asarray(value), quantizer))

    # G3: tables, and quantizers on reals.

    def _quantize(self, node: Node) -> Codes:
        if id(node) in self.pending:
            return self.pending.pop(id(node))(node)
        name, quantizer = node.inputs[0], node.attributes["quantizer"]
        source = self.sources.get(name)
        if source is None or not quantizer.per_tensor:
            x = real(self.values[name])
            return encode(x, quantizer.along(node.attributes["axis"], x.ndim) if "axis" in node.attributes else quantizer)
        codes = self.values[source]
        if source == name and codes.quantizer.same(quantizer):
            return Codes(codes.q, quantizer)
        table = activation_table(lambda x: self._function(name, source, x), codes.quantizer, quantizer)
        return Codes(table[codes.q - codes.quantizer.low], quantizer)

    def _function(self, name: str, source: str, x: np.ndarray) -> np.ndarray:
        """The elementwise function from ``source`` to ``name`` in double."""
        if name == source:
            return x
        node = self.producers[name]
        operands = []
        for operand in node.inputs:
            if operand == "":
                operands.append(None)
            elif operand in self.graph.constants:
                constant = real(self.graph.constants[operand])
                operands.append(constant.astype(np.float64).reshape(()))
            else:
                operands.append(self._function(operand, source, x))
        return apply(node, operands)[0]

    # G4: convolutions and matrix products of codes.

    def _is_integer(self, node: Node) -> bool:
        x, weights = self._codes(node.inputs[0]), self.graph.constants.get(node.inputs[1])
        if x is None or not isinstance(weights, Codes) or node.attributes.get("transA", 0):
            return False
        if any(name and name not in self.graph.constants for name in node.inputs[2:]):
            return False
        if node.op == "Conv" and not x.quantizer.represents_zero and any(self._window(node, x, weights).pads):
            return False
        if node.op != "Conv" and weights.q.ndim != 2:
            return False
        axis = self._output_axis(node)
        return all(_per_channel(parameter, weights.q, axis) for parameter in
                   (weights.quantizer.scale, weights.quantizer.zero))

    @staticmethod
    def _output_axis(node: Node) -> int:
        return 0 if node.op == "Conv" or node.attributes.get("transB", 0) else 1

    def _integer(self, node: Node) -> None:
        x, weights = self._codes(node.inputs[0]), self.graph.constants[node.inputs[1]]
        integers = np.moveaxis(weights.integers, self._output_axis(node), 0)
        grid = x.quantizer.integers(np.array([x.quantizer.low, x.quantizer.high]))
        check_int32(integers, grid.min(), grid.max(), node.label)
        if node.op == "Conv":
            accumulator, axis = self._convolve(node, x, integers), 1
        else:
            accumulator = accumulate_matmul(x.integers, integers.T)
            axis = accumulator.ndim - 1
        scale = weights.quantizer.scale.reshape(-1).astype(np.float64) * x.quantizer.scale.reshape(-1).astype(np.float64)
        group = self._match(node, scale if scale.size > 1 else scale[0], accumulator, axis)
        self._finish(group, accumulator, axis)

    @staticmethod
    def _window(node: Node, x: Codes, weights: "np.ndarray | Codes"):
        return window_of(node.attributes, weights.shape[2:], x.shape[2:])

    def _convolve(self, node: Node, x: Codes, weights: np.ndarray) -> np.ndarray:
        window = self._window(node, x, weights)
        return like(accumulate_convolution(two_dimensional(x.integers), two_dimensional(weights), window.strides,
                                           window.pads, window.dilations, node.attributes.get("group", 1)), x.q)

    def _match(self, node: Node, scale: np.ndarray, accumulator: np.ndarray, axis: int) -> grouping.Group:
        """The chain; the bias of Conv and Gemm is its first affine step, Gemm's alpha comes before it."""
        channels = accumulator.shape[axis]
        offset = np.float64(0)
        if node.op == "Gemm":
            scale = scale * np.float64(node.attributes.get("alpha", 1.0))
        if len(node.inputs) > 2 and node.inputs[2]:
            bias = real(self.graph.constants[node.inputs[2]]).astype(np.float32)
            if node.op == "Gemm":
                bias = bias * np.float32(node.attributes.get("beta", 1.0))
            if bias.size not in (1, channels):
                raise UnsupportedModel(f"{node.label}: a bias of shape {bias.shape} is not one number per channel")
            offset = offset + bias.reshape(-1).astype(np.float64)
        return self.matcher.match(node.outputs[0], scale, offset, accumulator.ndim, axis, channels)

    def _finish(self, group: grouping.Group, accumulator: np.ndarray, axis: int) -> None:
        shape = (-1,) + (1,) * (accumulator.ndim - 1 - axis)
        scale, offset = (np.asarray(v).reshape(shape) for v in (group.scale, group.offset))
        self.skipped.update(id(node) for node in group.skipped)
        if not group.quantizers:
            self._set(group.result, real_value(accumulator, scale, offset))
            return

        def make(node: Node) -> Codes:
            quantizer = node.attributes["quantizer"]
            if not group.second_form:
                return requantize(accumulator, scale, offset, quantizer, group.bounds)
            value = real_value(accumulator, scale, offset)
            residual = None if group.residual is None else self.values[group.residual]
            if residual is not None and residual.shape != value.shape:
                return encode(clip(value + residual.real, *group.bounds), quantizer)
            return requantize_residual(value, residual, quantizer, group.bounds)

        self.pending.update({id(node): make for node in group.quantizers})

    # G5: average pools of codes.

    def _average(self, node: Node) -> None:
        x = self._codes(node.inputs[0])
        total, count = pool_sums(node, x.integers)
        group = self.matcher.match_pool(node.outputs[0])
        self.skipped.update(id(skipped) for skipped in group.skipped)
        if not group.quantizers:
            self._set(group.result, average_real(total, count, x.quantizer))
            return

        def make(quantizing: Node) -> Codes:
            quantizer = quantizing.attributes["quantizer"]
            if not group.second_form:
                return requantize_sum(total, count, x.quantizer, quantizer, group.bounds)
            return requantize_residual(average_real(total, count, x.quantizer), None, quantizer, group.bounds)

        self.pending.update({id(quantizing): make for quantizing in group.quantizers})
