"""`fit`: Algorithm 1 (algorithms 2.6), and the other strategies on the same loop."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._errors import Error, InvalidInput
from . import distributed
from .checkpoint import load_checkpoint, random_state, save_checkpoint, seed_everything, set_random_state
from .evaluate import Score, evaluate_all, reestimate_batch_norm
from .log import Log, Progress
from .model import Switchable
from .strategies.base import Distillation, OneCandidate, Step, Strategy


# Of the learning rate of theta_b, for learned steps of weights.
STEP_SCALE = 0.1


class Diverged(Error, ArithmeticError):
    """The loss is not finite. step: of the run; layer: the first module whose output is not finite."""

    exit_code = 1

    def __init__(self, step: int, candidate: str, layer: str, checkpoint: "str | None") -> None:
        self.step, self.candidate, self.layer = step, candidate, layer
        kept = f"the last checkpoint is '{checkpoint}'" if checkpoint else "there is no checkpoint (none was asked for)"
        super().__init__(f"the loss is not finite at step {step}, candidate {candidate}; the first output that is not "
                         f"is that of '{layer}'; lower the learning rate; {kept}")


@dataclass
class History:
    """rows: of the log; scores: of the last evaluation by candidate; steps: optimizer steps in all; seconds: spent."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    scores: dict[str, Score] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0


def parameter_groups(net: Switchable, weight_decay: float = 1e-4, theta_scale: float = 1.0,
                     learning_rate: float = 0.05, step_scale: float = STEP_SCALE) -> list[dict[str, Any]]:
    """Groups for an optimizer: weights with decay; biases, batch norms, factors, steps and clips without, theta_b at
    `theta_scale` times the learning rate, learned steps of weights at `step_scale` times that.

    The loss hardly feels the step of a wide weight, so at the full rate it drifts: 8-bit steps were seen to end at 44
    times their best value, or below zero.
    """
    shared = net.shared_parameters()
    known = {id(p) for p in shared}
    theta = [p for p in net.parameters() if id(p) not in known]
    groups = [{"params": [p for p in shared if p.dim() > 1], "weight_decay": weight_decay, "lr": learning_rate},
              {"params": [p for p in shared if p.dim() <= 1], "weight_decay": 0.0, "lr": learning_rate},
              *_theta_groups(net, theta, learning_rate * theta_scale, step_scale)]
    return [group for group in groups if group["params"]]


def _theta_groups(net: Switchable, theta: Sequence[nn.Parameter], learning_rate: float,
                  step_scale: float) -> list[dict[str, Any]]:
    steps = {id(p) for p in net.weight_steps()}
    return [{"params": [p for p in theta if (id(p) in steps) == slow], "weight_decay": 0.0, "lr": learning_rate * scale}
            for slow, scale in ((False, 1.0), (True, step_scale))]


def fit(net: Switchable, train: Iterable, val: "Iterable | None" = None, epochs: int = 1, warmup_batches: int = 100,
        probabilities: "Sequence[float] | Mapping[str, float] | None" = None, teacher: "nn.Module | None" = None, *,
        strategy: "Strategy | None" = None, candidates: "Sequence[str] | None" = None,
        optimizer: "torch.optim.Optimizer | None" = None, scheduler: Any = None, learning_rate: float = 0.05,
        loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy, distillation: Distillation = Distillation(),
        regularizers: Sequence[Callable[[Switchable], "Tensor | None"]] = (), clip_gradient: "float | None" = None,
        checkpoint: "str | os.PathLike[str] | None" = None, checkpoint_steps: int = 0, resume: bool = True,
        log: "str | os.PathLike[str] | None" = None, on_epoch: "Callable[[int, dict[str, Score]], None] | None" = None,
        model: "nn.Module | None" = None, autocast: "torch.dtype | None" = None, seed: int = 0, val_every: int = 1,
        reestimate_batches: int = 100, progress: bool = True) -> History:
    """Trains all `candidates` (None: all of the network) of `net` together, in place.

    train, val: iterables of (inputs, labels) that can be gone through many times; one with `set_epoch` (or whose
    `sampler` has it) is told the epoch. warmup_batches: batches at each candidate that only move its theta_b, before
    the weights move. probabilities: of the candidates, uniform if None. teacher: a float network whose outputs the
    candidates learn beside the labels. strategy: what a step does, Algorithm 1 if None. candidates: the subset that is
    trained; theta_b of the others is left alone. optimizer: over `parameter_groups(net)`; None: SGD with Nesterov
    momentum 0.9 and a cosine to 0 over the run (per step). scheduler: stepped after every step. model: what to call in
    place of net (`distributed.parallel(net)`). checkpoint: a file, written after the warm-up, after each epoch and
    every `checkpoint_steps` steps; if it exists and `resume`, the run goes on from it, exactly. log: a CSV file.
    The last evaluation is that of the weights rounded to float16, as a file has them.
    reestimate_batches: after the last step the batch norms of every candidate that may be drawn get the mean statistics
    of so many training batches (labels are not used) in place of the running ones, which know the last few steps of
    that candidate alone; 0 keeps those, for networks that run mixes of candidates (`set_widths`).

    Raises Diverged at a loss that is not finite, InvalidInput for wrong arguments or a checkpoint of another network.
    """
    trainer = _Trainer(net, train, epochs, warmup_batches, _indices(net, candidates), learning_rate, seed,
                       reestimate_batches)
    trainer.set_probabilities(probabilities)
    trainer.set_optimizer(optimizer, scheduler)
    trainer.step = Step(net, model or net, loss, trainer.indices, trainer.probabilities, trainer.generator, teacher,
                        distillation, regularizers, autocast=autocast)
    trainer.strategy = strategy or OneCandidate()
    trainer.clip_gradient, trainer.val, trainer.val_every, trainer.on_epoch = clip_gradient, val, val_every, on_epoch
    is_first = distributed.rank() == 0
    trainer.checkpoint, trainer.checkpoint_steps = checkpoint, checkpoint_steps
    trainer.log = Log(log if is_first else None)
    trainer.progress = progress and is_first
    if teacher is not None:
        teacher.eval()
    if checkpoint is not None and resume and os.path.exists(checkpoint):
        trainer.load(load_checkpoint(checkpoint, net))
    return trainer.run()


def _indices(net: Switchable, candidates: "Sequence[str] | None") -> list[int]:
    if isinstance(candidates, str):
        candidates = [candidates]
    indices = [net.candidate_index(name) for name in (net.names if candidates is None else candidates)]
    if not indices:
        raise InvalidInput("candidates is empty; name those to train")
    return indices


class _Trainer:
    """The state of one run."""

    step: Step
    strategy: Strategy
    optimizer: torch.optim.Optimizer
    scheduler: Any

    def __init__(self, net: Switchable, train: Iterable, epochs: int, warmup_batches: int, indices: list[int],
                 learning_rate: float, seed: int, reestimate_batches: int) -> None:
        problems = [f"{name} is {value}, expected at least 0" for name, value in
                    (("epochs", epochs), ("warmup_batches", warmup_batches),
                     ("reestimate_batches", reestimate_batches)) if value < 0]
        if not isinstance(train, Sized):
            problems.append("the training loader has no length, which the schedule needs; give it a __len__")
        elif not len(train):
            problems.append("the training loader is empty")
        if problems:
            raise InvalidInput("\n".join(problems))
        self.net, self.train, self.epochs, self.warmup_batches = net, train, epochs, warmup_batches
        self.total = epochs * len(train)  # type: ignore[arg-type]
        self.indices, self.learning_rate, self.seed = indices, learning_rate, seed
        self.reestimate_batches = reestimate_batches
        self.generator = torch.Generator().manual_seed(seed)
        self.device = next(net.parameters()).device
        self.steps = self.epoch = self.batch = 0
        self.warm = False
        self.seconds = 0.0
        self.history = History()

    def set_probabilities(self, given: "Sequence[float] | Mapping[str, float] | None") -> None:
        names = [self.net.names[i] for i in self.indices]
        if isinstance(given, Mapping):
            if unknown := [name for name in given if name not in names]:
                raise InvalidInput(f"probabilities are given for {', '.join(unknown)}; trained are {', '.join(names)}")
            given = [given.get(name, 0.0) for name in names]
        values = torch.ones(len(names)) if given is None else torch.tensor([float(p) for p in given])
        if len(values) != len(names) or not bool((values >= 0).all()) or not 0 < float(values.sum()) < float("inf"):
            raise InvalidInput(f"probabilities are {values.tolist()}, expected {len(names)} numbers, none negative and "
                               f"not all 0, for {', '.join(names)}")
        self.probabilities = values / values.sum()

    def set_optimizer(self, optimizer: "torch.optim.Optimizer | None", scheduler: Any) -> None:
        if optimizer is None:
            groups = parameter_groups(self.net, learning_rate=self.learning_rate)
            optimizer = torch.optim.SGD(groups, self.learning_rate, momentum=0.9, nesterov=True)
            scheduler = scheduler or torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(self.total, 1))
        self.optimizer, self.scheduler = optimizer, scheduler

    def run(self) -> History:
        started = time.monotonic()
        before = self.seconds
        bar = Progress(self.total, self.progress)
        self.net.train()
        if not self.warm:
            self.warm_up(bar)
            self.save()
        while self.epoch < self.epochs:
            self.run_epoch(bar)
            is_last = self.epoch + 1 == self.epochs
            with self.net.rounded_masters() if is_last else contextlib.nullcontext():
                if is_last and self.reestimate_batches:
                    self.reestimate(bar)
                self.seconds = before + time.monotonic() - started
                self.end_epoch()
        bar.close()
        self.strategy.finish(self.net)
        self.history.rows, self.history.steps, self.history.seconds = self.log.rows, self.steps, self.seconds
        return self.history

    def warm_up(self, bar: Progress) -> None:
        """Gives every candidate a sane theta_b before weights move: only theta_b has gradients."""
        owned = {id(p) for i in self.indices for p in self.net.candidate_parameters(i)}
        frozen = [p for p in self.net.parameters() if p.requires_grad and id(p) not in owned]
        for parameter in frozen:
            parameter.requires_grad_(False)
        try:
            for index in self.indices if self.warmup_batches else ():
                self._warm_up_one(index, bar)
        finally:
            for parameter in frozen:
                parameter.requires_grad_(True)
        self.net.zero_grad(set_to_none=True)
        self.warm = True

    def _warm_up_one(self, index: int, bar: Progress) -> None:
        self._start_epoch(-1 - index)
        theta = [p for p in self.net.candidate_parameters(index) if p.requires_grad]
        optimizer = torch.optim.SGD(_theta_groups(self.net, theta, self.learning_rate, STEP_SCALE), momentum=0.9)
        self.net.set_candidate(index)
        for number, (x, y) in enumerate(itertools.islice(self.train, self.warmup_batches)):
            x, y = x.to(self.device), y.to(self.device)
            self.net.zero_grad(set_to_none=True)
            loss = self.step.objective(self.step.forward(x), y, self.step.teacher_outputs(x))
            self._refuse_nonfinite({index: loss.detach()}, x)
            if theta:
                loss.backward()
                optimizer.step()
            bar.show(0, f"warm-up of {self.net.names[index]}, batch {number + 1}")

    def _start_epoch(self, epoch: int) -> None:
        """Random numbers and orders that depend on the seed and the epoch alone, so that a resumed run has them too."""
        seed_everything((self.seed * 1_000_003 + epoch + 1024) % (1 << 63))
        for target in (self.train, getattr(self.train, "sampler", None)):
            if hasattr(target, "set_epoch"):
                target.set_epoch(epoch if epoch >= 0 else 0)

    def run_epoch(self, bar: Progress) -> None:
        resumed, saved = self.batch, self._saved_random
        self._start_epoch(self.epoch)
        sums: dict[int, list[float]] = {}
        batches = enumerate(self.train)
        for _ in range(resumed):
            next(batches)
        if saved is not None:
            set_random_state(saved)
        for number, (x, y) in batches:
            losses = self.optimize(x.to(self.device), y.to(self.device))
            self.batch = number + 1
            for index, value in losses.items():
                sums.setdefault(index, []).append(value)
            mean = sum(losses.values()) / len(losses)
            bar.show(self.steps, f"epoch {self.epoch + 1}/{self.epochs} loss {mean:.3f}")
            if self.checkpoint_steps and self.steps % self.checkpoint_steps == 0:
                self.save()
        self._saved_random = None
        for index, values in sorted(sums.items()):
            self.log.write(epoch=self.epoch + 1, step=self.steps, candidate=self.net.names[index], split="train",
                           loss=sum(values) / len(values), learning_rate=self.optimizer.param_groups[0]["lr"],
                           seconds=round(self.seconds, 1))

    _saved_random: "dict[str, Any] | None" = None

    def optimize(self, x: Tensor, y: Tensor) -> dict[int, float]:
        """One step; gradients of candidates that did not run are None, so that the optimizer leaves them alone."""
        self.optimizer.zero_grad(set_to_none=True)
        self.step.progress = self.steps / max(self.total, 1)
        self.net.set_progress(self.step.progress)
        losses = self.strategy.step(self.step, x, y)
        self._refuse_nonfinite(losses, x)
        if self.clip_gradient is not None:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.clip_gradient)
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        self.steps += 1
        return {index: float(value) for index, value in losses.items()}

    def _refuse_nonfinite(self, losses: Mapping[int, Tensor], x: Tensor) -> None:
        for index, value in losses.items():
            if not bool(torch.isfinite(value)):
                path = None if self.checkpoint is None else os.fspath(self.checkpoint)
                name = self.net.names[index]
                raise Diverged(self.steps, name, first_nonfinite(self.net, name, x), path)

    def end_epoch(self) -> None:
        self.epoch, self.batch = self.epoch + 1, 0
        if self.val is not None and (self.epoch % self.val_every == 0 or self.epoch == self.epochs):
            names = [self.net.names[i] for i in self.indices]
            self.history.scores = evaluate_all(self.net, self.val, self.step.loss, names)
            for name, score in self.history.scores.items():
                self.log.write(epoch=self.epoch, step=self.steps, candidate=name, split="val", loss=score.loss,
                               accuracy=score.accuracy, seconds=round(self.seconds, 1))
            if self.on_epoch is not None:
                self.on_epoch(self.epoch, self.history.scores)
        self.save()

    def reestimate(self, bar: Progress) -> None:
        """Batch norms that fit the weights as they are after the last step, rounded as a file has them: weights like to
        sit between two codes, where rounding decides."""
        self._start_epoch(self.epochs)
        bar.show(self.steps, "statistics of batch norms")
        drawn = [self.net.names[i] for i, p in zip(self.indices, self.probabilities) if p > 0]
        reestimate_batch_norm(self.net, self.train, self.reestimate_batches, drawn)

    def save(self) -> None:
        if self.checkpoint is None or distributed.rank() != 0:
            return
        save_checkpoint(self.checkpoint, self.net, optimizer=self.optimizer.state_dict(), random=random_state(),
                        scheduler=None if self.scheduler is None else self.scheduler.state_dict(),
                        generator=self.generator.get_state(), steps=self.steps, epoch=self.epoch, batch=self.batch,
                        warm=self.warm, seconds=self.seconds, strategy=self.strategy.state_dict(),
                        rows=self.log.rows, scores=self.history.scores, seed=self.seed)

    def load(self, state: dict[str, Any]) -> None:
        if state["seed"] != self.seed:
            raise InvalidInput(f"the checkpoint is of seed {state['seed']}, this run has {self.seed}")
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None and state["scheduler"] is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.generator.set_state(state["generator"])
        self.steps, self.epoch, self.batch = state["steps"], state["epoch"], state["batch"]
        self.warm, self.seconds = state["warm"], state["seconds"]
        self.log.rows, self.history.scores = state["rows"], state["scores"]
        self.strategy.load_state_dict(state["strategy"])
        self._saved_random = state["random"] if self.batch else None


@torch.no_grad()
def first_nonfinite(net: Switchable, candidate: str, x: Tensor) -> str:
    """The first module of a forward pass whose output is not finite: a leaf's path, "inputs", or "loss"."""
    if not bool(torch.isfinite(x).all()):
        return "inputs"
    for name, parameter in net.net.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            return name
    found: list[str] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
                found.append(name)
        return hook

    hooks = [module.register_forward_hook(watch(name)) for name, module in net.net.named_modules()
             if name and not list(module.children()) or hasattr(module, "theta")]
    try:
        with net.at(candidate):
            net(x)
    finally:
        for handle in hooks:
            handle.remove()
    return found[0] if found else "loss"
