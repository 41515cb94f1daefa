"""Where activation quantizers stand in a traced network, so that the compiler keeps codes from layer to layer.

As `anybit quantize` puts them (docs/quantize.md): in front of each layer at the candidate's width; at `residual` bits
in front of one side of a sum (the addend that comes straight from a layer stays in the accumulator), and, where the
result is quantized later, of both sides of other sums and products, of average pools and of activations that are no
clip.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import fx, nn

from .modules import LAYERS

_NONNEGATIVE_MODULES = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Softmax, nn.Softplus, nn.Hardsigmoid)
_NONNEGATIVE_CALLS = {F.relu, F.relu6, F.hardsigmoid, F.softmax, F.softplus, F.sigmoid, torch.relu, torch.sigmoid,
                      torch.abs, torch.exp, torch.square, torch.softmax, "relu", "relu_", "sigmoid", "abs", "exp",
                      "square", "softmax"}
_AVERAGE_MODULES = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
_AVERAGE_CALLS = {F.avg_pool1d, F.avg_pool2d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, torch.mean, "mean",
                  torch.adaptive_avg_pool1d}
_PASSING_MODULES = _AVERAGE_MODULES + (
    nn.MaxPool1d, nn.MaxPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.Dropout, nn.Dropout2d, nn.Flatten,
    nn.Identity, nn.Upsample, nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.PixelShuffle, nn.Unflatten)
_PASSING_CALLS = _AVERAGE_CALLS | {
    F.max_pool1d, F.max_pool2d, F.adaptive_max_pool2d, F.dropout, F.interpolate, F.pixel_shuffle, torch.flatten,
    torch.reshape, torch.permute, torch.transpose, torch.squeeze, torch.unsqueeze, torch.cat, torch.concat, torch.max,
    torch.maximum, operator.getitem, torch.chunk, torch.split, torch.max_pool2d, "flatten", "view", "reshape",
    "permute", "transpose", "contiguous", "squeeze", "unsqueeze", "chunk", "split", "expand", "amax", "max", "clone"}
_CURVE_MODULES = (nn.SiLU, nn.Hardswish, nn.Sigmoid, nn.Hardsigmoid, nn.GELU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.Tanh,
                  nn.Softplus, nn.Softsign, nn.PReLU, nn.Mish)
_CURVE_CALLS = {F.silu, F.hardswish, F.sigmoid, F.hardsigmoid, F.gelu, F.leaky_relu, F.elu, F.selu, F.tanh, F.softplus,
                torch.sigmoid, torch.tanh, "sigmoid", "tanh"}
ADDS = {operator.add, operator.iadd, torch.add, "add", "add_"}
PRODUCTS = {operator.mul, operator.imul, torch.mul, "mul", "mul_"}
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_STRAIGHT = NORMS + (nn.Identity, nn.Dropout, nn.Dropout2d)


@dataclass(frozen=True)
class Edge:
    """A tensor to quantize in front of a reader. layer: whose width it has; None: the fixed width of residuals.
    nonnegative: whether the tensor cannot hold a negative value."""

    source: fx.Node
    reader: fx.Node
    layer: "str | None"
    nonnegative: bool


class Placement:
    """What stands where in `graph` of `root`."""

    def __init__(self, root: nn.Module, graph: fx.Graph) -> None:
        self.graph, self.types = graph, dict(root.named_modules())
        self._nonnegative: dict[fx.Node, bool] = {}

    def module(self, node: fx.Node) -> "nn.Module | None":
        return self.types[node.target] if node.op == "call_module" else None  # type: ignore[index]

    def is_layer(self, node: fx.Node) -> bool:
        return type(self.module(node)) in LAYERS

    def layers(self) -> list[fx.Node]:
        """Calls of quantized layers, in the order of the graph."""
        return [node for node in self.graph.nodes if self.is_layer(node)]

    def _is(self, node: fx.Node, modules: tuple, calls: set) -> bool:
        if node.op == "call_module":
            return isinstance(self.module(node), modules)
        return node.op in ("call_function", "call_method") and node.target in calls

    def nonnegative(self, node: fx.Node) -> bool:
        """Whether the tensor cannot hold a negative value, as far as the graph tells."""
        if node not in self._nonnegative:
            self._nonnegative[node] = False  # of a value in a cycle; a graph has none
            self._nonnegative[node] = self._is_nonnegative(node)
        return self._nonnegative[node]

    def _is_nonnegative(self, node: fx.Node) -> bool:
        if self._is(node, _NONNEGATIVE_MODULES, _NONNEGATIVE_CALLS):
            return True
        if isinstance(self.module(node), nn.Hardtanh):
            return self.module(node).min_val >= 0  # type: ignore[union-attr,operator]
        if node.target in (torch.clamp, "clamp", F.hardtanh):
            bounds = [*node.args[1:2], node.kwargs.get("min"), node.kwargs.get("min_val")]
            return any(isinstance(bound, (int, float)) and bound >= 0 for bound in bounds)
        passes = self._is(node, _PASSING_MODULES, _PASSING_CALLS) or node.target in ADDS | PRODUCTS
        inputs = node.all_input_nodes
        return passes and bool(inputs) and all(map(self.nonnegative, inputs)) and not _negative_number(node)

    def edges(self, residual: bool) -> list[Edge]:
        """Every edge to quantize, in the order of the graph."""
        found = [self._edge(node.all_input_nodes[0], node, str(node.target)) for node in self.layers()]
        if residual:
            found += list(self._fixed_edges())
        order = {node: i for i, node in enumerate(self.graph.nodes)}
        return sorted(found, key=lambda edge: order[edge.reader])

    def _fixed_edges(self) -> Iterator[Edge]:
        for node in self.graph.nodes:
            for source in self._fixed_operands(node):
                yield self._edge(source, node, None)

    def _edge(self, source: fx.Node, reader: fx.Node, layer: "str | None") -> Edge:
        return Edge(source, reader, layer, self.nonnegative(source))

    def _fixed_operands(self, node: fx.Node) -> list[fx.Node]:
        operands = list(dict.fromkeys(node.all_input_nodes))
        if node.op in ("call_function", "call_method") and node.target in ADDS and len(operands) == 2:
            straight = [operand for operand in operands if self._from_layer(operand)]
            if straight:
                return [operand for operand in operands if operand is not straight[0]]
            return operands if self._quantized_later(node) else []
        if node.op in ("call_function", "call_method") and node.target in PRODUCTS and len(operands) == 2:
            return operands if self._quantized_later(node) else []
        if self._is(node, _AVERAGE_MODULES, _AVERAGE_CALLS) or self._is(node, _CURVE_MODULES, _CURVE_CALLS):
            return operands[:1] if self._quantized_later(node) else []
        return []

    def _from_layer(self, node: fx.Node) -> bool:
        """A layer's result, perhaps through a batch norm, that nothing else reads."""
        if len(node.users) != 1:
            return False
        if self.is_layer(node):
            return True
        return isinstance(self.module(node), _STRAIGHT) and self._from_layer(node.all_input_nodes[0])

    def _quantized_later(self, node: fx.Node) -> bool:
        """Whether some path leads from here to a layer."""
        return self._reaches(node, set(), self.is_layer)

    def _reaches(self, node: fx.Node, seen: set, goal: Callable[[fx.Node], bool]) -> bool:
        seen.add(node)
        return any(goal(user) or (user not in seen and self._reaches(user, seen, goal)) for user in node.users)


def _negative_number(node: fx.Node) -> bool:
    """A sum or product with a negative constant."""
    return node.target in ADDS | PRODUCTS and any(isinstance(a, (int, float)) and a < 0 for a in node.args)
