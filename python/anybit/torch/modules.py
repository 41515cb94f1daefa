"""Layers that hold several precisions: one weight, and per candidate the factors and quantizers of theta_b.

Every switchable module has `index`, the chosen candidate; `Switchable.set_candidate` sets it everywhere. Parameters of
a candidate are parameters of their own (not rows of a table), so that an optimizer leaves the ones of the candidates
that did not run alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .candidates import Widths
from .quantizers.base import Quantizer, Site, Spec
from .quantizers.functions import straight_through
from .wavelet import Wavelet, mix_bands

_BANDS = ("LL", "LH", "HL", "HH")


class SwitchableModule(nn.Module):
    """Base: a module with one of `count` candidates chosen. owner: the layer whose width it follows where layers have
    widths of their own; "" for the network's."""

    index: int = 0
    count: int = 1
    name: str = ""
    owner: str = ""
    unused: frozenset[int] = frozenset()  # candidates that never run it (branches)

    def used_parameters(self, index: int) -> list[nn.Parameter]:
        """theta_b: the parameters that only candidate `index`, or all candidates as theirs, have here."""
        return []

    def derive(self, source: int) -> None:
        """Adds a candidate with copies of what candidate `source` has here."""
        for parts in self.candidate_lists():
            parts.append(copy.deepcopy(parts[source]))
        self.count += 1

    def candidate_lists(self) -> list[nn.ModuleList]:
        """Lists with one element for each candidate."""
        return []


class Float(Quantizer):
    """A float candidate: the identity."""

    def __init__(self, site: Site) -> None:
        super().__init__(site, 0)
        self.initialized = True

    def forward(self, x: Tensor) -> Tensor:
        return x


class Factors(nn.Module):
    """The four band factors of one layer and candidate, initially 1 (algorithms 2.3); some may be fixed."""

    def __init__(self, wavelet: Wavelet) -> None:
        super().__init__()
        learned = [band in wavelet.bands and not (wavelet.gauge and band == "LL") for band in _BANDS]
        kept = torch.tensor([float(band in wavelet.bands) for band in _BANDS])
        self.value = nn.Parameter(kept.clone())
        self.all_learned = all(learned)
        if not self.all_learned:
            self.register_buffer("kept", kept)
            self.register_buffer("learned", torch.tensor([float(flag) for flag in learned]))

    def forward(self) -> Tensor:
        return self.value if self.all_learned else self.kept + (self.value - self.kept) * self.learned


class SwitchableWeight(nn.Module):
    """theta_b of a weight: Wq = Q_b(mix_bands(W, alpha_b)) (algorithms 2.2, equations 4 to 6).

    shape: of W in the order O, I/g, kh, kw. widths: of each candidate.
    """

    def __init__(self, name: str, shape: Sequence[int], group: int, widths: Sequence[Widths], spec: Spec,
                 wavelet: "Wavelet | None") -> None:
        super().__init__()
        self.group, self.wavelet = group, wavelet or Wavelet("none")
        common: dict[str, nn.Parameter] = {}
        site = Site(name, "weight", tuple(shape))
        self.quantizers = nn.ModuleList(
            Float(site) if width.real else spec.build(site, width.weights, common) for width in widths)
        self.factors = nn.ModuleList()
        if self.wavelet.layout != "none" and len(shape) > 1:
            shared = Factors(self.wavelet)
            self.factors = nn.ModuleList(shared if self.wavelet.shared else Factors(self.wavelet) for _ in widths)

    def mixed(self, weight: Tensor, index: int) -> Tensor:
        """W^ of the candidate; a float candidate has W itself."""
        if not len(self.factors) or isinstance(self.quantizers[index], Float):
            return weight
        return mix_bands(weight, self.factors[index](), self.wavelet.layout, self.wavelet.name, self.group)

    def forward(self, weight: Tensor, index: int) -> Tensor:
        return self.quantizers[index](self.mixed(weight, index))

    @torch.no_grad()
    def initialize(self, weight: Tensor) -> None:
        """Steps and clips from the weight, with the factors as they are."""
        for index, quantizer in enumerate(self.quantizers):
            quantizer.ready(self.mixed(weight, index))


class _SwitchableLayer(SwitchableModule):
    """Mixin of the layers with weights. Their `weight` stays where torch has it."""

    theta: SwitchableWeight
    packed: "Tensor | None" = None  # the quantized weight of this forward pass (packed_weights.py)

    def _init_theta(self, name: str, widths: Sequence[Widths], spec: Spec, wavelet: "Wavelet | None",
                    own_weights: bool) -> None:
        self.name = self.owner = name
        self.widths, self.count = tuple(widths), len(widths)
        canonical = self.canonical(self.weight)
        self.theta = SwitchableWeight(name, canonical.shape, self.weight_groups, widths, spec, wavelet)
        self.theta.initialize(canonical.detach())
        self.half_weight = False
        # Of candidates with weights of their own; `weight` is then the first one's.
        self.others = nn.ParameterList(nn.Parameter(self.weight.detach().clone()) for _ in widths[1:]) if own_weights \
            else None
        self.input_quantizer: "SwitchableActivation | None" = None

    @property
    def weight_groups(self) -> int:
        return getattr(self, "groups", 1)

    def canonical(self, weight: Tensor) -> Tensor:
        """The weight in the order O, I/g, kh, kw."""
        return weight

    def restored(self, weight: Tensor) -> Tensor:
        """The way back."""
        return weight

    def weight_of(self, index: int) -> nn.Parameter:
        """The weight that candidate `index` uses."""
        return self.weight if self.others is None or index == 0 else self.others[index - 1]

    def master(self) -> Tensor:
        """The canonical weight; rounded to float16, as a file stores it, after `round_masters`."""
        weight = self.canonical(self.weight_of(self.index))
        if self.half_weight:
            weight = straight_through(weight, weight.detach().half().float())
        return weight

    def quantized_weight(self) -> Tensor:
        """Wq of the chosen candidate, in torch's order."""
        if self.packed is not None:
            return self.packed
        return self.restored(self.theta(self.master(), self.index))

    def quantized_input(self, x: Tensor) -> Tensor:
        """x through the layer's own quantizer, which only layers of untraced networks have."""
        return x if self.input_quantizer is None else self.input_quantizer(x)

    def candidate_lists(self) -> list[nn.ModuleList]:
        return [self.theta.quantizers] + ([self.theta.factors] if len(self.theta.factors) else [])

    def derive(self, source: int) -> None:
        super().derive(source)
        self.widths += (self.widths[source],)
        if self.others is not None:
            self.others.append(nn.Parameter(self.weight_of(source).detach().clone()))

    def used_parameters(self, index: int) -> list[nn.Parameter]:
        chosen = list(self.theta.quantizers[index].parameters())
        return chosen + (list(self.theta.factors[index].parameters()) if len(self.theta.factors) else [])


class SwitchableConv1d(_SwitchableLayer, nn.Conv1d):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(self.quantized_input(x), self.quantized_weight(), self.bias)


class SwitchableConv2d(_SwitchableLayer, nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(self.quantized_input(x), self.quantized_weight(), self.bias)


class SwitchableLinear(_SwitchableLayer, nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.quantized_input(x), self.quantized_weight(), self.bias)


class _Transposed(_SwitchableLayer):
    """torch has I, O/g, kh, kw; numerics N3 wants O, I/g, kh, kw."""

    def canonical(self, weight: Tensor) -> Tensor:
        groups, kernel = self.groups, weight.shape[2:]
        parts = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], *kernel)
        return parts.transpose(1, 2).reshape(groups * weight.shape[1], weight.shape[0] // groups, *kernel)

    restored = canonical  # the two orders swap the same two axes


class SwitchableConvTranspose1d(_Transposed, nn.ConvTranspose1d):
    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose1d(self.quantized_input(x), self.quantized_weight(), self.bias, self.stride,
                                  self.padding, self.output_padding, self.groups, self.dilation)


class SwitchableConvTranspose2d(_Transposed, nn.ConvTranspose2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(self.quantized_input(x), self.quantized_weight(), self.bias, self.stride,
                                  self.padding, self.output_padding, self.groups, self.dilation)


LAYERS: dict[type, type] = {
    nn.Conv1d: SwitchableConv1d, nn.Conv2d: SwitchableConv2d, nn.Linear: SwitchableLinear,
    nn.ConvTranspose1d: SwitchableConvTranspose1d, nn.ConvTranspose2d: SwitchableConvTranspose2d}


def switchable_layer(layer: nn.Module, name: str, widths: Sequence[Widths], spec: Spec,
                     wavelet: "Wavelet | None", own_weights: bool = False) -> nn.Module:
    """The switchable form of a layer whose type is in LAYERS: the same module, of another class, with theta."""
    layer.__class__ = LAYERS[type(layer)]
    layer._init_theta(name, widths, spec, wavelet, own_weights)  # type: ignore[operator]
    return layer


class SwitchableBatchNorm(SwitchableModule):
    """One complete batch norm per candidate: gamma, beta, running mean and variance (N7), each a copy of `norm`."""

    def __init__(self, norm: nn.Module, name: str, count: int) -> None:
        super().__init__()
        self.name, self.count = name, count
        self.sets = nn.ModuleList(_copy_norm(norm) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        return self.sets[self.index](x)

    def candidate_lists(self) -> list[nn.ModuleList]:
        return [self.sets]

    def used_parameters(self, index: int) -> list[nn.Parameter]:
        return list(self.sets[index].parameters())


def _copy_norm(norm: nn.Module) -> nn.Module:
    copy = type(norm)(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    copy.load_state_dict(norm.state_dict())
    for parameter, source in zip(copy.parameters(), norm.parameters()):
        parameter.requires_grad_(source.requires_grad)
    return copy.train(norm.training)


class SwitchableActivation(SwitchableModule):
    """The activation quantizers of one tensor (algorithms 2.2, equation 7). bits: of each candidate, 0 for float."""

    def __init__(self, name: str, bits: Sequence[int], spec: Spec) -> None:
        super().__init__()
        self.name, self.bits, self.count = name, tuple(bits), len(bits)
        site, common = Site(name, "activation"), {}
        self.quantizers = nn.ModuleList(Float(site) if width == 0 else spec.build(site, width, common)
                                        for width in bits)

    drop = 0.0  # part of the values that stay float while training (QDrop)

    def forward(self, x: Tensor) -> Tensor:
        quantizer = self.quantizers[self.index]
        quantized = quantizer(x)
        if not self.drop or not self.training:
            return quantized
        real = x.clamp_min(0) if quantizer.rectifies else x
        return torch.where(torch.rand_like(quantized) < self.drop, real, quantized)

    def candidate_lists(self) -> list[nn.ModuleList]:
        return [self.quantizers]

    def used_parameters(self, index: int) -> list[nn.Parameter]:
        return list(self.quantizers[index].parameters())
