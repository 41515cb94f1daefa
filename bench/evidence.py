#!/usr/bin/env python3
"""Measures what the project claims and writes docs/evidence.md.

    ANYBIT_TEST_DATA=... python bench/evidence.py [--models resnet20,kws] [--sections accuracy,oracle] [--limit N]

Works through the command line (``anybit quantize``, ``compile``, ``bench``) and the Python package (``anybit.load``);
a part that is missing or fails becomes a row with its reason, never an empty table. Artifacts and raw figures are kept
under --work, so that a repeated run measures only what is not there (--fresh measures all).
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time
from typing import Any, Callable, Iterator

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "build" / "python"), str(ROOT / "python")]

import datasets  # noqa: E402
import detection  # noqa: E402

CANDIDATES = ("w8a8", "w6a6", "w4a4", "w3a3", "w2a2", "w1a1")
SECTIONS = ("float", "accuracy", "oracle", "layers", "speed", "switch", "bytes")
# Accuracy bounds: candidate -> ("drop", points below float) or ("least", percent).
BOUNDS = {"resnet20_cifar10": {"w8a8": ("drop", .5), "w6a6": ("drop", .7), "w4a4": ("drop", 2.5), "w3a3": ("least", 73.),
                               "w2a2": ("least", 54.)},
          "mobilenetv1_025_imagenet": {"w8a8": ("drop", 1.)}, "mobilenetv2_imagenet": {"w8a8": ("drop", 1.)},
          "yolox_nano_coco": {"w8a8": ("drop", 1.5)}, "fastestdet_coco": {"w8a8": ("drop", 1.5)}}
DEFAULT_BOUNDS = {"w8a8": ("drop", .5)}
LAYER_MODELS = ("mlperftiny_resnet8_cifar10", "mlperftiny_kws_dscnn")


class Missing(RuntimeError):
    """A tool, a package or an artifact is not there; the text goes into the table."""


class Bench:
    """Paths, tools and kept results of one run."""

    def __init__(self, options: argparse.Namespace) -> None:
        folder = os.environ.get("ANYBIT_TEST_DATA")
        if not folder:
            sys.exit("ANYBIT_TEST_DATA is not set: it names the folder of test models and labelled sets")
        self.data, self.work, self.options = pathlib.Path(folder), options.work, options
        self.work.mkdir(parents=True, exist_ok=True)
        self.tool = shutil.which("anybit", path=f"{ROOT / 'build' / 'bin'}:{os.environ.get('PATH', '')}")
        self.kept: dict[str, Any] = {}
        self.store = self.work / "figures.json"
        if self.store.exists() and not options.fresh:
            self.kept = json.loads(self.store.read_text())

    def keep(self, key: str, measure: Callable[[], Any]) -> Any:
        """A figure by its key, measured at most once; failures are not kept."""
        if key not in self.kept:
            self.kept[key] = measure()
            self.store.write_text(json.dumps(self.kept, indent=1))
        return self.kept[key]

    def anybit(self, *arguments: object) -> float:
        """Runs a verb of the command line; seconds it took."""
        if self.tool is None:
            raise Missing("the program anybit is not built")
        start = time.monotonic()
        done = subprocess.run([self.tool, *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            words = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Missing(f"anybit {arguments[0]} ended with {done.returncode}: {words[0] if words else 'no message'}")
        return time.monotonic() - start

    def model_file(self, name: str) -> pathlib.Path:
        """The float model; generated ones are written on demand."""
        if not name.endswith("_random"):
            return self.data / "models" / f"{name}.onnx"
        path = self.work / f"{name}.onnx"
        if not path.exists():
            import onnx
            from generated import resnet
            onnx.save(resnet(name.removesuffix("_random")), path)
        return path

    def switchable(self, workload: datasets.Workload) -> pathlib.Path:
        """The quantized file of a model at all candidates."""
        path, inputs = self.work / f"{workload.model}.switchable.onnx", self.work / f"{workload.model}.calibration.npy"
        if not path.exists() or self.options.fresh:
            np.save(inputs, workload.calibration(self.data))
            seconds = self.anybit("quantize", self.model_file(workload.model), "--calibration", inputs, "--candidates",
                                  ",".join(CANDIDATES), "-o", path)
            self.kept[f"{workload.model}/quantize_s"] = seconds
        return path

    def artifact(self, source: pathlib.Path, stem: str, *flags: str) -> pathlib.Path:
        path = self.work / f"{stem}.so"
        if not path.exists() or path.stat().st_mtime < source.stat().st_mtime or self.options.fresh:
            self.kept[f"{stem}/compile_s"] = self.anybit("compile", source, *flags, "-o", path)
        return path


def load(path: pathlib.Path) -> Any:
    """anybit.load, or a Missing that says why."""
    try:
        import anybit
        return anybit.load(str(path))
    except Exception as error:  # noqa: BLE001: every reason becomes a row of the table
        raise Missing(f"anybit.load: {error}") from error


def first_output(result: Any) -> np.ndarray:
    """The first output of a model call, whatever container the call returns."""
    if isinstance(result, dict):
        result = next(iter(result.values()))
    return np.asarray(result[0] if isinstance(result, (list, tuple)) else result)


def ours(path: pathlib.Path, candidate: str) -> Callable[[np.ndarray], np.ndarray]:
    """x [N, ...] -> first output [N, ...], one sample a call (artifacts hold batch 1)."""
    model = load(path)
    if candidate not in list(model.candidates):
        raise Missing(f"the artifact has {', '.join(model.candidates)}, not {candidate}")
    model.candidate = candidate
    return lambda x: np.concatenate([first_output(model(np.ascontiguousarray(x[i:i + 1]))) for i in range(len(x))])


def onnx_runtime(path: pathlib.Path, candidate: int | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """The same on ONNX Runtime; candidate: value of the candidate input, None for a file without one."""
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = next(value.name for value in session.get_inputs() if value.name != "candidate")
    shape = next(value.shape for value in session.get_inputs() if value.name == name)
    step = shape[0] if isinstance(shape[0], int) else 50
    extra = {} if candidate is None else {"candidate": np.asarray(candidate, np.int64)}
    return lambda x: np.concatenate([session.run(None, {name: np.ascontiguousarray(x[i:i + step]), **extra})[0]
                                     for i in range(0, len(x), step)])


def score(bench: Bench, workload: datasets.Workload, network: Callable) -> tuple[float, np.ndarray | None]:
    """Metric in percent (AUC and AP50 too), and the classifier's outputs."""
    if workload.metric == "ap50":
        return detection.evaluate(bench.data, "coco_val_64", detection.DETECTORS[workload.model], network), None
    if workload.test is None:
        raise Missing("no labelled set")
    inputs, labels = workload.test(bench.data)
    inputs, labels = inputs[:bench.options.limit], labels[:bench.options.limit]
    if workload.metric == "auc":
        outputs = network(inputs.reshape(-1, inputs.shape[-1])).reshape(inputs.shape)
        return 100 * datasets.area_under_curve(((outputs - inputs) ** 2).mean(axis=(1, 2)), labels), None
    outputs = network(inputs)
    return datasets.top1(outputs, labels, workload.background), outputs


def float_score(bench: Bench, workload: datasets.Workload) -> float:
    return bench.keep(f"{workload.model}/float", lambda: score(
        bench, workload, onnx_runtime(bench.model_file(workload.model)))[0])


def verdict(model: str, candidate: str, value: float, reference: float) -> str:
    bound = BOUNDS.get(model, DEFAULT_BOUNDS).get(candidate)
    if bound is None:
        return ""
    kind, limit = bound
    least = reference - limit if kind == "drop" else limit
    return f"{'holds' if value >= least else '**fails**'} (≥ {least:.1f})"


# Sections: the rows of one table each, as generators, so that rows before a failure are kept.

Rows = Iterator[list[Any]]


def rows_float(bench: Bench, workload: datasets.Workload) -> Rows:
    """the float artifact against ONNX Runtime."""
    def measure() -> float:
        path = bench.artifact(bench.model_file(workload.model), f"{workload.model}.f32")
        inputs = workload.calibration(bench.data)[:4]
        model, oracle = load(path), onnx_runtime(bench.model_file(workload.model))
        got = np.concatenate([first_output(model(np.ascontiguousarray(x[None]))) for x in inputs])
        expected = oracle(inputs)
        return float(np.abs(got - expected).max() / np.abs(expected).max())
    error = bench.keep(f"{workload.model}/f32_error", measure)
    yield [workload.model, f"{error:.1e}", "holds" if error <= 1e-4 else "**fails**"]


def rows_accuracy(bench: Bench, workload: datasets.Workload) -> Rows:
    """accuracy of each candidate."""
    if workload.metric == "none":
        return
    reference = float_score(bench, workload)
    yield [workload.model, workload.metric, "float", f"{reference:.2f}", "", ""]
    path = bench.artifact(bench.switchable(workload), workload.model)
    for name in CANDIDATES:
        value = bench.keep(f"{workload.model}/{name}", lambda: score(bench, workload, ours(path, name))[0])
        yield ["", "", name, f"{value:.2f}", f"{value - reference:+.2f}",
               verdict(workload.model, name, value, reference)]


def rows_oracle(bench: Bench, workload: datasets.Workload) -> Rows:
    """N10: the artifact against ONNX Runtime running the same switchable file."""
    switchable = bench.switchable(workload)
    path = bench.artifact(switchable, workload.model)
    for index, name in enumerate(CANDIDATES):
        def measure() -> list:
            networks = ours(path, name), onnx_runtime(switchable, index)
            if workload.metric == "ap50":
                a, b = (score(bench, workload, network)[0] for network in networks)
                return ["AP50 difference", a - b, abs(a - b) <= .2]
            if workload.metric != "top1":
                inputs = workload.calibration(bench.data)[:8]
                a, b = (network(inputs) for network in networks)
                return ["relative difference of outputs", float(np.abs(a - b).max() / np.abs(b).max()), None]
            a, b = (score(bench, workload, network)[1] for network in networks)
            share = datasets.agreement(a, b)
            return [f"top-1 agreement, % of {len(a)}", share, share >= 99.5]
        what, value, holds = bench.keep(f"{workload.model}/{name}/oracle", measure)
        yield [workload.model, name, what, f"{value:.4g}", "" if holds is None else "holds" if holds else "**fails**"]


def rows_layers(bench: Bench, workload: datasets.Workload) -> Rows:
    """equal bytes of the artifact and anybit.reference."""
    if workload.model not in LAYER_MODELS:
        return
    from anybit import reference
    switchable = bench.switchable(workload)
    path, inputs = bench.artifact(switchable, workload.model), workload.test(bench.data)[0][:16]
    for name in CANDIDATES:
        def measure() -> list:
            expected = next(iter(reference.run(switchable, inputs, name).values()))
            got = ours(path, name)(inputs)
            return [float(np.abs(got - expected).max()), bool(np.array_equal(got, expected))]
        difference, equal = bench.keep(f"{workload.model}/{name}/reference", measure)
        yield [workload.model, name, f"{difference:.3g}", "equal bytes" if equal else "differs"]


def measured(bench: Bench, path: pathlib.Path, stem: str) -> dict[str, Any]:
    """What ``anybit bench --json`` says."""
    def measure() -> dict[str, Any]:
        out = bench.work / f"{stem}.bench.json"
        bench.anybit("bench", path, "--candidate", "all", "--threads", 1, "--json", out)
        return json.loads(out.read_text())
    return bench.keep(f"{stem}/bench", measure)


def runtime_milliseconds(path: pathlib.Path, inputs: np.ndarray, seconds: float = 2.0) -> float:
    """Least time of one sample on ONNX Runtime, one thread."""
    network, sample = onnx_runtime(path), inputs[:1]
    for _ in range(3):
        network(sample)
    best, end = np.inf, time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        network(sample)
        best = min(best, time.perf_counter() - start)
    return 1000 * best


def quantized_by_runtime(bench: Bench, workload: datasets.Workload, inputs: np.ndarray) -> pathlib.Path:
    """The int8 QDQ version that ONNX Runtime's own quantizer makes."""
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self, name: str) -> None:
            self.feeds = iter([{name: sample[None]} for sample in inputs[:8]])

        def get_next(self) -> dict | None:
            return next(self.feeds, None)

    path = bench.work / f"{workload.model}.ort_int8.onnx"
    if not path.exists():
        import onnxruntime as ort
        source = bench.model_file(workload.model)
        name = ort.InferenceSession(str(source), providers=["CPUExecutionProvider"]).get_inputs()[0].name
        quantization.quantize_static(str(source), str(path), Reader(name), per_channel=True,
                                     activation_type=quantization.QuantType.QUInt8)
    return path


def rows_speed(bench: Bench, workload: datasets.Workload) -> Rows:
    """latency beside ONNX Runtime, one thread, minima."""
    inputs = workload.calibration(bench.data)[:8]
    oracle = bench.keep(f"{workload.model}/ort_f32_ms", lambda: runtime_milliseconds(
        bench.model_file(workload.model), inputs))
    yield [workload.model, "ONNX Runtime f32", f"{oracle:.3f}", "", ""]
    int8 = bench.keep(f"{workload.model}/ort_int8_ms", lambda: runtime_milliseconds(
        quantized_by_runtime(bench, workload, inputs), inputs))
    yield ["", "ONNX Runtime int8", f"{int8:.3f}", "", ""]
    path = bench.artifact(bench.switchable(workload), workload.model)
    for entry in measured(bench, path, workload.model)["candidates"]:
        yield ["", entry["name"], f"{entry['min_ms']:.3f}", f"{entry['median_ms']:.3f}",
               f"{entry['min_ms'] / (oracle if entry['name'] == 'f32' else int8):.2f}"]


def rows_switch(bench: Bench, workload: datasets.Workload) -> Rows:
    """A→B→A equals a fresh artifact at A for all pairs, and the time of a switch."""
    path = bench.artifact(bench.switchable(workload), workload.model)
    inputs = workload.calibration(bench.data)[:1]

    def measure() -> bool:
        golden = {name: ours(path, name)(inputs) for name in CANDIDATES}
        model, sample = load(path), np.ascontiguousarray(inputs)
        for first in CANDIDATES:
            for second in CANDIDATES:
                for name in (first, second, first):
                    model.candidate = name
                    if not np.array_equal(first_output(model(sample)), golden[name]):
                        return False
        return True
    same = bench.keep(f"{workload.model}/switch", measure)
    nanoseconds = measured(bench, path, workload.model).get("switch_ns", float("nan"))
    yield [workload.model, f"{nanoseconds:.0f}", "holds" if nanoseconds <= 1000 else "**fails**",
           "holds" if same else "**fails**"]


def rows_bytes(bench: Bench, workload: datasets.Workload) -> Rows:
    """equal bytes when compiled twice; weight, arena and artifact bytes; times."""
    switchable = bench.switchable(workload)
    path = bench.artifact(switchable, workload.model)

    def measure() -> bool:
        again = bench.artifact(switchable, f"again/{workload.model}")
        return path.read_bytes() == again.read_bytes()
    (bench.work / "again").mkdir(exist_ok=True)
    same = bench.keep(f"{workload.model}/reproducible", measure)
    figures = measured(bench, path, workload.model)
    weights = " / ".join(str(entry["weight_bytes"]) for entry in figures["candidates"])
    seconds = [bench.kept.get(f"{workload.model}/{key}") for key in ("quantize_s", "compile_s")]
    yield [workload.model, path.stat().st_size, figures.get("arena_bytes", ""), weights,
           *("" if s is None else f"{s:.1f}" for s in seconds), "holds" if same else "**fails**"]


TABLES: dict[str, tuple[str, list[str], Callable]] = {
    "float": ("Float artifacts against ONNX Runtime (relative, bound 1e-4)", ["model", "largest difference", ""], rows_float),
    "accuracy": ("Accuracy, percent", ["model", "metric", "candidate", "value", "against float", "bound"], rows_accuracy),
    "oracle": ("The artifact against ONNX Runtime on the same switchable file (N10)",
               ["model", "candidate", "what", "value", ""], rows_oracle),
    "layers": ("The artifact against anybit.reference", ["model", "candidate", "largest difference", ""], rows_layers),
    "speed": ("Latency of one sample, one thread, ms; ratio to ONNX Runtime int8 (f32: to its f32)",
              ["model", "what", "least", "median", "ratio"], rows_speed),
    "switch": ("Switching (`packed`)", ["model", "ns", "≤ 1 µs", "A→B→A equals A"], rows_switch),
    "bytes": ("Sizes in bytes, times in seconds", ["model", "artifact", "arena", "weights per candidate", "quantize",
                                                   "compile", "compiled twice: equal"], rows_bytes),
}


def processor() -> str:
    """Name and vector features of the machine."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    field = {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in lines if ":" in line}
    wanted = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
    present = [name for name in wanted if name in field.get("flags", "").split()]
    return f"{field.get('model name', platform.machine())} ({', '.join(present) or 'no vector features listed'})"


def table(bench: Bench, section: str, chosen: list[datasets.Workload]) -> list[str]:
    title, columns, make = TABLES[section]
    lines = ["", f"## {title}", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for workload in chosen:
        print(f"{section}: {workload.model}", file=sys.stderr, flush=True)
        rows = []
        try:
            for row in make(bench, workload):
                rows.append(row)
        except (Missing, OSError, ImportError, ValueError, KeyError, RuntimeError) as error:
            reason = str(error).replace("|", "/").replace("\n", " ")
            rows.append([workload.model, f"not measured: {reason}"] + [""] * (len(columns) - 2))
        lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="", help="comma separated parts of model names; all by default")
    parser.add_argument("--sections", default=",".join(SECTIONS), help=f"of {','.join(SECTIONS)}")
    parser.add_argument("--limit", type=int, default=None, help="samples of each labelled set, all by default")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "evidence")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs" / "evidence.md")
    parser.add_argument("--fresh", action="store_true", help="forget kept artifacts and figures")
    options = parser.parse_args()
    unknown = [name for name in options.sections.split(",") if name not in TABLES]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    parts = [part for part in options.models.split(",") if part]
    chosen = [w for name, w in datasets.workloads().items() if not parts or any(part in name for part in parts)]
    if not chosen:
        parser.error(f"no model has '{options.models}' in its name")
    bench = Bench(options)
    lines = ["# Evidence", "", f"Measured by `bench/evidence.py` on {processor()}, {os.cpu_count()} cores, "
             f"{platform.system()} {platform.machine()}." + (f" First {options.limit} samples of each set only."
                                                              if options.limit else "")]
    for section in options.sections.split(","):
        lines += table(bench, section, chosen)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    bench.store.write_text(json.dumps(bench.kept, indent=1))
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
