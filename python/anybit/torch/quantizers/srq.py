"""SRQ: semi-relaxed quantization, and DropBits (algorithms 4.4; Lee et al., 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..._errors import InvalidInput
from .base import Grid, Quantizer, Site, Spec
from .functions import code_range, encode, positive, straight_through
from .initial import best_scale

_REACH = 2  # grid points to either side that the gradient sees
_STRETCH = (-0.1, 1.1)  # hard-concrete gates


class _Srq(Quantizer):
    """Forward: the nearest grid point. Backward: that of sum of g_i p_i, where p_i = sigm((g_i + s/2 - x)/t) -
    sigm((g_i - s/2 - x)/t), normalised over the five nearest points (a multi-class straight-through estimator).

    DropBits: a hard-concrete gate for each bit above the second; a closed one removes the outermost levels. The gates
    that are open at the end are the width that is deployed.
    """

    def __init__(self, site: Site, bits: int, kind: str, drop_bits: bool, penalty: float) -> None:
        super().__init__(site, bits)
        self.kind, self.weight, self.rectifies, self.form = kind, penalty, kind == "unsigned", kind
        self.step, self.noise = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(()))
        self.gates = nn.Parameter(torch.full((max(bits - 2, 0),), 3.0)) if drop_bits and bits > 2 else None

    def initialize(self, x: Tensor) -> None:
        scale = best_scale(x, self.kind, self.bits)
        self.step.copy_(scale)
        self.noise.copy_(scale / 3)

    def load(self, scale: Tensor, zero: "Tensor | None") -> None:
        self.step.copy_(scale)

    def weight_steps(self) -> list[nn.Parameter]:
        return [self.step, self.noise] if self.site.role == "weight" else []

    def open_bits(self) -> int:
        """Bits that are left: gates close from the top."""
        if self.gates is None:
            return self.bits
        open_gates = (self._gate(torch.sigmoid(self.gates)) > 0.5).long()
        return 2 + int(open_gates.cumprod(0).sum())

    @staticmethod
    def _gate(s: Tensor) -> Tensor:
        low, high = _STRETCH
        return (s * (high - low) + low).clamp(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        self.ready(x)
        if self.gates is None or not self.training:
            return self._at(x, self.open_bits())
        u = torch.rand_like(self.gates).clamp(1e-6, 1 - 1e-6)
        z = self._gate(torch.sigmoid((u.log() - (-u).log1p() + self.gates) / (2 / 3))).cumprod(0)
        total = lower = self._at(x, 2)
        for i in range(len(self.gates)):
            upper = self._at(x, 3 + i)
            total, lower = total + z[i] * (upper - lower), upper
        return total

    def _at(self, x: Tensor, bits: int) -> Tensor:
        step, noise = positive(self.step), positive(self.noise)
        low, high = code_range(self.kind, bits)
        code = encode(x, step, self.kind, bits).float()
        hard = code * step.detach()
        points = (code[..., None] + torch.arange(-_REACH, _REACH + 1, device=x.device)).clamp(low, high)
        edge = (points * step - x[..., None])
        mass = torch.sigmoid((edge + step / 2) / noise) - torch.sigmoid((edge - step / 2) / noise) + 1e-12
        soft = (points * step * mass).sum(-1) / mass.sum(-1)
        return straight_through(soft, hard)

    def penalty(self) -> "Tensor | None":
        """Expected number of open gates."""
        if self.gates is None or not self.weight:
            return None
        low, high = _STRETCH
        shift = (2 / 3) * torch.log(torch.tensor(-low / high))
        return self.weight * torch.sigmoid(self.gates - shift).sum()

    @torch.no_grad()
    def grid(self, x: "Tensor | None" = None) -> Grid:
        return Grid(self.kind, self.open_bits(), positive(self.step))


@dataclass(frozen=True)
class SRQ(Spec):
    """Learned step and noise; weights `signed` (2 bits and more), activations `unsigned`. drop_bits: learned widths,
    with `penalty` times the expected number of bits above two added to the loss."""

    drop_bits: bool = False
    penalty: float = 0.0

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        kind = "signed" if site.role == "weight" else "unsigned"
        if kind == "signed" and bits < 2:
            raise InvalidInput(f"layer '{site.name}': SRQ at 1 bit has no positive level; use abt.MeanAbs() for 1-bit "
                               f"weights")
        return _Srq(site, bits, kind, self.drop_bits, self.penalty)
