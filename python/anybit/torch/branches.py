"""Per-candidate branches in the manner of MBQuant (algorithms 4.7): a wider candidate runs more 2-bit bodies."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .._errors import InvalidInput
from .candidates import Candidate
from .modules import SwitchableModule


class Branches(nn.Module):
    """Bodies side by side whose outputs are averaged; `switchable` makes each candidate run a part of them.

    bodies: modules of one input and one output, of equal output shapes (4 for widths up to 8). half: a narrower one
    that odd widths run besides. Weights inside have `bits` bits at every candidate.
    """

    def __init__(self, bodies: Sequence[nn.Module], half: "nn.Module | None" = None, bits: int = 2) -> None:
        super().__init__()
        if not bodies:
            raise InvalidInput("Branches needs at least one body")
        self.bodies, self.has_half, self.bits = nn.ModuleList(bodies), half is not None, bits
        if half is not None:
            self.bodies.append(half)

    def forward(self, x: Tensor) -> Tensor:
        return sum(body(x) for body in self.bodies) / len(self.bodies)


class SwitchableBranches(SwitchableModule):
    """active: the bodies that each candidate runs."""

    def __init__(self, branches: Branches, name: str, bodies: Sequence[nn.Module],
                 candidates: Sequence[Candidate]) -> None:
        super().__init__()
        self.name, self.count = name, len(candidates)
        self.bodies = nn.ModuleList(bodies)
        full = len(bodies) - int(branches.has_half)
        self.active = [active_bodies(candidate.widths(name).weights, full, branches.has_half, branches.bits)
                       for candidate in candidates]
        for i, body in enumerate(self.bodies):
            idle = frozenset(index for index, active in enumerate(self.active) if i not in active)
            for module in body.modules():
                if isinstance(module, SwitchableModule):
                    module.unused = idle

    def forward(self, x: Tensor) -> Tensor:
        results = [self.bodies[i](x) for i in self.active[self.index]]
        return sum(results[1:], results[0]) * (1 / len(results))

    def derive(self, source: int) -> None:
        super().derive(source)
        self.active.append(self.active[source])


def active_bodies(width: int, full: int, has_half: bool, bits: int = 2) -> list[int]:
    """The bodies of a width: width // bits of them, and the half one for what is left. 2 and 8 bits start at body 0,
    the others at body 1, so that body 0 does not absorb every error. Width 0 (float) runs all."""
    if width == 0:
        return list(range(full))
    count = min(max(width // bits, 0 if has_half else 1), full)
    first = 0 if width in (bits, bits * full) else 1
    chosen = sorted((first + i) % full for i in range(count))
    return chosen + ([full] if has_half and width % bits else []) or [0]
