"""anybit.reference, rules N4, N5, N6 (average pools), N7."""

import itertools

import numpy as np
import pytest

from anybit import reference
from anybit.reference import Codes, NumericsError, Quantizer
from anybit.reference.requantize import apply_thresholds, average_real, requantize_sum

F32 = np.float32


def direct_convolution(x, w, strides, pads, dilations, groups):
    """Seven loops in Python integers."""
    batch, channels, height, width = x.shape
    outputs, inputs, kh, kw = w.shape
    oh = (height + pads[0] + pads[2] - (kh - 1) * dilations[0] - 1) // strides[0] + 1
    ow = (width + pads[1] + pads[3] - (kw - 1) * dilations[1] - 1) // strides[1] + 1
    y = np.zeros((batch, outputs, oh, ow), np.int64)
    for n, o, r, c in itertools.product(range(batch), range(outputs), range(oh), range(ow)):
        first = o // (outputs // groups) * inputs
        for i, a, b in itertools.product(range(inputs), range(kh), range(kw)):
            h, v = r * strides[0] - pads[0] + a * dilations[0], c * strides[1] - pads[1] + b * dilations[1]
            if 0 <= h < height and 0 <= v < width:
                y[n, o, r, c] += int(x[n, first + i, h, v]) * int(w[o, i, a, b])
    return y


@pytest.mark.parametrize("strides,pads,dilations,groups,kernel", [
    ((1, 1), (0, 0, 0, 0), (1, 1), 1, (3, 3)), ((2, 1), (1, 0, 2, 1), (1, 2), 1, (3, 2)),
    ((1, 2), (1, 1, 1, 1), (1, 1), 2, (3, 3)), ((2, 2), (0, 0, 1, 1), (1, 1), 4, (3, 3)), ((1, 1), (0,) * 4, (1, 1), 1, (1, 1))])
def test_convolution_equals_seven_loops(strides, pads, dilations, groups, kernel):
    rng = np.random.default_rng(7)
    x = rng.integers(-255, 256, (2, 4, 7, 6))
    w = rng.integers(-255, 256, (4, 4 // groups) + kernel)
    assert np.array_equal(reference.accumulate_convolution(x, w, strides, pads, dilations, groups),
                          direct_convolution(x, w, strides, pads, dilations, groups))


def test_matmul_is_exact_beyond_float32():
    x, w = np.full((1, 60000), 255), np.full((60000, 1), 127)
    x[0, 0] = 254
    assert reference.accumulate_matmul(x, w)[0, 0] == 60000 * 255 * 127 - 127


def test_odd_weights_by_their_identity():
    rng = np.random.default_rng(8)
    for bits in range(1, 9):
        q, a, top = rng.integers(0, 2 ** bits, 50), rng.integers(0, 16, 50), 2 ** bits - 1
        assert ((2 * q - top) * a).sum() == 2 * (q * a).sum() - top * a.sum()


def test_accumulator_range():
    reference.check_int32(np.full((1, 66000), 127), 0, 255)
    with pytest.raises(NumericsError, match="2150364000"):
        reference.check_int32(np.full((1, 66400), 127), 0, 255)
    with pytest.raises(NumericsError):
        reference.check_int32(np.full((1, 66400), -127), 0, 255)


def test_two_roundings_not_one():
    acc, m, h = np.array([[16777217]]), F32(1), F32(.5)
    quantizer = Quantizer("signed", 16, F32(1))
    assert reference.requantize(acc, 1e-6, 0.0, quantizer).q[0, 0] == 17
    # 3 * fl(1/3) rounds to 1 before -1 is added; a fused multiply-add leaves 2^-25, and the scale shows it.
    third = F32(1) / F32(3)
    from anybit.reference.requantize import affine
    assert affine(np.array([3]), third, F32(-1))[0] == 0
    assert affine(acc, m, h)[0, 0] == F32(16777216)


@pytest.mark.parametrize("kind,bits", [(k, b) for k in ("signed", "unsigned", "odd") for b in (1, 2, 3, 4, 8)])
def test_thresholds_are_the_step_function(kind, bits):
    rng = np.random.default_rng(bits)
    quantizer = Quantizer(kind, bits, F32(.25), 3 if kind == "unsigned" else 0)
    multiplier = np.concatenate([rng.normal(size=20) * .02, [0, 1e-9, 1e6, -3, .5, -.5]]).astype(F32)
    offset = np.concatenate([rng.normal(size=20) * 3, [.5, -.5, 0, 1e4, .5, .5]]).astype(F32)
    low, high = -5000, 4000
    acc = np.arange(low, high + 1)[None].repeat(len(multiplier), axis=0)
    for bounds in ((F32(-np.inf), F32(np.inf)), (F32(0), F32(.6))):
        codes = reference.step_function(acc, multiplier[:, None], offset[:, None], quantizer, bounds)
        levels, direction = reference.thresholds(multiplier, offset, quantizer, low, high, bounds)
        assert levels.shape == (len(multiplier), quantizer.high - quantizer.low)
        for c in range(len(multiplier)):
            row = apply_thresholds(acc[c:c + 1], levels[c:c + 1], direction[c:c + 1], quantizer.low)
            assert np.array_equal(row[0], codes[c]), c
        assert np.all(np.diff(levels * direction[:, None], axis=1) >= 0)


def test_batch_norm_folds_in_double():
    a, b = reference.batch_norm_affine([2, -1], [.5, 0], [1, 2], [4, .25], 0.0, np.array([.1, .1]), np.array([3., 4.]))
    assert np.allclose(a, [.1, -.2]) and np.allclose(b, [2.5, -4])


def test_clip_bounds_are_divided_by_the_scale():
    quantizer = Quantizer("unsigned", 8, F32(.1), 10)
    acc = np.arange(-100, 100)[None]
    codes = reference.requantize(acc, .05, 0.0, quantizer, (F32(0), F32(2))).q
    assert codes.min() == 10 and codes.max() == 30


def test_second_form_order():
    quantizer = Quantizer("unsigned", 8, F32(.3))
    residual = Codes(np.array([7], np.int32), Quantizer("unsigned", 8, F32(.7), 2))
    value = np.array([1.1], F32)
    total = F32(value[0] + F32(F32(5) * F32(.7)))
    expected = int(np.rint(F32(total * (F32(1) / F32(.3)))))
    assert reference.requantize_residual(value, residual, quantizer).q[0] == expected
    assert reference.requantize_residual(value, residual, quantizer, (F32(0), F32(3))).q[0] == 10


def test_second_form_rounds_where_the_rule_says():
    """On many values, so that a division, or a residual that is not rounded to float32, is seen."""
    rng = np.random.default_rng(12)
    quantizer, source = Quantizer("signed", 16, F32(7)), Quantizer("unsigned", 8, F32(.7), 2)
    ties = (np.arange(-20000, 20000) + .5).astype(F32) * F32(7)
    zero = Codes(np.full(ties.shape, 2, np.int32), source)
    assert np.array_equal(reference.requantize_residual(ties, zero, quantizer).q, np.rint(ties * (F32(1) / F32(7))))
    residual = Codes(rng.integers(0, 256, 1000).astype(np.int32), source)
    unit = Quantizer("signed", 16, F32(2) ** F32(-40))
    rounded = ((residual.q - 2).astype(F32) * F32(.7)).astype(F32)
    assert np.all(reference.requantize_residual(-rounded, residual, unit).q == 0)


def test_not_finite_multipliers_are_refused():
    quantizer = Quantizer("unsigned", 8, F32(1e-30))
    with pytest.raises(NumericsError, match="not finite"):
        reference.requantize(np.array([1]), 1e30, 0.0, quantizer)


def test_activation_table_in_double():
    source, target = Quantizer("unsigned", 4, F32(.5), 8), Quantizer("signed", 4, F32(.25))
    table = reference.activation_table(lambda x: x / (1 + np.exp(-x)), source, target)
    x = (np.arange(16) - 8) * .5
    assert table.tolist() == np.clip(np.rint(x / (1 + np.exp(-x)) / .25), -8, 7).astype(int).tolist()
    exact = reference.activation_table(lambda x: x, Quantizer("signed", 4, F32(.1)), Quantizer("signed", 4, F32(.2)))
    assert exact.tolist() == np.rint(np.arange(-8, 8) / 2).astype(int).tolist()


def test_average_pool_of_codes():
    source, target = Quantizer("unsigned", 8, F32(.02), 5), Quantizer("unsigned", 4, F32(.3))
    total = np.array([0, 100, 1000, 5000])
    m = F32(np.float64(F32(.02)) / (49 * np.float64(F32(.3))))
    assert requantize_sum(total, 49, source, target).q.tolist() == np.clip(
        np.rint(total.astype(F32) * m), 0, 15).astype(int).tolist()
    assert average_real(total, 49, source)[1] == F32(100) * F32(np.float64(F32(.02)) / 49)
