"""Data movement and shape ops with ONNX semantics. They take arrays of any type, codes included."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .errors import UnsupportedModel

OPS: dict[str, Callable[[Any, list], list]] = {}


def _axes(node: Any, xs: list) -> list[int] | None:
    if len(xs) > 1 and xs[1] is not None:
        return [int(a) for a in np.asarray(xs[1]).reshape(-1)]
    axes = node.attributes.get("axes")
    return None if axes is None else list(axes)


def _reshape(node: Any, xs: list) -> list:
    x, wanted = xs[0], [int(n) for n in (xs[1] if len(xs) > 1 else node.attributes["shape"])]
    if not node.attributes.get("allowzero", 0):
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    return [x.reshape(wanted)]


def _flatten(node: Any, xs: list) -> list:
    axis = node.attributes.get("axis", 1)
    axis = axis + xs[0].ndim if axis < 0 else axis
    return [xs[0].reshape(int(np.prod(xs[0].shape[:axis])), -1)]


def _squeeze(node: Any, xs: list) -> list:
    axes = _axes(node, xs)
    return [np.squeeze(xs[0], axis=None if axes is None else tuple(axes))]


def _unsqueeze(node: Any, xs: list) -> list:
    return [np.expand_dims(xs[0], tuple(_axes(node, xs)))]


def _transpose(node: Any, xs: list) -> list:
    return [np.transpose(xs[0], node.attributes.get("perm"))]


def _slice(node: Any, xs: list) -> list:
    x = xs[0]
    if node.opset < 10:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes, steps = node.attributes.get("axes", range(len(starts))), [1] * len(starts)
    else:
        starts, ends = xs[1].tolist(), xs[2].tolist()
        axes = xs[3].tolist() if len(xs) > 3 and xs[3] is not None else range(len(starts))
        steps = xs[4].tolist() if len(xs) > 4 and xs[4] is not None else [1] * len(starts)
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps):
        size = x.shape[axis]
        stop = None if step < 0 and end < -size else end
        index[axis] = slice(start if start >= -size else 0 if step > 0 else -size, stop, step)
    return [x[tuple(index)]]


def _gather(node: Any, xs: list) -> list:
    return [np.take(xs[0], np.asarray(xs[1], np.int64), axis=node.attributes.get("axis", 0))]


def _split(node: Any, xs: list) -> list:
    axis = node.attributes.get("axis", 0)
    sizes = xs[1].tolist() if len(xs) > 1 and xs[1] is not None else node.attributes.get("split")
    if sizes is None:
        part = -(-xs[0].shape[axis] // len(node.outputs))
        return np.split(xs[0], range(part, part * len(node.outputs), part), axis=axis)
    return np.split(xs[0], np.cumsum(sizes)[:-1], axis=axis)


def pad_amounts(node: Any, xs: list) -> tuple[list[tuple[int, int]], str, Any]:
    """Pads per axis, the mode and the constant (None: 0) of a Pad node."""
    mode = node.attributes.get("mode", "constant")
    if node.opset < 11:
        pads, value = list(node.attributes["pads"]), node.attributes.get("value")
    else:
        pads, value = xs[1].tolist(), xs[2] if len(xs) > 2 else None
    rank = xs[0].ndim
    axes = [int(a) % rank for a in xs[3]] if len(xs) > 3 and xs[3] is not None else list(range(rank))
    amounts = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        amounts[axis] = (pads[i], pads[i + len(axes)])
    return amounts, mode, value


def _pad(node: Any, xs: list) -> list:
    amounts, mode, value = pad_amounts(node, xs)
    x = xs[0][tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(amounts, xs[0].shape))]
    amounts = [(max(a, 0), max(b, 0)) for a, b in amounts]
    if mode == "constant":
        fill = 0 if value is None else np.asarray(value).reshape(-1)[0]
        return [np.pad(x, amounts, constant_values=fill)]
    return [np.pad(x, amounts, mode={"edge": "edge", "reflect": "reflect", "wrap": "wrap"}[mode])]


def _expand(node: Any, xs: list) -> list:
    return [np.broadcast_to(xs[0], np.broadcast_shapes(xs[0].shape, tuple(xs[1].tolist()))).copy()]


def _depth_to_space(node: Any, xs: list) -> list:
    batch, channels, height, width = xs[0].shape
    block = node.attributes["blocksize"]
    if node.attributes.get("mode", "DCR") == "DCR":
        split = xs[0].reshape(batch, block, block, channels // block ** 2, height, width).transpose(0, 3, 4, 1, 5, 2)
    else:
        split = xs[0].reshape(batch, channels // block ** 2, block, block, height, width).transpose(0, 1, 4, 2, 5, 3)
    return [split.reshape(batch, channels // block ** 2, height * block, width * block)]


def _space_to_depth(node: Any, xs: list) -> list:
    batch, channels, height, width = xs[0].shape
    block = node.attributes["blocksize"]
    split = xs[0].reshape(batch, channels, height // block, block, width // block, block).transpose(0, 3, 5, 1, 2, 4)
    return [split.reshape(batch, channels * block ** 2, height // block, width // block)]


_CAST = {1: np.float32, 2: np.uint8, 3: np.int8, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16,
         11: np.float64, 12: np.uint32, 13: np.uint64}


def _cast(node: Any, xs: list) -> list:
    target = _CAST.get(node.attributes["to"])
    if target is None:
        raise UnsupportedModel(f"Cast to element type {node.attributes['to']}")
    with np.errstate(invalid="ignore"):
        return [xs[0].astype(target)]


def _constant_of_shape(node: Any, xs: list) -> list:
    value = node.attributes.get("value", np.zeros(1, np.float32))
    return [np.full(tuple(xs[0].tolist()), value.reshape(-1)[0], value.dtype)]


def _shape(node: Any, xs: list) -> list:
    return [np.asarray(xs[0].shape[node.attributes.get("start", 0):node.attributes.get("end")], np.int64)]


def coordinates(mode: str, size: int, out_size: int, scale: float) -> np.ndarray:
    """Source coordinate (float32, each operation rounded) of each output index of one resized axis."""
    index, scale, f32 = np.arange(out_size, dtype=np.float32), np.float32(scale), np.float32
    if mode == "asymmetric":
        return index / scale
    if mode == "align_corners":
        return index * f32(size - 1) / f32(out_size - 1) if out_size > 1 else np.zeros(1, f32)
    if mode == "pytorch_half_pixel" and out_size == 1:
        return np.zeros(1, f32)
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return (index + f32(0.5)) / scale - f32(0.5)
    raise UnsupportedModel(f"Resize with coordinate_transformation_mode '{mode}'")


def _nearest(mode: str, x: np.ndarray) -> np.ndarray:
    return {"round_prefer_floor": lambda: np.ceil(x - x.dtype.type(0.5)),
            "round_prefer_ceil": lambda: np.floor(x + x.dtype.type(0.5)),
            "floor": lambda: np.floor(x), "ceil": lambda: np.ceil(x)}[mode]()


def _resize(node: Any, xs: list) -> list:
    x = xs[0]
    scales = xs[1] if node.opset < 11 or node.op == "Upsample" else xs[2] if len(xs) > 2 else None
    sizes = xs[3].tolist() if len(xs) > 3 and xs[3] is not None else None
    if sizes is None:
        sizes = [int(np.floor(n * np.float64(s))) for n, s in zip(x.shape, scales)]
        factors = [float(s) for s in scales]
    else:
        factors = [out / n for out, n in zip(sizes, x.shape)]
    kind = node.attributes.get("mode", "nearest")
    old = "asymmetric" if node.opset < 11 else "half_pixel"
    rule = node.attributes.get("coordinate_transformation_mode", old)
    rounding = node.attributes.get("nearest_mode", "floor" if node.opset < 11 else "round_prefer_floor")
    for axis in reversed(range(x.ndim)):  # linear: the last axis is interpolated first (N6)
        size, factor = sizes[axis], factors[axis]
        if size == x.shape[axis] and factor == 1:
            continue
        at = coordinates(rule, x.shape[axis], size, factor)
        last = x.shape[axis] - 1
        if kind == "nearest":
            x = np.take(x, np.clip(_nearest(rounding, at), 0, last).astype(np.int64), axis=axis)
        elif kind == "linear":
            x = _interpolate(x, axis, np.clip(at, 0, last), last)
        else:
            raise UnsupportedModel(f"Resize with mode '{kind}'")
    return [x]


def _interpolate(x: np.ndarray, axis: int, at: np.ndarray, last: int) -> np.ndarray:
    below = np.floor(at).astype(np.int64)
    weight = (at - below).astype(x.dtype).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    low, high = np.take(x, below, axis=axis), np.take(x, np.minimum(below + 1, last), axis=axis)
    return low * (1 - weight) + high * weight


OPS.update({
    "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Transpose": _transpose,
    "Slice": _slice, "Gather": _gather, "Split": _split, "Pad": _pad, "Expand": _expand, "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth, "Cast": _cast, "ConstantOfShape": _constant_of_shape, "Shape": _shape,
    "Resize": _resize, "Upsample": _resize, "Tile": lambda node, xs: [np.tile(xs[0], xs[1].tolist())],
    "Concat": lambda node, xs: [np.concatenate(xs, axis=node.attributes["axis"])],
    "Range": lambda node, xs: [np.arange(xs[0], xs[1], xs[2], dtype=xs[0].dtype)],
    "Size": lambda node, xs: [np.asarray(xs[0].size, np.int64)],
})

# Ops that only move elements of their first input (Concat: of all), so that codes stay codes (N6).
MOVERS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Gather", "Split", "Pad", "Expand",
                    "DepthToSpace", "SpaceToDepth", "Tile", "Concat", "Resize", "Upsample"})
