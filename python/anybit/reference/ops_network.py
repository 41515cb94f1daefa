"""Float convolutions, batch norm and pools with ONNX semantics; max pools take codes too."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .integer import window_sum
from .requantize import batch_norm_affine
from .windows import like, patches, pool_counts, two_dimensional, window_of

OPS: dict[str, Callable[[Any, list], list]] = {}
F32 = np.float32


def _conv(node: Any, xs: list) -> list:
    x, weights = xs[0], xs[1]
    window = window_of(node.attributes, weights.shape[2:], x.shape[2:])
    y = like(window_sum(two_dimensional(x), two_dimensional(weights), window.strides, window.pads, window.dilations,
                        node.attributes.get("group", 1)), x)
    if len(xs) > 2 and xs[2] is not None:
        y = y + xs[2].reshape((-1,) + (1,) * (y.ndim - 2))
    return [y]


def _batch_norm(node: Any, xs: list) -> list:
    """N7 outside of an integer group: fl(fl(x*fl32(g)) + fl32(beta - mean*g)), g in double."""
    scale, offset = batch_norm_affine(*xs[1:5], node.attributes.get("epsilon", 1e-5), np.float64(1), np.float64(0))
    shape = (-1,) + (1,) * (xs[0].ndim - 2)
    return [(xs[0] * scale.astype(F32).reshape(shape)) + offset.astype(F32).reshape(shape)]


def _max_pool(node: Any, xs: list) -> list:
    x = two_dimensional(xs[0])
    window = window_of(node.attributes, node.attributes["kernel_shape"], xs[0].shape[2:])
    lowest = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf
    return [like(patches(x, window, lowest).max(axis=(-2, -1)), xs[0])]


def pool_sums(node: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the windows of (Global)AveragePool in the type of x, and the count for each position."""
    if node.op == "GlobalAveragePool":
        axes = tuple(range(2, x.ndim))
        return x.sum(axis=axes, keepdims=True), np.asarray(np.prod(x.shape[2:]), np.int64)
    flat = two_dimensional(x)
    window = window_of(node.attributes, node.attributes["kernel_shape"], x.shape[2:])
    counts = pool_counts(flat.shape, window, bool(node.attributes.get("count_include_pad", 0)))
    total = patches(flat, window, 0).sum(axis=(-2, -1))
    return like(total, x), counts[0] if x.ndim == 3 else counts


def _average_pool(node: Any, xs: list) -> list:
    total, count = pool_sums(node, xs[0])
    return [total / count.astype(xs[0].dtype)]


def _global_max_pool(node: Any, xs: list) -> list:
    return [xs[0].max(axis=tuple(range(2, xs[0].ndim)), keepdims=True)]


def _instance_norm(node: Any, xs: list) -> list:
    x, axes = xs[0], tuple(range(2, xs[0].ndim))
    shape = (-1,) + (1,) * (x.ndim - 2)
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    normal = (x - mean) / np.sqrt(variance + F32(node.attributes.get("epsilon", 1e-5)))
    return [normal * xs[1].reshape(shape) + xs[2].reshape(shape)]


def _layer_norm(node: Any, xs: list) -> list:
    x = xs[0]
    axes = tuple(range(node.attributes.get("axis", -1) % x.ndim, x.ndim))
    normal = (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(
        x.var(axis=axes, keepdims=True) + F32(node.attributes.get("epsilon", 1e-5)))
    y = normal * xs[1]
    return [y + xs[2] if len(xs) > 2 and xs[2] is not None else y]


OPS.update({
    "Conv": _conv, "BatchNormalization": _batch_norm, "MaxPool": _max_pool, "AveragePool": _average_pool,
    "GlobalAveragePool": _average_pool, "GlobalMaxPool": _global_max_pool, "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
})
