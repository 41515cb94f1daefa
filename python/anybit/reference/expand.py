"""Operators that stand for others: QLinear operators and the QONNX quantizers that N2 does not have.

Each is written as standard nodes between quantizers, which are then grouped by G1 to G6 like any file.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .errors import UnsupportedModel
from .ops import Node

F32 = np.float32
MICROSOFT = "com.microsoft"


class Expansion:
    """Adds nodes to a specializer under names of their own; the last one makes the node's result."""

    opset = 21

    def __init__(self, specializer: Any, node: Node) -> None:
        self.specializer, self.node, self.count = specializer, node, 0

    def input(self, i: int) -> str:
        return self.node.inputs[i] if i < len(self.node.inputs) else ""

    def fresh(self) -> str:
        self.count += 1
        return f"{self.node.outputs[0]}/expanded/{self.count}"

    def number(self, value: float) -> str:
        name = self.fresh()
        self.specializer.graph.constants[name] = np.asarray(value, F32)
        return name

    def op(self, kind: str, inputs: list[str], result: bool = False, **attributes: Any) -> str:
        """Adds a node; result: it makes the first output of the expanded node."""
        output = self.node.outputs[0] if result else self.fresh()
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        names = [self.specializer.resolve(name) if name else "" for name in inputs]
        self.specializer.standard(Node(kind, names, [output], attributes, self.opset, self.node.name))
        return output

    def dequantize(self, i: int, axis: int = 1) -> str:
        return self.op("DequantizeLinear", [self.input(i), self.input(i + 1), self.input(i + 2)], axis=axis)

    def quantize(self, x: str, i: int) -> None:
        self.op("QuantizeLinear", [x, self.input(i), self.input(i + 1)], result=True)

    def bias(self, i: int, x: int, w: int, factor: float = 1) -> str:
        """Codes of 32 bits, whose scale is the product of the scales in inputs x and w, and factor."""
        if not self.input(i):
            return ""
        scale = self.op("Mul", [self.input(x), self.input(w)])
        if factor != 1:
            scale = self.op("Mul", [scale, self.number(factor)])
        return self.op("DequantizeLinear", [self.input(i), scale], axis=0)


def _conv(e: Expansion) -> None:
    y = e.op("Conv", [e.dequantize(0), e.dequantize(3, axis=0), e.bias(8, 1, 4)], **e.node.attributes)
    e.quantize(y, 6)


def _matmul(e: Expansion) -> None:
    e.quantize(e.op("MatMul", [e.dequantize(0, axis=-2), e.dequantize(3, axis=-1)]), 6)


def _gemm(e: Expansion) -> None:
    attributes = e.node.attributes
    b = e.dequantize(3, axis=0 if attributes.get("transB", 0) else 1)
    operands = [e.dequantize(0), b, e.bias(6, 1, 4, attributes.get("alpha", 1.0))]
    if e.input(7):
        e.quantize(e.op("Gemm", operands, **attributes), 7)
    else:
        e.op("Gemm", operands, result=True, **attributes)


def _binary(e: Expansion) -> None:
    e.quantize(e.op(e.node.op[len("QLinear"):], [e.dequantize(0), e.dequantize(3)]), 6)


def _unary(e: Expansion) -> None:
    if e.node.attributes.pop("channels_last", 0):
        raise UnsupportedModel(f"{e.node.label}: channels_last")
    e.quantize(e.op(e.node.op[len("QLinear"):], [e.dequantize(0)], **e.node.attributes), 3)


def _softmax(e: Expansion) -> None:
    axis = e.node.attributes.get("axis", -1)
    if e.node.attributes.get("opset", 13) < 13 and axis != -1:
        raise UnsupportedModel(f"{e.node.label}: Softmax of an opset before 13 over several axes")
    e.quantize(e.op("Softmax", [e.dequantize(0)], axis=axis), 3)


def _concat(e: Expansion) -> None:
    parts = [e.dequantize(i) for i in range(2, len(e.node.inputs), 3)]
    e.quantize(e.op("Concat", parts, **e.node.attributes), 0)


QLINEAR: dict[tuple[str, str], Callable[[Expansion], None]] = {
    ("", "QLinearConv"): _conv, ("", "QLinearMatMul"): _matmul, (MICROSOFT, "QGemm"): _gemm,
    (MICROSOFT, "QLinearAdd"): _binary, (MICROSOFT, "QLinearMul"): _binary, (MICROSOFT, "QLinearConcat"): _concat,
    (MICROSOFT, "QLinearSoftmax"): _softmax,
    **{(MICROSOFT, f"QLinear{kind}"): _unary for kind in ("Sigmoid", "LeakyRelu", "AveragePool", "GlobalAveragePool")}}


def quant_on_reals(e: Expansion, scale: np.ndarray, zero: float, bits: int) -> tuple[str, bool, bool]:
    """QONNX Quant as float ops in QONNX's order: divide, add the zero point, clamp, round, and back.

    Returns the name of the values on the grid, whether the range is signed, and whether it is narrow as N2 has it.
    """
    signed, narrow = bool(e.node.attributes.get("signed", 1)), bool(e.node.attributes.get("narrow", 0))
    low = -(2.0 ** (bits - 1)) + narrow if signed else 0.0
    high = 2.0 ** (bits - signed) - 1 - (narrow and not signed)
    x = e.op("Div", [e.input(0), e.input(1)])
    x = e.op("Add", [x, e.number(zero)]) if zero else x
    x = e.op("Clip", [x, e.number(low), e.number(high)])
    x = _rounded(e, x)
    x = e.op("Sub", [x, e.number(zero)]) if zero else x
    return e.op("Mul", [x, e.input(1)], result=bits > 8), signed, narrow and signed and zero == 0


def rounding_mode(node: Node) -> str:
    """In capitals; ROUND is half to even."""
    mode = node.attributes.get("rounding_mode", "ROUND").upper()
    return "ROUND" if mode == "HALF_EVEN" else mode


def _rounded(e: Expansion, x: str) -> str:
    """A value is rounded by the function of its sign: one of the two parts is zero."""
    mode = rounding_mode(e.node)
    simple = {"ROUND": "Round", "CEIL": "Ceil", "FLOOR": "Floor"}.get(mode)
    if simple:
        return e.op(simple, [x])
    half = {"HALF_UP": 0.5, "HALF_DOWN": -0.5}.get(mode, 0.0)
    upward = {"UP": True, "HALF_DOWN": True, "DOWN": False, "ROUND_TO_ZERO": False, "HALF_UP": False}.get(mode)
    if upward is None:
        raise UnsupportedModel(f"{e.node.label}: rounding mode '{mode}'")
    above = e.op("Add", [x, e.number(half)]) if half else x
    below = e.op("Add", [x, e.number(-half)]) if half else x
    above, below = (e.op(kind, [value]) for kind, value in
                    zip(("Ceil", "Floor") if upward else ("Floor", "Ceil"), (above, below)))
    return e.op("Add", [e.op("Max", [above, e.number(0)]), e.op("Min", [below, e.number(0)])])
