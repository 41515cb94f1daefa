"""Sections about results: float artifacts, accuracy of candidates, and the two oracles."""

from __future__ import annotations

import numpy as np

import datasets
import measure
from measure import CANDIDATES, Bench, Rows, ours

# Bounds: candidate -> ("drop", points below float) or ("least", percent).
BOUNDS = {"resnet20_cifar10": {"w8a8": ("drop", .5), "w6a6": ("drop", .7), "w4a4": ("drop", 2.5), "w3a3": ("least", 73.),
                               "w2a2": ("least", 54.)},
          "mobilenetv1_025_imagenet": {"w8a8": ("drop", 1.)}, "mobilenetv2_imagenet": {"w8a8": ("drop", 1.)},
          "yolox_nano_coco": {"w8a8": ("drop", 1.5)}, "fastestdet_coco": {"w8a8": ("drop", 1.5)},
          "deeplabv3_mnv2_dm05_voc": {}}
DEFAULT_BOUNDS = {"w8a8": ("drop", .5)}
# Numerics N10: least agreement of top-1 in percent, or else the largest difference of the accuracies in points.
LEAST_AGREEMENT, MOST_APART, MOST_APART_AP = 99.5, 1., 1.5
# Two evaluations of one file may be compared on calibration pictures too; more pictures, less chance.
ORACLE_PICTURES = ("coco_val_64", "coco_train_64")


def mark(holds: bool) -> str:
    return "holds" if holds else "**fails**"


def verdict(model: str, candidate: str, value: float, reference: float) -> str:
    bound = BOUNDS.get(model, DEFAULT_BOUNDS).get(candidate)
    if bound is None:
        return ""
    kind, limit = bound
    least = reference - limit if kind == "drop" else limit
    # A share is a fraction of whole samples; its last bit must not decide.
    return f"{mark(value >= least - 1e-9)} (≥ {least:.1f})"


def rows_float(bench: Bench, workload: datasets.Workload) -> Rows:
    """The float artifact against ONNX Runtime."""
    if workload.metric == "codes":
        return

    def relative() -> float:
        path = bench.artifact(bench.model_file(workload.model), f"{workload.model}.f32", *workload.flags)
        inputs = workload.calibration(bench.data)[:4]
        got, expected = ours(path)(inputs), measure.onnx_runtime(bench.model_file(workload.model))(inputs)
        return float(np.abs(got - expected).max() / np.abs(expected).max())
    error = bench.keep(f"{workload.model}/f32_error", relative)
    yield [workload.model, f"{error:.1e}", mark(error <= 1e-4)]


def rows_accuracy(bench: Bench, workload: datasets.Workload) -> Rows:
    """Accuracy of each candidate."""
    if not workload.trained:
        return
    reference = 100. if workload.metric == "pixels" else bench.keep(f"{workload.model}/float", lambda: measure.score(
        bench, workload, measure.onnx_runtime(bench.model_file(workload.model)))[0])
    path = bench.artifact(bench.switchable(workload), workload.model, *workload.flags)
    yield [bench.named(workload), workload.metric, "float", f"{reference:.2f}", "", ""]
    for name in CANDIDATES:
        value = bench.keep(f"{workload.model}/{name}", lambda: measure.score(bench, workload, ours(path, name))[0])
        yield ["", "", name, f"{value:.2f}", f"{value - reference:+.2f}",
               verdict(workload.model, name, value, reference)]


def _by_accuracy(ours_: float, theirs: float, limit: float) -> str:
    return "accuracy" if abs(ours_ - theirs) <= limit + 1e-9 else ""  # As in verdict().


def _against_oracle(bench: Bench, workload: datasets.Workload, networks: tuple) -> list:
    """What is compared, its value, and by what N10 holds ("": it does not)."""
    a, b = (measure.score(bench, workload, network, ORACLE_PICTURES) for network in networks)
    both = f"({a[0]:.2f} and {b[0]:.2f})"
    if workload.metric in ("ap50", "auc"):
        limit = MOST_APART_AP if workload.metric == "ap50" else MOST_APART
        what = "AP50 of 128 pictures" if workload.metric == "ap50" else "AUC"
        return [f"{what}, points apart {both}", a[0] - b[0], _by_accuracy(a[0], b[0], limit)]
    share = datasets.agreement(a[1], b[1])
    by = "agreement" if share >= LEAST_AGREEMENT else _by_accuracy(a[0], b[0], MOST_APART)
    what = "equal classes, % of the pixels" if workload.metric == "pixels" else "top-1 agreement, %"
    return [f"{what} of {len(a[1])} {both}", share, by]


def rows_oracle(bench: Bench, workload: datasets.Workload) -> Rows:
    """N10: the artifact against ONNX Runtime running the same switchable file."""
    if not workload.trained:
        return
    switchable = bench.switchable(workload)
    path = bench.artifact(switchable, workload.model, *workload.flags)
    for index, name in enumerate(CANDIDATES):
        what, value, by = bench.keep(f"{workload.model}/{name}/oracle", lambda: _against_oracle(
            bench, workload, (ours(path, name), measure.oracle(switchable, index))))
        yield ["" if index else bench.named(workload), name, what, f"{value:.4g}",
               f"holds by {by}" if by else mark(False)]
