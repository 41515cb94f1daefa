"""A learned scale on a uniform grid: what PACT, LSQ, LSQ+ and the learned weight clip have in common."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .base import Grid, Quantizer, Site
from .functions import integer_range, learned_quantize, positive
from .initial import best_scale, lsq_scale


class Uniform(Quantizer):
    """scale = |parameter| / divisor, per tensor or per channel.

    parameter: the step (divisor 1), or the clip, largest representable value (divisor Qp or M: PACT's, and every
    parameter that widths share). rule: of the gradient (functions.py). gradient_scale: LSQ's 1/sqrt(N*Qp) or 1.
    start: "norm" (least p-norm error) or "lsq".
    """

    def __init__(self, site: Site, bits: int, kind: str, parameter: nn.Parameter, *, is_clip: bool, rule: str,
                 lsq_gradient: bool, per_channel: bool, start: str = "norm") -> None:
        super().__init__(site, bits)
        self.kind, self.rule, self.start = kind, rule, start
        self.per_channel, self.lsq_gradient = per_channel, lsq_gradient
        self.high = max(integer_range(kind, bits)[1], 1)
        self.is_clip, self.divisor = is_clip, self.high if is_clip else 1
        self.parameter = parameter
        self.rectifies = kind == "unsigned"

    def scale(self) -> Tensor:
        """s > 0."""
        return positive(self.parameter) / self.divisor if self.divisor != 1 else positive(self.parameter)

    def weight_steps(self) -> list[nn.Parameter]:
        return [] if self.is_clip or self.site.role != "weight" else [self.parameter]

    def initialize(self, x: Tensor) -> None:
        axis = self.site.channel_axis if self.per_channel else None
        scale = best_scale(x, self.kind, self.bits, axis) if self.start == "norm" else lsq_scale(x, self.high)
        self.parameter.copy_(scale.expand_as(self.parameter) * self.divisor)

    def forward(self, x: Tensor) -> Tensor:
        self.ready(x)
        return learned_quantize(x, self.parameter, self.divisor, self.gradient_factor(x.numel()), self.kind, self.bits,
                                self.rule)

    def gradient_factor(self, count: int) -> float:
        """LSQ's 1/sqrt(N*Qp) for a tensor of `count` values, or 1."""
        values = max(count * self.replicas // max(self.parameter.numel(), 1), 1)
        return (values * self.high) ** -0.5 if self.lsq_gradient else 1.0

    @property
    def form(self) -> str:  # type: ignore[override]
        return self.kind

    def load(self, scale: Tensor, zero: "Tensor | None") -> None:
        self.parameter.copy_(parameter_of(scale, self.divisor).expand_as(self.parameter))

    def grid(self, x: "Tensor | None" = None) -> Grid:
        with torch.no_grad():
            return Grid(self.kind, self.bits, self.scale())


def parameter_shape(site: Site, per_channel: bool) -> tuple[int, ...]:
    """() per tensor; [O, 1, ...] of the rank of the weight per output channel."""
    if not per_channel:
        return ()
    return (site.shape[0],) + (1,) * (len(site.shape) - 1)  # type: ignore[index,arg-type]


def parameter_of(scale: Tensor, divisor: int) -> Tensor:
    """A float32 p with fl(p/divisor) = scale to the bit: fl(scale*divisor) or a neighbour of it."""
    found = product = scale * divisor
    for direction in (float("inf"), float("-inf")):
        neighbour = torch.nextafter(product, torch.full_like(product, direction))
        found = torch.where((found / divisor != scale) & (neighbour / divisor == scale), neighbour, found)
    return found
