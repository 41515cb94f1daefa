"""Every geometry of convolutions, matrix products and pools of codes: equal to the reference, element by element."""

import numpy as np
import pytest

import exact
from exact import ODD, SIGNED, UNSIGNED

F32 = np.float32
CANDIDATES = [("w8a8", 8, 8, SIGNED), ("w4a6", 4, 6, ODD), ("w3a4", 3, 4, UNSIGNED), ("w1a2", 1, 2, ODD)]
GEOMETRIES = [
    dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
    dict(kernel_shape=[3, 3], pads=[2, 0, 1, 3], dilations=[2, 1]),
    dict(kernel_shape=[1, 1]),
    dict(kernel_shape=[2, 5], pads=[0, 4, 1, 0], strides=[1, 3]),
]
CHANNELS = [1, 3, 5, 16, 17, 24, 64, 65, 130]


def activation(b, *shape, bits=8, zero=3, name="x"):
    return b.coded(b.input(name, list(shape)), UNSIGNED, 0.11, bits, zero)


def image(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-3, 30, shape).astype(F32)


def weight(b, *shape, **more):
    values = b.numbers(*shape)
    values[0] = -1
    return b.coded_weight(values, **more)


def check(b, folder, *shape, **more):
    exact.assert_exact(b.build(), {"x": image(*shape)}, folder, **more)


@pytest.mark.parametrize("channels", CHANNELS)
def test_channels(channels, tmp_path):
    b = exact.Network(CANDIDATES[::2] if channels > 24 else CANDIDATES, channels)
    x = activation(b, 1, channels, 7, 6)
    y = b.plain_conv(x, weight(b, 17, channels, 3, 3), b.numbers(17), pads=[1, 1, 1, 1])
    y = b.coded(b.op("Relu", [y]), UNSIGNED, 0.6, 8)
    z = b.plain_conv(y, weight(b, channels, 17, 1, 1), b.numbers(channels))
    b.coded(z, UNSIGNED, 0.8, 4, 7)
    b.output(b.plain_conv(x, weight(b, channels, 1, 3, 3), group=channels, strides=[2, 2], pads=[0, 1, 1, 0]), 4)
    check(b, tmp_path, 1, channels, 7, 6)


@pytest.mark.parametrize("groups", [1, 2])
def test_geometries(groups, tmp_path):
    b = exact.Network(CANDIDATES, groups)
    x = activation(b, 2, 6, 9, 8)
    for geometry in GEOMETRIES:
        y = b.plain_conv(x, weight(b, 10, 6 // groups, *geometry["kernel_shape"]), b.numbers(10), group=groups, **geometry)
        b.coded(y, UNSIGNED, 0.5, 8, 128)
        b.output(b.plain_conv(x, weight(b, 10, 6 // groups, *geometry["kernel_shape"]), group=groups, **geometry), 4)
    check(b, tmp_path, 2, 6, 9, 8)


@pytest.mark.parametrize("channels", [2, 16, 19, 40])
def test_depthwise(channels, tmp_path):
    b = exact.Network(CANDIDATES, channels)
    x = activation(b, 1, channels, 11, 10)
    for kernel in (3, 5):
        for stride in (1, 2):
            y = b.plain_conv(x, weight(b, channels, 1, kernel, kernel), b.numbers(channels), group=channels,
                             strides=[stride] * 2, pads=[kernel // 2] * 4)
            b.coded(b.op("Clip", [y, b.constant(F32(0)), b.constant(F32(6))]), UNSIGNED, 0.03, 8)
    b.output(b.plain_conv(x, weight(b, 2 * channels, 1, 3, 3), group=channels), 4)
    check(b, tmp_path, 1, channels, 11, 10)


def test_one_dimension(tmp_path):
    b = exact.Network(CANDIDATES, 5)
    x = activation(b, 1, 7, 33)
    for attributes in (dict(pads=[1, 1]), dict(strides=[2], pads=[2, 0], dilations=[2])):
        b.coded(b.plain_conv(x, weight(b, 9, 7, 3), b.numbers(9), **attributes), UNSIGNED, 0.4, 8, 100)
        b.coded(b.plain_conv(x, weight(b, 7, 1, 3), b.numbers(7), group=7, **attributes), UNSIGNED, 0.4, 8, 100)
    check(b, tmp_path, 1, 7, 33)


@pytest.mark.parametrize("rows", [1, 2, 13])
def test_matrix_products(rows, tmp_path):
    b = exact.Network(CANDIDATES, rows)
    x = activation(b, rows, 37)
    y = b.op("Add", [b.op("MatMul", [x, weight(b, 37, 21, axis=1)]), b.constant(b.numbers(21))])
    y = b.coded(b.op("Relu", [y]), UNSIGNED, 0.5, 6)
    z = b.op("Gemm", [y, weight(b, 33, 21), b.constant(b.numbers(33))], transB=1, alpha=0.5, beta=1.5)
    z = b.coded(b.batch_norm(z, 33), UNSIGNED, 0.25, 8, 99)
    b.output(b.op("Gemm", [z, weight(b, 33, 5, axis=1), b.constant(b.numbers(5))]), 2)
    check(b, tmp_path, rows, 37)


def test_batched_matrix_product(tmp_path):
    b = exact.Network(CANDIDATES, 5)
    x = activation(b, 2, 3, 19)
    y = b.op("Add", [b.op("MatMul", [x, weight(b, 19, 8, axis=1)]), b.constant(b.numbers(8))])
    y = b.coded(y, UNSIGNED, 0.5, 8, 120)
    b.output(b.op("MatMul", [y, weight(b, 8, 6, axis=1)]), 3)
    check(b, tmp_path, 2, 3, 19)


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"])
def test_pools(kind, tmp_path):
    b = exact.Network(CANDIDATES[:1], 5)
    x = activation(b, 1, 18, 9, 7)
    windows = [dict(kernel_shape=[2, 2], strides=[2, 2]), dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
               dict(kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 0, 1], ceil_mode=1)]
    if kind == "AveragePool":
        windows += [{**window, "count_include_pad": 1} for window in windows[1:]]
    for window in [{}] if kind.startswith("Global") else windows:
        b.coded(b.op(kind, [x], **window), UNSIGNED, 0.07, 8, 2)
        b.coded(b.op("Clip", [b.op(kind, [x], **window), b.constant(F32(1)), b.constant(F32(5))]), UNSIGNED, 0.05, 7)
        both = b.op(kind, [x], **window)
        b.coded(both, UNSIGNED, 0.3, 4)
        b.coded(both, SIGNED, 0.2, 8)
        b.output(b.op(kind, [x], **window), 4)
    check(b, tmp_path, 1, 18, 9, 7)


@pytest.mark.parametrize("channels,width", [(2, 16), (3, 17), (3, 40), (4, 33), (5, 40), (3, 3)])
@pytest.mark.parametrize("target", exact.REGISTER_TARGETS)
def test_planes(target, channels, width, tmp_path):
    """The quantizer of a picture, whose planes become positions; codes of what no code can represent, too."""
    exact.need_target(target)
    b = exact.Network(CANDIDATES[:1], 3)
    x = activation(b, 2, channels, 5, width)
    b.coded(b.plain_conv(x, weight(b, 4, channels, 3, 3), pads=[1, 1, 1, 1]), SIGNED, 0.9, 8)
    picture = image(2, channels, 5, width)
    picture.flat[::7], picture.flat[1::11] = 1e30, -1e30
    picture.flat[3::13], picture.flat[5::17] = np.nan, np.inf
    exact.assert_exact(b.build(), {"x": picture}, tmp_path, target)


@pytest.mark.parametrize("target, columns", [("native", 16), ("native", 32), ("native", 48)] + [
    (target, columns) for target in exact.TARGETS for columns in (20, 65)])
def test_packed_epilogues(target, columns, tmp_path):
    """Two results of each sum, residual codes, signed and narrow codes, columns that end inside of a register."""
    exact.need_target(target)
    b = exact.Network(CANDIDATES[:1], 4)
    x = activation(b, 1, 12, 9, 7)
    other = b.coded(b.plain_conv(x, weight(b, columns, 12, 1, 1)), UNSIGNED, 0.7, 8, 131)
    y = b.op("Add", [b.plain_conv(x, weight(b, columns, 12, 3, 3), b.numbers(columns), pads=[1, 1, 1, 1]), other])
    b.coded(b.op("Relu", [y]), UNSIGNED, 0.6, 8)
    b.coded(y, SIGNED, 0.8, 5)
    b.coded(b.op("Clip", [y, b.constant(F32(-3)), b.constant(F32(4))]), UNSIGNED, 0.05, 8, 100)
    check(b, tmp_path, 1, 12, 9, 7, target=target)


@pytest.mark.parametrize("target", exact.TARGETS)
def test_targets_and_levels_agree(target, tmp_path):
    exact.need_target(target)
    b = exact.Network(CANDIDATES, 3)
    x = activation(b, 1, 5, 8, 8)
    y = b.coded(b.plain_conv(x, weight(b, 20, 5, 3, 3), b.numbers(20), pads=[1] * 4), ODD, 0.4, 3)
    y = b.coded(b.plain_conv(y, weight(b, 20, 1, 3, 3), group=20), UNSIGNED, 0.4, 8, 128)
    b.output(b.op("Sigmoid", [b.op("Sub", [b.op("GlobalAveragePool", [y]), b.constant(F32(0.5))])]), 4)
    model = b.build()
    del model.graph.output[0]
    for level in (0, 3):
        exact.assert_exact(model, {"x": image(1, 5, 8, 8)}, tmp_path, target, level)
