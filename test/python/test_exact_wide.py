"""Kernels that rewrite their input before the tiles, a band of rows at a time: products without byte instructions, whose
codes are widened to int16, planes of bits, and tables.

Inputs are larger than a band, so that tiles begin in the middle of rows and of images; windows that begin at odd bytes
are widened in registers instead."""

import numpy as np
import pytest

import exact
from exact import ODD, UNSIGNED

F32 = np.float32
TARGETS = [target for target in exact.TARGETS if target != "native"]


def image(*shape):
    """Mostly extreme codes."""
    x = np.random.default_rng(len(shape)).uniform(-100, 400, shape)
    return x.astype(F32)


def weight(b, *shape, **more):
    values = b.numbers(*shape)
    values.flat[:] = np.where(np.abs(values) > np.median(np.abs(values)), 100 * values, values)
    return b.coded_weight(values, **more)


@pytest.mark.parametrize("target", TARGETS)
def test_bands(target, tmp_path):
    exact.need_target(target)
    b = exact.Network([("w8a8", 8, 8)])
    x = b.coded(b.input("x", [2, 32, 40, 36]), UNSIGNED, 1.0, 8, 0)
    y = b.plain_conv(x, weight(b, 20, 32, 3, 3), b.numbers(20), pads=[1, 1, 1, 1])
    b.coded(b.op("Relu", [y]), UNSIGNED, 90.0, 8)
    for more in (dict(strides=[2, 2]), dict(dilations=[3, 2]), dict(group=2)):
        b.output(b.plain_conv(x, weight(b, 20, 32 // more.get("group", 1), 3, 3), b.numbers(20), **more), 4)
    b.output(b.plain_conv(x, weight(b, 24, 32, 1, 1), strides=[2, 3]), 4)
    exact.assert_exact(b.build(), {"x": image(2, 32, 40, 36)}, tmp_path, target)


@pytest.mark.parametrize("target", exact.TARGETS)
@pytest.mark.parametrize("family,shape", [("popcount", (2, 128, 66, 96)), ("table", (2, 32, 50, 48))])
def test_bands_of_few_bits(family, shape, target, tmp_path):
    exact.need_target(target)
    b = exact.Network([("w1a2", 1, 2, ODD)])
    x = b.coded(b.input("x", list(shape)), UNSIGNED, 100.0, 2, 0)
    b.output(b.plain_conv(x, weight(b, 20, shape[1], 3, 3), b.numbers(20), pads=[1, 1, 1, 1]), 4)
    b.output(b.plain_conv(x, weight(b, 20, shape[1], 1, 1), strides=[1, 2]), 4)
    exact.assert_exact(b.build(), {"x": image(*shape)}, tmp_path, target, flags=("--kernel", family))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("channels", [3, 5, 6])
def test_odd_positions(channels, target, tmp_path):
    """Stems whose windows begin at even bytes, and at odd ones."""
    exact.need_target(target)
    b = exact.Network([("w8a8", 8, 8)])
    x = b.coded(b.input("x", [2, channels, 33, 31]), UNSIGNED, 1.0, 8, 7)
    for stride in (1, 2):
        b.output(b.plain_conv(x, weight(b, 16, channels, 5, 5), strides=[stride] * 2, pads=[2, 1, 2, 1]), 4)
    b.output(b.plain_conv(x, weight(b, 16, channels, 5, 3), strides=[2, 2], dilations=[1, 3]), 4)
    exact.assert_exact(b.build(), {"x": image(2, channels, 33, 31)}, tmp_path, target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("channels", [34, 65])
def test_single_positions(channels, target, tmp_path):
    """A pool leaves one position, whose stride means nothing."""
    exact.need_target(target)
    b = exact.Network([("w8a8", 8, 8)])
    x = b.coded(b.input("x", [1, channels, 5, 4]), UNSIGNED, 1.0, 8, 0)
    y = b.coded(b.op("GlobalAveragePool", [x]), UNSIGNED, 1.0, 8)
    y = b.op("Flatten", [y])
    b.output(b.op("Gemm", [y, weight(b, 40, channels), b.constant(b.numbers(40))], transB=1), 2)
    exact.assert_exact(b.build(), {"x": image(1, channels, 5, 4)}, tmp_path, target)
