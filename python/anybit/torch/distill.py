"""Label-free distillation of one candidate from the float network (algorithms 6.1 S5n, 6.7c)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._errors import InvalidInput
from .checkpoint import seed_everything
from .evaluate import mode
from .log import Progress
from .model import Switchable
from .modules import SwitchableActivation
from .strategies.base import divergence


def distill(net: Switchable, teacher: nn.Module, images: Tensor, candidates: "Sequence[str] | None" = None, *,
            steps: int = 250, batch: int = 64, learning_rate: float = 1e-3, theta_rate: float = 1e-3,
            temperature: float = 2.0, drop: float = 0.3, augment: "Callable[[Tensor], Tensor] | None" = None,
            seed: int = 0, progress: bool = True) -> dict[str, float]:
    """Tunes each candidate, one after the other, on unlabelled inputs: `steps` Adam steps on KL(teacher || candidate)
    at `temperature` with straight-through weights, learned steps and batch statistics; a part `drop` of activations
    stays float in each step (QDrop).

    images: float32 [N, ...]. augment: of a batch. A network of several candidates needs weights of their own
    (`switchable(..., own_weights=True)`). Returns the mean loss of the last tenth of the steps by candidate.
    """
    names = list(net.names if candidates is None else candidates)
    if len(net.names) > 1 and not net.own_weights:
        raise InvalidInput("distilling one candidate would spoil the weights of the others; convert the network with "
                           "abt.switchable(..., own_weights=True)")
    results, bar = {}, Progress(steps * len(names), progress)
    teacher.eval()
    for number, name in enumerate(names):
        seed_everything(seed)
        index = net.candidate_index(name)
        parameters = [{"params": net.candidate_weights(index), "lr": learning_rate},
                      {"params": net.candidate_parameters(index), "lr": theta_rate}]
        optimizer = torch.optim.Adam(parameters, learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        losses = []
        with net.at(name), mode(net, True):
            _set_drop(net, drop)
            try:
                for step in range(steps):
                    x = images[torch.randint(len(images), (min(batch, len(images)),))]
                    x = x if augment is None else augment(x)
                    losses.append(_step(net, teacher, x, temperature, optimizer))
                    schedule.step()
                    bar.show(number * steps + step + 1, f"{name} loss {losses[-1]:.4f}")
            finally:
                _set_drop(net, 0.0)
        tail = losses[-max(steps // 10, 1):]
        results[name] = sum(tail) / len(tail)
    bar.close()
    return results


def _step(net: Switchable, teacher: nn.Module, x: Tensor, temperature: float,
          optimizer: torch.optim.Optimizer) -> float:
    with torch.no_grad():
        wanted = teacher(x)
    optimizer.zero_grad(set_to_none=True)
    outputs = net(x)
    loss = divergence(outputs, wanted, temperature) if outputs.dim() == 2 else F.mse_loss(outputs, wanted)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def _set_drop(net: Switchable, drop: float) -> None:
    for module in net.switchable_modules():
        if isinstance(module, SwitchableActivation):
            module.drop = drop
