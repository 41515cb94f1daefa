"""LSQ and LSQ+: learned steps (algorithms 4.9)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..._errors import InvalidInput
from .base import Grid, Quantizer, Site, Spec, check_shared
from .binary import MeanAbs
from .functions import fake_quantize, scale_gradient, straight_through
from .uniform import Uniform, parameter_shape


@dataclass(frozen=True)
class LSQ(Spec):
    """Learned step. Activations: `unsigned` (F2). Weights: `signed` (F1), and `odd` (F3) up to `odd_bits` bits, which
    keeps a usable grid there (algorithms 2.5); at 1 bit mean|W| (one_bit="mean-abs") or a learned step ("learned").

    `signed` at 1 bit has no positive level and is refused. start: "norm" (least p-norm error) or "lsq" (the paper's
    2 mean|x|/sqrt(Qp)). Shared among candidates it is the clip Qp*s that is shared.
    """

    per_channel: bool = False
    odd_bits: int = 2
    one_bit: str = "mean-abs"
    start: str = "norm"
    gradient_scale: bool = True

    def __post_init__(self) -> None:
        check_shared(self, ("step",))
        if self.one_bit not in ("mean-abs", "learned") or self.start not in ("norm", "lsq"):
            raise InvalidInput(f"LSQ: one_bit is '{self.one_bit}' and start '{self.start}'; expected mean-abs or "
                               f"learned, and norm or lsq")

    def kind(self, site: Site, bits: int) -> str:
        if site.role == "activation":
            return "unsigned"
        if bits > self.odd_bits:
            if bits == 1:
                raise InvalidInput(f"layer '{site.name}': LSQ at 1 bit has the levels -s and 0, no positive one; use "
                                   f"abt.MeanAbs() for 1-bit weights, or LSQ(odd_bits=1)")
            return "signed"
        return "odd"

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        kind = self.kind(site, bits)
        per_channel = self.per_channel and site.role == "weight"
        if kind == "odd" and bits == 1 and self.one_bit == "mean-abs":
            return MeanAbs(per_channel=per_channel).build(site, bits, common)
        step = self.parameter("step", torch.ones(parameter_shape(site, per_channel)), common)
        return Uniform(site, bits, kind, step, is_clip="step" in self.shared, rule="lsq",
                       lsq_gradient=self.gradient_scale, per_channel=per_channel, start=self.start)


class _LsqPlus(Quantizer):
    """s*(q - z) with the integer z = round(-offset/s) inside of the codes, so that padding is representable."""

    form = "unsigned"

    def __init__(self, site: Site, bits: int, step: nn.Parameter, offset: nn.Parameter, gradient_scale: bool) -> None:
        super().__init__(site, bits)
        self.step, self.offset, self.gradient_scale = step, offset, gradient_scale
        self.high = (1 << bits) - 1

    def load(self, scale: Tensor, zero: "Tensor | None") -> None:
        self.step.copy_(scale)
        self.offset.copy_(-zero * scale)  # type: ignore[operator]

    def initialize(self, x: Tensor) -> None:
        low, high = self._range(x)
        self.step.copy_(((high - low) / self.high).clamp_min(1e-8))
        self.offset.copy_(low)

    def _range(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The shrunk [min, max], 0 in it, with the least p-norm error."""
        values = x.reshape(-1)[::max(1, x.numel() >> 14)]
        low, high = values.min().clamp_max(0), values.max().clamp_min(0)
        best, chosen = None, (low, high)
        for ratio in [step / 32 for step in range(32, 0, -1)]:
            scale = ((high - low) * ratio / self.high).clamp_min(1e-8)
            zero = torch.clamp((-low * ratio / scale).round(), 0, self.high)
            error = (fake_quantize(values, scale, "unsigned", self.bits, zero) - values).abs().pow(2.4).sum()
            if best is None or error < best:
                best, chosen = error, (-zero * scale, (self.high - zero) * scale)
        return chosen

    def _learned(self, count: int = 0) -> tuple[Tensor, Tensor]:
        factor = (count * self.high) ** -0.5 if count and self.gradient_scale else 1.0
        scale = scale_gradient(self.step, factor).abs().clamp_min(1e-8)
        real = -scale_gradient(self.offset, factor) / scale
        return scale, straight_through(real, real.detach().round().clamp(0, self.high))

    def forward(self, x: Tensor) -> Tensor:
        self.ready(x)
        scale, zero = self._learned(x.numel() * self.replicas)
        return fake_quantize(x, scale, "unsigned", self.bits, zero)

    def grid(self, x: "Tensor | None" = None) -> Grid:
        with torch.no_grad():
            scale, zero = self._learned()
            return Grid("unsigned", self.bits, scale, zero)


@dataclass(frozen=True)
class LSQPlus(Spec):
    """LSQ+ for activations of both signs: learned step s and offset beta, `unsigned` with the integer zero point
    round(-beta/s); ds as LSQ, dbeta = 1 outside of the range. Weights are LSQ's."""

    gradient_scale: bool = True
    per_channel: bool = False

    def __post_init__(self) -> None:
        check_shared(self, ())

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        if site.role == "weight":
            return LSQ(per_channel=self.per_channel, gradient_scale=self.gradient_scale).build(site, bits, common)
        return _LsqPlus(site, bits, nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(())), self.gradient_scale)
