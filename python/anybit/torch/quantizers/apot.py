"""APoT: levels that are sums of powers of two, a learned clip (algorithms 4.9; Li et al., ICLR 2020)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..._errors import InvalidInput
from .base import Quantizer, Site, Spec, Table, check_shared
from .functions import positive, straight_through
from .tables import nearest_thresholds, table_quantize
from .uniform import parameter_shape


def magnitudes(bits: int) -> list[float]:
    """The 2^bits magnitudes of `bits` bits without a sign, ascending, from 0 to 1.

    n = bits//2 terms, term i of {0, 2^-i, 2^-(i+n), 2^-(i+2n)}. An odd width has one more term {0, 2^-2n}, and the
    third powers of the others are then halved (the published code's rule for 3 bits, continued).
    """
    terms, is_odd = bits // 2, bits % 2
    parts = [[0.0] + [2.0 ** -(i + k * terms + (is_odd if k == 2 else 0)) for k in range(3)] for i in range(terms)]
    parts += [[0.0, 2.0 ** -(2 * terms)]] if is_odd else []
    sums = sorted({sum(choice) for choice in itertools.product(*parts)})
    return [value / sums[-1] for value in sums]


class _Apot(Quantizer):
    """clip * level(x / clip). Weights are standardised first, (w - mean)/std, and rounded to float16 (they are exported
    as a table of that type)."""

    form = "table"

    def __init__(self, site: Site, bits: int, clip: nn.Parameter, standardise: bool) -> None:
        super().__init__(site, bits)
        self.clip, self.standardise = clip, standardise
        is_weight = site.role == "weight"
        self.rectifies = not is_weight
        self.initialized = True
        half = magnitudes(bits - 1 if is_weight else bits)
        levels = torch.tensor([-m for m in reversed(half[1:])] + half if is_weight else half)
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("thresholds", nearest_thresholds(levels), persistent=False)

    def transform(self, w: Tensor) -> Tensor:
        w = w.float()
        t = (w - w.mean()) / w.std().clamp_min(1e-12)
        return straight_through(t, t.detach().half().float())

    def forward(self, x: Tensor) -> Tensor:
        x = self.transform(x) if self.standardise else x
        return table_quantize(x, positive(self.clip), self.levels, self.thresholds)

    def load(self, scale: Tensor, zero: "Tensor | None") -> None:
        self.clip.copy_(scale)

    @torch.no_grad()
    def grid(self, x: "Tensor | None" = None) -> Table:
        values = self.transform(x) if self.standardise else None  # type: ignore[arg-type]
        return Table("apot", self.bits, positive(self.clip), self.levels, self.thresholds, values)


@dataclass(frozen=True)
class APoT(Spec):
    """Weights of at least 2 bits: sign and magnitude, standardised, clip 3 at the start (2 bits are ternary).
    Activations: magnitudes alone, clip 6 at the start. Gradient of the clip: sign(x) outside, level - x/clip inside."""

    standardise: bool = True

    def __post_init__(self) -> None:
        check_shared(self, ("clip",))

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        is_weight = site.role == "weight"
        if is_weight and bits < 2:
            raise InvalidInput(f"layer '{site.name}': APoT weights need a sign and a magnitude, at least 2 bits; use "
                               f"abt.MeanAbs() for 1-bit weights")
        clip = self.parameter("clip", torch.full(parameter_shape(site, False), 3.0 if is_weight else 6.0), common)
        return _Apot(site, bits, clip, is_weight and self.standardise)
