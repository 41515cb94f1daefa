"""`export`: the switchable ONNX file (convention C1 to C6).

torch.export gives the graph in ATen ops whatever the network's style; switchable modules are opaque in it (one custom
op each) and are written by layers.py.
"""

from __future__ import annotations

import contextlib
import operator
import os
import warnings
from collections.abc import Iterator
from typing import Any

import onnx
import torch
from onnx import helper
from torch import Tensor, fx, nn

from ..._errors import InvalidInput, Unsupported
from ..branches import SwitchableBranches
from ..model import Switchable
from ..modules import SwitchableModule, _SwitchableLayer
from .aten import OPS, Call
from .layers import write_branches, write_module
from .writer import Writer

_SITES: list[SwitchableModule] = []  # of the export under way
_SHAPES: dict[SwitchableModule, torch.Size] = {}  # of their weights
_CONTENTS = ("_parameters", "_buffers", "_modules")


@torch.library.custom_op("anybit::switchable", mutates_args=())
def _switchable(x: Tensor, site: int) -> Tensor:
    """A switchable module as one op; it only ever runs on tensors without data."""
    return x.clone()


@_switchable.register_fake
def _(x: Tensor, site: int) -> Tensor:
    module = _SITES[site]
    if not isinstance(module, _SwitchableLayer):
        return torch.empty_like(x)
    if isinstance(module, nn.Linear):
        return x.new_empty((*x.shape[:-1], module.out_features))
    weight = x.new_empty(_SHAPES[module])
    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d)):
        transposed = nn.functional.conv_transpose1d if isinstance(module, nn.ConvTranspose1d) else \
            nn.functional.conv_transpose2d
        return transposed(x, weight, None, module.stride, module.padding, module.output_padding, module.groups,
                          module.dilation)
    return module._conv_forward(x, weight, None)  # type: ignore[operator]


@torch.library.custom_op("anybit::join", mutates_args=())
def _join(xs: list[Tensor], site: int) -> Tensor:
    """The branches of a SwitchableBranches, all of them."""
    return xs[0].clone()


@_join.register_fake
def _(xs: list[Tensor], site: int) -> Tensor:
    return torch.empty_like(xs[0])


def export(net: Switchable, path: "str | os.PathLike[str]", sample: "Tensor | tuple[Tensor, ...]", *,
           dynamic_batch: bool = True) -> onnx.ModelProto:
    """Writes `net` to `path` and returns the model: IR 10, opset 17, weights as float16, an input `candidate`.

    sample: the network's input, or a tuple of them; its first axis is the batch, any other size is fixed. The weights
    of `net` are rounded to float16 in place, so that its evaluation is the file's. Raises Unsupported with all ops that
    have no ONNX form, InvalidInput for a network that was not switchable. After an error there is no file.
    """
    if not isinstance(net, Switchable):
        raise InvalidInput(f"export takes a network of abt.switchable, got {type(net).__name__}")
    samples = (sample,) if isinstance(sample, Tensor) else tuple(sample)
    round_masters(net)
    was_training = net.training
    net.eval()
    try:
        program = _program(net.net, samples, dynamic_batch)
        model = _Exporter(net, program).write()
    finally:
        net.train(was_training)
        _SITES.clear()
    partial = f"{os.fspath(path)}.partial"
    onnx.save(model, partial)
    os.replace(partial, path)
    return model


@torch.no_grad()
def round_masters(net: Switchable) -> None:
    """Rounds the weights of switchable layers to float16 in place (N3)."""
    for module in net.switchable_modules():
        if isinstance(module, _SwitchableLayer):
            for index in range(module.count):
                weight = module.weight_of(index)
                weight.copy_(weight.half().float())


def _program(net: nn.Module, samples: tuple[Tensor, ...], dynamic_batch: bool) -> torch.export.ExportedProgram:
    with _opaque(net), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamic_batch:
            shapes = tuple({0: torch.export.Dim("batch")} for _ in samples)
            two = tuple(torch.cat([s, s])[:2] if s.shape[0] < 2 else s for s in samples)  # 1 would be a constant
            with contextlib.suppress(Exception):  # a network for one batch size is exported for that
                return torch.export.export(net, two, dynamic_shapes=shapes, strict=False)
        return torch.export.export(net, samples, strict=False)


@contextlib.contextmanager
def _opaque(net: nn.Module) -> Iterator[None]:
    """Every switchable module is one op of its own."""
    _SITES[:] = [m for m in net.modules() if isinstance(m, SwitchableModule)]
    _SHAPES.update((m, m.weight.shape) for m in _SITES if isinstance(m, _SwitchableLayer))
    hidden = [{name: vars(module)[name] for name in _CONTENTS} for module in _SITES]
    for index, module in enumerate(_SITES):
        if isinstance(module, SwitchableBranches):
            module.forward = lambda x, index=index, bodies=module.bodies: torch.ops.anybit.join(  # type: ignore
                [body(x) for body in bodies], index)
            continue
        # torch.export takes a second for every hundred parameters, and it needs none of these
        vars(module).update({name: {} for name in _CONTENTS})
        module.forward = lambda x, index=index: torch.ops.anybit.switchable(x, index)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module, contents in zip(_SITES, hidden):
            vars(module).update(contents)
            del module.forward
        _SHAPES.clear()


class _Exporter:
    def __init__(self, net: Switchable, program: torch.export.ExportedProgram) -> None:
        self.net, self.program = net, program
        self.w = Writer(net.names)
        self.values: dict[fx.Node, Any] = {}
        self.inputs: list[onnx.ValueInfoProto] = []

    def write(self) -> onnx.ModelProto:
        graph = self.program.graph_module.graph
        self._refuse(graph)
        for node in graph.nodes:
            if node.op == "placeholder":
                self._placeholder(node)
            elif node.op == "call_function":
                self._call(node)
        outputs = [self._output(i, node) for i, node in enumerate(_leaves(graph.output_node().args[0]))]
        return self.w.model(type(self.net.net).__name__, self.inputs, outputs)

    def _refuse(self, graph: fx.Graph) -> None:
        known = {"anybit.switchable.default", "anybit.join.default", "aten.sym_size.int"}
        missing: dict[str, list[str]] = {}
        for node in graph.nodes:
            if node.op == "call_function" and node.target is not operator.getitem and str(node.target) not in OPS \
                    and str(node.target) not in known and not isinstance(node.meta.get("val"), (int, torch.SymInt)):
                missing.setdefault(str(node.target), []).append(_path(node) or node.name)
        if missing:
            raise Unsupported("\n".join(f"{name} has no ONNX form here (in {', '.join(dict.fromkeys(places))})"
                                        for name, places in missing.items()))

    def _placeholder(self, node: fx.Node) -> None:
        signature, name = self.program.graph_signature, node.name
        for kind in (signature.inputs_to_parameters, signature.inputs_to_buffers,
                     signature.inputs_to_lifted_tensor_constants):
            if name in kind:
                if node.users:
                    self.values[node] = self.w.constant(self._state(kind[name]).detach().cpu().numpy(), kind[name])
                return
        self.values[node] = self.w.fresh(name)
        self.inputs.append(_value_info(self.values[node], node.meta["val"]))

    def _state(self, key: str) -> Tensor:
        return self.program.state_dict[key] if key in self.program.state_dict else self.program.constants[key]

    def _call(self, node: fx.Node) -> None:
        if node.target is operator.getitem:
            self.values[node] = self.values[node.args[0]][node.args[1]]  # type: ignore[index]
        elif str(node.target) == "anybit.switchable.default":
            source, site = node.args
            self.values[node] = write_module(self.w, _SITES[site], self.values[source],  # type: ignore[index]
                                             source.meta["val"].dim())  # type: ignore[union-attr]
        elif str(node.target) == "anybit.join.default":
            names = [self.values[part] for part in node.args[0]]  # type: ignore[union-attr]
            self.values[node] = write_branches(self.w, _SITES[node.args[1]], names)  # type: ignore[index,arg-type]
        elif not isinstance(node.meta.get("val"), (int, torch.SymInt)):
            path = _path(node)
            call = Call(self.w, node, self.values, path if path and path not in self.w._node_names else node.name)
            try:
                self.values[node] = OPS[str(node.target)](call)
            except ValueError as error:
                raise Unsupported(f"{_path(node) or node.name}: {error} has no ONNX form here") from error

    def _output(self, index: int, node: fx.Node) -> onnx.ValueInfoProto:
        """An Identity gives the output its name."""
        name = self.w.fresh("output" if index == 0 else f"output_{index}")
        self.w.nodes.append(helper.make_node("Identity", [self.values[node]], [name], name=name))
        return _value_info(name, node.meta["val"])


def _leaves(value: Any) -> list[fx.Node]:
    if isinstance(value, fx.Node):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else []
    return [leaf for item in items for leaf in _leaves(item)]


def _path(node: fx.Node) -> str:
    """The path of the module that makes the call."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return stack[-1][0] if stack else ""


def _value_info(name: str, value: Tensor) -> onnx.ValueInfoProto:
    sizes = [size if isinstance(size, int) else "batch" for size in value.shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(
        torch.empty((), dtype=value.dtype).numpy().dtype), sizes)
