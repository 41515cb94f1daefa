"""PACT: a learned clip for activations, and its symmetric form for weights (algorithms 2.5, variant A)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..._errors import InvalidInput
from .base import Quantizer, Site, Spec, check_shared
from .binary import MeanAbs
from .uniform import Uniform, parameter_shape


class _PactActivation(Uniform):
    """xq = round(clip(x, 0, a) (2^b-1)/a) a/(2^b-1); dxq/da = 1 where x >= a; dxq/dx = 1 where 0 < x < a."""

    def __init__(self, *arguments, decay: float, **options) -> None:
        super().__init__(*arguments, **options)
        self.decay = decay

    def penalty(self) -> "Tensor | None":
        return self.decay * self.parameter.square().sum() if self.decay else None


@dataclass(frozen=True)
class PACT(Spec):
    """Activations: learned clip a > 0 on the `unsigned` grid (F2), s = fl(a/(2^b-1)). Weights: learned symmetric clip c
    on the `odd` grid (F3), s = fl(c/(2^b-1)); at 1 bit mean|W| in its place (algorithms 6.7d), or the clip
    (one_bit="learned").

    decay: factor of the L2 penalty on a. gradient: of the weight clip inside of it, "lsq" ((wq - w)/c) or "clip" (0).
    """

    decay: float = 0.0
    gradient: str = "lsq"
    per_channel: bool = False
    one_bit: str = "mean-abs"

    def __post_init__(self) -> None:
        check_shared(self, ("clip",))
        if self.gradient not in ("lsq", "clip") or self.one_bit not in ("mean-abs", "learned"):
            raise InvalidInput(f"PACT: gradient is '{self.gradient}' and one_bit '{self.one_bit}'; expected lsq or "
                               f"clip, and mean-abs or learned")

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        if site.role == "activation":
            clip = self.parameter("clip", torch.ones(()), common)
            return _PactActivation(site, bits, "unsigned", clip, is_clip=True, rule="clip", lsq_gradient=False,
                                   per_channel=False, decay=self.decay)
        if bits == 1 and self.one_bit == "mean-abs":
            return MeanAbs(per_channel=self.per_channel).build(site, bits, common)
        clip = self.parameter("clip", torch.ones(parameter_shape(site, self.per_channel)), common)
        return Uniform(site, bits, "odd", clip, is_clip=True, rule=self.gradient, lsq_gradient=False,
                       per_channel=self.per_channel)
