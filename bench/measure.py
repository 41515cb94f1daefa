"""What every section of the evidence needs: the command line, artifacts, and networks as functions of arrays."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterator

import numpy as np

import datasets
import detection

ROOT = pathlib.Path(__file__).resolve().parents[1]
CANDIDATES = ("w8a8", "w6a6", "w4a4", "w3a3", "w2a2", "w1a1")
Rows = Iterator[list[Any]]
Network = Callable[[np.ndarray], np.ndarray]


class Missing(RuntimeError):
    """A tool, a package or an artifact is not there; the text goes into the table."""


# A process inherits the peak of the memory that it is started from: one with the test sets in it would give its own.
WATCH = """import json, os, sys
_, status, usage = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024], file)"""


@dataclass(frozen=True)
class Cost:
    """Of one run of the command line: wall seconds, processor seconds, peak MB."""

    wall: float
    processor: float
    megabytes: float


class Bench:
    """Paths, tools and kept results of one run."""

    def __init__(self, options: argparse.Namespace) -> None:
        folder = os.environ.get("ANYBIT_TEST_DATA")
        if not folder:
            sys.exit("ANYBIT_TEST_DATA is not set: it names the folder of test models and labelled sets")
        self.data, self.work, self.options = pathlib.Path(folder), options.work, options
        self.work.mkdir(parents=True, exist_ok=True)
        self.tool = shutil.which("anybit", path=f"{ROOT / 'build' / 'bin'}:{os.environ.get('PATH', '')}")
        self.store = self.work / "figures.json"
        kept = self.store.exists() and not options.fresh
        self.kept: dict[str, Any] = json.loads(self.store.read_text()) if kept else {}

    def keep(self, key: str, measure: Callable[[], Any]) -> Any:
        """A figure by its key, measured at most once; failures are not kept."""
        key = f"{key}@{self.options.limit}" if self.options.limit else key
        if key not in self.kept:
            self.kept[key] = measure()
            self.store.write_text(json.dumps(self.kept, indent=1))
            print(f"  {key}: {self.kept[key]}", file=sys.stderr, flush=True)
        return self.kept[key]

    def anybit(self, *arguments: object) -> Cost:
        """Runs a verb of the command line."""
        if self.tool is None:
            raise Missing("the program anybit is not built")
        words, usage = self.work / "words.txt", self.work / "usage.json"
        start = time.monotonic()
        with open(words, "w+", encoding="utf-8") as file:
            subprocess.run([sys.executable, "-S", "-c", WATCH, usage, self.tool, *map(str, arguments)], stdout=file,
                           stderr=file, check=True)
        wall = time.monotonic() - start
        code, processor, megabytes = json.loads(usage.read_text())
        if code != 0:
            lines = words.read_text(encoding="utf-8").splitlines() or ["no message"]
            raise Missing(f"anybit {arguments[0]} ended with {code}: {lines[0]}")
        return Cost(wall, processor, megabytes)

    def named(self, workload: datasets.Workload) -> str:
        """The model, and in brackets what was left out of its sets."""
        calibration = self.kept.get(f"{workload.model}/calibration")
        words = [f"{self.options.limit} test samples"] if self.options.limit else []
        words += [f"{calibration} for calibration"] if calibration else []
        return f"{workload.model} ({', '.join(words)})" if words else workload.model

    def timed(self, key: str, *arguments: object) -> None:
        """Runs a verb and keeps its cost under ``key``."""
        cost = self.anybit(*arguments)
        self.kept[key] = [cost.wall, cost.processor, cost.megabytes]
        self.store.write_text(json.dumps(self.kept, indent=1))

    def model_file(self, name: str) -> pathlib.Path:
        """The float model; generated ones are written on demand."""
        if not name.endswith("_random"):
            return self.data / "models" / f"{name}.onnx"
        path = self.work / f"{name}.onnx"
        if not path.exists():
            import onnx
            from generated import GENERATED
            network = name.removesuffix("_random")
            onnx.save(GENERATED[network](network), path)
        return path

    def switchable(self, workload: datasets.Workload, candidates: tuple[str, ...] = CANDIDATES,
                   suffix: str = "") -> pathlib.Path:
        """The quantized file of a model."""
        stem = f"{workload.model}{suffix}"
        path, inputs = self.work / f"{stem}.switchable.onnx", self.work / f"{stem}.calibration.npy"
        if path.exists() and not self.options.fresh:
            return path
        print(f"  quantize {stem}", file=sys.stderr, flush=True)
        samples = workload.calibration(self.data)
        if self.options.calibration:  # Spread evenly: some sets are sorted by class.
            samples = samples[::max(1, len(samples) // self.options.calibration)][:self.options.calibration]
            self.kept[f"{stem}/calibration"] = len(samples)
        np.save(inputs, samples)
        self.timed(f"{stem}/quantize", "quantize", self.model_file(workload.model), "--calibration", inputs,
                   "--candidates", ",".join(candidates), "-o", path)
        inputs.unlink()
        return path

    def artifact(self, source: pathlib.Path, stem: str, *flags: str) -> pathlib.Path:
        """A compiled file, made again if its source or the compiler is newer."""
        path, made_of = self.work / f"{stem}.so", [source, *([pathlib.Path(self.tool)] if self.tool else [])]
        if not path.exists() or path.stat().st_mtime < max(file.stat().st_mtime for file in made_of) or self.options.fresh:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.timed(f"{stem}/compile", "compile", source, *flags, "-o", path)
        return path


def load(path: pathlib.Path, **options: Any) -> Any:
    """anybit.load, or a Missing that says why."""
    try:
        import anybit
        return anybit.load(str(path), **options)
    except Exception as error:  # noqa: BLE001: every reason becomes a row of the table
        raise Missing(f"anybit.load: {error}") from error


def first_output(result: Any) -> np.ndarray:
    """The first output of a model call, whatever container the call returns."""
    if isinstance(result, dict):
        result = next(iter(result.values()))
    return np.asarray(result[0] if isinstance(result, (list, tuple)) else result)


def ours(path: pathlib.Path, candidate: str | None = None) -> Network:
    """x [N, ...] -> first output [N, ...], one sample a call (artifacts hold batch 1)."""
    model = load(path)
    if candidate is not None and candidate not in list(model.candidates):
        raise Missing(f"the artifact has {', '.join(model.candidates)}, not {candidate}")
    if candidate is not None:
        model.candidate = candidate
        model.prepare()  # A master store rebuilds weights beside the runs; the first sample must not be the old candidate's.
    return lambda x: np.concatenate([first_output(model(np.ascontiguousarray(x[i:i + 1]))) for i in range(len(x))])


def _session(model: str | bytes, **arguments: Any) -> Network:
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    if arguments:  # Fused convolutions would round differently from the file.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"], **arguments)
    only = session.get_inputs()[0]
    step = only.shape[0] if isinstance(only.shape[0], int) else 50
    return lambda x: np.concatenate([session.run(None, {only.name: np.ascontiguousarray(x[i:i + step])})[0]
                                     for i in range(0, len(x), step)])


def onnx_runtime(path: pathlib.Path) -> Network:
    """A file without candidates on ONNX Runtime, one thread."""
    return _session(str(path))


def oracle(path: pathlib.Path, candidate: int) -> Network:
    """A switchable file on ONNX Runtime. The input ``candidate`` becomes a constant, so that its weights are quantized
    once, not at every run; the outputs are the same bits."""
    import onnx
    model = onnx.load(path)
    inputs = [value for value in model.graph.input if value.name != "candidate"]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(candidate, np.int64), "candidate"))
    return _session(model.SerializeToString(), disabled_optimizers=[
        "ConvMulFusion", "ConvAddFusion", "ConvBNFusion", "MatMulAddFusion"])


def score(bench: Bench, workload: datasets.Workload, network: Network,
          pictures: tuple[str, ...] = ("coco_val_64",)) -> tuple[float, np.ndarray | None]:
    """Metric in percent (of a detector on ``pictures``), and the outputs of a classifier."""
    limit = bench.options.limit
    if workload.metric == "ap50":
        return detection.evaluate(bench.data, pictures, detection.DETECTORS[workload.model], network, limit), None
    if workload.test is None:
        raise Missing("no test set")
    inputs, labels = workload.test(bench.data)
    if limit:  # Spread evenly: some sets are sorted by class.
        inputs, labels = (values[::max(1, len(values) // limit)][:limit] for values in (inputs, labels))
    if workload.metric == "auc":
        outputs = network(inputs.reshape(-1, inputs.shape[-1])).reshape(inputs.shape)
        return 100 * datasets.area_under_curve(((outputs - inputs) ** 2).mean(axis=(1, 2)), labels), None
    outputs = network(inputs)
    if workload.metric == "pixels":
        expected = onnx_runtime(bench.model_file(workload.model))(inputs)
        return datasets.agreement(outputs, expected), outputs
    return datasets.top1(outputs, labels, workload.background), outputs


def flags() -> set[str]:
    """What /proc/cpuinfo says that this CPU has."""
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^flags\s*:(.*)$", text, re.M)
    return set(found[1].split()) if found else set()


def processor() -> str:
    """Name and vector features of the machine."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in lines if ":" in line}
    wanted = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
    present = [name for name in wanted if name in fields.get("flags", "").split()]
    return f"{fields.get('model name', platform.machine())} ({', '.join(present) or 'no vector features listed'})"
