"""Pools and resizes of codes and of reals on every target: equal to the reference, element by element. Reals are small
integers, so that sums are exact in any order."""

import numpy as np
import pytest

import exact
from anybit import reference
from exact import UNSIGNED

F32 = np.float32
WINDOWS = {
    "strided": dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "larger than the image": dict(kernel_shape=[13, 13], pads=[6, 6, 6, 6]),
    "whole rows": dict(kernel_shape=[2, 11]),
    "more columns than registers": dict(kernel_shape=[1, 33], pads=[0, 22, 0, 22]),
    "ceil_mode": dict(kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 0, 1], ceil_mode=1),
    "dilated": dict(kernel_shape=[3, 3], dilations=[2, 3], pads=[2, 3, 0, 1]),
    "far apart": dict(kernel_shape=[2, 2], strides=[3, 5]),
}
CHANNELS = [1, 3, 20, 24, 64, 65, 130]
PLACES = [("native", channels) for channels in CHANNELS] + [
    (target, channels) for target in exact.REGISTER_TARGETS if target != "native" for channels in (3, 65)]


def reals(*shape):
    return np.random.default_rng(1).integers(-40, 200, shape).astype(F32)


def codes(b, x):
    return b.coded(x, UNSIGNED, 1, 8, 40)


def check(b, folder, target, shape):
    """Inputs x of the network are reals, `codes` their codes."""
    exact.need_target(target)
    exact.assert_exact(b.build(), {"x": reals(*shape)}, folder, target)


@pytest.mark.parametrize("target, channels", PLACES)
def test_max_pools(target, channels, tmp_path):
    shape = (2, channels, 6, 11)
    b = exact.Network([("w8a8", 8, 8)])
    x = b.input("x", list(shape))
    for window in [*WINDOWS.values(), dict(kernel_shape=[6, 11])]:
        b.output(b.op("MaxPool", [x], **window), 4)
        codes(b, b.op("MaxPool", [codes(b, x)], **window))
    check(b, tmp_path, target, shape)


@pytest.mark.parametrize("target, channels", PLACES)
def test_average_pools(target, channels, tmp_path):
    shape = (2, channels, 6, 11)
    b = exact.Network([("w8a8", 8, 8)])
    x = b.input("x", list(shape))
    plain = [window for window in WINDOWS.values() if "dilations" not in window]
    for window in plain + [dict(window, count_include_pad=1) for window in plain] + [{}]:
        kind = "AveragePool" if window else "GlobalAveragePool"
        b.output(b.op(kind, [x], **window), 4)
        codes(b, b.op(kind, [codes(b, x)], **window))
    check(b, tmp_path, target, shape)


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool", "GlobalAveragePool"])
def test_pools_of_one_dimension(kind, tmp_path):
    shape = (2, 20, 37)
    b = exact.Network([("w8a8", 8, 8)])
    x = b.input("x", list(shape))
    windows = [dict(kernel_shape=[3], strides=[2], pads=[1, 1]), dict(kernel_shape=[40], pads=[20, 20])]
    for window in [{}] if kind.startswith("Global") else windows:
        b.output(b.op(kind, [x], **window), 3)
        codes(b, b.op(kind, [codes(b, x)], **window))
    check(b, tmp_path, "native", shape)


def test_totals_beyond_sixteen_bits(tmp_path):
    """258 positions and more of the code 255."""
    shape = (1, 70, 20, 17)
    b = exact.Network([("w8a8", 8, 8)])
    x = b.input("x", list(shape))
    codes(b, b.op("GlobalAveragePool", [codes(b, b.op("Add", [x, b.constant(F32(170))]))]))
    check(b, tmp_path, "native", shape)


def test_maximum_of_reals_is_not_a_number_if_one_is(tmp_path):
    b = exact.Network([("w8a8", 8, 8)])
    x = b.input("x", [1, 20, 5, 5])
    b.output(b.op("MaxPool", [x], kernel_shape=[3, 3], pads=[1, 1, 1, 1]), 4)
    image = reals(1, 20, 5, 5)
    image[0, :, 2, 2] = np.nan
    image[0, 3, 0, 0] = np.nan
    model = b.build()
    (y,) = exact.run_artifact(exact.compile_model(model, tmp_path), {"x": image}, "w8a8").values()
    want = np.zeros((20, 5, 5), bool)
    want[:, 1:4, 1:4] = True
    want[3, :2, :2] = True
    assert (np.isnan(y[0]) == want).all()


@pytest.mark.parametrize("channels", [1, 21, 64])
@pytest.mark.parametrize("coordinates", ["align_corners", "half_pixel", "asymmetric"])
def test_resizes(coordinates, channels, tmp_path):
    """Up, down, and up in one direction only; as the network's output (planes) and inside of it."""
    shape = (2, channels, 7, 5)
    b = exact.Network([("w8a8", 8, 8)])
    x = b.input("x", list(shape))
    pairs = []
    for size in ((21, 17), (3, 2), (30, 4), (2, 19), (7, 9), (1, 1)):
        sizes = b.constant(np.array([*shape[:2], *size], np.int64))
        planes = b.op("Resize", [x, "", "", sizes], mode="linear", coordinate_transformation_mode=coordinates)
        between = b.op("Resize", [x, "", "", sizes], mode="linear", coordinate_transformation_mode=coordinates)
        pairs.append((planes, b.op("MaxPool", [between], kernel_shape=[1, 1])))
        for value in pairs[-1]:
            b.output(value, 4)
        codes(b, b.op("Resize", [codes(b, x), "", "", sizes], mode="nearest", coordinate_transformation_mode=coordinates))
    model, image = b.build(), {"x": reals(*shape)}
    got = exact.run_artifact(exact.compile_model(model, tmp_path), image, "w8a8")
    want = reference.run(model, image, "w8a8")
    for planes, between in pairs:
        np.testing.assert_allclose(got[planes], want.pop(planes), rtol=1e-5, atol=1e-4)
        assert (got[planes] == got[between]).all()
        del want[between]
    assert not exact.differences(got, want)
