"""Codes of one bit, which the compiler counts by integer thresholds (numerics N5), and of two, which it rounds: equal to
the reference. Thresholds of two bits are those of RequantizeThresholdsTest.cpp."""

import subprocess

import numpy as np
import onnx
import pytest

import exact
from exact import ODD, SIGNED, UNSIGNED

F32 = np.float32
CANDIDATES = [("w1a1", 1, 1, ODD), ("w2a1", 2, 1, SIGNED), ("w1a2", 1, 2, ODD), ("w2a2", 2, 2, SIGNED), ("w8a2", 8, 2, SIGNED)]


def network():
    """Convolution, depthwise convolution and matrix product, with slopes of both signs, clips, and two quantizers, and
    a layer whose factor is 1/2: half of its sums that are near a threshold are ties."""
    b = exact.Network(CANDIDATES, 3)
    widths = [a for _, _, a, _ in CANDIDATES]

    def halves(*shape):  # what the master store holds
        return b.numbers(*shape).astype(np.float16)

    def convolution(x, outputs, inputs, groups=1):
        weight = b.coded_weight(halves(outputs, inputs // groups, 3, 3))
        return b.plain_conv(x, weight, b.numbers(outputs), pads=[1] * 4, group=groups)

    x = b.coded(b.input("x", [1, 6, 9, 7]), UNSIGNED, 0.1, 8, 4)
    y = b.coded(b.op("Relu", [b.batch_norm(convolution(x, 21, 6), 21)]), UNSIGNED, 0.5, widths)
    halving = b.coded_weight(halves(16, 21, 1, 1), scales=np.full((len(CANDIDATES), 16, 1, 1, 1), 0.25, F32))
    b.output(b.coded(b.plain_conv(y, halving), UNSIGNED, 0.25, widths, 1), 4)
    y = b.batch_norm(convolution(y, 21, 21, groups=21), 21)
    y = b.op("Clip", [y, b.constant(F32(-0.25)), b.constant(F32(1.25))])
    z = b.coded(y, UNSIGNED, 0.5, widths, 1)
    wide = b.coded(y, SIGNED, 0.01, 8)
    z = b.coded(b.batch_norm(convolution(z, 70, 21), 70), SIGNED, 0.7, 2)
    flat = b.op("Flatten", [z])
    product = b.op("MatMul", [flat, b.coded_weight(halves(70 * 63, 18), axis=1)])
    z = b.coded(b.op("Mul", [product, b.constant(F32(-0.05))]), ODD, 0.3, widths)
    b.output(b.op("MatMul", [z, b.coded_weight(halves(18, 5), axis=1)]), 2)
    b.output(b.op("GlobalAveragePool", [wide]), 4)
    return b.build()


def inputs():
    return {"x": np.random.default_rng(9).uniform(-1, 25, (1, 6, 9, 7)).astype(F32)}


@pytest.mark.parametrize("target", exact.TARGETS)
def test_targets(target, tmp_path):
    exact.need_target(target)
    exact.assert_exact(network(), inputs(), tmp_path, target)


def test_master_store(tmp_path):
    """Thresholds belong to the candidate: its rebuilt weights meet the same ones."""
    exact.assert_exact(network(), inputs(), tmp_path, flags=("--store", "master"))


def test_thresholds_are_used(tmp_path):
    """Codes of one bit in four layers, one of which a clip leaves a single code: a test of the float form would prove
    nothing. The others are the codes of the input, of 8 and of 2 bits."""
    onnx.save(network(), tmp_path / "model.onnx")
    subprocess.run([exact.program("bin", "anybit"), "compile", tmp_path / "model.onnx", "--candidates", "w2a1", "-q",
                    "--stop-after=schedule", "-o", tmp_path / "model.mlir"], check=True)
    text = (tmp_path / "model.mlir").read_text()
    assert text.count("arith.cmpi sge") == 3
    assert text.count("arith.xori") == 2
    assert text.count("lowbit.round") == 3
