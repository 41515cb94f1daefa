"""Batch norm over the batch of all processes, on any device and backend.

`torch.nn.SyncBatchNorm` refuses CPU tensors. Here every process contributes mean, sum of squared deviations and count
of each channel in one all-gather, combined by the update of Chan, Golub and LeVeque (1979), and two sums in one
all-reduce of the backward pass. With equal parts the results are those of one process with the whole batch.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def _per_channel(values: Tensor, x: Tensor) -> Tensor:
    """[C] in a shape that broadcasts against [N, C, ...]."""
    return values.reshape(1, -1, *(1,) * (x.ndim - 2))


def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, biased variance [C] and count [] of x [N, C, ...] over the batches of all processes."""
    axes = [axis for axis in range(x.ndim) if axis != 1]
    count = x.numel() // x.shape[1]
    variance, mean = torch.var_mean(x, axes, correction=0)
    mine = torch.cat([mean, variance * count, mean.new_tensor([count])])
    gathered = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, mine)
    parts = torch.stack(gathered).double()
    channels = x.shape[1]
    means, squares, counts = parts[:, :channels], parts[:, channels:-1], parts[:, -1:]
    total = counts.sum()
    mean64 = (means * counts).sum(0) / total
    variance64 = (squares + counts * (means - mean64).square()).sum(0) / total
    return mean64.to(x.dtype), variance64.to(x.dtype), total


class _Normalize(torch.autograd.Function):
    """y = (x - mean) / sqrt(var + eps) * weight + bias with the moments of all processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor,
                total: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(variance + eps), total)
        return nn.functional.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse, total = ctx.saved_tensors
        axes = [axis for axis in range(x.ndim) if axis != 1]
        normalized = (x - _per_channel(mean, x)) * _per_channel(inverse, x)
        # The sums of this process are the gradients of bias and weight; those of all are what dx needs.
        shift, scale = dy.sum(axes), (dy * normalized).sum(axes)
        dx = None
        if ctx.needs_input_grad[0]:
            sums = torch.cat([shift, scale])
            dist.all_reduce(sums)
            mean_shift, mean_scale = (_per_channel(part, x) for part in (sums / total.to(sums.dtype)).chunk(2))
            gain = inverse if weight is None else inverse * weight
            dx = (dy - mean_shift - normalized * mean_scale) * _per_channel(gain, x)
        return dx, scale if ctx.needs_input_grad[1] else None, shift if ctx.needs_input_grad[2] else None, None, None, \
            None, None


class _Synchronized(nn.modules.batchnorm._BatchNorm):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not dist.is_initialized() or dist.get_world_size() == 1:
            return super().forward(x)
        self._check_input_dim(x)
        with torch.no_grad():
            mean, variance, total = _moments(x)
            self._track(mean, variance, total)
        return _Normalize.apply(x, self.weight, self.bias, mean, variance, total, self.eps)

    def _track(self, mean: Tensor, variance: Tensor, total: Tensor) -> None:
        """Running statistics as `torch.nn.BatchNorm2d` keeps them: of the unbiased variance."""
        if not self.track_running_stats:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        unbiased = variance * (total / (total - 1)).to(variance.dtype)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)


class SynchronizedBatchNorm1d(_Synchronized, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` over all processes."""


class SynchronizedBatchNorm2d(_Synchronized, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` over all processes."""


class SynchronizedBatchNorm3d(_Synchronized, nn.BatchNorm3d):
    """`torch.nn.BatchNorm3d` over all processes."""


_SYNCHRONIZED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: SynchronizedBatchNorm1d, nn.BatchNorm2d: SynchronizedBatchNorm2d,
    nn.BatchNorm3d: SynchronizedBatchNorm3d}


def synchronize_batch_norms(net: nn.Module) -> None:
    """Makes every batch norm of `net` synchronized, those of the candidates too; parameters and state stay."""
    for module in net.modules():
        if type(module) in _SYNCHRONIZED:
            module.__class__ = _SYNCHRONIZED[type(module)]
