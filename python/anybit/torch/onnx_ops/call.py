"""One ONNX node on its way into a `torch.fx` graph: what a handler may ask and emit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy
import onnx
import torch
from torch import fx

from ..._errors import InvalidInput, Unsupported
from ..onnx_dimensions import Dimension, Vector

if TYPE_CHECKING:
    from ..onnx_import import Importer

Result = fx.Node | Sequence[fx.Node]
Handler = Callable[["Call"], Result]


class Call:
    """A node with its inputs as graph values (`value`) or as arrays where they are constant (`constant`)."""

    def __init__(self, importer: Importer, node: onnx.NodeProto) -> None:
        self._importer = importer
        self.node = node
        self.opset = importer.opset
        self._attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}

    # The node.

    def attribute(self, name: str, otherwise: Any = None) -> Any:
        """The attribute, strings decoded, or `otherwise`."""
        value = self._attributes.get(name, otherwise)
        return value.decode() if isinstance(value, bytes) else value

    def vector(self, index: int) -> Vector | None:
        """The input as a list of numbers and dimensions of values, if it is a constant or a shape."""
        if (array := self.constant(index)) is not None:
            return [int(i) for i in array.reshape(-1)]
        return self._importer.vectors.get(self.node.input[index])

    def sizes(self, vector: Vector) -> tuple[int | fx.Node, ...]:
        """The same as arguments of a function: a dimension becomes a call of `Tensor.size`."""
        return tuple(self.function("size", self._importer.value(entry.value), entry.axis)
                     if isinstance(entry, Dimension) else entry for entry in vector)

    def has_input(self, index: int) -> bool:
        return index < len(self.node.input) and self.node.input[index] != ""

    def rank(self, index: int = 0) -> int | None:
        """Number of dimensions of an input, None where shape inference does not know it."""
        shape = self.shape(index)
        return None if shape is None else len(shape)

    def shape(self, index: int = 0) -> list[int | None] | None:
        """Dimensions of an input, None for a free one; None where not even the rank is known."""
        if (array := self.constant(index)) is not None:
            return list(array.shape)
        return self._importer.shapes.get(self.node.input[index])

    def constant(self, index: int) -> numpy.ndarray | None:
        """The input as an array if it is a constant of the model."""
        return self._importer.constants.get(self.node.input[index]) if self.has_input(index) else None

    def require(self, index: int, what: str) -> numpy.ndarray:
        """The same, which must be there: `what` is its name in the message."""
        array = self.constant(index)
        if array is None:
            raise Unsupported(f"{what} is not a constant of the model")
        return array

    def integers(self, index: int, what: str) -> list[int]:
        """A constant input that lists integers."""
        return [int(i) for i in self.require(index, what).reshape(-1)]

    def attribute_or_input(self, name: str, index: int) -> list[int] | None:
        """What older opsets have as attribute `name` and newer ones as input `index`; None if neither is there."""
        if name in self._attributes:
            return [int(i) for i in self._attributes[name]]
        return self.integers(index, name) if self.has_input(index) else None

    def refuse(self, reason: str) -> Unsupported:
        return Unsupported(reason)

    def invalid(self, reason: str) -> InvalidInput:
        return InvalidInput(reason)

    # The graph.

    def value(self, index: int) -> fx.Node:
        """The input as a graph value; a constant becomes a parameter (float) or a buffer."""
        return self._importer.value(self.node.input[index])

    def scalar_or_value(self, index: int) -> fx.Node | float:
        """The input as a Python number if it is a float constant of one element and rank 0 or 1, else its graph value.

        A number broadcasts without a rank of its own, so it stands for [1] only where the other operand has a rank.
        """
        array = self.constant(index)
        if array is not None and array.size == 1 and array.ndim <= 1 and array.dtype.kind == "f":
            return float(array.reshape(()))
        return self.value(index)

    def module(self, module: torch.nn.Module, *inputs: fx.Node, weight: int | None = None, suffix: str = "") -> fx.Node:
        """Adds a submodule and a call of it. It is named after the initializer `weight` (`conv1.weight` makes it
        `conv1`) or else the node; `suffix` tells a helper of the same node from its main module."""
        name = self.node.input[weight] if weight is not None else ""
        return self._importer.module(self.node, module, inputs, name, suffix)

    def function(self, function: Callable[..., Any] | str, *args: Any, **kwargs: Any) -> fx.Node:
        """Adds a call of a function, or of the method of this name of the first argument."""
        return self._importer.function(self.node, function, args, kwargs)


def parameter(array: numpy.ndarray) -> torch.nn.Parameter:
    """A trainable copy of a float array."""
    return torch.nn.Parameter(torch.from_numpy(numpy.array(array, numpy.float32)))


def axes_within(axes: Sequence[int], rank: int) -> list[int]:
    """Axes counted from the front."""
    if any(not -rank <= axis < rank for axis in axes):
        raise InvalidInput(f"axes {list(axes)} are outside of a tensor of rank {rank}")
    return [axis % rank for axis in axes]
