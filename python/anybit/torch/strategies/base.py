"""What one training step does. Algorithm 1 is `OneCandidate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..._errors import InvalidInput
from ..model import Switchable


@dataclass
class Distillation:
    """loss = (1 - weight) * task + weight * T^2 KL(teacher || student), on softmax(outputs / T)."""

    weight: float = 0.5
    temperature: float = 1.0

    def loss(self, outputs: Tensor, teacher: Tensor, task: Tensor) -> Tensor:
        return (1 - self.weight) * task + self.weight * divergence(outputs, teacher, self.temperature)


def divergence(outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 KL(teacher || student), mean over the batch."""
    wanted = F.log_softmax(teacher.detach() / temperature, 1)
    given = F.log_softmax(outputs / temperature, 1)
    return F.kl_div(given, wanted, log_target=True, reduction="batchmean") * temperature ** 2


@dataclass
class Step:
    """What a strategy works with. call: the network to call (perhaps wrapped for several processes); indices: the
    candidates in training; generator: for the choice of candidates, equal on all ranks; progress: 0 to 1."""

    net: Switchable
    call: Callable[[Tensor], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    indices: list[int]
    probabilities: Tensor
    generator: torch.Generator
    teacher: "nn.Module | None" = None
    distillation: Distillation = field(default_factory=Distillation)
    regularizers: Sequence[Callable[[Switchable], "Tensor | None"]] = ()
    progress: float = 0.0
    autocast: Any = None

    def draw(self, count: int = 1, among: "list[int] | None" = None) -> list[int]:
        """Candidates by their probabilities, without repetition."""
        positions = torch.tensor([self.indices.index(i) for i in among]) if among else torch.arange(len(self.indices))
        weights = self.probabilities[positions]
        drawn = torch.multinomial(weights, min(count, len(positions)), generator=self.generator)
        return [self.indices[int(positions[i])] for i in drawn]

    def forward(self, x: Tensor) -> Tensor:
        if self.autocast is None:
            return self.call(x)
        with torch.autocast(x.device.type, dtype=self.autocast):
            return self.call(x).float()

    def teacher_outputs(self, x: Tensor) -> "Tensor | None":
        if self.teacher is None:
            return None
        with torch.no_grad():
            return self.teacher(x)

    def objective(self, outputs: Tensor, y: Tensor, teacher: "Tensor | None" = None) -> Tensor:
        """Task loss, mixed with the teacher's if there is one, plus the penalties of quantizers and regularizers."""
        total = self.loss(outputs, y)
        if teacher is not None:
            total = self.distillation.loss(outputs, teacher, total)
        terms = [self.net.penalty(), *(regularizer(self.net) for regularizer in self.regularizers)]
        for term in terms:
            total = total if term is None else total + term
        return total


class Strategy:
    """One step: forward passes and `backward`; the optimizer is the caller's. Returns candidate index -> loss."""

    def step(self, s: Step, x: Tensor, y: Tensor) -> dict[int, Tensor]:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The way back."""

    def finish(self, net: Switchable) -> None:
        """Called after the last step."""


class OneCandidate(Strategy):
    """Algorithm 1: one sampled candidate a step (algorithms 2.6).

    widest: the widest candidate's outputs, without a gradient, are the teacher of the others.
    """

    def __init__(self, widest: bool = False) -> None:
        self.widest = widest

    def step(self, s: Step, x: Tensor, y: Tensor) -> dict[int, Tensor]:
        (index,) = s.draw()
        teacher = s.teacher_outputs(x)
        widest = by_width(s.net, s.indices)[0]
        if self.widest and index != widest:
            teacher = soft_targets(s.net, widest, x)
        s.net.set_candidate(index)
        loss = s.objective(s.forward(x), y, teacher)
        loss.backward()
        return {index: loss.detach()}


class AllCandidates(Strategy):
    """Every candidate at every step (AdaBits, Any-Precision). recursive: the widest learns from the labels, each
    narrower one from the next wider one's outputs too (algorithms 4.12)."""

    def __init__(self, recursive: bool = True) -> None:
        self.recursive = recursive

    def chosen(self, s: Step) -> list[int]:
        return by_width(s.net, s.indices)

    def step(self, s: Step, x: Tensor, y: Tensor) -> dict[int, Tensor]:
        teacher, losses = s.teacher_outputs(x), {}
        chosen = self.chosen(s)
        for index in chosen:
            s.net.set_candidate(index)
            outputs = s.forward(x)
            loss = s.objective(outputs, y, teacher) / len(chosen)
            loss.backward()
            losses[index] = loss.detach() * len(chosen)
            teacher = self.next_teacher(outputs.detach(), teacher)
        return losses

    def next_teacher(self, outputs: Tensor, teacher: "Tensor | None") -> "Tensor | None":
        return outputs if self.recursive else teacher


class Sandwich(AllCandidates):
    """The widest, the narrowest and `between` sampled candidates at every step; the widest teaches the others."""

    def __init__(self, between: int = 1, distill: bool = True) -> None:
        super().__init__(recursive=distill)
        if between < 0:
            raise InvalidInput(f"between is {between}, expected at least 0")
        self.between, self._first = between, True

    def chosen(self, s: Step) -> list[int]:
        order = by_width(s.net, s.indices)
        inner = order[1:-1]
        drawn = s.draw(self.between, among=inner) if inner and self.between else []
        self._first = True
        return list(dict.fromkeys([order[0], *drawn, order[-1]]))

    def next_teacher(self, outputs: Tensor, teacher: "Tensor | None") -> "Tensor | None":
        first, self._first = self._first, False
        return outputs if first and self.recursive else teacher


def by_width(net: Switchable, indices: Sequence[int]) -> list[int]:
    """Candidates from the widest to the narrowest; float is widest, then by the mean of all bits."""
    def width(index: int) -> float:
        bits = [b for _, widths in net.candidates[index].rules
                for b in (widths.weights or 32, widths.activations or 32)]
        return -sum(bits) / len(bits)
    return sorted(indices, key=width)


def soft_targets(net: Switchable, index: int, x: Tensor) -> Tensor:
    """The outputs of a candidate without a gradient; batch norm statistics stay as they are."""
    training = net.training
    net.eval()
    try:
        with net.at(index), torch.no_grad():
            return net(x)
    finally:
        net.train(training)
