"""Window arithmetic of ONNX convolutions and pools, brought to two dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from .errors import UnsupportedModel


@dataclass(frozen=True)
class Window:
    """kernel, strides, dilations: (height, width); pads: top, left, bottom, right; output: (height, width)."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    output: tuple[int, int]


def two_dimensional(x: np.ndarray) -> np.ndarray:
    """[N, C, W] as [N, C, 1, W]; rank 4 as it is."""
    if x.ndim not in (3, 4):
        raise UnsupportedModel(f"windows over rank {x.ndim}; 1-D and 2-D are implemented")
    return x[:, :, None] if x.ndim == 3 else x


def like(result: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Drops the height that ``two_dimensional`` added."""
    return result[:, :, 0] if x.ndim == 3 else result


def window_of(attributes: dict[str, Any], kernel: Sequence[int], spatial: Sequence[int]) -> Window:
    """Resolves auto_pad, pads, strides, dilations and ceil_mode for a kernel over spatial sizes (1-D or 2-D)."""
    rank = len(kernel)
    strides = list(attributes.get("strides", [1] * rank))
    dilations = list(attributes.get("dilations", [1] * rank))
    pads = list(attributes.get("pads", [0] * 2 * rank))
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    auto = attributes.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        total = [max((-(-n // s) - 1) * s + e - n, 0) for n, s, e in zip(spatial, strides, extent)]
        small, large = [t // 2 for t in total], [t - t // 2 for t in total]
        pads = small + large if auto == "SAME_UPPER" else large + small
    elif auto == "VALID":
        pads = [0] * 2 * rank
    output = []
    for i, size in enumerate(spatial):
        span = size + pads[i] + pads[i + rank] - extent[i]
        count = (-(-span // strides[i]) if attributes.get("ceil_mode", 0) else span // strides[i]) + 1
        if attributes.get("ceil_mode", 0) and (count - 1) * strides[i] >= size + pads[i]:
            count -= 1
        output.append(count)
    if rank == 1:
        return Window((1, kernel[0]), (1, strides[0]), (1, dilations[0]), (0, pads[0], 0, pads[1]), (1, output[0]))
    return Window(tuple(kernel), tuple(strides), tuple(dilations), tuple(pads), tuple(output))


def patches(x: np.ndarray, window: Window, fill: float) -> np.ndarray:
    """Every window of x [N, C, H, W] as [N, C, oh, ow, kh, kw]; outside of x (ceil_mode too) is ``fill``."""
    (kh, kw), (sh, sw), (dh, dw), (oh, ow) = window.kernel, window.strides, window.dilations, window.output
    top, left, bottom, right = window.pads
    need = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip((oh, ow), (sh, sw), (kh, kw), (dh, dw))]
    bottom = max(bottom, need[0] - x.shape[2] - top)
    right = max(right, need[1] - x.shape[3] - left)
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    step = padded.strides
    return np.lib.stride_tricks.as_strided(
        padded, x.shape[:2] + (oh, ow, kh, kw),
        step[:2] + (step[2] * sh, step[3] * sw, step[2] * dh, step[3] * dw), writeable=False)


def pool_counts(x_shape: Sequence[int], window: Window, include_pad: bool) -> np.ndarray:
    """Divisor of an average pool for each output position, int64 [oh, ow].

    include_pad counts declared padding, but never what ceil_mode reads beyond it.
    """
    top, left, bottom, right = window.pads
    ones = np.ones((1, 1, x_shape[2], x_shape[3]), np.int64)
    if include_pad:
        ones = np.pad(ones, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=1)
        window = Window(window.kernel, window.strides, window.dilations, (0, 0, 0, 0), window.output)
    return patches(ones, window, 0).sum(axis=(-2, -1))[0, 0]
