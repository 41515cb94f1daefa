"""One bit by the mean of |W|: DoReFa's form, and XNOR-Net's with its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..._errors import InvalidInput
from .base import Grid, Quantizer, Site, Spec
from .functions import TINY_SCALE


class _Sign(torch.autograd.Function):
    """s*sign(w), sign(0) = +1, as N2 computes it: floor(w/s/2). The rule of the gradient:

    "straight": dw = g (DoReFa). "xnor": dw = g*(1/n + s where |w| <= 1) (XNOR-Net, equation 11).
    """

    @staticmethod
    def forward(ctx, w: Tensor, scale: Tensor, rule: str) -> Tensor:
        ctx.rule = rule
        if rule == "xnor":
            ctx.save_for_backward(w, scale)
        return torch.where(torch.div(w, scale).mul_(0.5) >= 0, scale, -scale)

    @staticmethod
    def backward(ctx, grad: Tensor):
        if ctx.rule == "straight":
            return grad, None, None
        w, scale = ctx.saved_tensors
        count = w.numel() / scale.numel()
        return grad * (1 / count + torch.where(w.abs() <= 1, scale, torch.zeros_like(scale))), None, None


class Binary(Quantizer):
    """{-s, +s} with s = mean|w| of the tensor or of the output channel."""

    def __init__(self, site: Site, per_channel: bool, rule: str) -> None:
        super().__init__(site, 1)
        self.per_channel, self.rule = per_channel, rule
        self.initialized = True

    @torch.no_grad()
    def scale(self, w: Tensor) -> Tensor:
        mean = w.abs().mean(dim=tuple(range(1, w.dim())), keepdim=True) if self.per_channel else w.abs().mean()
        return mean.clamp_min(TINY_SCALE)

    def forward(self, w: Tensor) -> Tensor:
        w = w.float()
        return _Sign.apply(w, self.scale(w), self.rule)

    def grid(self, x: "Tensor | None" = None) -> Grid:
        return Grid("odd", 1, self.scale(x))  # type: ignore[arg-type]


def _build(spec: Spec, site: Site, bits: int, per_channel: bool, rule: str) -> Quantizer:
    if site.role != "weight" or bits != 1:
        raise InvalidInput(f"{site.role} of '{site.name}' at {bits} bits: {type(spec).__name__} is for 1-bit weights")
    return Binary(site, per_channel, rule)


@dataclass(frozen=True)
class MeanAbs(Spec):
    """1-bit weights mean|W| * sign(W), the gradient straight through (algorithms 2.5, variant B)."""

    per_channel: bool = False

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        return _build(self, site, bits, self.per_channel, "straight")


@dataclass(frozen=True)
class XNOR(Spec):
    """1-bit weights as XNOR-Net: mean|W| per output channel and the gradient g*(1/n + s [|w| <= 1])."""

    per_channel: bool = True

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        return _build(self, site, bits, self.per_channel, "xnor")
