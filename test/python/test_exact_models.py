"""Every layer of whole networks, quantized by the tool itself: codes equal to the reference, byte for byte."""

import itertools
import pathlib
import subprocess

import numpy as np
import onnx
import pytest

import exact
from anybit import reference
from inner_values import entry, with_outputs

ROOT = pathlib.Path(__file__).resolve().parents[2]
F32 = np.float32
CANDIDATES = ["w8a8", "w4a4", "w3a3", "w2a2", "w1a1"]
QUANTIZERS = ("FakeQuantSigned", "FakeQuantUnsigned", "FakeQuantOdd")


def check(source, inputs, folder, least_layers):
    np.save(folder / "calibration.npy", inputs[2:])
    switchable = folder / "switchable.onnx"
    done = subprocess.run(
        [exact.program("bin", "anybit"), "quantize", source, "--calibration", folder / "calibration.npy", "--candidates",
         ",".join(CANDIDATES), "-q", "-o", switchable], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    model = onnx.load(switchable)
    quantized = [node.output[0] for node in model.graph.node if node.op_type in QUANTIZERS]  # Of weights too: they fold.
    assert len(quantized) >= least_layers
    model, name = with_outputs(model, quantized), entry(model)
    artifact = exact.compile_model(model, folder)
    softmax = {node.output[0] for node in model.graph.node if node.op_type == "Softmax"}
    problems = []
    for candidate, x in itertools.product(CANDIDATES, (inputs[:1], inputs[1:2])):
        want = reference.run(model, {name: x}, candidate)
        got = exact.run_artifact(artifact, {name: x}, candidate)
        for key in softmax & want.keys():  # a real edge: exp is not the same everywhere (numerics N6)
            assert np.abs(got[exact.file_name(key)] - want.pop(key)).max() <= 1e-6
        assert len(want) >= least_layers
        problems += [f"{candidate}: {line}" for line in exact.differences(got, want)]
    assert not problems, "\n".join(problems)


def test_resnet8(tmp_path):
    rng = np.random.default_rng(8)
    pictures = rng.integers(0, 256, (34, 3, 4, 4)).astype(F32).repeat(8, axis=2).repeat(8, axis=3)
    pictures += rng.normal(size=pictures.shape).astype(F32) * F32(9)
    check(ROOT / "examples" / "resnet8" / "resnet8.onnx", np.clip(np.round(pictures), 0, 255), tmp_path, 19)


def test_kws(data, tmp_path):
    codes = np.fromfile(data / "kws" / "kws_mfcc_int8_500.bin", np.int8).reshape(-1, 1, 49, 10)[:34]
    inputs = (codes.astype(F32) - F32(83)) * F32(0.5847029)
    check(data / "models" / "mlperftiny_kws_dscnn.onnx", inputs, tmp_path, 19)
