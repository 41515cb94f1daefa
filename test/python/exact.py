"""Compiled artifacts against anybit.reference, bit for bit: programs of the build, and switchable models with the
canonical functions of docs/onnx-convention.md."""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import re
import subprocess
import tempfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import models
from anybit import reference
from anybit.reference.execute import candidate_names

F32 = np.float32
SIGNED, UNSIGNED, ODD = "signed", "unsigned", "odd"


def program(*parts: str) -> pathlib.Path:
    """A program of the build; skips where there is none."""
    build = os.environ.get("ANYBIT_BUILD")
    if not build:
        pytest.skip("ANYBIT_BUILD is not set: no programs to test")
    path = pathlib.Path(build, *parts)
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return path


@functools.lru_cache(maxsize=None)
def functions() -> tuple[onnx.FunctionProto, ...]:
    """FakeQuantSigned, FakeQuantUnsigned, FakeQuantOdd and MixBands (tile, Haar) as the compiler knows them."""
    writer = program("test", "unit", "write-convention-models")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([writer, folder], check=True)
        names = ["FakeQuantSigned..4.1", "FakeQuantUnsigned..4.1", "FakeQuantOdd..4.1", "MixBands.tile_haar.4.1"]
        loaded = [onnx.load(f"{folder}/{name}.onnx") for name in names]
    return tuple(function for model in loaded for function in model.functions)


def canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the canonical bodies in place of its functions."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.functions[:]
    copy.functions.extend(functions())
    return copy


class Network(models.Builder):
    """models.Builder with free formats. candidates: (name, weight bits, activation bits[, weight format])."""

    def __init__(self, candidates: list[tuple], seed: int = 0) -> None:
        self.formats = [c[3] if len(c) > 3 else SIGNED for c in candidates]
        super().__init__([c[:3] for c in candidates], seed)

    def coded(self, x: str, kind: str, scale: float, bits: "int | list[int]", zero: int = 0) -> str:
        """A per-tensor quantizer of exactly these parameters; the result is compared."""
        name = self.fake_quant(x, kind, np.full(len(self.candidates), scale, F32), bits, zero)
        self.activations.append(name)
        return name

    def fake_quant(self, x: str, kind: str, scales: np.ndarray, bits: "int | list[int]", zero=0) -> str:
        rows = len(self.candidates)
        widths = np.broadcast_to(np.asarray(bits, np.int64), (rows,))
        operands = [x, self.select(scales)]
        if kind == UNSIGNED:
            operands.append(self.select(np.broadcast_to(np.asarray(zero, np.int32), (rows,))))
        operands.append(self.select(widths))
        return self.call(f"FakeQuant{kind.capitalize()}", operands, kind)

    def coded_weight(self, values: np.ndarray, bits=None, kinds=None, axis: int = 0, scales=None, zero=0) -> str:
        """Weights of each candidate's width and format; `values` in units of about one per step at 1 bit."""
        widths = [w for _, w, _ in self.candidates] if bits is None else [bits] * len(self.candidates)
        kinds = self.formats if kinds is None else kinds
        values = np.asarray(values, F32)
        column = [values.shape[i] if i == axis else 1 for i in range(values.ndim)]
        if scales is None:
            others = tuple(i for i in range(values.ndim) if i != axis)
            spread = self.rng.uniform(0.3, 1.2, column).astype(F32) * np.abs(values).max(axis=others, keepdims=True)
            scales = np.stack([spread / F32(2 ** max(b - 1, 1)) for b in widths]).astype(F32)
        name = self.constant(values, "w")
        zeros = [2 ** (b - 1) if zero is None else zero for b in widths]
        made = {kind: self.fake_quant(name, kind, scales, widths, zeros) for kind in dict.fromkeys(kinds)}
        chosen = None
        for kind, value in made.items():
            chosen = value if chosen is None else self.op(
                "Where", [self.select(np.array([k == kind for k in kinds])), value, chosen], "weight")
        return chosen

    def plain_conv(self, x: str, weight: str, bias: "np.ndarray | None" = None, **attributes) -> str:
        operands = [x, weight] + ([] if bias is None else [self.constant(np.asarray(bias, F32))])
        return self.op("Conv", operands, **attributes)

    def numbers(self, *shape: int, low: float = -1, high: float = 1) -> np.ndarray:
        return self.rng.uniform(low, high, shape).astype(F32)

    def build(self) -> onnx.ModelProto:
        names = {value.name for value in self.outputs}
        for name in self.activations:
            if name not in names:
                self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        return canonical(super().build())


def host_features() -> set[str]:
    with open("/proc/cpuinfo") as file:
        return set(next((line for line in file if line.startswith("flags")), "").split())


AVX_VNNI, VNNI = "x86-64-v3,+avxvnni", "x86-64-v4,+avx512vnni"
TARGETS = {"x86-64": set(), "x86-64-v3": {"avx2", "fma"}, "x86-64-v4": {"avx512f", "avx512bw", "avx512vl"},
           VNNI: {"avx512f", "avx512bw", "avx512vl", "avx512_vnni"}, "native": set(), AVX_VNNI: {"avx2", "fma", "avx_vnni"}}


# Targets that differ in their registers, not only in dot products; `native` has the widest.
REGISTER_TARGETS = ["x86-64", "x86-64-v3", "native"]


def vector_targets() -> list[str]:
    """Targets whose kernels differ where nothing is counted, looked up or tiled: `native` is the one with VNNI there,
    if this CPU has that."""
    has_vnni = TARGETS[VNNI] <= host_features()
    return [target for target in TARGETS if not (target == "native" and has_vnni)]


def need_target(target: str) -> None:
    missing = TARGETS[target] - host_features()
    if missing:
        pytest.skip(f"this CPU lacks {', '.join(sorted(missing))} of {target}")


def compile_model(model: onnx.ModelProto, folder: pathlib.Path, target: str = "native", level: int = 3,
                  flags: tuple[str, ...] = ()) -> pathlib.Path:
    source, artifact = folder / "model.onnx", folder / f"model.{target}.{level}.so"
    onnx.save(model, source)
    done = subprocess.run([program("bin", "anybit"), "compile", source, "--target", target, f"-O{level}", *flags, "-q", "-o",
                           artifact], capture_output=True, text=True)
    assert done.returncode == 0, f"compile exits {done.returncode}: {done.stderr[-2000:]}"
    return artifact


def run_artifact(artifact: pathlib.Path, inputs: dict[str, np.ndarray], candidate: "str | None",
                 flags: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Output name -> array."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = []
        for i, (name, value) in enumerate(inputs.items()):
            np.save(f"{folder}/in{i}.npy", value)
            arguments += ["--input", f"{name}={folder}/in{i}.npy"]
        out = pathlib.Path(folder, "out")
        out.mkdir()
        arguments += ["--candidate", candidate] if candidate else []
        done = subprocess.run([program("bin", "anybit"), "run", artifact, *arguments, *flags, "--output-dir", out,
                               "-q"],
                              capture_output=True, text=True)
        assert done.returncode == 0, f"run exits {done.returncode}: {done.stderr[-2000:]}"
        return {path.stem: np.load(path) for path in out.iterdir()}


def file_name(output: str) -> str:
    """How `anybit run --output-dir` calls the file of an output, without its suffix."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", output)


def differences(got: dict, want: dict) -> list[str]:
    """One line for every output that is not equal."""
    lines = []
    for name, expected in want.items():
        have = got[file_name(name)].reshape(expected.shape)
        wrong = int((have != expected).sum())
        if wrong:
            at = tuple(int(i) for i in np.argwhere(have != expected)[0])
            lines.append(f"{name}: {wrong} of {expected.size} differ, first {at}: {have[at]!r} for {expected[at]!r}")
    return lines


_wanted: dict[bytes, dict[str, np.ndarray]] = {}


def wanted(model: onnx.ModelProto, inputs: dict[str, np.ndarray], candidate: "str | None") -> dict[str, np.ndarray]:
    """reference.run, once for all targets of a test."""
    digest = hashlib.sha256(model.SerializeToString(deterministic=True))
    for part in (candidate or "", *inputs):
        digest.update(f"{part}\0".encode())
    for value in inputs.values():
        digest.update(value.tobytes())
    key = digest.digest()
    if key not in _wanted:
        _wanted[key] = reference.run(model, inputs, candidate)
    return _wanted[key]


def assert_exact(model: onnx.ModelProto, inputs: dict[str, np.ndarray], folder: pathlib.Path, target: str = "native",
                 level: int = 3, candidates: "list[str] | None" = None, flags: tuple[str, ...] = ()) -> None:
    """Every output of every candidate equals the reference, element by element."""
    artifact = compile_model(model, folder, target, level, flags)
    problems = []
    for candidate in candidates or candidate_names(model) or [None]:
        want = wanted(model, inputs, candidate)
        problems += [f"{candidate}: {line}" for line in differences(run_artifact(artifact, inputs, candidate), want)]
    assert not problems, "\n".join(problems)
