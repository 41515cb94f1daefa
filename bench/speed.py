"""Sections about cost: latency beside ONNX Runtime, compilation, calibration, switches, equal bytes."""

from __future__ import annotations

import json
import pathlib
import shutil
import time
from typing import Callable

import numpy as np

import datasets
import measure
from accuracy import mark
from measure import CANDIDATES, Bench, Missing, Rows, ours

SPEED_MODELS = ("mobilenetv2_imagenet", "squeezenet1_1_imagenet", "resnet18_random", "resnet50_random")
FOUR = ("w8a8", "w4a4", "w2a2", "w1a1")
LARGEST = "resnet50_random"
SMALL = "mlperftiny_resnet8_cifar10"
INT8_RATIO, FLOAT_RATIO = 1.5, 2.
COMPILE_SECONDS, TIMES_WEIGHTS, EXTRA_MEGABYTES, QUANTIZE_SECONDS = 15., 2.5, 256., 600.
SWITCH_NANOSECONDS, REBUILD_MILLISECONDS = 200., 25.


# Other targets than this machine's own, and what they need of it besides.
TARGETS = ("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v3,+avxvnni", "x86-64-v4", "x86-64-v4,+avx512vnni",
           "x86-64-v4,+avx512vnni,+avx512vbmi,+avx512bitalg,+avx512vpopcntdq")
NEEDS = {TARGETS[2]: {"avx2"}, TARGETS[3]: {"avx_vnni"}, TARGETS[4]: {"avx512bw"}, TARGETS[5]: {"avx512_vnni"},
         TARGETS[6]: {"avx512_vpopcntdq"}}


def quantized_by_runtime(bench: Bench, workload: datasets.Workload, inputs: np.ndarray) -> pathlib.Path:
    """The int8 QDQ version that ONNX Runtime's own quantizer makes."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        def __init__(self, name: str) -> None:
            self.feeds = iter([{name: sample[None]} for sample in inputs[:8]])

        def get_next(self) -> dict | None:
            return next(self.feeds, None)

    path = bench.work / f"{workload.model}.ort_int8.onnx"
    if not path.exists():
        import onnx
        prepared = bench.work / f"{workload.model}.prepared.onnx"
        quant_pre_process(str(bench.model_file(workload.model)), str(prepared), skip_symbolic_shape=True)
        name = onnx.load(prepared).graph.input[0].name
        quantization.quantize_static(str(prepared), str(path), Reader(name), per_channel=True,
                                     activation_type=quantization.QuantType.QUInt8)
        prepared.unlink()
    return path


def least_milliseconds(calls: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """The least time of each call; they take turns, so that a busy minute meets all of them."""
    for call in calls.values():
        call()
        call()
    best, end = dict.fromkeys(calls, np.inf), time.monotonic() + seconds
    while time.monotonic() < end:
        for name, call in calls.items():
            for _ in range(3):  # The first one finds the caches full of another's weights.
                start = time.perf_counter()
                call()
                best[name] = min(best[name], 1000 * (time.perf_counter() - start))
    return best


def _call(model: object, sample: np.ndarray, candidate: str) -> Callable[[], object]:
    model.candidate = candidate
    return lambda: model(sample)


def rows_speed(bench: Bench, workload: datasets.Workload) -> Rows:
    """Latency beside ONNX Runtime, one thread."""
    if workload.model not in SPEED_MODELS:
        return

    def latencies() -> dict[str, float]:
        inputs = workload.calibration(bench.data)[:8]
        source = bench.switchable(workload, FOUR, ".four")
        path, real = bench.artifact(source, f"{workload.model}.four"), bench.artifact(
            bench.model_file(workload.model), f"{workload.model}.f32")
        sample = np.ascontiguousarray(inputs[:1])
        f32, int8 = (measure.onnx_runtime(file) for file in (bench.model_file(workload.model), quantized_by_runtime(
            bench, workload, inputs)))
        calls = {"ONNX Runtime f32": lambda: f32(sample), "ONNX Runtime int8": lambda: int8(sample),
                 "f32": _call(measure.load(real), sample, "f32")}
        calls |= {name: _call(measure.load(path), sample, name) for name in FOUR}
        return least_milliseconds(calls, bench.options.seconds)
    best = bench.keep(f"{workload.model}/latency", latencies)
    yield [workload.model, *(f"{best[name]:.2f}" for name in best),
           _ratio(best["w8a8"], best["ONNX Runtime int8"], INT8_RATIO),
           _ratio(best["f32"], best["ONNX Runtime f32"], FLOAT_RATIO)]


def _ratio(own: float, other: float, bound: float) -> str:
    return f"{own / other:.2f} × {mark(own <= bound * other)}"


def rows_compile(bench: Bench, workload: datasets.Workload) -> Rows:
    """Time and memory of compiling four candidates."""
    if workload.model not in SPEED_MODELS:
        return
    source = bench.switchable(workload, FOUR, ".four")
    key = f"{workload.model}.four/compile"
    path = bench.artifact(source, f"{workload.model}.four")
    if key not in bench.kept:
        bench.timed(key, "compile", source, "-o", path)
    wall, processor, megabytes = bench.kept[key]
    allowed = TIMES_WEIGHTS * bench.model_file(workload.model).stat().st_size / 2**20 + EXTRA_MEGABYTES
    yield [workload.model, f"{wall:.1f}", f"{processor:.1f}", mark(processor / 2 <= COMPILE_SECONDS),
           f"{megabytes:.0f}", f"{mark(megabytes <= allowed)} (≤ {allowed:.0f})", f"{path.stat().st_size / 2**20:.1f}"]


def rows_quantize(bench: Bench, workload: datasets.Workload) -> Rows:
    """Time and memory of calibrating six candidates."""
    if not workload.trained:
        return
    bench.switchable(workload)
    key = f"{workload.model}/quantize"
    if key not in bench.kept:
        raise Missing("quantized in another run; --fresh measures it")
    wall, processor, megabytes = bench.kept[key]
    bound = mark(processor / 2 <= QUANTIZE_SECONDS) if workload.model == "mobilenetv2_imagenet" else ""
    yield [workload.model, len(workload.calibration(bench.data)), f"{wall:.0f}", f"{processor / 2:.0f}", bound,
           f"{megabytes:.0f}"]


def _all_pairs_equal(path: pathlib.Path, sample: np.ndarray) -> bool:
    golden = {name: ours(path, name)(sample) for name in CANDIDATES}
    model = measure.load(path)
    for first in CANDIDATES:
        for second in CANDIDATES:
            for name in (first, second, first):
                model.candidate = name
                if not np.array_equal(measure.first_output(model(sample)), golden[name]):
                    return False
    return True


def rows_switch(bench: Bench, workload: datasets.Workload) -> Rows:
    """A→B→A equals a fresh artifact at A for all pairs, and the time of a switch."""
    if not workload.trained:
        return
    path = bench.artifact(bench.switchable(workload), workload.model, *workload.flags)
    sample = np.ascontiguousarray(workload.calibration(bench.data)[:1])

    def nanoseconds() -> float:
        out = bench.work / f"{workload.model}.bench.json"
        bench.anybit("bench", path, "--candidate", "w8a8", "--json", out)
        return json.loads(out.read_text(encoding="utf-8"))["switch_ns"]
    switch = bench.keep(f"{workload.model}/switch_ns", nanoseconds)
    same = bench.keep(f"{workload.model}/switch", lambda: _all_pairs_equal(path, sample))
    yield [workload.model, f"{switch:.1f}", mark(switch <= SWITCH_NANOSECONDS), mark(same)]


def rows_master(bench: Bench, workload: datasets.Workload) -> Rows:
    """A switch of the master store, until the new weights are ready, two threads."""
    if workload.model != LARGEST:
        return
    path = bench.artifact(bench.switchable(workload, FOUR, ".four"), f"{workload.model}.master", "--store", "master")

    def milliseconds() -> dict[str, float]:
        model, sample = measure.load(path, threads=2), np.ascontiguousarray(workload.calibration(bench.data)[:1])
        best = dict.fromkeys(FOUR, np.inf)
        for name in [FOUR[-1], *FOUR * 8]:  # Else the first switch changes nothing.
            start = time.perf_counter()
            model.candidate = name
            model.prepare()
            best[name] = min(best[name], 1000 * (time.perf_counter() - start))
            model(sample)  # Takes the weights up: else the slot of the candidate before stays as it is.
        return best
    best = bench.keep(f"{workload.model}/rebuild", milliseconds)
    yield [workload.model, *(f"{best[name]:.1f}" for name in FOUR), mark(max(best.values()) <= REBUILD_MILLISECONDS)]


def rows_equal(bench: Bench, workload: datasets.Workload) -> Rows:
    """The same outputs from every target, level and store; the same bytes from two folders."""
    if workload.model != SMALL:
        return
    source = bench.switchable(workload)
    inputs = workload.test(bench.data)[0][:200]
    golden = {name: ours(bench.artifact(source, workload.model), name)(inputs) for name in CANDIDATES}
    ways = {"O0": ["-O0"], "master": ["--store", "master"],
            **{target: ["--target", target] for target in TARGETS if not NEEDS.get(target, set()) - measure.flags()}}
    for index, (way, flags) in enumerate(ways.items()):
        def equal() -> bool:
            path = bench.artifact(source, f"{workload.model}.{way}", *flags)
            return all(np.array_equal(ours(path, name)(inputs), golden[name]) for name in CANDIDATES)
        yield ["" if index else workload.model, f"{' '.join(flags)} and native", "equal outputs",
               mark(bench.keep(f"{workload.model}/{way}/equal", equal))]

    def twice() -> bool:
        copy = bench.work / "again" / source.name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(source, copy)
        again = bench.artifact(copy, f"again/{workload.model}")
        return again.read_bytes() == bench.artifact(source, workload.model).read_bytes()
    yield ["", "compiled in two folders", "equal bytes", mark(bench.keep(f"{workload.model}/twice", twice))]
