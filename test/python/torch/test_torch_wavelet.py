"""anybit.torch.wavelet against golden vectors (algorithms 2.2), PyWavelets, the NumPy reference, finite differences."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from anybit import reference
from anybit.torch import dwt2, idwt2, mix_bands
from anybit.torch.wavelet import haar_factors, Wavelet

B = [[1, -2, .5, 0], [.25, 3, -1, 2], [0, 1, -.5, .75], [-1.5, .5, 2, -.25]]
ALPHA = [1, .5, .25, 0]


def matrix(rows):
    return torch.tensor(rows, dtype=torch.float32)


def test_golden_bands_of_haar():
    ll, lh, hl, hh = dwt2(matrix(B))
    for band, want in ((ll, [[1.125, .75], [0, 1]]), (lh, [[-2.125, -.25], [1, -.75]]),
                       (hl, [[.125, -1.25], [-1.5, .5]]), (hh, [[2.875, 1.75], [.5, -1.75]])):
        np.testing.assert_allclose(band.numpy(), want, atol=1e-6)


def test_golden_mix_of_haar():
    assert haar_factors(matrix(ALPHA)).tolist() == [.4375, .3125, .1875, .0625]
    want = [[.046875, .015625, .15625, .46875], [1.109375, 1.078125, .28125, .59375], [.0625, .4375, .375, .25],
            [-.4375, -.0625, .75, .625]]
    assert mix_bands(matrix(B), matrix(ALPHA), "matrix").tolist() == want


def test_golden_db2():
    ll, _, _, hh = dwt2(matrix(B), "db2")
    np.testing.assert_allclose(ll.numpy(), [[-.105709, .625301], [1.116326, 1.239082]], atol=1e-6)
    np.testing.assert_allclose(hh.numpy(), [[2.26869, .941687], [.316687, -.152063]], atol=1e-6)
    mixed = mix_bands(matrix(B), matrix(ALPHA), "matrix", "db2")
    np.testing.assert_allclose(mixed[0].numpy(), [.165001, -.368253, .052141, -.007083], atol=1e-6)


def test_golden_odd_kernel():
    kernel = torch.arange(1., 10.).reshape(1, 1, 3, 3)
    mixed = mix_bands(kernel, matrix(ALPHA), "spatial")[0, 0]
    assert mixed.tolist() == [[2.125, 2.375, 2.4375], [3.625, 3.875, 3.1875], [5.5625, 5.6875, 3.9375]]
    lowest = mix_bands(kernel, matrix([1, 0, 0, 0]), "spatial")[0, 0]
    assert lowest.tolist() == [[3, 3, 2.25], [3, 3, 2.25], [3.75, 3.75, 2.25]]


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_against_pywavelets(wavelet):
    pywt = pytest.importorskip("pywt")
    planes = torch.randn(3, 6, 10, dtype=torch.float64)
    want = [pywt.dwt2(plane.numpy(), wavelet, mode="periodization") for plane in planes]
    bands = dwt2(planes, wavelet)
    for i, (low, (lh, hl, hh)) in enumerate(want):
        for band, expected in zip(bands, (low, lh, hl, hh)):
            np.testing.assert_allclose(band[i].abs().numpy(), np.abs(expected), atol=1e-6)
    torch.testing.assert_close(idwt2(bands, wavelet), planes)


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_inverse_of_odd_planes(wavelet):
    plane = torch.randn(2, 5, 7)
    torch.testing.assert_close(idwt2(dwt2(plane, wavelet), wavelet, (5, 7)), plane)


SHAPES = [((8, 4, 3, 3), 1), ((3, 5, 3, 3), 1), ((6, 1, 3, 3), 6), ((8, 3, 5, 2), 2), ((4, 3, 1, 1), 1), ((5, 3), 1),
          ((6, 4, 3), 2), ((2, 2, 7, 7), 1), ((7,), 1)]


@pytest.mark.parametrize("layout,wavelet", list(itertools.product(["none", "tile", "matrix", "plane", "spatial"],
                                                                  ["haar", "db2"])))
def test_equals_the_reference_to_the_bit(layout, wavelet):
    generator = np.random.default_rng(3)
    for shape, group in SHAPES:
        weights = generator.normal(size=shape).astype(np.float32)
        alpha = generator.uniform(0.5, 1.4, 4).astype(np.float32)
        want = reference.mix_bands(weights, alpha, layout, wavelet, group)
        got = mix_bands(torch.from_numpy(weights), torch.from_numpy(alpha), layout, wavelet, group)
        assert np.array_equal(got.numpy(), want), (shape, group)


@pytest.mark.parametrize("layout,wavelet",
                         list(itertools.product(["tile", "matrix", "plane", "spatial"], ["haar", "db2"])))
def test_gradients_are_those_of_finite_differences(layout, wavelet):
    for shape, group in [((4, 2, 3, 3), 1), ((4, 1, 3, 2), 4), ((3, 5), 1), ((2, 3, 3), 1)]:
        weights = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        alpha = torch.rand(4, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda w, a: mix_bands(w, a, layout, wavelet, group), (weights, alpha))


def test_ones_are_the_identity():
    weights = torch.randn(8, 4, 3, 3)
    assert torch.equal(mix_bands(weights, torch.ones(4)), weights)
    torch.testing.assert_close(mix_bands(weights, torch.ones(4), wavelet="db2"), weights)


@pytest.mark.parametrize("call,text", [
    (lambda: mix_bands(torch.ones(4, 4), torch.ones(3)), "4 factors"),
    (lambda: mix_bands(torch.ones(5, 1, 3, 3), torch.ones(4), group=2), "2 groups"),
    (lambda: mix_bands(torch.ones(4, 4), torch.ones(4), "rows"), "layout is 'rows'"),
    (lambda: Wavelet(bands=("LX",)), "bands are LX")])
def test_wrong_arguments(call, text):
    with pytest.raises(ValueError, match=text):
        call()
