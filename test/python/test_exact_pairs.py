"""All 64 pairs of widths in the three weight formats, in one artifact, on every target: equal to the reference."""

import numpy as np
import pytest

import exact
from exact import ODD, SIGNED, UNSIGNED

PAIRS = [(f"w{w}a{a}{kind}", w, a, kind) for kind in (SIGNED, UNSIGNED, ODD) for w in range(1, 9) for a in range(1, 9)]


def extreme_weights(rng, *shape):
    """Both ends of every range in whole output channels, the rest random."""
    values = rng.uniform(-1.2, 1.2, shape).astype(np.float32)
    values[0], values[1] = -1.2, 1.2
    return values


def pairs_network(candidates):
    """Codes of A bits into a convolution, a depthwise one and a matrix product of W bits; codes behind each."""
    b = exact.Network(candidates, 7)
    widths = [c[2] for c in candidates]
    x = b.coded(b.input("x", [1, 5, 6, 7]), UNSIGNED, 0.25, widths)
    y = b.plain_conv(x, b.coded_weight(extreme_weights(b.rng, 18, 5, 3, 3)), b.numbers(18), pads=[1, 0, 1, 1])
    y = b.coded(b.op("Relu", [y]), UNSIGNED, 0.9, widths)
    z = b.plain_conv(y, b.coded_weight(extreme_weights(b.rng, 18, 1, 3, 3)), b.numbers(18), group=18, pads=[1] * 4)
    z = b.coded(z, UNSIGNED, 0.7, widths)
    weight = b.coded_weight(extreme_weights(b.rng, 10, 18 * 36).T, axis=1)
    b.output(b.op("MatMul", [b.op("Flatten", [z]), weight]), 2)
    return b.build()


def pairs_input():
    x = np.random.default_rng(1).uniform(-8, 64, (1, 5, 6, 7)).astype(np.float32)
    x[:, :, :2] = 1000  # all codes at their maximum
    return {"x": x}


@pytest.mark.parametrize("target", exact.TARGETS)
def test_all_pairs(target, tmp_path):
    exact.need_target(target)
    pairs = PAIRS[1::3] if target == "x86-64-v4" else PAIRS  # its kernels lie between those of v3 and of native
    exact.assert_exact(pairs_network(pairs), pairs_input(), tmp_path, target)


def test_optimization_changes_nothing(tmp_path):
    some = PAIRS[::17]
    exact.assert_exact(pairs_network(some), pairs_input(), tmp_path, level=0)
