"""What every quantizer is.

A *spec* (LSQ(), PACT(), ...) is what a user passes; it builds a *quantizer* module for every layer and candidate. A
quantizer is called with the float tensor and returns the fake-quantized one; `grid` says which function that is in
terms of numerics N2, for the exporter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..._errors import InvalidInput
from .functions import encode


@dataclass(frozen=True)
class Site:
    """Where a quantizer stands. name: the layer's; role: "weight" or "activation"; shape: of the weight in the order
    O, I/g, kh, kw (None for activations)."""

    name: str
    role: str
    shape: "tuple[int, ...] | None" = None

    @property
    def channel_axis(self) -> int:
        return 0 if self.role == "weight" else 1


@dataclass
class Grid:
    """A uniform format of N2 with its parameters: what is exported.

    values: the tensor that is encoded in place of the layer's own (a transformed weight); None where it is that.
    """

    kind: str
    bits: int
    scale: Tensor
    zero: "Tensor | None" = None
    values: "Tensor | None" = None

    def codes(self, x: Tensor) -> Tensor:
        """int32 codes of x (of `values` if there are any)."""
        return encode(x if self.values is None else self.values, self.scale, self.kind, self.bits, self.zero)


@dataclass
class Table:
    """A format that is no uniform one: code -> level, x by the number of thresholds that are <= x/scale.

    levels, thresholds: 1-D float32, ascending, len(levels) = len(thresholds) + 1. kind: "apot" or "esb". values:
    as of Grid.
    """

    kind: str
    bits: int
    scale: Tensor
    levels: Tensor
    thresholds: Tensor
    values: "Tensor | None" = None


@dataclass
class Bases:
    """Sum of alpha_i * (2*bit_i - 1) per output channel (N2 `bases`). codes: integers of the weight's shape; alphas:
    [I, O, 1, ...]."""

    kind: str
    bits: int
    codes: Tensor
    alphas: Tensor


class Quantizer(nn.Module):
    """Base of all quantizers. bits: width; initialized: whether its parameters fit data (a buffer, so that checkpoints
    keep it). Weight quantizers are initialized when they are built, activation quantizers by their first batch."""

    uses_progress = False  # whether `progress` (0 to 1, of the training run) is to be set
    rectifies = False  # whether negative values become 0
    form = ""  # "signed", "unsigned", "odd" or "table": the function of an exported file that has the parameters

    # Processes that see the same activation each with their own samples (distributed.py): LSQ counts all values.
    replicas: int = 1

    def __init__(self, site: Site, bits: int) -> None:
        super().__init__()
        self.site, self.bits = site, bits
        self.initialized = False

    def initialize(self, x: Tensor) -> None:
        """Sets the parameters from data."""

    def grid(self, x: "Tensor | None" = None) -> "Grid | Table | Bases":
        """The function as numerics N2 has it, with the parameters of this moment. x: the tensor, for weights."""
        raise NotImplementedError(f"{type(self).__name__} has no format of numerics N2")

    def load(self, scale: Tensor, zero: "Tensor | None") -> None:
        """Sets the parameters so that `grid` has this scale and zero point to the bit."""

    def weight_steps(self) -> list[nn.Parameter]:
        """Learned steps of weights, which an optimizer must move slowly (`fit.parameter_groups`)."""
        return []

    def penalty(self) -> "Tensor | None":
        """What the quantizer adds to the loss, such as PACT's L2 of the clip; None for nothing."""
        return None

    def get_extra_state(self) -> dict[str, Any]:
        return {"initialized": self.initialized}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.initialized = state["initialized"]

    def ready(self, x: Tensor) -> None:
        """Initializes from x at the first call; a parameter that another width shares is initialized by the first of
        them alone."""
        if self.initialized:
            return
        own = list(self.parameters(recurse=False))
        if not any(getattr(parameter, "started", False) for parameter in own):
            with torch.no_grad():
                self.initialize(x.detach().float())
        for parameter in own:
            parameter.started = True  # type: ignore[attr-defined]
        self.initialized = True

    def extra_repr(self) -> str:
        return f"{self.site.role} of {self.site.name or 'a tensor'}, {self.bits} bits"


@dataclass(frozen=True)
class Spec:
    """Base of what users pass. shared: names of parameters that all candidates of a layer share (as a clip, from which
    each width derives its step); an empty tuple: each candidate has its own."""

    shared: tuple[str, ...] = field(default=(), kw_only=True)

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        """The quantizer for one candidate. common: parameters that candidates of this layer share, filled on demand."""
        raise NotImplementedError

    def parameter(self, name: str, value: Tensor, common: dict[str, nn.Parameter]) -> nn.Parameter:
        """A new parameter, or the layer's shared one of this name."""
        if name not in self.shared:
            return nn.Parameter(value)
        return common.setdefault(name, nn.Parameter(value))


def check_shared(spec: Spec, known: tuple[str, ...]) -> None:
    """Raises InvalidInput where `shared` names a parameter that the spec has not."""
    unknown = [name for name in spec.shared if name not in known]
    if unknown:
        raise InvalidInput(f"{type(spec).__name__} has no parameter {', '.join(unknown)} to share; "
                           f"it has {', '.join(known) or 'none'}")


@dataclass(frozen=True)
class PerWidth(Spec):
    """Another spec for some widths: PerWidth(abt.APoT(), {1: abt.MeanAbs()})."""

    default: Spec
    others: "dict[int, Spec]"

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        return self.others.get(bits, self.default).build(site, bits, common)
