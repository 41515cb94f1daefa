"""ALQ's adaptive width of multi-base weights (algorithms 4.1): coefficients that the loss feels least are deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .. import distributed
from ..._errors import InvalidInput
from ..model import Switchable
from ..quantizers.alq import MultiBaseWeight
from .base import OneCandidate, Step

_DECAY = 0.999


class _Estimates:
    """Of one weight at one candidate: g_w's second moment as AMSGrad has it, and the sum of g_alpha since the last
    deletion."""

    def __init__(self) -> None:
        self.second = self.largest = self.slope = torch.zeros(())
        self.steps = self.since = 0

    def see_weight(self, gradient: Tensor) -> None:
        self.steps += 1
        self.second = _DECAY * self.second + (1 - _DECAY) * gradient.detach().square()
        self.largest = torch.maximum(self.largest, self.second / (1 - _DECAY ** self.steps))

    def see_alphas(self, gradient: "Tensor | None") -> None:
        if gradient is not None:
            self.since += 1
            self.slope = self.slope + gradient.detach()

    def rise(self, alphas: Tensor, rate: float) -> Tensor:
        """-g alpha + h alpha^2 / 2 of each coefficient [I, O]: h is diagonal, and every base has entries of size 1, so
        that h of a coefficient is the sum of its channel's."""
        curvature = distributed.mean(self.largest).sqrt().flatten(1).sum(1) / rate
        return -self.slope / max(self.since, 1) * alphas + curvature * alphas.square() / 2


class LossAwareBases(OneCandidate):
    """Algorithm 1, and besides coefficients of `MultiBase` weights are deleted in `rounds` rounds over the first
    `until` of the run, among all layers of a candidate those that raise the loss least for each bit that they save,
    until it keeps the share `keep` of its bits: w3a3 with 2/3 has 2 bits per weight on average, and channels with 1 to
    3. Coefficients and weights that are left train on, which makes up for what was deleted.

    least: coefficients that each channel keeps; with 0 channels may vanish, which the estimate, of one coefficient at a
    time, does not foresee. rate: the learning rate that makes a curvature of AMSGrad's second moment, sqrt(v) / rate.
    """

    def __init__(self, keep: float = 0.5, rounds: int = 8, until: float = 0.75, least: int = 1,
                 rate: float = 1e-3) -> None:
        super().__init__()
        if not 0 < keep <= 1 or min(rounds, least + 1) < 1 or not 0 < until < 1 or not 0 < rate:
            raise InvalidInput(f"LossAwareBases: keep is {keep}, rounds {rounds}, until {until}, least {least} and "
                               f"rate {rate}; expected above 0 and at most 1, at least 1, between 0 and 1, at least 0, "
                               f"and above 0")
        self.keep, self.rounds, self.until, self.least, self.rate = keep, rounds, until, least, rate
        self.done = 0
        self.estimates: dict[tuple[str, int], _Estimates] = {}

    def step(self, s: Step, x: Tensor, y: Tensor) -> dict[int, Tensor]:
        due = int(min(s.progress / self.until, 1.0) * self.rounds)
        if due > self.done:
            self._prune(s.net, due)
        for name, index, quantizer in self._weights(s.net):
            quantizer.watch = self.estimates.setdefault((name, index), _Estimates()).see_weight
        try:
            losses = super().step(s, x, y)
        finally:
            for _, _, quantizer in self._weights(s.net):
                quantizer.watch = None
        for name, index, quantizer in self._weights(s.net):
            if index in losses:
                self.estimates[name, index].see_alphas(quantizer.alphas.grad)
        return losses

    def finish(self, net: Switchable) -> None:
        if self.done < self.rounds:
            self._prune(net, self.rounds)

    def mean_bits(self, net: Switchable, candidate: "str | int") -> float:
        """Bits per weight that the `MultiBase` weights of a candidate keep."""
        chosen = net.candidate_index(candidate)
        weights = [quantizer for _, index, quantizer in self._weights(net) if index == chosen]
        total = sum(_channel(quantizer) * quantizer.kept.shape[1] for quantizer in weights)
        return sum(float(quantizer.kept.sum()) * _channel(quantizer) for quantizer in weights) / total

    @staticmethod
    def _weights(net: Switchable) -> Iterator[tuple[str, int, MultiBaseWeight]]:
        found = [(name, index, quantizer) for name, layer in net.layers().items()
                 for index, quantizer in enumerate(layer.theta.quantizers) if isinstance(quantizer, MultiBaseWeight)]
        if not found:
            raise InvalidInput("LossAwareBases deletes coefficients of MultiBase weights, and the network has none; "
                               "convert it with weight=abt.MultiBase()")
        yield from found

    @torch.no_grad()
    def _prune(self, net: Switchable, due: int) -> None:
        self.done = due
        share = 1 - (1 - self.keep) * due / self.rounds
        for chosen in range(len(net.candidates)):
            self._prune_candidate([(self.estimates.get((name, index)), quantizer)
                                   for name, index, quantizer in self._weights(net) if index == chosen], share)

    def _prune_candidate(self, weights: "list[tuple[_Estimates | None, MultiBaseWeight]]", share: float) -> None:
        seen = [(estimates, quantizer) for estimates, quantizer in weights if estimates is not None and estimates.since]
        if not seen:
            return
        rises = torch.cat([self._order(estimates, quantizer).flatten() for estimates, quantizer in seen])
        sizes = torch.cat([torch.full((quantizer.kept.numel(),), _channel(quantizer)) for _, quantizer in seen])
        order = rises.argsort(stable=True)
        below = (sizes[order].cumsum(0) <= (1 - share) * int(sizes.sum()) + 1e-6) & (rises[order] < torch.inf)
        kept = torch.ones_like(rises)
        kept[order[below]] = 0
        for (estimates, quantizer), part in zip(seen, kept.split([q.kept.numel() for _, q in seen])):
            quantizer.kept.copy_(part.view_as(quantizer.kept))
            estimates.slope, estimates.since = torch.zeros(()), 0

    def _order(self, estimates: _Estimates, quantizer: MultiBaseWeight) -> Tensor:
        """What deletion costs for each bit, [I, O]: nothing where it has been, too much for the largest ones."""
        alphas = quantizer.coefficients()
        cost = estimates.rise(alphas, self.rate) / _channel(quantizer)
        rank = alphas.argsort(0, descending=True).argsort(0)
        cost = torch.where(rank < self.least, torch.inf, cost)
        return torch.where(quantizer.kept > 0, cost, -torch.inf)

    def state_dict(self) -> dict[str, Any]:
        return {"done": self.done, "estimates": {key: vars(value) for key, value in self.estimates.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.done, self.estimates = state["done"], {}
        for key, values in state["estimates"].items():
            self.estimates[key] = _Estimates()
            vars(self.estimates[key]).update(values)


def _channel(quantizer: MultiBaseWeight) -> int:
    """Weights of one output channel."""
    return torch.Size(quantizer.site.shape[1:]).numel()  # type: ignore[index]
