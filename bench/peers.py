#!/usr/bin/env python3
"""Whole networks beside other engines, on this machine, into docs/performance.md.

    pip install -r bench/requirements-peers.txt
    ANYBIT_TEST_DATA=... python bench/peers.py [--networks resnet18,mobilenetv2] [--threads 1,2] [--levels native,avx2]
        [--candidates w8a8,w1a1] [--engines anybit,openvino]

Every engine runs in a process of its own (bench/peer_worker.py). All processes of a network are alive at once and take
turns in short slices, so that a busy minute meets all of them; a figure is the least time of all slices. An engine that
is missing or fails is a cell with its reason. Levels hold instruction sets equal: OpenVINO by ONEDNN_MAX_CPU_ISA, ours
by --target. The figures are kept in bench/results/peers, one file a CPU; the page is written from them alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np

import datasets
import measure
import peer_page
import speed
from measure import Bench, Missing

HERE = pathlib.Path(__file__).resolve().parent
CANDIDATES = ("w8a8", "w4a4", "w2a2", "w1a4", "w1a1")
SLICE = .15
SLOW = 500.  # ms; one call is enough then
NETWORKS = {
    "resnet18": "resnet18_random", "resnet50": "resnet50_random", "mobilenetv1": "mobilenetv1_random",
    "mobilenetv2": "mobilenetv2_imagenet", "squeezenet": "squeezenet1_1_imagenet", "kws": "mlperftiny_kws_dscnn",
    "resnet8": "mlperftiny_resnet8_cifar10", "vww": "mlperftiny_vww_mobilenetv1_025",
    "ad": "mlperftiny_ad01_autoencoder"}
TFLITE = {"kws": "kws", "resnet8": "resnet8", "vww": "vww", "ad": "ad01"}


@dataclass(frozen=True)
class Level:
    """needs: a flag of /proc/cpuinfo. isa: ONEDNN_MAX_CPU_ISA."""

    isa: str
    target: str
    needs: str


LEVELS = {
    "native": Level("DEFAULT", "native", ""),
    # A virtual machine may report the model of another core, so that `native` without AMX is not this one.
    "avx512_vnni": Level("AVX512_CORE_VNNI", "sapphirerapids,-amx-int8,-amx-tile,-amx-bf16", "amx_int8"),
    "avx2_vnni": Level("AVX2_VNNI", "x86-64-v3,+avxvnni", "avx_vnni"),
    "avx2": Level("AVX2", "x86-64-v3", "avx2"),
}


@dataclass
class Runner:
    """A worker process and the columns it fills: column -> candidate, "" where an engine has none."""

    process: subprocess.Popen
    columns: dict[str, str]
    best: dict[str, float] = field(default_factory=dict)

    def line(self) -> str:
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise Missing("the process ended")
        return answer

    def turn(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        for column, candidate in self.columns.items():
            if self.best.get(column, 0) > SLOW:
                continue
            self.process.stdin.write(f"{SLICE} {candidate}\n")
            self.process.stdin.flush()
            self.best[column] = min(self.best.get(column, np.inf), float(self.line()))
        self.rest()

    def rest(self) -> None:
        """Stops the process: threads that wait by spinning would take the others' cores."""
        self.process.send_signal(signal.SIGSTOP)

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait()


class Network:
    """The files of one network, made on demand."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name
        whole = datasets.workloads()[NETWORKS[name]]
        # Speed needs no more samples.
        self.workload = dataclasses.replace(whole, calibration=lambda data: whole.calibration(data)[:16])
        self.stem = f"{whole.model}.peers"
        self.inputs = self.workload.calibration(bench.data)
        self.sample = bench.work / f"{self.stem}.npy"
        np.save(self.sample, np.ascontiguousarray(self.inputs[:1]))

    def float_file(self) -> pathlib.Path:
        return self.bench.model_file(self.workload.model)

    def int8_file(self) -> pathlib.Path:
        return speed.quantized_by_runtime(self.bench, self.workload, self.inputs)

    def artifact(self, level: str, candidates: list[str]) -> pathlib.Path:
        """Of the float file where there are no candidates."""
        stem, flags = f"{self.stem}.{level}", ["--target", LEVELS[level].target]
        if not candidates:
            return self.bench.artifact(self.float_file(), f"{stem}.f32", *flags)
        source = self.bench.switchable(self.workload, CANDIDATES, ".peers")
        if candidates == list(CANDIDATES):
            return self.bench.artifact(source, f"{stem}.codes", *flags)
        return self.bench.artifact(source, f"{stem}.{'-'.join(candidates)}", *flags, "--candidates", ",".join(candidates))

    def tflite_file(self) -> pathlib.Path:
        if self.name not in TFLITE:
            raise Missing("no .tflite file")
        return self.bench.data / "models" / "int8_tflite" / f"mlperftiny_{TFLITE[self.name]}_int8.tflite"

    def iree_file(self, source: pathlib.Path, kind: str) -> pathlib.Path:
        path, text = (self.bench.work / f"{self.stem}.{kind}.{end}" for end in ("vmfb", "mlir"))
        if not path.exists():
            module = source
            from iree.compiler.tools import import_onnx  # noqa: F401: says that the package is there
            folder = pathlib.Path(sys.executable).parent
            self._tool(folder / "iree-import-onnx", module, "-o", text)
            self._tool(folder / "iree-compile", text, "--iree-hal-target-device=local", "--iree-opt-level=O3",
                       "--iree-hal-local-target-device-backends=llvm-cpu", "--iree-llvmcpu-target-cpu=host",
                       "--iree-global-opt-use-im2col-for-convs", "-o", path)
            text.unlink()
        return path

    def tvm_file(self) -> pathlib.Path:
        path = self.bench.work / f"{self.stem}.tvm.so"
        if not path.exists():
            self._tool(sys.executable, HERE / "peer_tvm.py", self.float_file(), path,
                       *map(str, np.load(self.sample).shape))
        return path

    def _tool(self, *command: object) -> None:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "rror" in line] or done.stderr.splitlines()[-1:]
            raise Missing(f"{pathlib.Path(str(command[0])).name}: {' '.join(lines)[:200] or done.returncode}")


def start(network: Network, engine: str, file: pathlib.Path, threads: int, columns: dict[str, str],
          isa: str = "DEFAULT") -> Runner:
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa, "TVM_NUM_THREADS": str(threads),
                   "OMP_NUM_THREADS": str(threads)}
    process = subprocess.Popen([sys.executable, str(HERE / "peer_worker.py"), engine, str(file), str(threads),
                                str(network.sample)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, env=environment)
    runner = Runner(process, columns)
    answer = runner.line()
    if answer != "ready":
        process.kill()
        raise Missing(answer.removeprefix("missing "))
    runner.rest()
    return runner


def plan(network: Network, levels: list[str], candidates: list[str]):
    """(engine, file maker, columns, isa) of every process; columns are `level/name`."""
    for level in levels:
        isa = LEVELS[level].isa
        yield "anybit", lambda n=level: network.artifact(n, candidates), {f"{level}/{c}": c for c in candidates}, isa
        yield "openvino", network.int8_file, {f"{level}/OpenVINO int8": ""}, isa
    if "native" not in levels:
        return
    rest = [("anybit", lambda: network.artifact("native", []), "f32"),
            ("onnx_runtime", network.float_file, "ONNX Runtime f32"),
            ("onnx_runtime", network.int8_file, "ONNX Runtime int8"),
            ("litert", network.tflite_file, "LiteRT int8"),
            ("iree", lambda: network.iree_file(network.float_file(), "f32"), "IREE f32"),
            ("iree", lambda: network.iree_file(network.int8_file(), "int8"), "IREE int8"),
            ("tvm", network.tvm_file, "TVM f32")]
    for engine, file, column in rest:
        if engine != "litert" or network.name in TFLITE:
            yield engine, file, {f"native/{column}": ""}, "DEFAULT"


def measured(network: Network, threads: int, levels: list[str], options: argparse.Namespace) -> dict[str, float | str]:
    """Least milliseconds, or the reason why there are none, by column."""
    runners, cells = [], {}
    for engine, file, columns, isa in plan(network, levels, options.candidates):
        if engine not in options.engines:
            continue
        try:
            runners.append(start(network, engine, file(), threads, columns, isa))
        except Exception as error:  # noqa: BLE001: every reason becomes a cell
            reason = " ".join(f"{error}".split())
            print(f"  skipped {', '.join(columns)}: {reason}", file=sys.stderr, flush=True)
            cells |= dict.fromkeys(columns, reason)
    try:
        for _ in range(options.rounds):
            for runner in runners:
                runner.turn()
        for runner in runners:
            cells |= {column: float(f"{value:.4g}") for column, value in runner.best.items()}
            runner.end()
    finally:
        for runner in runners:
            runner.process.kill()  # A stopped one would not see that its input has ended.
    return cells


def results_file() -> pathlib.Path:
    slug = re.sub(r"[^a-z0-9]+", "-", measure.processor().split(" (")[0].lower()).strip("-")
    level = next((name for name in ("amx_int8", "avx512_vnni", "avx_vnni", "avx2") if name in measure.flags()), "x86-64")
    return peer_page.RESULTS / f"{slug}-{level.replace('_', '-')}.json"


def versions() -> dict[str, str]:
    from importlib import metadata
    found = {}
    for package in ("onnxruntime", "openvino", "ai-edge-litert", "iree-base-compiler", "apache-tvm"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


def listed(text: str, known, what: str, parser: argparse.ArgumentParser) -> list[str]:
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"no {what} {', '.join(unknown)}; there are {', '.join(known)}")
    return names or list(known)


def parsed() -> argparse.Namespace:
    engines = ("anybit", "openvino", "onnx_runtime", "litert", "iree", "tvm")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default="", help=f"of {','.join(NETWORKS)}; all by default")
    parser.add_argument("--levels", default="", help=f"of {','.join(LEVELS)}; all of this CPU by default")
    parser.add_argument("--engines", default="", help=f"of {','.join(engines)}; all by default")
    parser.add_argument("--candidates", default="", help=f"of {','.join(CANDIDATES)}; all by default")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--work", type=pathlib.Path, default=measure.ROOT / "build" / "peers")
    parser.add_argument("--fresh", action="store_true", help="make every file again")
    options = parser.parse_args()
    options.networks = listed(options.networks, NETWORKS, "network", parser)
    options.levels = listed(options.levels, LEVELS, "level", parser)
    options.engines = listed(options.engines, engines, "engine", parser)
    options.candidates = listed(options.candidates, CANDIDATES, "candidate", parser)
    options.limit = options.calibration = None  # of samples: all
    return options


def main() -> int:
    options = parsed()
    path, present = results_file(), measure.flags()
    levels = [name for name in options.levels if not LEVELS[name].needs or LEVELS[name].needs in present]
    for name in set(options.levels) - set(levels):
        print(f"level {name} skipped: this CPU has no {LEVELS[name].needs}", file=sys.stderr)
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"figures": {}}
    kept |= {"cpu": measure.processor(), "cores": os.cpu_count(), "versions": versions()}
    bench = Bench(options)
    for name in options.networks:
        network = Network(bench, name)
        for threads in map(int, options.threads.split(",")):
            print(f"{name}, {threads} threads", file=sys.stderr, flush=True)
            cells = measured(network, threads, levels, options)
            own = kept["figures"].setdefault(str(threads), {}).setdefault(name, {})
            own |= {"date": time.strftime("%Y-%m-%d"), "load": round(os.getloadavg()[0], 1)}
            # Figures of one row are of one run.
            others = {column: value for column, value in own.get("ms", {}).items() if column.split("/")[0] not in levels}
            own["ms"] = others | cells
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
            peer_page.write_page()
    print(peer_page.PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
