"""AdaQAT's learned widths (algorithms 4.14), ending in a mixed candidate."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..._errors import InvalidInput
from ..model import Switchable
from .base import Step, Strategy


class AdaptiveWidths(Strategy):
    """Real-valued widths N_w, N_a, used as ceil(N), of the network (per_layer=False) or of each layer.

    dL/dN = L(ceil N) - L(ceil N - 1), measured on the batch, and the cost is `cost` * mean over layers of
    N_w*N_a/64 (bit operations relative to w8a8). N falls by `rate` times the sum of both derivatives; a width that has
    turned `oscillations` times stays at its larger value. The candidates of the network must hold every uniform
    width from the widest to the narrowest. At the end the network gets the candidate `name` with these widths.
    """

    def __init__(self, cost: float = 1.0, rate: float = 0.5, per_layer: bool = False, oscillations: int = 6,
                 name: str = "adaptive") -> None:
        self.cost, self.rate, self.per_layer, self.oscillations, self.name = cost, rate, per_layer, oscillations, name
        self.widths: dict[tuple[str, str], float] = {}
        self.turns: dict[tuple[str, str], int] = {}
        self.direction: dict[tuple[str, str], int] = {}

    def _start(self, net: Switchable, indices: list[int]) -> None:
        self._by_bits = {net.candidates[i].rules[0][1].weights: i for i in indices
                         if len(net.candidates[i].rules) == 1 and
                         net.candidates[i].rules[0][1].weights == net.candidates[i].rules[0][1].activations}
        bits = sorted(b for b in self._by_bits if b)
        if len(bits) < 2 or bits != list(range(bits[0], bits[-1] + 1)):
            raise InvalidInput(f"AdaptiveWidths needs the candidates w{{b}}a{{b}} for every b between two widths; the "
                               f"network has {', '.join(net.names)}")
        self.low, self.high = bits[0], bits[-1]
        slots = list(net.layers()) if self.per_layer else ["*"]
        for slot in slots:
            for role in ("weights", "activations"):
                self.widths.setdefault((slot, role), float(self.high))

    def bits(self, layer: str, role: str) -> int:
        """ceil(N) of a layer; role: "weights" or "activations"."""
        value = self.widths[(layer if self.per_layer else "*", role)]
        return min(max(math.ceil(value), self.low), self.high)

    def _choose(self, net: Switchable, lowered: "tuple[str, str] | None" = None) -> None:
        choice = {}
        for layer in net.layers():
            pair = []
            for role in ("weights", "activations"):
                is_lowered = lowered is not None and lowered == (layer if self.per_layer else "*", role)
                pair.append(self._by_bits[self.bits(layer, role) - int(is_lowered)])
            choice[layer] = tuple(pair)
        net.set_widths(choice)

    def step(self, s: Step, x: Tensor, y: Tensor) -> dict[int, Tensor]:
        if not hasattr(self, "low"):
            self._start(s.net, s.indices)
        index = self._by_bits[self.high]
        s.net.set_candidate(index)
        self._choose(s.net)
        loss = s.objective(s.forward(x), y, s.teacher_outputs(x))
        loss.backward()
        self._move(s, x, y, float(loss.detach()))
        s.net.set_candidate(index)
        return {index: loss.detach()}

    def _move(self, s: Step, x: Tensor, y: Tensor, loss: float) -> None:
        """One width, drawn, by its finite difference."""
        moving = [slot for slot in self.widths if self.turns.get(slot, 0) < self.oscillations]
        if not moving:
            return
        slot = moving[int(torch.randint(len(moving), (), generator=s.generator))]
        bits = min(max(math.ceil(self.widths[slot]), self.low), self.high)
        gain = 0.0
        if bits > self.low:
            self._choose(s.net, slot)
            with torch.no_grad():
                gain = loss - float(s.objective(s.forward(x), y, s.teacher_outputs(x)))
        other = (slot[0], "activations" if slot[1] == "weights" else "weights")
        slope = gain + self.cost * math.ceil(self.widths[other]) / 64
        before = math.ceil(self.widths[slot])
        self.widths[slot] = min(max(self.widths[slot] - self.rate * slope, self.low), float(self.high))
        self._count_turn(slot, before)

    def _count_turn(self, slot: tuple[str, str], before: int) -> None:
        move = math.ceil(self.widths[slot]) - before
        if not move:
            return
        direction = 1 if move > 0 else -1
        if self.direction.get(slot, direction) != direction:
            self.turns[slot] = self.turns.get(slot, 0) + 1
            if self.turns[slot] >= self.oscillations:
                self.widths[slot] = float(max(before, math.ceil(self.widths[slot])))
        self.direction[slot] = direction

    def finish(self, net: Switchable) -> None:
        if not self.widths or self.name in net.names:
            return
        net.derive(self.name, {layer: (self._by_bits[self.bits(layer, "weights")],
                                       self._by_bits[self.bits(layer, "activations")]) for layer in net.layers()})

    def state_dict(self) -> dict[str, Any]:
        return {"widths": self.widths, "turns": self.turns, "direction": self.direction}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.widths, self.turns, self.direction = state["widths"], state["turns"], state["direction"]
