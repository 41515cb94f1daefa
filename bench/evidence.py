#!/usr/bin/env python3
"""Measures what the project claims and writes docs/evidence.md.

    ANYBIT_TEST_DATA=... python bench/evidence.py [--section accuracy,speed] [--models resnet20,kws] [--limit N]

Works through the command line (``anybit quantize``, ``compile``, ``bench``) and the Python package (``anybit.load``).
Each section rewrites its own table, and of it only the models that were asked for; a part that is missing or fails
becomes a row with its reason. Artifacts and raw figures are kept under --work, so that a repeated run measures only
what is not there (--fresh measures all).
"""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
import sys
import time
from dataclasses import dataclass
from typing import Callable

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "build" / "python"), str(ROOT / "python")]

import accuracy  # noqa: E402
import datasets  # noqa: E402
import document  # noqa: E402
import layers  # noqa: E402
import speed  # noqa: E402
from measure import Bench, Missing, processor  # noqa: E402


@dataclass(frozen=True)
class Section:
    title: str
    columns: list[str]
    rows: Callable
    words: str


SECTIONS = {
    "float": Section(
        "Float artifacts against ONNX Runtime", ["model", "largest difference", ""], accuracy.rows_float,
        "Four samples; relative to the largest output. Bound: 1e-4."),
    "accuracy": Section(
        "Accuracy, percent", ["model", "metric", "candidate", "value", "against float", "bound"], accuracy.rows_accuracy,
        "The compiled artifact on the test sets of `bench/datasets.py`, calibrated on the unlabelled samples named there. "
        "`pixels`: share of pixels with the class that the float model gives. AP50: 64 pictures, so one object is up to "
        "0.5 points. Candidates far below float are reported by `anybit quantize` with a warning; 1 bit needs training."),
    "oracle": Section(
        "The artifact against ONNX Runtime on the same switchable file", ["model", "candidate", "what", "value", "N10"],
        accuracy.rows_oracle, "Numerics N10: top-1 agreement (of each pixel where the output is a map of classes) of at least "
        "99.5 %, or accuracies that differ by at most 1 point (AP50: 1.5); in brackets those of the artifact and of ONNX "
        "Runtime. Detectors: on the calibration pictures too, since both evaluate one file."),
    "layers": Section(
        "The artifact against anybit.reference", ["model", "candidate", "values with equal codes", "Softmax, largest difference", ""],
        layers.rows_layers, "Sixteen test samples; QONNX files at their own widths, eight inputs. Every value that has codes, and "
        "the input of a Softmax, is an output of the network, too, and compared with ==. A Softmax is a real-valued op outside of "
        "bit identity (numerics N6) and may differ by 1e-6."),
    "speed": Section(
        "Latency", ["model", "ONNX Runtime f32", "ONNX Runtime int8", "f32", *speed.FOUR, "w8a8 ÷ int8 (≤ 1.5)",
                    "f32 ÷ f32 (≤ 2)"], speed.rows_speed,
        "One sample, one thread, ms: the least of many runs in which all columns take turns. int8 is the QDQ file of ONNX "
        "Runtime's own quantizer; `_random` are network shapes with random weights."),
    "compile": Section(
        "Compiling four candidates", ["model", "seconds", "processor seconds", f"on two cores ≤ {speed.COMPILE_SECONDS:g} s", "peak MB",
                                      f"≤ {speed.TIMES_WEIGHTS:g} × weights + {speed.EXTRA_MEGABYTES:g} MB", "artifact MB"], speed.rows_compile,
        "w8a8, w4a4, w2a2, w1a1. The bound is held against half of the processor seconds."),
    "quantize": Section(
        "Calibrating six candidates", ["model", "samples", "seconds", "processor seconds ÷ 2", "≤ 600 s", "peak MB"],
        speed.rows_quantize, "The bound is MobileNetV2's, held against half of the processor seconds."),
    "switch": Section(
        "Switching (`packed`)", ["model", "ns", f"≤ {speed.SWITCH_NANOSECONDS:g} ns", "A→B→A equals A"], speed.rows_switch, ""),
    "master": Section(
        "Switching (`master`)", ["model", *speed.FOUR, f"≤ {speed.REBUILD_MILLISECONDS:g} ms"], speed.rows_master,
        "ms until the weights of the new candidate are ready, two threads, the least of eight."),
    "equal": Section(
        "Equal results", ["model", "what", "", ""], speed.rows_equal, "200 test samples at six candidates."),
}
FAILURES = (Missing, OSError, ImportError, ValueError, KeyError, RuntimeError)


def measure_section(bench: Bench, section: Section, chosen: list[datasets.Workload], table: document.Table) -> None:
    """Replaces the rows of the chosen models."""
    for number, workload in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {section.title}: {workload.model}", file=sys.stderr, flush=True)
        rows: list[document.Row] = []
        try:
            for row in section.rows(bench, workload):
                rows.append([str(cell) for cell in row])
        except FAILURES as error:
            reason = str(error).replace("|", "/").replace("\n", " ")
            filler = [""] * (len(section.columns) - 2)
            rows.append(["" if rows else workload.model, f"not measured: {reason}", *filler])
        table.rows.pop(workload.model, None)
        if rows:
            table.rows[workload.model] = rows


def head(options: argparse.Namespace) -> str:
    return (f"Measured by `bench/evidence.py` on {processor()}, {os.cpu_count()} cores, {platform.system()} "
            f"{platform.machine()}, {time.strftime('%Y-%m-%d')}.")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--section", default=",".join(SECTIONS), help=f"of {','.join(SECTIONS)}")
    parser.add_argument("--models", default="", help="comma separated parts of model names; all by default")
    parser.add_argument("--limit", type=int, default=None, help="samples of each test set, all by default")
    parser.add_argument("--calibration", type=int, default=None, help="samples for calibration, all by default")
    parser.add_argument("--seconds", type=float, default=20, help="of each model in the latency section")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "evidence")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs" / "evidence.md")
    parser.add_argument("--fresh", action="store_true", help="forget kept artifacts and figures")
    options = parser.parse_args()
    unknown = [name for name in options.section.split(",") if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    return options


def main() -> int:
    options = parsed()
    parts = [part for part in options.models.split(",") if part]
    workloads = datasets.workloads()
    chosen = [w for name, w in workloads.items() if not parts or any(part in name for part in parts)]
    if not chosen:
        sys.exit(f"no model has '{options.models}' in its name")
    bench, tables = Bench(options), document.read(options.output)
    for name in options.section.split(","):
        section = SECTIONS[name]
        known = tables.get(section.title)
        table = document.Table(section.columns, section.words)
        if known and known.columns == section.columns:
            table.rows = known.rows
        tables[section.title] = table
        measure_section(bench, section, chosen, table)
        for other in SECTIONS.values():  # Read tables have no words.
            if other.title in tables:
                tables[other.title].words = other.words
        document.write(options.output, head(options), [s.title for s in SECTIONS.values()], tables, list(workloads))
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
