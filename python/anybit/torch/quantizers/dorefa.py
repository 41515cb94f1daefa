"""DoReFa: tanh-normalised weights on the odd grid, activations in [0, 1] (algorithms 2.5, variant B; 4.9)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .base import Grid, Quantizer, Site, Spec
from .binary import MeanAbs
from .functions import fake_quantize, straight_through


class _DoReFaWeight(Quantizer):
    """t = tanh(w)/max|tanh(w)| rounded to float16 (it is exported as a table of that type), then `odd` with the step
    1/(2^b-1): (2 round((t/2 + 1/2)(2^b-1)) - (2^b-1))/(2^b-1). The maximum is a constant to the gradient, the rounding
    straight through."""

    def __init__(self, site: Site, bits: int) -> None:
        super().__init__(site, bits)
        self.initialized = True
        self.register_buffer("step", torch.tensor(1.0) / ((1 << bits) - 1), persistent=False)

    @staticmethod
    def transform(w: Tensor) -> Tensor:
        t = torch.tanh(w.float())
        t = t / t.detach().abs().max().clamp_min(1e-12)
        return straight_through(t, t.detach().half().float())

    def forward(self, w: Tensor) -> Tensor:
        t = self.transform(w)
        return straight_through(t, fake_quantize(t.detach(), self.step, "odd", self.bits))

    def grid(self, x: "Tensor | None" = None) -> Grid:
        with torch.no_grad():
            return Grid("odd", self.bits, self.step, values=self.transform(x))  # type: ignore[arg-type]


class _DoReFaActivation(Quantizer):
    """round((2^b-1) clip(x, 0, 1))/(2^b-1)."""

    rectifies = True

    def __init__(self, site: Site, bits: int) -> None:
        super().__init__(site, bits)
        self.initialized = True
        self.register_buffer("step", torch.tensor(1.0) / ((1 << bits) - 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return fake_quantize(x, self.step, "unsigned", self.bits)

    def grid(self, x: "Tensor | None" = None) -> Grid:
        return Grid("unsigned", self.bits, self.step)


@dataclass(frozen=True)
class DoReFa(Spec):
    """No learned parameter; 1-bit weights are mean|W| sign(W). Batch norm absorbs the scale."""

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        if site.role == "activation":
            return _DoReFaActivation(site, bits)
        return MeanAbs().build(site, bits, common) if bits == 1 else _DoReFaWeight(site, bits)
