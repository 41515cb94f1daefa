"""Results of training runs: one small JSON file a run in bench/results/training, from which docs/training.md is made.

A file has `kind` (distill, fashion, ...), `name` (of the configuration), `seed`, `accuracy` (candidate -> top-1 in
percent), `seconds`, `command`, `cpu`, `threads`, `torch`, and whatever else its script wants to tell.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import re
import shlex
import statistics
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "training"
# Checkpoints and models of the runs; not committed.
RUNS = ROOT / "build" / "training"


def cpu_name() -> str:
    """The processor as the operating system calls it."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def result_path(kind: str, name: str, seed: int) -> pathlib.Path:
    return RESULTS / (re.sub(r"[^\w.]+", "-", f"{kind}-{name}-seed{seed}") + ".json")


def save_result(kind: str, name: str, seed: int, **values: Any) -> None:
    """Writes one run, with what it ran on and how it was called."""
    import torch
    script = pathlib.Path(sys.argv[0]).resolve()
    called = script.relative_to(ROOT) if script.is_relative_to(ROOT) else script.name
    command = shlex.join(["python", str(called), *sys.argv[1:]])
    row = {"kind": kind, "name": name, "seed": seed, **values, "command": command,
           "cpu": cpu_name(), "cores": os.cpu_count(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    RESULTS.mkdir(parents=True, exist_ok=True)
    result_path(kind, name, seed).write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


def load_results(kind: str) -> list[dict[str, Any]]:
    """All runs of a kind, by name and seed."""
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob(f"{kind}-*.json"))]
    return sorted(rows, key=lambda row: (row["name"], row["seed"]))


def spread(values: list[float]) -> str:
    """Mean, with the standard deviation where there are several values."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"


def merged(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Row of the table -> one result per seed; runs that are parts of a row (a width each) are put together."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for row in rows:
        seeds = found.setdefault(row.get("row", row["name"]), {})
        whole = seeds.setdefault(row["seed"], {"seed": row["seed"], "accuracy": {}, "seconds": 0.0, "parts": 0})
        whole["accuracy"].update(row["accuracy"])
        whole["seconds"] += row["seconds"]
        whole["parts"] += 1
    return {name: list(seeds.values()) for name, seeds in found.items()}


def runs_table(rows: list[dict[str, Any]], candidates: list[str]) -> list[str]:
    """Markdown: a line per configuration, mean and deviation over its seeds."""
    lines = ["| run | seeds | " + " | ".join(candidates) + " | minutes |", "|---" * (len(candidates) + 3) + "|"]
    for name, runs in merged(rows).items():
        cells = []
        for candidate in candidates:
            values = [run["accuracy"][candidate] for run in runs if candidate in run["accuracy"]]
            cells.append(spread(values) if values else "")
        seeds = ", ".join(str(run["seed"]) for run in runs)
        minutes = spread([run["seconds"] / 60 for run in runs])
        lines.append(f"| {name} | {seeds} | " + " | ".join(cells) + f" | {minutes} |")
    return lines
