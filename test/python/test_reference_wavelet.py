"""anybit.reference.mix_bands, rule N3."""

import numpy as np
import pytest

from anybit.reference import NumericsError, mix_bands
from anybit.reference.wavelet import _analyse, haar_factors

F32 = np.float32
B = np.array([[1, -2, .5, 0], [.25, 3, -1, 2], [0, 1, -.5, .75], [-1.5, .5, 2, -.25]], F32)
ALPHA = (1, .5, .25, 0)
LAYOUTS = ("tile", "matrix", "plane", "spatial")


def test_golden_haar():
    assert haar_factors(ALPHA) == (.4375, .3125, .1875, .0625)
    expected = [[.046875, .015625, .15625, .46875], [1.109375, 1.078125, .28125, .59375], [.0625, .4375, .375, .25],
                [-.4375, -.0625, .75, .625]]
    for layout in ("tile", "matrix", "plane"):
        assert mix_bands(B, ALPHA, layout).tolist() == expected


def test_golden_db2():
    low, high = _analyse(B[None])
    bands = [_analyse(half.swapaxes(1, 2))[i].swapaxes(1, 2)[0] for half, i in ((low, 0), (high, 1))]
    assert np.allclose(bands[0], [[-.105709, .625301], [1.116326, 1.239082]], atol=1e-6)
    assert np.allclose(bands[1], [[2.26869, .941687], [.316687, -.152063]], atol=1e-5)
    first = mix_bands(B, ALPHA, "matrix", "db2")[0]
    assert np.allclose(first, [.165001, -.368253, .052141, -.007083], atol=1e-6)


def test_golden_spatial_odd():
    kernel = np.arange(1, 10, dtype=F32).reshape(1, 1, 3, 3)
    assert mix_bands(kernel, ALPHA, "spatial")[0, 0].tolist() == [
        [2.125, 2.375, 2.4375], [3.625, 3.875, 3.1875], [5.5625, 5.6875, 3.9375]]
    assert mix_bands(kernel, (1, 0, 0, 0), "spatial")[0, 0].tolist() == [[3, 3, 2.25], [3, 3, 2.25], [3.75, 3.75, 2.25]]


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape,group", [((4, 6, 3, 3), 1), ((5, 3, 3, 5), 1), ((6, 1, 3, 3), 6), ((8, 3, 2, 2), 2),
                                         ((7, 5), 1), ((3, 4, 5), 1), ((1, 1, 1, 1), 1)])
def test_equal_factors_scale_the_weights(shape, group, layout, wavelet):
    w = np.random.default_rng(1).normal(size=shape).astype(F32)
    for factor in (1, .5):
        mixed = mix_bands(w, (factor,) * 4, layout, wavelet, group)
        if layout == "spatial" and shape[2:] in ((), (1, 1)):
            assert np.array_equal(mixed, w)
        else:
            assert np.allclose(mixed, factor * w, atol=2e-6)


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_bands_are_projectors(wavelet):
    w = np.random.default_rng(2).normal(size=(4, 4, 2, 2)).astype(F32)
    parts = [mix_bands(w, np.eye(4)[k], "tile", wavelet) for k in range(4)]
    assert np.allclose(sum(parts), w, atol=1e-5)
    for i in range(4):
        again = mix_bands(parts[i], np.eye(4)[i], "tile", wavelet)
        assert np.allclose(again, parts[i], atol=1e-5)
        assert all(abs(float((parts[i] * parts[j]).sum())) < 1e-4 for j in range(4) if j != i)


def test_layouts_are_permutations_of_one_another():
    w = np.random.default_rng(3).normal(size=(4, 6, 3, 3)).astype(F32)
    tile = w.transpose(0, 2, 1, 3).reshape(12, 18)
    assert np.array_equal(mix_bands(w, ALPHA, "tile"),
                          mix_bands(tile, ALPHA, "matrix").reshape(4, 3, 6, 3).transpose(0, 2, 1, 3))
    assert np.array_equal(mix_bands(w, ALPHA, "matrix"), mix_bands(w.reshape(4, 54), ALPHA, "matrix").reshape(w.shape))
    assert np.array_equal(mix_bands(w, ALPHA, "plane")[:, :, 1, 2], mix_bands(w[:, :, 1, 2].copy(), ALPHA, "matrix"))
    assert np.array_equal(mix_bands(w, ALPHA, "spatial")[2, 3], mix_bands(w[2, 3][None, None], ALPHA, "tile")[0, 0])


def test_groups_do_not_mix():
    w = np.random.default_rng(4).normal(size=(6, 3, 3, 3)).astype(F32)
    grouped = mix_bands(w, ALPHA, "tile", group=2)
    assert np.array_equal(grouped[:3], mix_bands(w[:3], ALPHA, "tile"))
    assert np.array_equal(grouped[3:], mix_bands(w[3:], ALPHA, "tile"))


def test_one_dimensional_kernels_have_height_one():
    w = np.random.default_rng(5).normal(size=(4, 6, 5)).astype(F32)
    for layout in LAYOUTS:
        assert np.array_equal(mix_bands(w, ALPHA, layout), mix_bands(w[:, :, None], ALPHA, layout)[:, :, 0])


def test_refusals():
    for arguments in ((B, (1, 1, 1)), (B, ALPHA, "rows"), (B, ALPHA, "tile", "db4"), (B, ALPHA, "tile", "haar", 3)):
        with pytest.raises(NumericsError):
            mix_bands(*arguments)
