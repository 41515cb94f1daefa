"""`load_onnx_state`: the weights, factors, quantizers and batch norms of an exported file back into a network."""

from __future__ import annotations

import os

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from ..._errors import InvalidInput
from ..model import Switchable
from ..modules import Float, SwitchableActivation, SwitchableBatchNorm, _SwitchableLayer

_CALLS = {"FakeQuantSigned": "signed", "FakeQuantUnsigned": "unsigned", "FakeQuantOdd": "odd",
          "FakeQuantTable": "table"}


def load_onnx_state(net: Switchable, path: "str | os.PathLike[str]") -> None:
    """Sets the state of `net` to that of a file that `export` wrote of a network converted in the same way.

    Exporting again gives the same constants. Raises InvalidInput, and leaves `net` as it is, where the file is of other
    candidates or lacks a layer; all problems are listed.
    """
    reader = _Reader(onnx.load(os.fspath(path)))
    if reader.candidates != net.names:
        raise InvalidInput(f"'{path}' has the candidates {', '.join(reader.candidates)}, the network has "
                           f"{', '.join(net.names)}")
    state = {key: value.clone() if isinstance(value, torch.Tensor) else value
             for key, value in net.state_dict().items()}
    try:
        for module in net.switchable_modules():
            _load(reader, module)
        if reader.problems:
            raise InvalidInput(f"'{path}' is not of this network:\n" + "\n".join(reader.problems))
    except Exception:
        net.load_state_dict(state)
        raise


class _Reader:
    def __init__(self, model: onnx.ModelProto) -> None:
        props = {entry.key: entry.value for entry in model.metadata_props}
        self.candidates = props.get("anybit.candidates", "").split(",")
        self.nodes = {node.name: node for node in model.graph.node}
        self.producers = {name: node for node in model.graph.node for name in node.output}
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.problems: list[str] = []

    def rows(self, name: str) -> np.ndarray:
        """A C2 constant as [candidates, ...]."""
        if name in self.constants:
            value = numpy_helper.to_array(self.constants[name])
            return np.broadcast_to(value, (len(self.candidates), *value.shape))
        node = self.producers.get(name)
        if node is None or node.op_type != "Gather" or node.input[0] not in self.constants:
            raise InvalidInput(f"'{name}' is neither a constant nor a table of candidates")
        return numpy_helper.to_array(self.constants[node.input[0]])

    def node(self, name: str) -> "onnx.NodeProto | None":
        if name not in self.nodes:
            self.problems.append(f"it has no node '{name}'")
        return self.nodes.get(name)

    def quantizers(self, hint: str) -> dict[str, onnx.NodeProto]:
        """The FakeQuant calls of a tensor, by format."""
        found = [node for name, node in self.nodes.items()
                 if node.op_type in _CALLS and (name == hint or name.rpartition("/")[0] == hint)]
        return {_CALLS[node.op_type]: node for node in found}

    def master(self, name: str) -> "np.ndarray | None":
        """The FLOAT16 constant or table behind a weight operand, as float32 [candidates, ...]."""
        waiting, seen = [name], set()
        while waiting:
            name = waiting.pop(0)
            node = self.producers.get(name)
            if node is None or name in seen:
                continue
            seen.add(name)
            if node.op_type == "Cast" and not node.name.endswith("/values.f32"):
                return self.rows(node.input[0]).astype(np.float32)
            waiting += [node.input[0]] if node.op_type in ("MixBands", *_CALLS) else list(node.input)
        return None


def _load(reader: _Reader, module: object) -> None:
    if isinstance(module, SwitchableBatchNorm):
        _load_norm(reader, module)
    elif isinstance(module, SwitchableActivation):
        _load_quantizers(reader, module.quantizers, module.name)
    elif isinstance(module, _SwitchableLayer):
        _load_layer(reader, module)


@torch.no_grad()
def _load_norm(reader: _Reader, module: SwitchableBatchNorm) -> None:
    if (node := reader.node(module.name)) is None:
        return
    for i, key in enumerate(("weight", "bias", "running_mean", "running_var")):
        rows = reader.rows(node.input[i + 1])
        for norm, row in zip(module.sets, rows):
            if (target := getattr(norm, key)) is not None:
                _copy(reader, target, row, f"{module.name}.{key}")


@torch.no_grad()
def _load_layer(reader: _Reader, layer: _SwitchableLayer) -> None:
    if (node := reader.node(layer.name)) is None:
        return
    master = reader.master(node.input[1])
    if master is None:
        reader.problems.append(f"node '{layer.name}' has no FLOAT16 weight; a file of quantizers that transform "
                               f"weights (DoReFa, APoT, MultiBase, Ternary) does not hold them, load a checkpoint "
                               f"in its place")
        return
    canonical = layer.canonical(layer.weight)
    if canonical.shape != master.shape[1:]:
        reader.problems.append(f"the weight of '{layer.name}' is {list(master.shape[1:])}, expected "
                               f"{list(canonical.shape)}")
        return
    for index in range(layer.count):
        layer.weight_of(index).copy_(layer.restored(torch.from_numpy(master[index].copy())))
    if layer.bias is not None and node.op_type != "MatMul":
        _copy(reader, layer.bias, reader.rows(node.input[2])[0], f"{layer.name}.bias")
    elif layer.bias is not None:
        _copy(reader, layer.bias, reader.rows(reader.nodes[f"{layer.name}/biased"].input[1])[0], f"{layer.name}.bias")
    mixed = reader.nodes.get(f"{layer.name}.weight/mixed")
    if mixed is not None:
        for factor, row in zip(layer.theta.factors, reader.rows(mixed.input[1])):
            factor.value.copy_(torch.from_numpy(row.copy()))
    _load_quantizers(reader, layer.theta.quantizers, f"{layer.name}.weight/codes")


@torch.no_grad()
def _load_quantizers(reader: _Reader, quantizers: torch.nn.ModuleList, hint: str) -> None:
    calls = reader.quantizers(hint)
    for index, quantizer in enumerate(quantizers):
        if isinstance(quantizer, Float) or not list(quantizer.parameters()):
            continue
        node = calls.get(quantizer.form)
        if node is None:
            reader.problems.append(f"'{hint}' has no {quantizer.form} quantizer")
            continue
        scale = torch.from_numpy(np.array(reader.rows(node.input[1])[index]))
        zero = torch.tensor(int(reader.rows(node.input[2])[index])) if quantizer.form == "unsigned" else None
        quantizer.load(scale, zero)
        quantizer.initialized = True


def _copy(reader: _Reader, target: torch.Tensor, row: np.ndarray, what: str) -> None:
    if tuple(target.shape) != row.shape:
        reader.problems.append(f"'{what}' is {list(row.shape)}, expected {list(target.shape)}")
        return
    target.copy_(torch.from_numpy(row.copy()))
