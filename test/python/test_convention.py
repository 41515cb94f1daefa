"""The canonical function bodies of the domain ai.anybit, run by ONNX Runtime, against NumPy (numerics N2, N3).

Needs ANYBIT_CONVENTION_WRITER, the program write-convention-models of the build.
"""
import os
import subprocess

import numpy as np
import pytest

ort = pytest.importorskip("onnxruntime")

WRITER = os.environ.get("ANYBIT_CONVENTION_WRITER")
pytestmark = pytest.mark.skipif(not WRITER, reason="ANYBIT_CONVENTION_WRITER is not set")

f32 = np.float32
DB2 = np.array([[-0.12940952255126037, 0.2241438680420134, 0.8365163037378079, 0.48296291314453414],
                [-0.48296291314453414, 0.8365163037378079, -0.2241438680420134, -0.12940952255126037]], f32)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("convention")
    subprocess.run([WRITER, str(folder)], check=True)
    cache = {}

    def get(op, overload, rank, group=1):
        key = f"{op}.{overload}.{rank}.{group}.onnx"
        if key not in cache:
            options = ort.SessionOptions()
            options.log_severity_level = 3
            cache[key] = ort.InferenceSession(str(folder / key), options, providers=["CPUExecutionProvider"])
        return lambda **inputs: cache[key].run(["y"], inputs)[0]

    return get


def interesting(rng, scale):
    """Values with every tie, both zeros and both far ends."""
    grid = np.arange(-600, 601, dtype=f32) * f32(0.5) * f32(scale)
    near = np.concatenate([np.nextafter(grid, f32(-np.inf)), grid, np.nextafter(grid, f32(np.inf))])
    far = np.array([0.0, -0.0, 1e30, -1e30, 1e-30, -1e-30, 3e8, -3e8], f32)
    return np.concatenate([near, far, rng.standard_normal(1000).astype(f32) * f32(50 * scale)]).astype(f32)


def quantize(kind, x, scale, zero, bits):
    half = f32(2 ** (bits - 1))
    t = (x / scale).astype(f32)
    if kind == "FakeQuantSigned":
        return np.clip(np.rint(t), -half, half - 1).astype(f32) * scale
    if kind == "FakeQuantUnsigned":
        code = np.clip(np.rint(t) + f32(zero), 0, 2 * half - 1).astype(f32)
        return (code - f32(zero)) * scale
    code = np.clip(np.floor(t * f32(0.5)) + half, 0, 2 * half - 1).astype(f32)
    return (code + code - (2 * half - 1)) * scale


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("kind", ["FakeQuantSigned", "FakeQuantUnsigned", "FakeQuantOdd"])
def test_fake_quant(sessions, kind, bits):
    rng = np.random.default_rng(bits)
    for scale in [f32(1), f32(0.1), f32(0.0123), f32(7.3)]:
        for zero in [0, 1, 2 ** (bits - 1), 2 ** bits - 1] if kind == "FakeQuantUnsigned" else [0]:
            x = interesting(rng, scale)
            feed = {"x": x, "scale": np.full(1, scale, f32), "bits": np.array(bits, np.int64)}
            if kind == "FakeQuantUnsigned":
                feed["zero_point"] = np.full(1, zero, np.int32)
            got = sessions(kind, "", 1)(**feed)
            want = quantize(kind, x, scale, zero, bits)
            assert got.dtype == np.float32 and np.array_equal(got, want)
            assert len(np.unique(got)) == 2 ** bits


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", ["FakeQuantSigned", "FakeQuantUnsigned", "FakeQuantOdd"])
def test_fake_quant_per_channel(sessions, kind, bits):
    rng = np.random.default_rng(bits)
    x = rng.standard_normal((5, 3, 2, 2)).astype(f32)
    scale = (rng.random((5, 1, 1, 1)) + 0.01).astype(f32)
    zero = rng.integers(0, 2 ** bits, (5, 1, 1, 1)).astype(np.int32)
    feed = {"x": x, "scale": scale, "bits": np.array(bits, np.int64)}
    if kind == "FakeQuantUnsigned":
        feed["zero_point"] = zero
    got = sessions(kind, "", 4)(**feed)
    want = np.stack([quantize(kind, x[o], scale[o], zero[o], bits) for o in range(5)])
    assert np.array_equal(got, want)


def test_one_bit_odd_of_zero_is_plus(sessions):
    got = sessions("FakeQuantOdd", "", 1)(x=np.array([0.0, -0.0, -1e-3], f32), scale=np.full(1, 0.5, f32),
                                          bits=np.array(1, np.int64))
    assert got.tolist() == [0.5, 0.5, -0.5]


def to_planes(w, layout):
    o, i, kh, kw = w.shape
    if layout == "tile":
        return w.transpose(0, 2, 1, 3).reshape(1, o * kh, i * kw)
    if layout == "matrix":
        return w.reshape(1, o, i * kh * kw)
    if layout == "plane":
        return w.transpose(2, 3, 0, 1).reshape(kh * kw, o, i)
    return w.reshape(o * i, kh, kw)


def from_planes(planes, shape, layout):
    o, i, kh, kw = shape
    if layout == "tile":
        return planes.reshape(o, kh, i, kw).transpose(0, 2, 1, 3)
    if layout == "plane":
        return planes.reshape(kh, kw, o, i).transpose(2, 3, 0, 1)
    return planes.reshape(shape)


def haar(plane, alpha):
    ll, lh, hl, hh = alpha
    t0, tc = (((ll + lh) + hl) + hh) / f32(4), (((ll + lh) - hl) - hh) / f32(4)
    tr, td = (((ll - lh) + hl) - hh) / f32(4), (((ll - lh) - hl) + hh) / f32(4)
    p, q, r, s = plane[0::2, 0::2], plane[0::2, 1::2], plane[1::2, 0::2], plane[1::2, 1::2]
    out = np.empty_like(plane)
    out[0::2, 0::2] = ((t0 * p + tc * q) + tr * r) + td * s
    out[0::2, 1::2] = ((t0 * q + tc * p) + tr * s) + td * r
    out[1::2, 0::2] = ((t0 * r + tc * s) + tr * p) + td * q
    out[1::2, 1::2] = ((t0 * s + tc * r) + tr * q) + td * p
    return out


def analyse(x):
    n = x.shape[-1]
    k = np.arange(n // 2)
    a, b, c, d = x[..., (2 * k + 2) % n], x[..., 2 * k + 1], x[..., 2 * k], x[..., (2 * k - 1) % n]
    return np.concatenate([((h[0] * a + h[1] * b) + h[2] * c) + h[3] * d for h in DB2], axis=-1)


def synthesise(x):
    half = x.shape[-1] // 2
    k = np.arange(half)
    low, high = x[..., :half], x[..., half:]
    l, h = DB2
    out = np.empty_like(x)
    out[..., 0::2] = ((l[2] * low + l[0] * low[..., k - 1]) + h[2] * high) + h[0] * high[..., k - 1]
    after = (k + 1) % half
    out[..., 1::2] = ((l[3] * low[..., after] + l[1] * low) + h[3] * high[..., after]) + h[1] * high
    return out


def db2(plane, alpha):
    bands = analyse(analyse(plane).T).T.copy()
    r, c = bands.shape[0] // 2, bands.shape[1] // 2
    for rows, columns, index in [(0, 0, 0), (1, 0, 1), (0, 1, 2), (1, 1, 3)]:
        bands[rows * r:(rows + 1) * r, columns * c:(columns + 1) * c] *= alpha[index]
    return synthesise(synthesise(bands.T).T)


def mix(w, alpha, layout, wavelet, group):
    w4 = w.reshape(w.shape[:2] + (1,) * (4 - w.ndim) + w.shape[2:])
    if layout == "spatial" and w4.shape[2] * w4.shape[3] == 1:
        return w
    out = []
    for part in np.split(w4, group):
        planes = to_planes(part, layout)
        rows, columns = planes.shape[1:]
        padded = np.pad(planes, ((0, 0), (0, rows % 2), (0, columns % 2)))
        mixed = np.stack([(haar if wavelet == "haar" else db2)(plane, alpha) for plane in padded])
        out.append(from_planes(mixed[:, :rows, :columns], part.shape, layout))
    return np.concatenate(out).reshape(w.shape)


SHAPES = [(4, 4, 2, 2), (6, 3, 3, 3), (6, 1, 3, 3), (6, 5, 1, 1), (12, 3, 7, 7), (6, 2, 3, 1), (6, 3, 5), (6, 2, 1),
          (6, 7), (6, 1)]
UNGROUPED = [(3, 2, 3, 3), (1, 3), (1, 1, 2, 3)]


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
@pytest.mark.parametrize("layout", ["tile", "matrix", "plane", "spatial"])
@pytest.mark.parametrize("group", [1, 2, 3])
def test_mix_bands(sessions, layout, wavelet, group):
    rng = np.random.default_rng(group)
    for shape in [s for s in SHAPES + (UNGROUPED if group == 1 else []) if s[0] % group == 0]:
        w = rng.standard_normal(shape).astype(np.float16).astype(f32)
        for alpha in [rng.random(4).astype(f32) + f32(0.1), np.ones(4, f32), np.array([1, 0.5, 0.25, 0], f32)]:
            got = sessions("MixBands", f"{layout}_{wavelet}", len(shape), group)(w=w, alpha=alpha)
            want = mix(w, alpha, layout, wavelet, group)
            assert want.dtype == np.float32 and got.shape == shape
            assert np.array_equal(got, want), (shape, alpha)


def test_mix_bands_golden(sessions):
    b = np.array([[1, -2, .5, 0], [.25, 3, -1, 2], [0, 1, -.5, .75], [-1.5, .5, 2, -.25]], f32)
    alpha = np.array([1, .5, .25, 0], f32)
    got = sessions("MixBands", "tile_haar", 2)(w=b, alpha=alpha)
    assert got.tolist() == [[.046875, .015625, .15625, .46875], [1.109375, 1.078125, .28125, .59375],
                            [.0625, .4375, .375, .25], [-.4375, -.0625, .75, .625]]
    got = sessions("MixBands", "tile_db2", 2)(w=b, alpha=alpha)
    assert np.allclose(got[0], [.165001, -.368253, .052141, -.007083], atol=1e-6)
    kernel = np.arange(1, 10, dtype=f32).reshape(1, 1, 3, 3)
    got = sessions("MixBands", "spatial_haar", 4)(w=kernel, alpha=alpha)
    assert got[0, 0].tolist() == [[2.125, 2.375, 2.4375], [3.625, 3.875, 3.1875], [5.5625, 5.6875, 3.9375]]
