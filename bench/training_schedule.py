"""Runs of `anybit.torch.train` one after the other within a time budget, each resumable, each with its JSON result."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import shutil
import signal
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from anybit.torch import train
from anybit.torch.recipe import parse_recipe
from training_page import write_page
from training_results import ROOT, RUNS, result_path, save_result

RECIPE = ROOT / "recipes" / "fashion_resnet20.toml"
WIDTHS = ["w8a8", "w6a6", "w4a4", "w3a3", "w2a2", "w1a1"]


class OutOfTime(BaseException):
    """The budget is spent; what ran has a checkpoint of at most 100 steps ago."""


@dataclass(frozen=True)
class Run:
    """A run of the Fashion-MNIST recipe with some settings changed. part: tells runs of one table row apart (the widths
    of the dedicated networks)."""

    kind: str
    name: str
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    part: str = ""

    @property
    def key(self) -> str:
        return f"{self.name}-{self.part}" if self.part else self.name

    @property
    def path(self) -> pathlib.Path:
        return result_path(self.kind, self.key, self.seed)


def tables_of(run: Run, epochs: dict[str, int]) -> dict[str, Any]:
    """The recipe of a run. epochs: other numbers than the recipe's, `float` and `train`."""
    tables = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    tables["seed"] = run.seed
    for stage, count in epochs.items():
        tables[stage]["epochs"] = count
    for path, value in run.settings.items():
        table, _, leaf = path.partition(".")
        tables[table][leaf] = value
    return tables


def perform(run: Run, epochs: dict[str, int], threads: int) -> None:
    """Trains, from the float network of the same seed that all runs share, and saves the result."""
    tables = {**tables_of(run, epochs), "threads": threads}
    folder = RUNS / f"{run.kind}-{run.key}-seed{run.seed}"
    shared = RUNS / f"float-{tables['float']['epochs']}-seed{run.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("float.pt", "float.csv"):
        if (shared / name).exists() and not (folder / "float.pt").exists() or name == "float.csv":
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(shared / name, folder / name)
    try:
        result = train.run(parse_recipe(tables), folder, progress=False)
    finally:
        _keep_float(folder, shared)
    save_result(run.kind, run.key, run.seed, row=run.name, accuracy=result["accuracy"],
                seconds=result["seconds"]["switchable"], float_seconds=result["seconds"].get("float"),
                epochs=tables["train"]["epochs"], float_epochs=tables["float"]["epochs"], settings=run.settings,
                bytes=(folder / "switchable.onnx").stat().st_size)


def _keep_float(folder: pathlib.Path, shared: pathlib.Path) -> None:
    """The float stage, finished or not, is for all runs of the seed."""
    if (folder / "float.pt").exists():
        shared.mkdir(parents=True, exist_ok=True)
        for name in ("float.pt", "float.csv"):
            shutil.copy(folder / name, shared / name)


@contextlib.contextmanager
def budget(minutes: float) -> Iterator[None]:
    """Raises OutOfTime in what runs when the minutes are over; 0: never."""
    def stop(*_: Any) -> None:
        raise OutOfTime

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main(description: str, runs: Sequence[Run], seeds: Sequence[int] = (0,), threads: int = 2) -> None:
    """The command line of a script whose runs these are, to be done in this order. seeds, threads: unless given."""
    stages = list(dict.fromkeys(run.name for run in runs))
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", default=stages, type=lambda text: text.split(","),
                        help=f"which rows, separated by commas: {', '.join(stages)} (default all, in this order)")
    parser.add_argument("--seeds", default=seeds, type=lambda text: [int(part) for part in text.split(",")])
    parser.add_argument("--budget", type=float, default=0, metavar="MINUTES",
                        help="stop after so many minutes; the same command goes on later")
    parser.add_argument("--threads", type=int, default=threads)
    parser.add_argument("--list", action="store_true", help="what is done and what is not, and nothing else")
    given = parser.parse_args()
    if unknown := [stage for stage in given.stages if stage not in stages]:
        parser.error(f"there is no stage {', '.join(unknown)}; there are {', '.join(stages)}")
    chosen = [run for run in runs if run.seed in given.seeds and run.name in given.stages]
    if given.list:
        for run in chosen:
            print(f"{'done' if run.path.exists() else 'open'}  {run.kind} {run.key} seed {run.seed}")
        return
    torch.set_num_threads(given.threads)
    try:
        with budget(given.budget):
            _perform_all(chosen, given.threads)
    except OutOfTime:
        print("out of time; the same command goes on from the last checkpoint", file=sys.stderr)
    write_page()


def _perform_all(runs: Sequence[Run], threads: int) -> None:
    for run in runs:
        if run.path.exists():
            continue
        started = time.strftime("%H:%M:%S")
        print(f"{started} {run.kind} {run.key} seed {run.seed}", flush=True)
        perform(run, {}, threads)
        write_page()
