"""Trains, evaluates and exports a switchable network as a recipe says.

    python -m anybit.torch.train --recipe recipes/fashion_resnet20.toml --folder runs/fashion
    torchrun --nproc-per-node 2 -m anybit.torch.train --recipe ...      # the batch is that of all processes together
    anybit train --recipe ...                                           # the same

The folder gets checkpoints, logs (CSV), `switchable.onnx` and `result.json`. A run that was stopped goes on where it
was when the same command is given again.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pathlib
import sys
import time
import tomllib
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .._errors import Error, InvalidInput
from .._train_options import parser
from . import distributed
from .checkpoint import seed_everything
from .evaluate import Score, evaluate_all
from .fit import fit
from .log import table as markdown
from .model import Switchable
from .onnx_export import export
from .recipe import Recipe, parse_recipe, read_recipe
from .recipe_parts import loaders, network, optimizer_of, strategy_of, switchable_of
from .strategies import Distillation
from .tensorboard import scalars_of


# Arguments of `switchable_of` for the plain network.
FLOAT_NETWORK = {"candidates": ["f32"], "wavelet": "none", "first_last": 0, "residual": 0, "batch_norm": "shared"}


def switchable_settings(recipe: Recipe) -> dict[str, Any]:
    """Arguments of `switchable_of`."""
    return {f.name: getattr(recipe.switchable, f.name) for f in dataclasses.fields(recipe.switchable)}


def run(recipe: Recipe, folder: str | os.PathLike[str], *, fresh: bool = False, tensorboard: bool = False,
        progress: bool = True) -> dict[str, Any]:
    """Runs a recipe in `folder` (made if absent), from where an earlier run of the same recipe stopped unless `fresh`.

    Returns what `result.json` holds: `recipe`, `float` and `candidates` (name -> accuracy and loss on the test data),
    `seconds` of each stage. Raises InvalidInput for wrong settings or a folder of another recipe.
    """
    job = _Job(recipe, pathlib.Path(folder), tensorboard, progress)
    job.prepare(fresh)
    plain = job.train_float()
    net = job.train_switchable(plain)
    return job.finish(net)


class _Job:
    """One run: its folder, its data, and what it measured so far."""

    def __init__(self, recipe: Recipe, folder: pathlib.Path, tensorboard: bool, progress: bool) -> None:
        self.recipe, self.folder, self.tensorboard, self.progress = recipe, folder, tensorboard, progress
        self.first = distributed.rank() == 0
        self.seconds: dict[str, float] = {}
        self.scores: dict[str, Score] = {}

    def prepare(self, fresh: bool) -> None:
        if self.recipe.threads:
            torch.set_num_threads(self.recipe.threads)
        seed_everything(self.recipe.seed)
        self.train, self.test = loaders(self.recipe.data, self.recipe.seed)
        self.sample = next(iter(self.test))[0][:1]
        if self.first:
            self._claim(fresh)
        distributed.agree(0)

    def _claim(self, fresh: bool) -> None:
        """The folder belongs to one recipe."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mine, path = dataclasses.asdict(self.recipe), self.folder / "recipe.json"
        if fresh:
            for name in ("float.pt", "float.csv", "switchable.pt", "switchable.csv", "result.json", "recipe.json"):
                (self.folder / name).unlink(missing_ok=True)
        elif path.exists() and json.loads(path.read_text()) != mine:
            raise InvalidInput(f"'{self.folder}' has a run of another recipe; name another folder, or --fresh to begin "
                               "this one anew")
        path.write_text(json.dumps(mine, indent=1) + "\n")

    def train_float(self) -> nn.Module:
        """The plain network after its own epochs: a switchable one with a single float candidate, on the same loop."""
        recipe = self.recipe.float
        plain = network(self.recipe.network)
        if not recipe.epochs:
            return plain
        net = switchable_of(plain, FLOAT_NETWORK)
        self._fit(net, "float", recipe.epochs, recipe.optimizer, warmup_batches=0, reestimate_batches=0)
        trained = net.net.state_dict()
        plain.load_state_dict({name: trained[name] for name in plain.state_dict()})
        return plain

    def train_switchable(self, plain: nn.Module) -> Switchable:
        recipe = self.recipe.train
        net = switchable_of(plain, switchable_settings(self.recipe))
        teacher = copy.deepcopy(plain).eval() if recipe.teacher == "float" else None
        self._fit(net, "switchable", recipe.epochs, recipe.optimizer, warmup_batches=recipe.warmup_batches,
                  val_every=recipe.evaluate_every, probabilities=recipe.probabilities or None, teacher=teacher,
                  strategy=strategy_of(recipe.strategy), reestimate_batches=recipe.reestimate_batches,
                  distillation=Distillation(recipe.distillation, recipe.temperature))
        return net

    def _fit(self, net: Switchable, stage: str, epochs: int, optimizer: Any, val_every: int = 1,
             **options: Any) -> None:
        made, schedule = optimizer_of(net, optimizer, epochs * len(self.train))
        writer = scalars_of(self.folder / "tensorboard" / stage) if self.tensorboard and self.first else None

        def on_epoch(epoch: int, scores: dict[str, Score]) -> None:
            if self.first and self.progress:
                print(f"{stage} epoch {epoch}/{epochs}: " + ", ".join(f"{name} {100 * score.accuracy:.2f} %"
                                                                      for name, score in scores.items()), flush=True)
            if writer is not None:
                writer(epoch, scores)

        history = fit(net, self.train, self.test if val_every else None, epochs, optimizer=made, scheduler=schedule,
                      seed=self.recipe.seed, model=distributed.parallel(net), checkpoint=self.folder / f"{stage}.pt",
                      checkpoint_steps=100, log=self.folder / f"{stage}.csv", on_epoch=on_epoch,
                      progress=self.progress, val_every=val_every, **options)
        self.seconds[stage] = round(history.seconds, 1)
        self.scores.update(history.scores)

    def finish(self, net: Switchable) -> dict[str, Any]:
        """Rounds the weights to float16 as the file has them, evaluates, exports."""
        net.round_masters()
        started = time.monotonic()
        self.scores.update(evaluate_all(net, self.test))
        self.seconds["evaluate"] = round(time.monotonic() - started, 1)
        result = {"recipe": dataclasses.asdict(self.recipe), "seconds": self.seconds, "ranks": distributed.world_size(),
                  "accuracy": {name: round(100 * score.accuracy, 3) for name, score in self.scores.items()},
                  "loss": {name: round(score.loss, 5) for name, score in self.scores.items()}}
        if self.first:
            export(net, self.folder / "switchable.onnx", self.sample.contiguous())
            (self.folder / "result.json").write_text(json.dumps(result, indent=1) + "\n")
        return result


def final_table(result: dict[str, Any]) -> str:
    """Candidates with accuracy and loss, as Markdown."""
    return markdown({name: {"top-1, %": f"{result['accuracy'][name]:.2f}", "loss": f"{result['loss'][name]:.4f}"}
                     for name in result["accuracy"]})


def _overridden(recipe: Recipe, assignments: Sequence[str]) -> Recipe:
    """`--set train.epochs=2`: the value is TOML, or else a text."""
    tables = dataclasses.asdict(recipe)
    tables["network"].update(tables["network"].pop("arguments"))
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        *folders, leaf = path.split(".")
        table = tables
        for name in folders:
            table = table[name] if isinstance(table.get(name), dict) else {}
        if not equals or leaf not in table and folders != ["network"]:
            raise InvalidInput(f"--set {assignment}: expected SETTING=VALUE with a setting of the recipe, such as "
                               "train.epochs=2")
        try:
            table[leaf] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            table[leaf] = text
    return parse_recipe(tables)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code (2: wrong input, 3: unsupported, 1: a mistake of anybit)."""
    given = parser().parse_args(arguments)
    distributed.start()
    try:
        recipe = _overridden(read_recipe(given.recipe), given.settings)
        result = run(recipe, given.folder, fresh=given.fresh, tensorboard=given.tensorboard, progress=not given.quiet)
        if distributed.rank() == 0:
            print(final_table(result))
        return 0
    except Error as error:
        for line in str(error).splitlines():
            print(f"anybit: error: {line}", file=sys.stderr)
        return error.exit_code
    finally:
        distributed.stop()


if __name__ == "__main__":
    sys.exit(main())
