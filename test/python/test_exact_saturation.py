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


def add_layer(b, inputs, weights, bits, kind, input_bits):
    """A 1x1 convolution on codes that are all at their maximum, then random ones; its sums are an output."""
    outputs, channels = weights.shape
    name = f"x{len(inputs)}"
    x = b.coded(b.input(name, [1, channels, 3, 11]), UNSIGNED, 1.0, input_bits)
    w = b.coded_weight(weights.reshape(outputs, channels, 1, 1), bits=bits, kinds=[kind],
                       scales=np.ones((1, outputs, 1, 1, 1), F32))
    b.output(b.plain_conv(x, w), 4)
    inputs[name] = np.full((1, channels, 3, 11), 255, F32)
    inputs[name][:, :, 2] = np.random.default_rng(0).integers(0, 256, (1, channels, 11))


def check(b, inputs, target, folder):
    if target in exact.TARGETS:
        exact.need_target(target)
    exact.assert_exact(b.build(), inputs, folder, target)


@pytest.mark.parametrize("target", TARGETS)
def test_pairs_of_byte_weights(target, tmp_path):
    b, inputs = exact.Network([("only", 8, 8)], 0), {}
    for pair in PAIRS:
        weights = np.tile(np.asarray(pair, F32), (18, 260 // 2))
        weights[3:6, ::4] = 0
        add_layer(b, inputs, weights, 8, SIGNED, 8)
    check(b, inputs, target, tmp_path)


@pytest.mark.parametrize("target", TARGETS[1:3] + TARGETS[4:])
@pytest.mark.parametrize("extra", [0, 1])
def test_steps_to_the_limit(extra, target, tmp_path):
    b, inputs = exact.Network([("only", 8, 8)], 0), {}
    for bits, kind, input_bits, steps in LIMITS:
        low, high = {SIGNED: (-2 ** (bits - 1), 2 ** (bits - 1) - 1), UNSIGNED: (0, 2**bits - 1),
                     ODD: (1 - 2**bits, 2**bits - 1)}[kind]
        weights = np.full((20, 4 * (steps + extra)), low if low else high, F32)
        weights[7:9] = high
        add_layer(b, inputs, weights, bits, kind, input_bits)
    check(b, inputs, target, tmp_path)
