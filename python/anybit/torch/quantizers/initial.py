"""Initial steps from data: the ratio of the largest value with the least p = 2.4 norm of the error (LAPQ, BRECQ)."""

from __future__ import annotations

import torch
from torch import Tensor

from .functions import TINY_SCALE, fake_quantize, integer_range

EXPONENT = 2.4
_RATIOS = 64
_SAMPLES = 1 << 14


@torch.no_grad()
def best_scale(x: Tensor, kind: str, bits: int, channel_axis: "int | None" = None) -> Tensor:
    """The scale for x: 0-dim, or [.., channels, ..] of the rank of x for per-channel scales.

    Looks at no more than 2^14 values of each channel (of the tensor), evenly spread.
    """
    rows = x.detach().float().reshape(1, -1) if channel_axis is None else \
        x.detach().float().movedim(channel_axis, 0).reshape(x.shape[channel_axis], -1)
    rows = rows[:, ::max(1, -(-rows.shape[1] // _SAMPLES))]
    largest = (rows if kind == "unsigned" else rows.abs()).amax(1, keepdim=True).clamp_min(TINY_SCALE * 256)
    high = max(integer_range(kind, bits)[1], 1)
    best, scales = None, None
    for step in range(_RATIOS, 0, -1):
        scale = largest * (step / _RATIOS / high)
        error = (fake_quantize(rows, scale, kind, bits) - rows).abs().pow(EXPONENT).sum(1, keepdim=True)
        better = torch.ones_like(error, dtype=torch.bool) if best is None else error < best
        best = error if best is None else torch.where(better, error, best)
        scales = scale if scales is None else torch.where(better, scale, scales)
    if channel_axis is None:
        return scales.reshape(())
    return scales.reshape([-1 if axis == channel_axis else 1 for axis in range(x.dim())])


@torch.no_grad()
def lsq_scale(x: Tensor, high: int) -> Tensor:
    """LSQ's own start, 2 mean|x| / sqrt(Qp), per tensor."""
    return (2 * x.detach().abs().mean() / max(high, 1) ** 0.5).clamp_min(TINY_SCALE)
