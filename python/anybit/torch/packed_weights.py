"""The weights of many layers mixed and quantized in one go.

The weights of a small network have fewer elements than one activation, but every layer's need some thirty operations
forward and backward, whose calls cost more than their work. Here all weights lie one after the other in one tensor, so
that the number of operations does not depend on the number of layers. Values are those of `SwitchableWeight` to the
bit; gradients differ in the order of sums alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .modules import SwitchableConv1d, SwitchableConv2d, SwitchableLinear
from .quantizers.binary import Binary
from .quantizers.functions import TINY_SCALE, integer_range, integers_, positive
from .quantizers.uniform import Uniform
from .wavelet import SMALL, factor_gradients, flattened, haar_factors, is_channels_last, neighbour_index, unflattened

_LAYERS = (SwitchableConv1d, SwitchableConv2d, SwitchableLinear)


@dataclass(frozen=True)
class _Part:
    """A layer's share of the packed weights."""

    layer: nn.Module
    index: int
    channels_last: bool

    @property
    def quantizer(self) -> nn.Module:
        return self.layer.theta.quantizers[self.index]  # type: ignore[union-attr,index]

    @property
    def form(self) -> tuple[str, int]:
        """kind and bits."""
        return getattr(self.quantizer, "kind", "odd"), self.quantizer.bits  # type: ignore[return-value]

    @property
    def is_mixed(self) -> bool:
        """Whether band factors apply: 1x1 kernels have no plane in the layout `spatial`."""
        theta, weight = self.layer.theta, self.layer.weight
        return not (theta.wavelet.layout == "spatial" and weight.shape[2:].numel() == 1)  # type: ignore[union-attr]


def _packable(layer: nn.Module) -> bool:
    """Whether the layer's chosen quantizer and wavelet are among those that this file computes."""
    if type(layer) not in _LAYERS or layer.weight.numel() > SMALL or layer.weight.device.type != "cpu":
        return False
    quantizer = layer.theta.quantizers[layer.index]  # type: ignore[union-attr,index]
    is_known = (type(quantizer) is Uniform and quantizer.rule == "lsq" and quantizer.initialized) or \
        (type(quantizer) is Binary and quantizer.rule == "straight" and not quantizer.per_channel)
    return is_known and (not len(layer.theta.factors) or layer.theta.wavelet.name == "haar")  # type: ignore[union-attr]


class _Plan:
    """Where what lies, for one choice of widths."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        parts = [_Part(layer, int(layer.index), is_channels_last(layer.weight)) for layer in layers]  # type: ignore
        self.parts = sorted(parts, key=lambda part: part.form)
        self.sizes = [part.layer.weight.numel() for part in self.parts]
        starts = [0, *itertools.accumulate(self.sizes)]
        self.slices = [slice(*ends) for ends in itertools.pairwise(starts)]
        self.count = starts[-1]
        self.layer_of = torch.arange(len(parts)).repeat_interleave(torch.tensor(self.sizes))
        self.forms = [(form, slice(members[0].start, members[-1].stop)) for form, members in self._runs()]
        self._plan_scales()
        self.is_mixed = bool(len(self.parts[0].layer.theta.factors))  # type: ignore[union-attr]
        if self.is_mixed:
            self.near = torch.cat([self._neighbours(*both) for both in zip(self.parts, starts)], 1).reshape(-1)
            self.mixed = torch.tensor([[float(part.is_mixed)] for part in self.parts])

    def _runs(self):
        """Neighbours of one form: their slices."""
        runs = itertools.groupby(zip(self.parts, self.slices), key=lambda both: both[0].form)
        return [(form, [place for _, place in members]) for form, members in runs]

    def _plan_scales(self) -> None:
        """Scales: one per tensor or output channel, learned ones in the order of the layers, then the means."""
        learned = [part for part in self.parts if isinstance(part.quantizer, Uniform)]
        self.learned = learned
        counts = [part.quantizer.parameter.numel() for part in learned]
        self.learned_sizes = counts
        first = dict(zip(map(id, learned), [0, *itertools.accumulate(counts)]))
        total = sum(counts)
        self.means = [part for part in self.parts if id(part) not in first]
        first |= {id(part): total + i for i, part in enumerate(self.means)}
        segments = []
        for part, size in zip(self.parts, self.sizes):
            channels = part.quantizer.parameter.numel() if isinstance(part.quantizer, Uniform) else 1
            segments.append(first[id(part)] + torch.arange(channels).repeat_interleave(size // channels))
        self.scale_of = torch.cat(segments)
        spread = torch.tensor(counts, dtype=torch.int64)
        quantizers = [part.quantizer for part in learned]
        ranges = torch.tensor([integer_range(*part.form) for part in learned], dtype=torch.float32).reshape(-1, 2)
        self.low, self.high = ranges.repeat_interleave(spread, 0).unbind(1)
        self.divisor = torch.tensor([float(q.divisor) for q in quantizers]).repeat_interleave(spread)
        self.factor = torch.tensor([q.gradient_factor(part.layer.weight.numel()) / q.divisor
                                    for q, part in zip(quantizers, learned)]).repeat_interleave(spread)

    def _neighbours(self, part: _Part, start: int) -> Tensor:
        """[4, n], positions in the packed weights; the position behind them is that of padding."""
        layer = part.layer
        count = layer.weight.numel()
        if not part.is_mixed:
            return (start + torch.arange(count)).expand(4, -1)
        places, _ = neighbour_index(tuple(layer.weight.shape), layer.theta.wavelet.layout, layer.weight_groups,
                                    part.channels_last, layer.weight.device)
        return torch.where(places == count, self.count, places + start).reshape(4, -1)

    def around(self, flat: Tensor) -> Tensor:
        """[4, n]: every element, its column, row and diagonal neighbour."""
        return torch.cat((flat, flat.new_zeros(1))).index_select(0, self.near).view(4, -1)

    def factors(self, alphas: Tensor) -> Tensor:
        """[4, layers] for alphas [layers, 4]; 1, 0, 0, 0 for a layer that is not mixed."""
        own = alphas.new_tensor([1.0, 0.0, 0.0, 0.0])
        return (haar_factors(alphas.t()).t() * self.mixed + own * (1 - self.mixed)).t()

    def scales(self, parameters: Sequence[Tensor], mixed: Tensor) -> Tensor:
        learned = [positive(torch.cat([p.reshape(-1) for p in parameters])) / self.divisor] if parameters else []
        places = dict(zip(map(id, self.parts), self.slices))
        return torch.cat(learned + [part.quantizer.scale(mixed[places[id(part)]]).reshape(1) for part in self.means])

    def tensors(self) -> list[Tensor]:
        """What they are made of: weights, factors, steps."""
        weights = [part.layer.weight_of(part.index) for part in self.parts]
        alphas = [part.layer.theta.factors[part.index]() for part in self.parts] if self.is_mixed else []
        return [*weights, *alphas, *(part.quantizer.parameter for part in self.learned)]

    def pack(self, tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([flattened(tensor, part.channels_last) for tensor, part in zip(tensors, self.parts)])

    def unpack(self, flat: Tensor) -> list[Tensor]:
        return [unflattened(flat[place], part.layer.weight.shape, part.channels_last)
                for place, part in zip(self.slices, self.parts)]


class _Quantize(torch.autograd.Function):

    @staticmethod
    def forward(ctx, plan: _Plan, half: bool, *tensors: Tensor):
        layers = len(plan.parts)
        alphas, parameters = tensors[layers:2 * layers * plan.is_mixed], tensors[layers * (1 + plan.is_mixed):]
        mixed, near, factors = plan.pack(tensors[:layers]), None, None
        if half:
            mixed = mixed.half().float()
        if plan.is_mixed:
            near, factors = plan.around(mixed), plan.factors(torch.stack(alphas)).index_select(1, plan.layer_of)
            own, column, row, diagonal = (near * factors).unbind()
            mixed = (own + column).add_(row).add_(diagonal)
        scales = plan.scales(parameters, mixed)
        scale = scales.index_select(0, plan.scale_of)
        y = mixed / scale
        for (kind, bits), place in plan.forms:
            integers_(y[place], kind, bits)
        ctx.plan = plan
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(mixed, y.mul_(scale), near, factors, scales, *parameters)
        return tuple(plan.unpack(y))

    @staticmethod
    def backward(ctx, *grads: "Tensor | None"):
        plan: _Plan = ctx.plan
        mixed, y, near, factors, scales, *parameters = ctx.saved_tensors
        grad = plan.pack([part.layer.weight.new_zeros(part.layer.weight.shape) if g is None else g
                          for g, part in zip(grads, plan.parts)])
        learned = len(plan.low)
        inside = grad * _inside(plan, mixed, scales)
        rows: list = []
        if learned:
            sums = scales.new_zeros(len(scales)).index_add_(0, plan.scale_of, grad * y - inside * mixed)[:learned]
            values = torch.cat([p.reshape(-1) for p in parameters])
            slope = values.sign() * (values.abs() >= TINY_SCALE)
            steps = (sums / scales[:learned] * slope * plan.factor).split(plan.learned_sizes)
            rows = [step.view(parameter.shape) for step, parameter in zip(steps, parameters)]
        alphas: list = []
        if plan.is_mixed:
            products = torch.stack([part.sum(1) for part in (near * inside).split(plan.sizes, 1)], 1)
            alphas = [row if part.is_mixed else None for row, part in zip(factor_gradients(products).t(), plan.parts)]
            inside = (plan.around(inside) * factors).sum(0)
        return None, None, *_unused_are_none(plan, grads, plan.unpack(inside), alphas, rows)


def _inside(plan: _Plan, mixed: Tensor, scales: Tensor) -> Tensor:
    """Where the straight-through gradient passes: everywhere for means."""
    learned, infinite = len(plan.low), scales.new_full((len(plan.means),), float("inf"))
    low = torch.cat((plan.low * scales[:learned], -infinite)).index_select(0, plan.scale_of)
    high = torch.cat((plan.high * scales[:learned], infinite)).index_select(0, plan.scale_of)
    return (mixed > low) & (mixed < high)


def _unused_are_none(plan: _Plan, grads: Sequence["Tensor | None"], weights: list, alphas: list, rows: list) -> list:
    """No gradient, rather than 0, for layers that did not run, so that an optimizer leaves them alone."""
    unused = {id(part) for part, grad in zip(plan.parts, grads) if grad is None}
    if not unused:
        return [*weights, *alphas, *rows]
    owners = [*plan.parts, *(plan.parts if alphas else ()), *plan.learned]
    return [None if id(owner) in unused else value for owner, value in zip(owners, [*weights, *alphas, *rows])]


class PackedWeights:
    """Computes the weights of a network's layers together, where their quantizers allow it."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self.layers = layers
        self._plans: "dict[tuple[int, ...], tuple[_Plan | None, tuple]]" = {}

    def plan(self) -> "_Plan | None":
        """For the widths of this moment; None where too few layers can be packed."""
        key = tuple(layer.index for layer in self.layers)
        # What a plan depends on beside the widths: where weights lie, and for how many processes steps learn.
        state = tuple((layer.weight.data_ptr(), layer.theta.quantizers[layer.index].replicas) for layer in self.layers)
        found = self._plans.get(key)
        if found is None or found[1] != state:
            packable = [layer for layer in self.layers if _packable(layer)]
            mixed = {bool(len(layer.theta.factors)) for layer in packable}
            self._plans[key] = found = (_Plan(packable) if len(packable) > 2 and len(mixed) == 1 else None, state)
        return found[0]

    def assign(self) -> None:
        """Gives each packed layer its `packed` weight, for one forward pass."""
        plan = self.plan()
        if plan is None:
            return
        weights = _Quantize.apply(plan, plan.parts[0].layer.half_weight, *plan.tensors())
        for part, weight in zip(plan.parts, weights):
            part.layer.packed = weight

    def release(self) -> None:
        for layer in self.layers:
            layer.packed = None
