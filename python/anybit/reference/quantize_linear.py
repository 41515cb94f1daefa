"""QDQ, QCDQ and QONNX quantizers as quantizers of N2 (C5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import UnsupportedModel
from .expand import rounding_mode
from .formats import Codes, Quantizer
from .ops import Node
from .ops_math import clip_bounds
from .ops_shape import MOVERS

_UNSIGNED = {"uint8": 8, "uint4": 4, "uint2": 2}
_SIGNED = {"int8": 8, "int4": 4, "int2": 2}


def _along(parameter: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """A per-axis parameter in a shape that broadcasts against rank."""
    if parameter.size == 1:
        return parameter.reshape(())
    return parameter.reshape([-1 if i == axis % rank else 1 for i in range(rank)])


def _quantizer(kind: str, scale: np.ndarray, zero: np.ndarray, label: str) -> Quantizer:
    """Codes of a signed type with a zero point become unsigned codes, both moved by 2^(b-1)."""
    wide = zero.astype(np.int64)
    if kind in _UNSIGNED:
        return Quantizer("unsigned", _UNSIGNED[kind], scale, wide)
    if kind not in _SIGNED:
        raise UnsupportedModel(f"{label}: element type {kind}")
    bits = _SIGNED[kind]
    return Quantizer("unsigned", bits, scale, wide + (1 << (bits - 1))) if np.any(wide) else Quantizer("signed", bits, scale)


def dequantize_constant(node: Node, operands: list) -> "Codes | np.ndarray":
    """DequantizeLinear of an initializer: codes, or float32 where the type is int32 or the scales are blocked."""
    codes, scale = operands[0], operands[1].astype(np.float32)
    zero = operands[2] if len(operands) > 2 and operands[2] is not None else np.zeros((), codes.dtype)
    axis, block = node.attributes.get("axis", 1), node.attributes.get("block_size", 0)
    if block:
        scale, zero = (np.repeat(p, block, axis=axis) for p in (scale, zero.astype(np.int64)))
        scale, zero = (np.take(p, np.arange(codes.shape[axis]), axis=axis) for p in (scale, zero))
        return (codes.astype(np.int64) - zero).astype(np.float32) * scale
    scale, zero = (_along(p, axis, max(codes.ndim, 1)) for p in (scale, zero))
    if codes.dtype.name == "int32":
        return (codes.astype(np.int64) - zero.astype(np.int64)).astype(np.float32) * scale
    quantizer = _quantizer(codes.dtype.name, scale, zero, node.label)
    moved = (1 << (quantizer.bits - 1)) if quantizer.kind == "unsigned" and codes.dtype.name in _SIGNED else 0
    return Codes((codes.astype(np.int64) + moved).astype(np.int32), quantizer)


def quantize_linear(node: Node, operands: list, chain: list[Node], constants: dict[str, Any]) -> "tuple[str, Any]":
    """What a QuantizeLinear or DequantizeLinear on an activation stands for.

    ('quantizer', q): a quantizer of its first operand. ('alias', None): the dequantization of codes with the same
    parameters. ('source', (name, q)): Quantize, Clip, Dequantize of Brevitas, whose Clip carries the width.
    chain: the nodes in front, nearest first. constants: by name.
    """
    if operands[1] is None or any(o is None for o in operands[2:]):
        raise UnsupportedModel(f"{node.label}: scale and zero point must be constants")
    zero = operands[2] if len(operands) > 2 else np.zeros((), np.uint8)
    if node.attributes.get("block_size", 0):
        raise UnsupportedModel(f"{node.label}: blocks on a computed tensor")
    quantizer = _quantizer(zero.dtype.name, _sliced(operands[1].astype(np.float32)), _sliced(zero), node.label)
    if node.op == "QuantizeLinear":
        return "quantizer", quantizer
    if chain and chain[0].op == "Clip" and len(chain) > 1 and chain[1].op == "FakeQuantize":
        return "source", (chain[1].inputs[0], _narrowed(quantizer, chain[0], constants))
    moved = all(step.op in MOVERS or step.op == "MaxPool" for step in chain[:-1])
    if chain and moved and chain[-1].op == "FakeQuantize" and chain[-1].attributes["quantizer"].same(quantizer):
        return "alias", None
    raise UnsupportedModel(f"{node.label}: no QuantizeLinear with the same scale and zero point in front of it")


def _sliced(parameter: np.ndarray) -> np.ndarray:
    """One number as rank 0; one per slice stays a vector until the rank of the tensor is known."""
    return parameter.reshape(() if parameter.size == 1 else -1)


def _narrowed(quantizer: Quantizer, clip: Node, constants: dict[str, Any]) -> Quantizer:
    bounds = clip_bounds(clip, [constants.get(name) for name in clip.inputs])
    if any(bound is None for bound in bounds):
        raise UnsupportedModel(f"{clip.label}: a Clip of codes needs two constant bounds")
    low, high = (int(np.asarray(bound).reshape(-1)[0]) for bound in bounds)
    for bits in range(1, quantizer.bits + 1):
        for narrow in (False, True):
            if narrow and (quantizer.kind != "signed" or bits < 2):
                continue
            smaller = Quantizer(quantizer.kind, bits, quantizer.scale, quantizer.zero, narrow)
            if (smaller.low, smaller.high) == (low, high):
                return smaller
    raise UnsupportedModel(f"{clip.label}: [{low}, {high}] is the range of no width")


def on_reals(node: Node, operands: list) -> "tuple[int, float] | None":
    """Width and zero point of a QONNX Quant that is no quantizer of N2: another rounding mode, or a range of its own."""
    if node.op not in ("Quant", "IntQuant") or any(value is None for value in operands[1:]):
        return None
    bits, zero = int(np.asarray(operands[3]).reshape(-1)[0]), float(np.asarray(operands[2]).reshape(-1)[0])
    signed, narrow = bool(node.attributes.get("signed", 1)), bool(node.attributes.get("narrow", 0))
    if signed and bits == 1:
        return None
    own_range = narrow and (not signed or zero != 0)
    return (bits, zero) if bits > 8 or own_range or rounding_mode(node) != "ROUND" else None


def qonnx_quantizer(node: Node, operands: list) -> Quantizer:
    """QONNX Quant / IntQuant (x, scale, zero point, width; signed, narrow, rounding_mode) and BipolarQuant (x, scale)."""
    if any(value is None for value in operands[1:]):
        raise UnsupportedModel(f"{node.label}: scale, zero point and width must be constants")
    if node.op == "BipolarQuant":
        return Quantizer("odd", 1, operands[1])
    if node.op not in ("Quant", "IntQuant"):
        raise UnsupportedModel(f"{node.label}: the op is not implemented by the reference")
    scale, zero, width = operands[1:4]
    bits = int(np.asarray(width).reshape(-1)[0])
    signed, narrow = bool(node.attributes.get("signed", 1)), bool(node.attributes.get("narrow", 0))
    if signed and bits == 1 and not np.any(np.asarray(zero)):
        return Quantizer("odd", 1, scale)  # QONNX's BinaryQuant: -1 and +1
    if not signed:
        return Quantizer("unsigned", bits, scale, np.rint(zero).astype(np.int64))
    if np.any(np.asarray(zero)):
        moved = np.rint(zero).astype(np.int64) + (1 << (bits - 1))
        return Quantizer("unsigned", bits, scale, moved)
    return Quantizer("signed", bits, scale, narrow=narrow)
