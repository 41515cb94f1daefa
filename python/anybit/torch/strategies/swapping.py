"""CoQuant's dynamic block swapping (algorithms 4.5) and ABN's layer-wise arbitrary widths (4.8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .base import Step, Strategy, by_width, divergence, soft_targets


class BlockSwapping(Strategy):
    """A sampled student learns from the labels and from a wider candidate, while each of its blocks runs at the
    teacher's width with a probability that falls linearly to 0 over the run.

    The teacher is the wider candidate with the least running loss (the paper's rule is not public). blocks: paths of
    modules; None: the parents of layers. temperature: of KL(teacher || student).
    """

    def __init__(self, probability: float = 0.5, blocks: "Sequence[str] | None" = None,
                 temperature: float = 1.0) -> None:
        self.probability, self.blocks, self.temperature = probability, blocks, temperature
        self.losses: dict[int, float] = {}

    def step(self, s: Step, x: Tensor, y: Tensor) -> dict[int, Tensor]:
        (student,) = s.draw()
        order = by_width(s.net, s.indices)
        wider = order[:order.index(student)]
        teacher = min(wider, key=lambda i: self.losses.get(i, 0.0)) if wider else None
        targets = s.teacher_outputs(x) if teacher is None else soft_targets(s.net, teacher, x)
        s.net.set_candidate(student)
        if teacher is not None:
            self._swap(s, teacher)
        outputs = s.forward(x)
        loss = s.objective(outputs, y)
        task = float(loss.detach())
        if targets is not None:
            loss = loss + divergence(outputs, targets, self.temperature)
        loss.backward()
        s.net.set_candidate(student)
        self.losses[student] = 0.9 * self.losses.get(student, task) + 0.1 * task
        return {student: loss.detach()}

    def _swap(self, s: Step, teacher: int) -> None:
        blocks = self.blocks or sorted({name.rpartition(".")[0] for name in s.net.layers()})
        chance = self.probability * (1 - s.progress)
        drawn = torch.rand(len(blocks), generator=s.generator) < chance
        swapped = [block for block, is_drawn in zip(blocks, drawn.tolist()) if is_drawn]
        layers = [name for name in s.net.layers()
                  if any(name.startswith(f"{block}.") or not block for block in swapped)]
        s.net.set_widths({name: teacher for name in layers})

    def state_dict(self) -> dict[str, Any]:
        return {"losses": dict(self.losses)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.losses = dict(state["losses"])


class ArbitraryWidths(Strategy):
    """Every layer at a width of its own, drawn anew at each step; the widest candidate, uniform, teaches (ABN).

    Afterwards any choice of widths per layer can be had with `Switchable.derive`. uniform: part of the steps at which
    all layers have one width.
    """

    def __init__(self, uniform: float = 0.3, temperature: float = 1.0) -> None:
        self.uniform, self.temperature = uniform, temperature

    def step(self, s: Step, x: Tensor, y: Tensor) -> dict[int, Tensor]:
        widest = by_width(s.net, s.indices)[0]
        (index,) = s.draw()
        is_uniform = bool(torch.rand((), generator=s.generator) < self.uniform)
        targets = None if is_uniform and index == widest else soft_targets(s.net, widest, x)
        s.net.set_candidate(index)
        if not is_uniform:
            s.net.set_widths({name: s.draw()[0] for name in s.net.layers()})
        outputs = s.forward(x)
        loss = s.objective(outputs, y)
        if targets is not None:
            loss = loss + divergence(outputs, targets, self.temperature)
        loss.backward()
        s.net.set_candidate(index)
        return {index: loss.detach()}
