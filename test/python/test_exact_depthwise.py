"""Depthwise convolutions of codes at the ends of their ranges, on every target: equal to the reference."""

import numpy as np
import pytest

import exact
from exact import UNSIGNED

F32 = np.float32
W8A8 = [("w8a8", 8, 8)]
# More than one register of channels, exactly some, fewer than the narrowest, and tails of every width.
CHANNELS = [8, 24, 64, 100]


def extreme_weight(b, channels, *kernel):
    """int8 weights: the lowest everywhere in channel 0, the highest in channel 1, both ends and anything elsewhere."""
    codes = b.rng.integers(-128, 128, (channels, 1, *kernel))
    codes[b.rng.random(codes.shape) < 0.2] = -128
    codes[0], codes[1] = -128, 127
    scales = np.full((1, channels) + (1,) * (1 + len(kernel)), 1 / 128, F32)
    return b.coded_weight((codes / 128).astype(F32), scales=scales)


def extreme_image(b, *shape):
    """Codes 0 and 255 and anything between them, before the quantizer of `coded_input`."""
    codes = b.rng.integers(0, 256, shape)
    codes[b.rng.random(shape) < 0.3] = 255
    codes[b.rng.random(shape) < 0.1] = 0
    return codes.astype(F32)


def layer(b, x, channels, kernel, **attributes):
    """A depthwise convolution whose sums spread over the codes of its result."""
    weight = extreme_weight(b, channels, *kernel)
    taps = int(np.prod(kernel))
    y = b.plain_conv(x, weight, b.numbers(channels, low=-50, high=50), group=channels, **attributes)
    return b.coded(y, UNSIGNED, taps / 2, 8, 128)


def check(b, inputs, folder, targets=()):
    """Every target that this CPU runs; a target it lacks is skipped aloud, after the others."""
    model, lacking = b.build(), []
    want = exact.reference.run(model, inputs, "w8a8")
    for target in targets or exact.vector_targets():
        if exact.TARGETS[target] - exact.host_features():
            lacking.append(target)
            continue
        artifact = exact.compile_model(model, folder, target)
        problems = exact.differences(exact.run_artifact(artifact, inputs, "w8a8"), want)
        assert not problems, "\n".join([target, *problems])
    if lacking:
        pytest.skip(f"this CPU lacks {', '.join(lacking)}")


@pytest.mark.parametrize("channels", CHANNELS)
def test_kernels_and_strides(channels, tmp_path):
    b = exact.Network(W8A8, channels)
    image = extreme_image(b, 1, channels, 13, 12)
    x = b.coded(b.input("x", list(image.shape)), UNSIGNED, 1, 8)
    for kernel in (3, 5, 7):
        for stride in (1, 2):
            pads = [kernel // 2, kernel // 2 - 1, kernel // 2, kernel // 2]
            y = layer(b, x, channels, (kernel, kernel), strides=[stride, stride], pads=pads)
        b.output(b.plain_conv(y, extreme_weight(b, channels, 2, 2), group=channels), 4)
    check(b, {"x": image}, tmp_path)


@pytest.mark.parametrize("part", [0, 1])
def test_widths(part, tmp_path):
    """Of pictures. Widths of both parities on registers of every size; each target has half of them, AVX2 all."""
    b, inputs = exact.Network(W8A8, 1), {}
    for width in range(1 + part, 21, 2):
        channels, height = 8 + 4 * width, 1 + width % 4
        name = f"x{width}"
        inputs[name] = extreme_image(b, 1, channels, height, width)
        x = b.coded(b.input(name, [1, channels, height, width]), UNSIGNED, 1, 8)
        stride = 1 + width % 2
        y = layer(b, x, channels, (3, 3), pads=[1] * 4)
        kernel = [(5, 3), (1, 3), (3, 1)][width % 3]
        pads = [kernel[0] // 2, kernel[1] // 2] * 2
        layer(b, y, channels, kernel, pads=pads, strides=[1, stride])
    targets = exact.vector_targets()
    check(b, inputs, tmp_path, [target for i, target in enumerate(targets) if target == "x86-64-v3" or i % 2 == part])


@pytest.mark.parametrize("channels", [5, 68])
def test_dilation_and_batch(channels, tmp_path):
    b = exact.Network(W8A8, channels)
    image = extreme_image(b, 2, channels, 11, 9)
    x = b.coded(b.input("x", list(image.shape)), UNSIGNED, 1, 8, 7)
    for dilations in ([2, 2], [1, 2], [2, 1], [3, 1]):
        for stride in (1, 2):
            layer(b, x, channels, (3, 3), dilations=dilations, pads=[2, 1, 3, 2], strides=[stride, 1])
    check(b, {"x": image}, tmp_path)


@pytest.mark.parametrize("channels", [12, 24, 100])
def test_residuals_and_several_results(channels, tmp_path):
    b = exact.Network(W8A8, channels)
    image = extreme_image(b, 1, channels, 9, 7)
    x = b.coded(b.input("x", list(image.shape)), UNSIGNED, 1, 8)
    y = layer(b, x, channels, (3, 3), pads=[1] * 4)
    z = b.op("Add", [b.plain_conv(y, extreme_weight(b, channels, 3, 3), group=channels, pads=[1] * 4), x])
    z = b.op("Relu", [z])
    first, second = b.coded(z, UNSIGNED, 4, 8), b.coded(z, UNSIGNED, 9, 4)
    layer(b, first, channels, (3, 3))
    layer(b, second, channels, (3, 3))
    b.output(b.plain_conv(y, extreme_weight(b, channels, 3, 3), group=channels), 4)
    check(b, {"x": image}, tmp_path)


@pytest.mark.parametrize("channels", [7, 48, 84])
def test_one_dimension(channels, tmp_path):
    b = exact.Network(W8A8, channels)
    image = extreme_image(b, 1, channels, 31)
    x = b.coded(b.input("x", list(image.shape)), UNSIGNED, 1, 8, 9)
    for kernel in (3, 5, 9):
        for stride in (1, 2):
            y = layer(b, x, channels, (kernel,), pads=[1, 2], strides=[stride])
            layer(b, y, channels, (3,), dilations=[2])
    check(b, {"x": image}, tmp_path)
