"""Sections about single values inside of networks: every code of the artifact against anybit.reference."""

from __future__ import annotations

import pathlib

import numpy as np
import onnx

import datasets
import measure
from accuracy import mark
from inner_values import entry, with_codes
from measure import CANDIDATES, Bench, Rows

LAYER_MODELS = ("mlperftiny_resnet8_cifar10", "mlperftiny_kws_dscnn")


def _compare(path: pathlib.Path, source: pathlib.Path, inputs: np.ndarray, candidate: str | None) -> list:
    """Values that are equal element by element, all of them, and the largest difference behind a Softmax."""
    from anybit import reference
    model, compiled = onnx.load(source), measure.load(path)
    if candidate:
        compiled.candidate = candidate
    names = [value.name for value in compiled.outputs]
    softmax = {node.output[0] for node in model.graph.node if node.op_type == "Softmax"}
    wrong, worst = set(), 0.
    for x in inputs:
        got, want = dict(zip(names, compiled(x[None]))), reference.run(model, {entry(model): x[None]}, candidate)
        for name, value in want.items():
            difference = float(np.abs(got[name].reshape(value.shape) - value).max())
            if name in softmax:
                worst = max(worst, difference)
            elif difference:
                wrong.add(name)
    count = len(set(names) - softmax)
    return [count - len(wrong), count, worst]


def _rows(bench: Bench, model: str, file: pathlib.Path, inputs: np.ndarray, candidates: tuple) -> Rows:
    source = bench.work / f"{pathlib.Path(model).name}.layers.onnx"
    if not source.exists() or source.stat().st_mtime < file.stat().st_mtime or bench.options.fresh:
        onnx.save(with_codes(onnx.load(file), inputs[:1], candidates[0]), source)
    path = bench.artifact(source, source.stem)
    for index, name in enumerate(candidates):
        equal, count, worst = bench.keep(f"{model}/{name}/layers", lambda: _compare(path, source, inputs, name))
        yield ["" if index else model, name or "", f"{equal} of {count}", f"{worst:.3g}", mark(equal == count and worst <= 1e-6)]


def rows_layers(bench: Bench, workload: datasets.Workload) -> Rows:
    """Networks of float files at their candidates; files that are quantized at their own widths."""
    if workload.metric == "codes":
        yield from _rows(bench, workload.model, bench.model_file(workload.model), workload.calibration(bench.data), (None,))
    if workload.model in LAYER_MODELS:
        yield from _rows(bench, workload.model, bench.switchable(workload), workload.test(bench.data)[0][:16], CANDIDATES)
