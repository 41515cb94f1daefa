"""Shapes that a graph computes: vectors whose elements are numbers or dimensions of a value.

Exporters write `x.view(x.size(0), -1)` as Shape, Gather, Unsqueeze and Concat. Followed while a model is read, such a
vector becomes a plain argument of the reshape, which can be traced and exported again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy
import onnx


@dataclass(frozen=True)
class Dimension:
    """The size of a value (by its ONNX name) along an axis."""

    value: str
    axis: int


Vector = list["int | Dimension"]


def follow(node: onnx.NodeProto, vectors: Mapping[str, Vector], constants: Mapping[str, numpy.ndarray],
           shapes: Mapping[str, list[int | None]]) -> Vector | None:
    """The vector that a node makes of shapes; None if it makes something else."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "Shape":
        if node.input[0] not in shapes:
            return None
        dimensions: Vector = [Dimension(node.input[0], axis) for axis in range(len(shapes[node.input[0]]))]
        return dimensions[attributes.get("start", 0):attributes.get("end")]
    if not any(name in vectors for name in node.input):
        return None
    if node.op_type == "Concat":
        parts = [vectors[name] if name in vectors else _numbers(constants.get(name)) for name in node.input]
        return None if any(part is None for part in parts) else [entry for part in parts for entry in part]
    vector = vectors.get(node.input[0])
    if vector is None:
        return None
    if node.op_type in ("Cast", "Identity", "Squeeze", "Unsqueeze"):
        return vector
    if node.op_type == "Gather":
        indices = _numbers(constants.get(node.input[1]))
        return None if indices is None else [vector[index] for index in indices]
    return _sliced(node, vector, attributes, constants) if node.op_type == "Slice" else None


def _numbers(array: numpy.ndarray | None) -> list[int] | None:
    """The integers of a constant of rank 0 or 1."""
    return [int(i) for i in array.reshape(-1)] if array is not None and array.ndim <= 1 else None


def _sliced(node: onnx.NodeProto, vector: Vector, attributes: dict,
            constants: Mapping[str, numpy.ndarray]) -> Vector | None:
    """starts, ends and steps are attributes before opset 10, inputs since."""
    inputs = dict(zip(("data", "starts", "ends", "axes", "steps"), node.input))
    given = {name: _numbers(constants.get(value)) for name, value in inputs.items() if value}
    bounds = [attributes.get(name, given.get(name, otherwise))
              for name, otherwise in (("starts", None), ("ends", None), ("steps", [1]))]
    if any(bound is None or len(bound) != 1 for bound in bounds) or bounds[2] == [0]:
        return None
    return vector[slice(*(bound[0] for bound in bounds))]
