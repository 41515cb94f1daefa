"""Evaluation of candidates, and re-estimation of their batch norms."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import distributed
from .model import Switchable
from .modules import SwitchableBatchNorm

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Score:
    """Mean loss and top-1 accuracy (0 to 1; of outputs [N, classes] with integer labels, else NaN) on `count` samples,
    those of all ranks."""

    loss: float
    accuracy: float
    count: int


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
    """Replaces the running statistics of each candidate by the average over the first `batches` of `loader` (algorithms
    6.7); labels are not used. Norms that all candidates share get the average over these candidates."""
    names = list(candidates or net.names)
    own = [module.sets for module in net.switchable_modules() if isinstance(module, SwitchableBatchNorm)]
    shared = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for group in [[name] for name in names] if own else [names]:
        norms = [sets[net.candidate_index(group[0])] for sets in own] or shared
        if not norms:
            return
        with mode(net, False), _averaging(norms):
            _pass_through(net, loader, batches, group)


def _pass_through(net: Switchable, loader: Iterable, batches: int, candidates: Sequence[str]) -> None:
    device = next(net.parameters()).device
    for x, *_ in itertools.islice(loader, batches):
        for name in candidates:
            with net.at(name):
                net(x.to(device))


@contextlib.contextmanager
def _averaging(norms: Sequence[nn.Module]) -> Iterator[None]:
    """Batch norms in training mode, with a cumulative average from nothing."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
