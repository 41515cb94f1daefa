"""docs/training.md, from the results in bench/results/training and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from training_results import ROOT, load_results, merged, runs_table, spread

PAGE = ROOT / "docs" / "training.md"
WIDTHS = ["w8a8", "w7a7", "w6a6", "w5a5", "w4a4", "w3a3", "w2a2", "w1a1"]
# Points that the switchable network may lose against dedicated ones, mean of three seeds.
BOUNDS = {"w8a8": 0.3, "w7a7": 0.3, "w6a6": 0.3, "w5a5": 0.3, "w4a4": 0.3, "w3a3": 0.5, "w2a2": 1.0, "w1a1": 3.0}
SWITCHABLE = ["switchable-lightly-weighted", "switchable-weighted", "switchable"]
AGAINST = [*((mine, other) for other in ("dedicated-equal-time", "dedicated-long") for mine in SWITCHABLE),
           ("switchable-slow-steps", "dedicated-slow-steps")]
PTQ = "anybit quantize, no training"
DISTILLED = {"w3a3": 78.5, "w2a2": 73.0}

HEAD = """# Training

Measured by `bench/train_fashion.py`, `bench/train_ablations.py`, `bench/train_deploy.py`, `bench/train_distill.py` and
`bench/train_cost.py`: one JSON file a run in `bench/results/training` (seed, command, processor, threads, wall time),
from which this page is written. Accuracies are top-1 in percent, mean ± standard deviation where there are several
seeds. A wall time is that of the run itself, resumptions added up, on a machine that may have done other things:
compare accuracies, not times.

`python bench/train_all.py --budget MINUTES` does the Fashion-MNIST runs that have no result yet, the most telling
first, and writes this page after each; given again it goes on in the middle of a run, from the checkpoints in
`build/training`. `--list` says what is done.
"""


def write_page() -> None:
    """Writes the page; a section without results says so."""
    parts = [HEAD, *_machines(), *_fashion(), *_export(), *_ablations(), *_distillation(), *_cost()]
    PAGE.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def _machines() -> list[str]:
    kinds = ("distill", "deploy", "fashion", "export", "ablation", "cost")
    rows = [row for kind in kinds for row in load_results(kind)]
    found = sorted({f"{row['cpu']}, {row['cores']} cores, PyTorch {row['torch']}" for row in rows})
    return ["Machines: " + "; ".join(found) + ".", ""] if found else []


def _section(title: str, text: str, kind: str, body: Callable[[list[dict[str, Any]]], list[str]]) -> list[str]:
    """A heading, what was done, and what `body` makes of the results of a kind."""
    rows = load_results(kind)
    return [f"## {title}", "", text, "", *(body(rows) if rows else ["No results yet."]), ""]


def _distillation() -> list[str]:
    return _section("Label-free distillation",
                    "The CIFAR-10 ResNet-20 of the test data, imported by `from_onnx`, learns low widths from the "
                    "outputs of the float network on 1,024 pictures without labels; tested on 5,000 JPEG pictures. Of "
                    "several runs the one with the least divergence from the float network on those 1,024 pictures, "
                    "weights and statistics as exported, is the result; the test pictures have no say in it.",
                    "distill", _distilled)


def _distilled(rows: list[dict[str, Any]]) -> list[str]:
    lines = runs_table(rows, _present(rows))
    lines += ["", "; ".join(f"{row['name']}, seed {row['seed']}: {row['steps']} steps of {row['batch']} pictures, "
                            f"{row['threads']} thread(s), divergence {_divergences(row)}" for row in rows) + ".", ""]
    for name, bound in DISTILLED.items():
        chosen = min((row for row in rows if name in row["accuracy"]),
                     key=lambda row: row.get("divergence", {}).get(name, math.inf))
        reached = chosen["accuracy"][name]
        lines.append(f"* {name}: {reached:.2f} ({chosen['name']}), wanted {bound}: "
                     f"{'holds' if reached >= bound else 'missed'}.")
    return [*lines, "", *_deployment()]


def _divergences(row: dict[str, Any]) -> str:
    found = row.get("divergence", {})
    return ", ".join(f"{value:.4f} at {name}" for name, value in found.items()) or "not recorded"


def _deployment() -> list[str]:
    rows = load_results("deploy")
    if not rows:
        return ["Compiled and run by anybit: no results yet."]
    return ["The exported file compiled and run by anybit, all 5,000 pictures:", "",
            "| run | seed | candidate | top-1 | agreement with ONNX Runtime on the same file |",
            "|---|---|---|---|---|",
            *(f"| {row['name']} | {row['seed']} | {name} | {value:.2f} | {row['agreement'][name]:.2f} |"
              for row in rows for name, value in row["accuracy"].items())]


def _fashion() -> list[str]:
    return _section("Fashion-MNIST",
                    "`recipes/fashion_resnet20.toml`, all 60,000 and 10,000 pictures: a ResNet-20 of width 8 with a "
                    "stem of stride 2, float first, then all candidates by Algorithm 1, one sampled candidate a "
                    "step. `dedicated` networks have one width each and start from the same float network: "
                    "`equal-time` with the epochs of the switchable run divided by the number of candidates, `long` "
                    "with all of them; their minutes are those of all widths together. Every run, the dedicated ones "
                    "too, ends by rounding the weights to float16 and re-estimating the batch norms from 100 "
                    "training batches; for runs that were finished before `fit` did so, this was done on their last "
                    "checkpoints, without training. Learned steps of weights move at the full rate here (`step = "
                    "1.0`), where those of 8-bit layers drift: in seed 1 some end at 44 (w6a6) and 58 (w1a1) times "
                    "the value with the least error. `slow-steps` has a tenth of the rate, the default of `fit` "
                    "since, with which none ends further than a factor of 2.4 from it. `weighted` and "
                    "`lightly-weighted` draw the candidates with the probabilities of `bench/train_fashion.py`, wide "
                    "ones more often; they were chosen after the accuracies of `switchable` were seen. `anybit "
                    "quantize` sees 1,024 training pictures without labels.",
                    "fashion", lambda rows: [*runs_table(rows, _present(rows)), "", *_gaps(rows)])


def _present(rows: list[dict[str, Any]]) -> list[str]:
    """The candidates that some run has."""
    return [name for name in ("f32", *WIDTHS) if any(name in row["accuracy"] for row in rows)]


def _points(runs: dict[str, list[dict[str, Any]]], better: str, worse: str, width: str) -> list[float]:
    """Accuracy of one row of the table less that of another, of every seed that both have."""
    return [one["accuracy"][width] - other["accuracy"][width]
            for one in runs.get(better, []) for other in runs.get(worse, [])
            if one["seed"] == other["seed"] and width in one["accuracy"] and width in other["accuracy"]]


def _gaps(rows: list[dict[str, Any]]) -> list[str]:
    """Switchable networks against dedicated ones, at each width that both have."""
    runs = merged(rows)
    widths = [width for width in WIDTHS if any(_points(runs, other, mine, width) for mine, other in AGAINST)]
    lines = []
    for mine, other in AGAINST:
        cells = [_points(runs, other, mine, width) for width in widths]
        if seeds := max(map(len, cells), default=0):
            lines.append(f"| {mine} | {other} | {seeds} | " + " | ".join(map(_gap, cells, widths)) + " |")
    head = ["Points that switchable networks lose, in brackets the goal for the mean of three seeds, bold where it is "
            "missed:", "", "| run | against | seeds | " + " | ".join(widths) + " |", "|---" * (len(widths) + 3) + "|"]
    return [*(head if lines else []), *lines, *([""] if lines else []), *_gains(runs)]


def _gap(losses: list[float], width: str) -> str:
    if not losses:
        return ""
    text = f"{spread(losses)} ({BOUNDS[width]:g})"
    return text if sum(losses) / len(losses) <= BOUNDS[width] else f"**{text}**"


def _gains(runs: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What training gives over rounding the same float networks."""
    best = next((name for name in SWITCHABLE if name in runs), "")
    found = {width: _points(runs, best, PTQ, width) for width in WIDTHS}
    told = ", ".join(f"{width} {spread(gains)}" for width, gains in found.items() if gains)
    return [f"Points that `{best}` gains on `anybit quantize`: {told}."] if told else []


def _export() -> list[str]:
    return _section("Export, compile, switch",
                    "The exported file of the switchable run, compiled and run by anybit on all test pictures; latency "
                    "is the least of a run of one picture, one thread.", "export", _exported)


def _exported(rows: list[dict[str, Any]]) -> list[str]:
    """Each candidate of the exported file, compiled, against the PyTorch network."""
    lines = ["| seed | candidate | PyTorch top-1 | compiled top-1 | agreement | ms | bytes of weights |",
             "|---|---|---|---|---|---|---|"]
    for row in rows:
        lines += [f"| {row['seed']} | {name} | {row['pytorch'][name]:.2f} | {value:.2f} | "
                  f"{row['agreement'][name]:.2f} | {row['milliseconds'][name]:.4f} | {row['weight_bytes'][name]:,} |"
                  for name, value in row["accuracy"].items()]
    return [*lines, "", *(f"Seed {row['seed']}: model file {row['model_bytes']:,} bytes, artifact "
                          f"{row['artifact_bytes']:,}, arena {row['arena_bytes']:,}; {_same(row)}." for row in rows)]


def _same(row: dict[str, Any]) -> str:
    """The wanted equality: top-1 within 0.1 point, agreement of at least 99.5 %."""
    worst = max(abs(row["pytorch"][name] - value) for name, value in row["accuracy"].items())
    least = min(row["agreement"].values())
    held = "holds" if worst <= 0.1 and least >= 99.5 else "missed"
    return f"top-1 differs by at most {worst:.2f} (wanted 0.1), agreement is at least {least:.2f} (wanted 99.5): {held}"


def _ablations() -> list[str]:
    whole = [{**row, "row": "E6"} for row in load_results("fashion") if row.get("row") == "switchable"]
    return _section("Ablations",
                    "E1: an 8-bit network tested at all widths; E2: trained at changing widths, everything shared; E3: "
                    "activation quantizers per candidate; E4: batch norms too; E5: weight quantizers too; E6: wavelet "
                    "factors too, which is the switchable run above.", "ablation",
                    lambda rows: runs_table([*rows, *whole], _present(rows)))


def _cost() -> list[str]:
    return _section("Cost of a step",
                    "Forward, backward and optimizer: least processor time, and the median ratio to the float step "
                    "beside it (bound 2.0, wanted 1.6):", "cost", _costs)


def _costs(rows: list[dict[str, Any]]) -> list[str]:
    return ["| network | batch | threads | float, ms | switchable, ms | ratio |", "|---|---|---|---|---|---|",
            *(f"| {row['name']} | {row['batch']} | {row['threads']} | {row['float_ms']:.0f} | "
              f"{row['switchable_ms']:.0f} | {row['ratio']:.2f} |" for row in rows)]
