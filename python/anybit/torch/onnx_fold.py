"""Nodes of constants only, evaluated while a model is read."""

from __future__ import annotations

import math

import numpy
import onnx
from onnx.reference import ReferenceEvaluator

from .._errors import InvalidInput

# Ops whose result is not larger than their operands, or whose size is checked below.
_FOLDED = {"Add", "Cast", "Concat", "Constant", "ConstantOfShape", "Div", "Expand", "Flatten", "Floor", "Gather",
           "Identity", "Mul", "Neg", "Reshape", "Shape", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Tile",
           "Transpose", "Unsqueeze"}
_LIMIT = 1 << 28


def _elements(node: onnx.NodeProto, inputs: list[numpy.ndarray]) -> int:
    """A bound of the number of elements that the node makes."""
    if node.op_type == "ConstantOfShape":
        return math.prod(int(size) for size in inputs[0].reshape(-1))
    if node.op_type == "Expand":
        return math.prod(numpy.broadcast_shapes(inputs[0].shape, tuple(int(s) for s in inputs[1].reshape(-1))))
    if node.op_type == "Tile":
        return inputs[0].size * math.prod(int(count) for count in inputs[1].reshape(-1))
    if node.op_type == "Gather":
        return inputs[0].size * inputs[1].size
    if node.op_type in ("Add", "Sub", "Mul", "Div"):
        return math.prod(numpy.broadcast_shapes(*(array.shape for array in inputs)))
    return sum(array.size for array in inputs)


def fold(node: onnx.NodeProto, constants: dict[str, numpy.ndarray], opset: int) -> dict[str, numpy.ndarray] | None:
    """The outputs of a node whose inputs are all constants, by name; None if it is another kind of node.

    Raises InvalidInput for results above 2^28 elements.
    """
    names = [name for name in node.input if name]
    if node.domain not in ("", "ai.onnx") or node.op_type not in _FOLDED or not all(n in constants for n in names):
        return None
    inputs = {name: constants[name] for name in names}
    if (count := _elements(node, list(inputs.values()))) > _LIMIT:
        raise InvalidInput(f"a constant of {count} elements, expected at most {_LIMIT}")
    graph = onnx.helper.make_graph([node], "constant", [onnx.ValueInfoProto(name=name) for name in names],
                                   [onnx.ValueInfoProto(name=name) for name in node.output])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    return dict(zip(node.output, ReferenceEvaluator(model).run(None, inputs)))
