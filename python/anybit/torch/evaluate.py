"""Evaluation of candidates, and re-estimation of their batch norms."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import distributed
from . import distributed
from .model import Switchable

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Score:
    """Mean loss and top-1 accuracy (0 to 1; of outputs [N, classes] with integer labels, else NaN) on `count` samples."""

    loss: float
    accuracy: float
    count: float


@contextlib.contextmanager
def mode(net: nn.Module, training: bool) -> Iterator[None]:
    """train() or eval() for the length of a with statement."""
    before = net.training
    net.train(training)
    try:
        yield
    finally:
        net.train(before)


@torch.no_grad()
def evaluate(net: nn.Module, loader: Iterable, loss: Loss = F.cross_entropy) -> Score:
    """The network as it stands (its chosen candidate), in evaluation mode; over the loaders of all ranks."""
    total, right, count, labelled = 0.0, 0, 0, True
    device = next(net.parameters()).device
    with mode(net, False):
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            outputs = net(x)
            total += loss(outputs, y).item() * len(x)
            count += len(x)
            labelled = labelled and outputs.dim() == 2 and y.dim() == 1
            right += int((outputs.argmax(1) == y).sum()) if labelled else 0
    total, right, count = distributed.total(total, right, count)
    if getattr(loader, "world", 1) > 1:
        total, right, count = distributed.total(total, right, count)  # type: ignore[assignment]
    return Score(total / max(count, 1), right / count if labelled and count else float("nan"), int(count))


def evaluate_all(net: Switchable, loader: Iterable, loss: Loss = F.cross_entropy,
                 candidates: "Sequence[str] | None" = None) -> dict[str, Score]:
    """Each candidate's score; the chosen candidate is as before afterwards."""
    scores = {}
    for name in candidates or net.names:
        with net.at(name):
            scores[name] = evaluate(net, loader, loss)
    return scores


@torch.no_grad()
def reestimate_batch_norm(net: Switchable, loader: Iterable, batches: int = 100,
                          candidates: "Sequence[str] | None" = None) -> None:
    """Replaces the running statistics of each candidate by the average over some batches (algorithms 6.7)."""
    device = next(net.parameters()).device
    for name in candidates or net.names:
        with net.at(name), _averaging(net):
            for i, (x, *_) in enumerate(loader):
                if i == batches:
                    break
                net(x.to(device))


@contextlib.contextmanager
def _averaging(net: Switchable) -> Iterator[None]:
    """Batch norms in training mode with a cumulative average, everything else in evaluation mode."""
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    running = [getattr(m, "sets", [m])[net.index] for m in net.switchable_modules() if hasattr(m, "sets")]
    chosen = running or norms
    momenta = [norm.momentum for norm in chosen]
    with mode(net, False):
        for norm in chosen:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        try:
            yield
        finally:
            for norm, momentum in zip(chosen, momenta):
                norm.momentum = momentum
