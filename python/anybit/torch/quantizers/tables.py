"""Formats that are no uniform grid: level tables (APoT, ESB), differentiable like LSQ."""

from __future__ import annotations

import torch
from torch import Tensor

from .functions import inner, reduce_to


def table_quantize(x: Tensor, scale: Tensor, levels: Tensor, thresholds: Tensor) -> Tensor:
    """scale * levels[number of thresholds <= x/scale], in float32 (the function FakeQuantTable of an exported file).

    levels, thresholds: ascending, one level more. Gradient: dx = g where x/scale is between the outermost levels, and
    ds = sum of g * (level - x/scale inside, level outside) (APoT's and LSQ's rule).
    """
    return _TableQuantize.apply(x.float(), scale, levels, thresholds)


class _TableQuantize(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor, levels: Tensor, thresholds: Tensor) -> Tensor:
        chosen = torch.bucketize(torch.div(x, scale).contiguous(), thresholds, right=True)
        y = levels[chosen].mul_(scale)
        ctx.save_for_backward(x, scale, levels, y)
        return y

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, scale, levels, y = ctx.saved_tensors
        grad_x = torch.where((x > levels[0] * scale) & (x < levels[-1] * scale), grad, grad.new_zeros(()))
        grad_scale = None
        if ctx.needs_input_grad[1]:
            if scale.numel() == 1:
                grad_scale = ((inner(grad, y) - inner(grad_x, x)) / scale.reshape(())).reshape(scale.shape)
            else:
                grad_scale = reduce_to(grad * y - grad_x * x, scale) / scale
        return grad_x, grad_scale, None, None


def nearest_thresholds(levels: Tensor) -> Tensor:
    """The middles of neighbouring levels: a tie takes the upper level."""
    return (levels[1:] + levels[:-1]) / 2
