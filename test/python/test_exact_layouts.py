"""Quantizers and copies between the caller's rows and the kernels' channels: every element in its place, on every target.

The tiles of such a kernel are lanes by channels; shapes here are shorter than a tile, whole tiles, and one more."""

import numpy as np
import pytest

import exact
from exact import UNSIGNED

F32 = np.float32
WIDTHS = (3, 7, 16, 33)
CHANNELS = (2, 3, 5, 16, 19)


def numbers(channels, width):
    """Distinct neighbours, and some far outside of the range of codes."""
    x = np.random.default_rng(channels * 100 + width).uniform(-40, 300, (2, channels, 3, width)).astype(F32)
    x.flat[::11] = [np.inf, -np.inf, 3e38, -1e30][width % 4]
    return x


@pytest.mark.parametrize("target", exact.REGISTER_TARGETS)
@pytest.mark.parametrize("channels", CHANNELS)
def test_layouts(channels, target, tmp_path):
    """Codes of x are transposed on the way in; reals and codes are transposed on the way out of a pool."""
    exact.need_target(target)
    b = exact.Network([("w8a8", 8, 8)])
    inputs = {}
    for width in WIDTHS:
        x = b.input(f"x{width}", [2, channels, 3, width])
        inputs[x] = numbers(channels, width)
        codes = b.coded(x, UNSIGNED, 0.75, 8, 20)
        b.output(b.op("MaxPool", [codes], kernel_shape=[2, 2]), 4)
        b.output(b.op("MaxPool", [x], kernel_shape=[2, 2]), 4)
    exact.assert_exact(b.build(), inputs, tmp_path, target)
