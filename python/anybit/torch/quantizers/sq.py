"""SQ: stochastic quantization of filters, and TWN's ternary weights (algorithms 4.2; Dong et al., BMVC 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..._errors import InvalidInput
from .base import Grid, Quantizer, Site, Spec
from .binary import MeanAbs
from .functions import straight_through

STAGES = (0.5, 0.75, 0.875, 1.0)


class _Ternary(Quantizer):
    """{-a, 0, +a} per output channel: a = mean of |w| above 0.7 mean|w| of the layer; the gradient straight through.

    Exported as `signed` of 2 bits on a table of the ternary values, whose codes are -1, 0, 1 whatever float16 does.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site, 2)
        self.initialized = True

    @staticmethod
    @torch.no_grad()
    def ternary(w: Tensor) -> tuple[Tensor, Tensor]:
        """Signs -1, 0, 1 and a [O, 1, ...]."""
        above = w.abs() > 0.7 * w.abs().mean()
        axes = tuple(range(1, w.dim()))
        count = above.sum(axes, keepdim=True).clamp_min(1)
        alpha = ((w.abs() * above).sum(axes, keepdim=True) / count).clamp_min(1e-6)
        return w.sign() * above, alpha

    def forward(self, w: Tensor) -> Tensor:
        signs, alpha = self.ternary(w.float())
        return straight_through(w.float(), signs * alpha)

    def grid(self, x: "Tensor | None" = None) -> Grid:
        signs, alpha = self.ternary(x)  # type: ignore[arg-type]
        return Grid("signed", 2, alpha, values=signs * alpha)


@dataclass(frozen=True)
class Ternary(Spec):
    """TWN: ternary weights of 2 bits."""

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        if site.role != "weight" or bits != 2:
            raise InvalidInput(f"{site.role} of '{site.name}' at {bits} bits: Ternary is for 2-bit weights")
        return _Ternary(site)


class _Stochastic(Quantizer):
    """Quantizes a part of the filters, drawn without replacement with p_i ~ 1/(e_i + eps), e_i their relative error;
    the others stay float. The part grows with `progress` (0 to 1); outside of training it is everything."""

    uses_progress = True

    def __init__(self, inner: Quantizer) -> None:
        super().__init__(inner.site, inner.bits)
        self.inner, self.initialized, self.progress = inner, True, 0.0

    @property
    def form(self) -> str:  # type: ignore[override]
        return self.inner.form

    @property
    def ratio(self) -> float:
        return STAGES[min(int(self.progress * len(STAGES)), len(STAGES) - 1)]

    def load(self, scale: Tensor, zero: "Tensor | None") -> None:
        self.inner.load(scale, zero)

    def forward(self, w: Tensor) -> Tensor:
        w = w.float()
        quantized = self.inner(w)
        if not self.training or self.ratio == 1:
            return quantized
        chosen = self._draw(w.detach(), quantized.detach())
        return torch.where(chosen.reshape(-1, *(1,) * (w.dim() - 1)), quantized, w)

    def _draw(self, w: Tensor, quantized: Tensor) -> Tensor:
        """bool [O]."""
        rows = (w - quantized).abs().flatten(1).sum(1)
        error = rows / w.abs().flatten(1).sum(1).clamp_min(1e-12)
        count = max(int(self.ratio * len(error)), 1)
        chosen = torch.multinomial(1 / (error + 1e-7), count)
        return torch.zeros(len(error), dtype=torch.bool, device=w.device).scatter_(0, chosen, True)

    def grid(self, x: "Tensor | None" = None) -> Grid:
        return self.inner.grid(x)  # type: ignore[return-value]


@dataclass(frozen=True)
class SQ(Spec):
    """Stochastic quantization around another weight quantizer; None: per-channel mean|w| sign(w) at 1 bit (SQ-BWN),
    Ternary at 2 (SQ-TWN)."""

    base: "Spec | None" = None

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        if self.base is None and bits > 2:
            raise InvalidInput(f"layer '{site.name}' at {bits} bits: SQ has a format of its own for 1 and 2 bits; give "
                               f"base=abt.LSQ() for others")
        base = self.base or (MeanAbs(per_channel=True) if bits == 1 else Ternary())
        return _Stochastic(base.build(site, bits, common))
