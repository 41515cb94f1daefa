"""Codes and weights at the ends of their ranges, where int16 sums of pairs overflow first: equal to the reference on
every form of the dot product (docs/kernels.md, R9)."""

import numpy as np
import pytest

import exact
from exact import ODD, SIGNED, UNSIGNED

F32 = np.float32
TARGETS = ["x86-64", "x86-64-v3", "x86-64-v4", "native", "native,-avx512vnni,-avxvnni"]
# Weights of all pairs: 255 * (64 + 64) is the last that fits int16.
PAIRS = [(127, 127), (-128, -128), (127, -128), (64, 64), (64, 65), (-64, -64), (-64, -65), (-128, 0), (1, 1)]
# (bits, format, input bits, steps of four values that just fit): one more overflows.
LIMITS = [(2, SIGNED, 8, 32), (1, ODD, 8, 64), (3, SIGNED, 8, 16), (4, SIGNED, 8, 8), (5, SIGNED, 7, 8),
          (7, SIGNED, 8, 1), (8, SIGNED, 7, 1), (8, SIGNED, 6, 2), (2, ODD, 8, 21), (4, UNSIGNED, 7, 8)]


def check(weights, bits, kind, input_bits, target, folder):
    """A 1x1 convolution on codes that are all at their maximum, then random ones; its sums are the output."""
    if target in exact.TARGETS:
        exact.need_target(target)
    b = exact.Network([("only", bits, input_bits, kind)], 0)
    outputs, inputs = weights.shape
    x = b.coded(b.input("x", [1, inputs, 3, 11]), UNSIGNED, 1.0, input_bits)
    w = b.coded_weight(weights.reshape(outputs, inputs, 1, 1), scales=np.ones((1, outputs, 1, 1, 1), F32))
    b.output(b.plain_conv(x, w), 4)
    codes = np.full((1, inputs, 3, 11), 255, F32)
    codes[:, :, 2] = np.random.default_rng(0).integers(0, 256, (1, inputs, 11))
    exact.assert_exact(b.build(), {"x": codes}, folder, target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_pairs_of_byte_weights(pair, target, tmp_path):
    weights = np.tile(np.asarray(pair, F32), (18, 260 // 2))
    weights[3:6, ::4] = 0
    check(weights, 8, SIGNED, 8, target, tmp_path)


@pytest.mark.parametrize("target", TARGETS[1:3] + TARGETS[4:])
@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("limit", LIMITS, ids=str)
def test_steps_to_the_limit(limit, extra, target, tmp_path):
    bits, kind, input_bits, steps = limit
    low, high = {SIGNED: (-2 ** (bits - 1), 2 ** (bits - 1) - 1), UNSIGNED: (0, 2**bits - 1),
                 ODD: (1 - 2**bits, 2**bits - 1)}[kind]
    weights = np.full((20, 4 * (steps + extra)), low if low else high, F32)
    weights[7:9] = high
    check(weights, bits, kind, input_bits, target, tmp_path)
