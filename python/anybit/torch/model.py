"""The network that `switchable` returns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .._errors import InvalidInput
from .candidates import Candidate, Widths
from .modules import SwitchableActivation, SwitchableModule
from .packed_weights import PackedWeights
from .quantizers.base import Quantizer


class Switchable(nn.Module):
    """A network with several precisions, one of them chosen.

    net: the converted network, whose module names are those of the original. candidates: in the order of the file.
    traced: whether quantizers stand on the edges of a traced graph (else in front of each layer). packs_weights:
    whether the weights of small layers are quantized together, which has no second derivative.
    """

    packs_weights = True

    def __init__(self, net: nn.Module, candidates: Sequence[Candidate], traced: bool) -> None:
        super().__init__()
        self.net, self.candidates, self.traced = net, tuple(candidates), traced
        self.index = 0
        self._modules_of_candidates: "list[SwitchableModule] | None" = None
        self._progressing: "list[Quantizer] | None" = None
        self._packed: "PackedWeights | None" = None

    @property
    def names(self) -> list[str]:
        """Names of the candidates."""
        return [candidate.name for candidate in self.candidates]

    @property
    def candidate(self) -> str:
        """Name of the chosen candidate."""
        return self.names[self.index]

    def candidate_index(self, candidate: "str | int") -> int:
        """Index of a candidate given by name or index; raises InvalidInput for an unknown one."""
        if isinstance(candidate, int) and 0 <= candidate < len(self.candidates):
            return candidate
        if candidate in self.names:
            return self.names.index(candidate)  # type: ignore[arg-type]
        raise InvalidInput(f"candidate {candidate!r} is unknown; the network has {', '.join(self.names)}")

    def set_candidate(self, candidate: "str | int") -> None:
        """Chooses the precision of the next forward passes."""
        self.index = self.candidate_index(candidate)
        for module in self.switchable_modules():
            module.index = self.index

    def layers(self) -> dict[str, nn.Module]:
        """The layers with quantized weights, by name, in the order of the network."""
        return {module.name: module for module in self.switchable_modules() if hasattr(module, "theta")}

    def set_widths(self, choice: "Mapping[str, Any]") -> None:
        """Other candidates for some layers than `set_candidate` gave them, until the next `set_candidate`.

        choice: layer -> candidate, or -> (candidate of the weights and the batch norm, candidate of the activations).
        """
        if unknown := [name for name in choice if name not in self.layers()]:
            raise InvalidInput(f"the network has no layers {', '.join(unknown)}; it has {', '.join(self.layers())}")
        indices = {name: self._pair(value) for name, value in choice.items()}
        for module in self.switchable_modules():
            if module.owner in indices:
                module.index = indices[module.owner][isinstance(module, SwitchableActivation)]

    def _pair(self, value: Any) -> tuple[int, int]:
        weights, activations = value if isinstance(value, tuple) else (value, value)
        return self.candidate_index(weights), self.candidate_index(activations)

    def derive(self, name: str, choice: "Mapping[str, Any]", base: "str | int" = 0) -> None:
        """Adds the candidate `name`, with copies of theta_b of what `choice` (as of `set_widths`) says; layers that it
        leaves out, and what belongs to no layer, are as in candidate `base`."""
        if name in self.names or not name or "," in name:
            raise InvalidInput(f"candidate '{name}' is there already, or its name is empty or has a comma")
        with self.at(base):
            self.set_widths(choice)
            rules = []
            for module in self.switchable_modules():
                if isinstance(module, SwitchableActivation) or not hasattr(module, "theta"):
                    continue
                activations = self._pair(choice.get(module.name, base))[1]
                bits = Widths(module.widths[module.index].weights, module.widths[activations].activations)
                rules.append((module.name, bits))
            for module in self.switchable_modules():
                module.derive(module.index)
            for module, (_, widths) in zip(self.layers().values(), rules):
                module.widths = (*module.widths[:-1], widths)
        last = self.candidates[self.candidate_index(base)].rules[-1]
        self.candidates += (Candidate(name, (*rules, last)),)

    @contextlib.contextmanager
    def at(self, candidate: "str | int") -> Iterator["Switchable"]:
        """The network at a candidate, for the length of a with statement."""
        before = self.index
        self.set_candidate(candidate)
        try:
            yield self
        finally:
            self.set_candidate(before)

    def switchable_modules(self) -> list[SwitchableModule]:
        """Every module that depends on the candidate."""
        if self._modules_of_candidates is None:
            self._modules_of_candidates = [m for m in self.net.modules() if isinstance(m, SwitchableModule)]
        return self._modules_of_candidates

    def candidate_parameters(self, candidate: "str | int") -> list[nn.Parameter]:
        """theta_b: factors, steps and clips, batch norm of a candidate (algorithms 2.1)."""
        index = self.candidate_index(candidate)
        chosen = [p for module in self.switchable_modules() for p in module.used_parameters(index)]
        return list({id(p): p for p in chosen}.values())

    @property
    def own_weights(self) -> bool:
        """Whether each candidate has weights of its own."""
        return any(getattr(layer, "others", None) is not None for layer in self.layers().values())

    def candidate_weights(self, candidate: "str | int") -> list[nn.Parameter]:
        """The weights that a candidate uses, and the biases."""
        index = self.candidate_index(candidate)
        layers = self.layers().values()
        return [layer.weight_of(index) for layer in layers] + [layer.bias for layer in layers if layer.bias is not None]

    def shared_parameters(self) -> list[nn.Parameter]:
        """W and everything else that no candidate owns."""
        owned = {id(p) for name in self.names for p in self.candidate_parameters(name)}
        return [p for p in self.parameters() if id(p) not in owned]

    def weight_steps(self) -> list[nn.Parameter]:
        """The learned steps of all weights, of every candidate."""
        quantizers = [q for layer in self.layers().values() for q in layer.theta.quantizers]
        return list({id(p): p for quantizer in quantizers for p in quantizer.weight_steps()}.values())

    def penalty(self) -> "Tensor | None":
        """What the quantizers of the chosen candidate add to the loss; None for nothing."""
        terms = [term for module in self.switchable_modules() for quantizer in _quantizers(module, self.index)
                 if (term := quantizer.penalty()) is not None]
        return torch.stack(terms).sum() if terms else None

    def set_progress(self, progress: float) -> None:
        """Tells quantizers that change while they train how far the run is, 0 to 1."""
        if self._progressing is None:
            self._progressing = [m for m in self.net.modules() if isinstance(m, Quantizer) and m.uses_progress]
        for quantizer in self._progressing:
            quantizer.progress = progress

    def round_masters(self, on: bool = True) -> None:
        """Rounds weights to float16 in front of every use, as the exported file has them (N3)."""
        for module in self.switchable_modules():
            if hasattr(module, "half_weight"):
                module.half_weight = on

    @contextlib.contextmanager
    def rounded_masters(self) -> "Iterator[Switchable]":
        """The network as a file will have it, for the length of a with statement."""
        before = any(getattr(module, "half_weight", False) for module in self.switchable_modules())
        self.round_masters()
        try:
            yield self
        finally:
            self.round_masters(before)

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        if not self.packs_weights or torch.compiler.is_compiling():
            return self.net(*arguments, **keywords)
        if self._packed is None:
            self._packed = PackedWeights(list(self.layers().values()))
        self._packed.assign()
        try:
            return self.net(*arguments, **keywords)
        finally:
            self._packed.release()

    def get_extra_state(self) -> dict[str, Any]:
        return {"candidates": self.names}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        if state["candidates"] != self.names:
            raise InvalidInput(f"the state is of a network with the candidates {', '.join(state['candidates'])}, "
                               f"this one has {', '.join(self.names)}")


def _quantizers(module: SwitchableModule, index: int) -> list[Quantizer]:
    theta = getattr(module, "theta", module)
    quantizers = getattr(theta, "quantizers", None)
    return [] if quantizers is None else [quantizers[index]]
