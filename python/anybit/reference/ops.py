"""All ops of the reference by ONNX name, and the node they are applied to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import ops_math, ops_network, ops_shape
from .errors import UnsupportedModel

OPS = {**ops_math.OPS, **ops_shape.OPS, **ops_network.OPS}


@dataclass(eq=False)
class Node:
    """One op of a specialised graph. An absent optional input is ''. opset: version of its ONNX domain."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    opset: int = 17
    name: str = ""

    @property
    def label(self) -> str:
        return f"node '{self.name or self.outputs[0]}' ({self.op})"


def apply(node: Node, values: list) -> list:
    """Outputs of a node on arrays (None: absent)."""
    function = OPS.get(node.op)
    if function is None:
        raise UnsupportedModel(f"{node.label}: the op is not implemented by the reference")
    return function(node, values)
