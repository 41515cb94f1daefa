"""anybit.reference, rules N1, N2, N9."""

import itertools

import numpy as np
import pytest

from anybit import reference
from anybit.reference import NumericsError, Quantizer, decode, encode

F32 = np.float32
FORMATS = [(kind, bits) for kind in ("signed", "unsigned", "odd") for bits in range(1, 9)]


def test_golden_odd_and_pact_codes():
    w = np.array([-.9, -.3, -.05, .02, .4, 1.1], F32)
    tanh = np.tanh(w) / np.abs(np.tanh(w)).max()
    for bits, codes in ((2, [-3, -1, -1, 1, 1, 3]), (3, [-7, -3, -1, 1, 3, 7])):
        quantizer = Quantizer("odd", bits, F32(1) / F32(2 ** bits - 1))
        assert encode(tanh.astype(F32), quantizer).integers.tolist() == codes
    one = encode(w, Quantizer("odd", 1, np.abs(w).mean()))
    assert np.abs(w).mean() == pytest.approx(.461667, abs=1e-6)
    assert one.integers.tolist() == [-1, -1, -1, 1, 1, 1]
    x = np.array([-.2, .3, .74, 1.1, 2.6, 5, 9], F32)
    for bits, codes in ((1, [0, 0, 0, 0, 1, 1, 1]), (2, [0, 0, 1, 1, 3, 3, 3]), (4, [0, 2, 4, 6, 13, 15, 15])):
        quantizer = Quantizer("unsigned", bits, F32(3) / F32(2 ** bits - 1))
        assert encode(x, quantizer).q.tolist() == codes


def test_half_to_even_and_sign_of_zero():
    halves = np.array([-2.5, -1.5, -.5, .5, 1.5, 2.5], F32)
    assert encode(halves, Quantizer("signed", 8, F32(1))).q.tolist() == [-2, -2, 0, 0, 2, 2]
    assert encode(halves, Quantizer("unsigned", 8, F32(1), 3)).q.tolist() == [1, 1, 3, 3, 5, 5]
    assert encode(np.array([0.0, -0.0, -1e-30], F32), Quantizer("odd", 1, F32(1))).integers.tolist() == [1, 1, -1]


@pytest.mark.parametrize("kind,bits", FORMATS)
def test_encode_is_monotone_idempotent_and_covers_the_range(kind, bits):
    quantizer = Quantizer(kind, bits, F32(.37), 5 if kind == "unsigned" and bits > 3 else 0)
    x = np.linspace(-150, 150, 20001, dtype=F32)
    codes = encode(x, quantizer)
    assert np.all(np.diff(codes.q) >= 0)
    assert set(np.unique(codes.q)) == set(range(quantizer.low, quantizer.high + 1))
    assert np.array_equal(encode(codes.real, quantizer).q, codes.q)
    grid = quantizer.integers(np.arange(quantizer.low, quantizer.high + 1)) * .37
    inside = (x > grid[0]) & (x < grid[-1])
    nearest = np.abs(x[inside, None] - grid).min(axis=1)
    assert np.all(np.abs(codes.real[inside] - x[inside]) <= nearest + 1e-4)


@pytest.mark.parametrize("kind,bits", FORMATS)
def test_values_that_are_not_finite(kind, bits):
    quantizer = Quantizer(kind, bits, F32(.5))
    codes = encode(np.array([np.inf, -np.inf, np.nan, 0], F32), quantizer).q
    assert (codes[0], codes[1]) == (quantizer.high, quantizer.low)
    assert codes[2] == codes[3]


def test_narrow_drops_the_lowest_code():
    quantizer = Quantizer("signed", 2, F32(1), narrow=True)
    assert encode(np.array([-9, 9], F32), quantizer).q.tolist() == [-1, 1]


@pytest.mark.parametrize("arguments", [
    ("signed", 8, F32(0)), ("signed", 8, F32(-1)), ("signed", 8, F32(np.nan)), ("signed", 8, F32(np.inf)),
    ("signed", 0, F32(1)), ("even", 8, F32(1)), ("odd", 2, F32(1), 0, True), ("signed", 1, F32(1), 0, True)])
def test_refused_quantizers(arguments):
    with pytest.raises(NumericsError):
        Quantizer(*arguments)


def test_division_is_not_a_reciprocal():
    scale = F32(7)
    ties = np.arange(-100, 100, dtype=F32) + F32(.5)
    assert np.array_equal(encode(ties * scale, Quantizer("signed", 16, scale)).q, np.rint(ties))
    assert np.any(np.rint(ties * scale * (F32(1) / scale)) != np.rint(ties))


def test_table_and_bases_decode():
    table = np.array([0, 1, 2, 4, 0, -1, -2, -4], np.int8)
    assert reference.decode_table([3, 7, 0], table, F32(.5)).tolist() == [2, -2, 0]
    assert reference.decode_bases(np.array([0, 1, 2, 3]), np.array([1, .25], F32)).tolist() == [-1.25, .75, -.75, 1.25]
    assert decode(np.array([-3, 2]), Quantizer("signed", 3, F32(.5))).tolist() == [-1.5, 1]


@pytest.mark.parametrize("kind,weight_bits,activation_bits",
                         list(itertools.product(("odd", "signed"), (1, 2, 3, 5, 8), (1, 2, 4, 8))))
def test_popcount_identities(kind, weight_bits, activation_bits):
    rng = np.random.default_rng(weight_bits * 10 + activation_bits)
    weights, inputs = Quantizer(kind, weight_bits, F32(1)), Quantizer("unsigned", activation_bits, F32(1))
    w = rng.integers(weights.low, weights.high + 1, 77)
    a = rng.integers(0, inputs.high + 1, 77)
    expected = int((weights.integers(w) * a).sum())
    assert reference.popcount_dot(w, kind, weight_bits, a, "unsigned", activation_bits) == expected


def test_popcount_xor_identity():
    rng = np.random.default_rng(3)
    w, a = rng.integers(0, 2, (2, 130))
    assert reference.popcount_dot(w, "odd", 1, a, "odd", 1) == int(((2 * w - 1) * (2 * a - 1)).sum())
