#!/usr/bin/env python3
"""What kernels must reach, by instruction set, in one run: shares of measured ceilings, and ratios to W8A8.

    ninja anybit anybit-ceilings
    nice -n -10 python bench/kernel_goals.py [--levels native,avx512_vnni,avx2_vnni,avx2] [--rounds 5]

Prints a table of Markdown, a row a goal and a column an instruction set: the figure, the kernel that was chosen, and in bold
what is below its goal. All layers of an instruction set, at all widths, are quantized once (minutes for the largest) and compiled by `anybit`, then run in turns; a time
is the least of all rounds, a ceiling the highest. Ceilings are measured in every round, so that both meet the same clock.
PYTHONPATH must have the package `anybit` of the build.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kernels import CASES, ROOT, artifact
from measure import flags, processor
from peers import LEVELS, listed

GEMM, GEMV = "gemm_240x2304x256", "gemv_4096x4096"
COLD = GEMV + " from memory"
LAYERS = {GEMM: "GEMM 240×2304×256", "gemm_1024x1024x1024": "GEMM 1024³", "conv3x3_64x56": "3×3, 64 channels, 56²",
          "conv3x3_128x28": "3×3, 128 channels, 28²", "conv3x3_256x14": "3×3, 256 channels, 14²",
          "conv3x3_512x7": "3×3, 512 channels, 7²", GEMV: "GEMV 4096²",
          COLD: "GEMV 4096² from memory"}
MANY_REUSES = (GEMM, "gemm_1024x1024x1024", "conv3x3_256x14")
# The chain of W8A8 and the share of it that is wanted.
CEILINGS = {"native": ("tdpbusd, 2x2 tiles, operands from L1", 0.60), "avx512_vnni": ("vpdpbusd zmm", 0.85),
            "avx2_vnni": ("vpdpbusd ymm", 0.85), "avx2": ("vpmaddwd + vpaddd ymm", 0.90)}


@dataclass(frozen=True)
class Goal:
    """Times W8A8 where ``width`` is narrower, else the share of the ceiling. ``wanted``: by level; others have no goal."""

    layer: str
    width: str
    wanted: dict = field(hash=False)


def ratios(layers: tuple[str, ...], width: str, **wanted: float) -> list[Goal]:
    return [Goal(layer, width, wanted) for layer in layers]


def everywhere(ratio: float) -> dict[str, float]:
    return dict.fromkeys(LEVELS, ratio)


GOALS = [
    *(Goal(layer, "w8a8", {level: share for level, (_, share) in CEILINGS.items()}) for layer in LAYERS if GEMV not in layer),
    *ratios(MANY_REUSES, "w4a8", **everywhere(0.98)), *ratios(MANY_REUSES, "w2a8", **everywhere(0.98)),
    *ratios(MANY_REUSES, "w1a1", avx512_vnni=2.5, avx2=4.5), *ratios(MANY_REUSES, "w1a2", avx512_vnni=2.0, avx2=4.2),
    *ratios(MANY_REUSES, "w1a4", avx512_vnni=1.7, avx2=3.0), *ratios(MANY_REUSES, "w2a2", avx512_vnni=1.1, avx2=2.1),
    *ratios(MANY_REUSES, "w4a4", avx2=1.4),
    *(Goal(layer, width, everywhere(ratio)) for layer in (GEMV, COLD)
      for width, ratio in (("w4a8", 2.1), ("w2a8", 2.2), ("w1a8", 4.5), ("w1a1", 9))),
]


def ceilings() -> dict[str, float]:
    text = subprocess.run([ROOT / "build" / "bin" / "anybit-ceilings"], check=True, capture_output=True, text=True).stdout
    return {label: float(value) for label, value in re.findall(r"^(\S.*?) {2,}([0-9.]+)$", text, re.M)}


def target(level: str) -> str:
    """Without tiles this very CPU is the one with VNNI."""
    return "native" if level == "avx512_vnni" and "amx_int8" not in flags() else LEVELS[level].target


def evict(memory: np.ndarray) -> None:
    """Takes the caches: what ran before reads its weights from memory."""
    memory += 1


def heaviest(model: Any) -> Any:
    """The step with the most multiply-accumulates of one run: the layer."""
    return max(model.profile(), key=lambda step: step.macs)


def time_from_memory(model: Any, times: dict, families: dict) -> None:
    """Every width ten times, each after all caches were filled with something else."""
    memory = np.zeros(1 << 29, np.uint8)
    for width in model.candidates:
        model.candidate = width
        for _ in range(10):
            evict(memory)
            step = heaviest(model)
            times[COLD, width] = min(times[COLD, width], step.nanoseconds)
            families[COLD, width] = step.family


def least_times(files: dict[str, pathlib.Path], options: argparse.Namespace) -> tuple[dict, dict, dict]:
    """(layer, width) -> nanoseconds; -> the family of its kernel; chain -> MAC/ns. All take turns."""
    import anybit
    models = {layer: anybit.load(path) for layer, path in files.items()}
    times: dict[tuple[str, str], float] = collections.defaultdict(lambda: float("inf"))
    families: dict[tuple[str, str], str] = {}
    best: dict[str, float] = collections.defaultdict(float)
    for _ in range(options.rounds):
        for label, value in ceilings().items():
            best[label] = max(best[label], value)
        for layer, model in models.items():
            for width in model.candidates:
                model.candidate = width
                model.profile()  # warms up
                end = time.perf_counter() + options.seconds
                while time.perf_counter() < end:
                    step = heaviest(model)
                    times[layer, width] = min(times[layer, width], step.nanoseconds)
                    families[layer, width] = step.family
    if GEMV in models:
        time_from_memory(models[GEMV], times, families)
    return times, families, best


PAIRS = dataclasses.replace(next(case for case in CASES if case.name == GEMM), name="pairs_240x2304x256",
                            widths=",".join(f"w{w}a{a}" for w in range(8, 0, -1) for a in range(8, 0, -1)))


def in_turns(model: Any, width: str, seconds: float) -> tuple[float, float]:
    """Least nanoseconds of W8A8 and of ``width``, which take turns: a clock or a neighbour that changes meets both."""
    least = {"w8a8": float("inf"), width: float("inf")}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name in least:
            model.candidate = name
            model.profile()  # warms up: the other's weights were read before
            least[name] = min(least[name], heaviest(model).nanoseconds)
    return least["w8a8"], least[width]


def print_pairs(levels: list[str], options: argparse.Namespace) -> None:
    """Table of all pairs of widths of one layer, times W8A8: rows are weights, columns codes. Each is the ratio of the round
    in which it and W8A8 took least time, as disturbed ones say something about the neighbours."""
    import anybit
    for level in levels:
        model = anybit.load(artifact(PAIRS, target(level), options.work))
        rounds = [{width: in_turns(model, width, options.seconds) for width in model.candidates if width != "w8a8"}
                  for _ in range(options.rounds)]
        quietest = {width: min((found[width] for found in rounds), key=sum) for width in rounds[0]}
        ratios = {"w8a8": 1.0} | {width: eight / own for width, (eight, own) in quietest.items()}
        print(f"{LAYERS[GEMM]}, {level}, × W8A8:\n")
        print("| | " + " | ".join(f"A{a}" for a in range(8, 0, -1)) + " |\n|---|" + "---|" * 8)
        for w in range(8, 0, -1):
            row = [ratios[f"w{w}a{a}"] for a in range(8, 0, -1)]
            print(f"| W{w} | " + " | ".join(f"**{r:.2f}**" if r < 0.98 else f"{r:.2f}" for r in row) + " |")
        print(flush=True)


def with_earlier(level: str, files: dict[str, pathlib.Path], found: tuple[dict, dict, dict], path: pathlib.Path) -> None:
    """Merges least times and highest ceilings with those in `path`, and keeps them there. Times of artifacts whose bytes
    have changed since are dropped."""
    times, families, best = found
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    earlier = kept.get(level, {"ceilings": {}, "layers": {}})
    for label, value in earlier["ceilings"].items():
        best[label] = max(best[label], value)
    for layer, file in files.items():
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        rows = earlier["layers"].get(layer, {})
        for key, (value, family) in (rows.get("times", {}) if rows.get("artifact") == digest else {}).items():
            name, width = key.split("/")
            if value < times[name, width]:
                times[name, width], families[name, width] = value, family
        mine = {f"{name}/{width}": [value, families[name, width]] for (name, width), value in times.items()
                if name.removesuffix(" from memory") == layer}
        earlier["layers"][layer] = {"artifact": digest, "times": mine}
    kept[level] = {"ceilings": dict(best), "layers": earlier["layers"]}
    path.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def figures(level: str, goals: list[Goal], options: argparse.Namespace) -> list[str]:
    """The cells of one column."""
    wanted = {goal.layer.removesuffix(" from memory") for goal in goals}
    cases = {case.name: case for case in CASES if case.name in wanted}
    files = {name: artifact(case, target(level), options.work) for name, case in cases.items()}
    times, families, best = found = least_times(files, options)
    if options.keep:
        with_earlier(level, files, found, options.keep)
    cells = []
    for goal in goals:
        if goal.width == "w8a8":
            case = cases[goal.layer]
            macs = case.inputs * case.outputs * case.kernel**2 * (case.side**2 or case.rows)
            figure = macs / times[goal.layer, "w8a8"] / best[CEILINGS[level][0]]
        else:
            figure = times[goal.layer, "w8a8"] / times[goal.layer, goal.width]
        missed = figure < goal.wanted.get(level, 0)
        number = f"**{figure:.2f}**" if missed else f"{figure:.2f}"
        wanted = f" ({goal.wanted[level]:g})" if level in goal.wanted else ""
        cells.append(f"{number}{wanted} {families[goal.layer, goal.width].removeprefix('conv-')}")
    rates = ", ".join(f"{LAYERS[layer]} {1e-3 * time:.1f}" for (layer, width), time in times.items() if width == "w8a8")
    print(f"{level}: {CEILINGS[level][0]} {best[CEILINGS[level][0]]:.1f} MAC/ns; W8A8 in µs: {rates}\n", flush=True)
    return cells


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--levels", default="", help=f"of {','.join(LEVELS)}; all of this CPU by default")
    parser.add_argument("--only", default="", help="comma separated parts of the names of layers, as of bench/kernels.py")
    parser.add_argument("--pairs", action="store_true", help="instead all 64 pairs of widths of one layer, each × W8A8")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.1, help="of a layer at a width in a round")
    parser.add_argument("--keep", type=pathlib.Path, help="JSON of least times, merged with those of earlier runs: for machines "
                        "that neighbours disturb for minutes; not of --pairs")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "kernels")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    needs = {name: level.needs for name, level in LEVELS.items()} | {"native": "amx_int8", "avx512_vnni": "avx512_vnni"}
    present = flags()
    levels = [name for name in listed(options.levels, LEVELS, "level", parser) if not needs[name] or needs[name] in present]
    print(f"{processor()}, {datetime.date.today().isoformat()}, one thread, least of {options.rounds} rounds.\n", flush=True)
    if options.pairs:
        print_pairs(levels, options)
        return 0
    parts = [part for part in options.only.split(",") if part]
    goals = [goal for goal in GOALS if not parts or any(part in goal.layer for part in parts)]
    columns = {level: figures(level, goals, options) for level in levels}
    print("| layer | of | " + " | ".join("amx" if level == "native" else level for level in levels) + " |")
    print("|---|---|" + "---|" * len(levels))
    for i, goal in enumerate(goals):
        of = "W8A8 ÷ ceiling" if goal.width == "w8a8" else f"{goal.width.upper()}, × W8A8"
        print(f"| {LAYERS[goal.layer]} | {of} | " + " | ".join(columns[level][i] for level in levels) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
