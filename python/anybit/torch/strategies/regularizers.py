"""Regularizers: KURE (algorithms 4.10) and gradient-L1 (4.11)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..model import Switchable
from ..modules import SwitchableActivation
from .base import OneCandidate, Step


def kurtosis(weight: Tensor) -> Tensor:
    """E[((w - mean)/std)^4]; 1.8 for a uniform distribution, 3 for a normal one."""
    centred = weight - weight.mean()
    return centred.pow(4).mean() / centred.square().mean().square().clamp_min(1e-24)


@dataclass(frozen=True)
class KURE:
    """weight * mean over layers of (kurtosis(W) - target)^2, for `fit(..., regularizers=[abt.KURE()])`: weights whose
    quantization error depends little on step and width."""

    weight: float = 1.0
    target: float = 1.8

    def __call__(self, net: Switchable) -> Tensor:
        terms = [(kurtosis(layer.weight) - self.target).square() for layer in net.layers().values()]
        return self.weight * torch.stack(terms).mean()


class GradientL1(OneCandidate):
    """loss + weights*|dL/dW|_1 + activations*|dL/dX|_1 (double back-propagation): the first-order bound of what
    quantization noise can do. X are the tensors in front of activation quantizers."""

    def __init__(self, weights: float = 0.05, activations: float = 0.05) -> None:
        super().__init__()
        self.weights, self.activations = weights, activations

    def step(self, s: Step, x: Tensor, y: Tensor) -> dict[int, Tensor]:
        (index,) = s.draw()
        s.net.set_candidate(index)
        s.net.packs_weights = False
        inputs: list[Tensor] = []
        hooks = [module.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
                 for module in s.net.switchable_modules() if isinstance(module, SwitchableActivation)]
        try:
            loss = s.objective(s.forward(x), y, s.teacher_outputs(x))
        finally:
            s.net.packs_weights = True
            for handle in hooks:
                handle.remove()
        weights = [layer.weight for layer in s.net.layers().values() if layer.weight.requires_grad]
        acts = [tensor for tensor in inputs if tensor.requires_grad]
        grads = torch.autograd.grad(loss, weights + acts, create_graph=True, allow_unused=True)
        norms = [sum(g.abs().sum() for g in part if g is not None)
                 for part in (grads[:len(weights)], grads[len(weights):])]
        (loss + self.weights * norms[0] + self.activations * norms[1]).backward()
        return {index: loss.detach()}
