"""ESB: elastic significant bits, a tiny float with gradual underflow (algorithms 4.3; Gong et al., 2022)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..._errors import InvalidInput
from .base import Grid, Quantizer, Site, Spec, Table
from .functions import fake_quantize
from .tables import nearest_thresholds, table_quantize

# Minimum of the expected squared error for a standard normal, by width and number of fraction bits.
LAMBDAS = {(3, 0): .5181, (4, 0): .0381, (4, 1): .4871, (5, 1): .0391, (5, 2): .4828, (6, 2): .0406, (6, 3): .4997,
           (7, 3): .0409, (7, 4): .5247, (8, 4): .0412, (8, 5): .5527}
LINEAR = (1.5958, .9957, .5860, .3352, .1881, .1041, .0569, .0308)  # of the uniform grid, 1 to 8 bits


def magnitudes(bits: int, fraction: int) -> list[float]:
    """Every magnitude of 1 sign, bits - 1 - fraction exponent and `fraction` fraction bits, ascending from 0."""
    exponent = bits - 1 - fraction
    top = math.floor(2 ** exponent - 1.5)
    largest = 2.0 ** (top + 1) - 2.0 ** (top - fraction)
    below = [k * 2.0 ** -fraction for k in range(1 << fraction)]
    above = [(1 + k * 2.0 ** -fraction) * 2.0 ** e for e in range(top + 1) for k in range(1 << fraction)]
    return [value for value in below + above if value <= largest]


class _Esb(Quantizer):
    """alpha * level(w / alpha) with alpha = lambda * std(w), a constant to the gradient, straight through inside."""

    def __init__(self, site: Site, bits: int, fraction: "int | None") -> None:
        super().__init__(site, bits)
        self.initialized = True
        self.factor = LINEAR[bits - 1] if fraction is None else LAMBDAS[bits, fraction]
        self.is_uniform = fraction is None
        half = [] if fraction is None else magnitudes(bits, fraction)
        levels = torch.tensor([-m for m in reversed(half[1:])] + half)
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("thresholds", nearest_thresholds(levels), persistent=False)

    @torch.no_grad()
    def _scale(self, w: Tensor) -> Tensor:
        alpha = (w.std() * self.factor).clamp_min(1e-8)
        return alpha / 2 if self.is_uniform else alpha  # round(x - 1/2) + 1/2 is `odd` with half the step

    def forward(self, w: Tensor) -> Tensor:
        w = w.float()
        if self.is_uniform:
            return fake_quantize(w, self._scale(w), "odd", self.bits)
        return table_quantize(w, self._scale(w), self.levels, self.thresholds)

    def grid(self, x: "Tensor | None" = None) -> "Grid | Table":
        scale = self._scale(x)  # type: ignore[arg-type]
        if self.is_uniform:
            return Grid("odd", self.bits, scale)
        return Table("esb", self.bits, scale, self.levels, self.thresholds)


@dataclass(frozen=True)
class ESB(Spec):
    """Weights whose step follows from their standard deviation (no learned parameter). fraction: fraction bits; None:
    as many as leave two exponent bits. Fewer than two exponent bits are the uniform odd grid."""

    fraction: "int | None" = None

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        if site.role != "weight":
            raise InvalidInput(f"activation of '{site.name}': ESB is for weights")
        fraction = bits - 3 if self.fraction is None else self.fraction
        if bits < 3 or fraction == bits - 2:
            return _Esb(site, bits, None)
        if (bits, fraction) not in LAMBDAS:
            known = ", ".join(str(m) for b, m in LAMBDAS if b == bits)
            raise InvalidInput(f"layer '{site.name}': ESB of {bits} bits with {fraction} fraction bits; choose {known}")
        return _Esb(site, bits, fraction)
