"""`anybit.load` and `Model`: calls, switches, refusals."""
import numpy as np
import pytest

pytest.importorskip("anybit._anybit")
import anybit
import models
import package_models
from package_models import NAMES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifacts")
    package_models.write_pair(folder / "pair.onnx")
    anybit.compile(folder / "pair.onnx", folder / "pair.so")
    return folder


@pytest.fixture(scope="module")
def switchable(folder):
    """The ONNX model and the path of its artifact."""
    onnx_model = package_models.write_switchable(folder / "switchable.onnx")
    anybit.compile(folder / "switchable.onnx", folder / "switchable.so")
    return onnx_model, folder / "switchable.so"


@pytest.fixture
def model(switchable):
    return anybit.load(switchable[1])


@pytest.fixture
def pair(folder):
    return anybit.load(str(folder / "pair.so"))


def image(rows=1, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, 3, 8, 8)).astype(np.float32)


def test_what_a_model_tells(model):
    assert isinstance(model, anybit.Model)
    assert model.name == "switchable"
    assert model.candidates == NAMES
    assert model.candidate == "w8a8"
    assert model.inputs == [("image", "float32", (1, 3, 8, 8))]
    assert [(t.dtype, t.shape) for t in model.outputs] == [("float32", (1, 5))]
    assert list(model.weight_bytes) == NAMES == list(model.arena_bytes)
    assert model.weight_bytes["w8a8"] >= model.weight_bytes["w2a2"] > 0
    assert all(size > 0 for size in model.arena_bytes.values())
    assert repr(model) == "<anybit.Model 'switchable': w8a8, w4a4, w2a2; candidate 'w8a8'>"


@pytest.mark.parametrize("index", range(len(NAMES)))
def test_every_candidate_is_onnx_runtimes(model, switchable, index):
    pytest.importorskip("onnxruntime")
    x = image()
    output = model.outputs[0].name
    expected = models.oracle(switchable[0], {"image": x}, index, [output])[output]
    model.candidate = index
    assert model.candidate == NAMES[index]
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-4)


def test_switching_back_gives_equal_bytes(model):
    x = image()
    golden = {}
    for name in NAMES:
        model.candidate = name
        golden[name] = model(x)
    assert len({y.tobytes() for y in golden.values()}) == len(NAMES)
    for name in [*reversed(NAMES), *NAMES]:
        model.candidate = name
        assert model(x).tobytes() == golden[name].tobytes()


def test_more_rows_are_slices(model):
    x = image(5)
    y = model(x)
    assert y.shape == (5, 5) and y.dtype == np.float32
    for row in range(5):
        assert y[row:row + 1].tobytes() == model(x[row:row + 1]).tobytes()


def test_results_are_fresh_arrays(model):
    x = image()
    first = model(x)
    copy = first.copy()
    model(image(seed=1))
    assert first.flags.owndata and (first == copy).all()


def test_read_only_arrays_are_read_in_place(model):
    x = image()
    y = model(x)
    x.setflags(write=False)
    assert (model(x) == y).all()
    assert (model(memoryview(x)) == y).all()


def test_names_and_order(pair):
    p, q = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    for total, scaled in (pair(p, q), pair(p, q=q), pair(q=q, p=p), pair(q, p=p)):
        assert (total == p + q).all() and (scaled == 2 * p).all()


def test_outputs_are_a_tuple(pair):
    both = pair(np.ones((6, 3), np.float32), np.ones((6, 3), np.float32))
    assert isinstance(both, tuple) and [y.shape for y in both] == [(6, 3), (6, 3)]


@pytest.mark.parametrize("bad, kind, words", [
    (image().astype(np.float64), TypeError, r"is float64 1x3x8x8, expected float32 1x3x8x8, convert it with .astype"),
    (image().astype(">f4"), TypeError, r"of format '>f'"),
    (image().astype(np.float16), TypeError, "float16"),
    ([1.0], TypeError, "'image' is a list, expected a NumPy array of float32 1x3x8x8"),
    (None, TypeError, "is a NoneType"),
    (image()[0], ValueError, r"is float32 3x8x8, expected float32 1x3x8x8 \(or a multiple of its rows\)"),
    (image()[:0], ValueError, "0x3x8x8"),
    (image()[:, :, :, :4], ValueError, "1x3x8x4"),
    (image(2)[::-1], ValueError, "not C-contiguous, pass numpy.ascontiguousarray"),
    (np.asfortranarray(image()), ValueError, "not C-contiguous"),
    (np.frombuffer(bytearray(1 + 4 * 192), np.uint8)[1:].view(np.float32).reshape(1, 3, 8, 8), ValueError,
     "not aligned to its elements, pass array.copy"),
])
def test_wrong_array(model, bad, kind, words):
    with pytest.raises(kind, match=words):
        model(bad)
    assert model(image()).shape == (1, 5)


def test_wrong_number_of_arrays(pair):
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(TypeError, match=r"input 'q' \(float32 2x3\) is missing"):
        pair(x)
    with pytest.raises(TypeError, match="3 arrays are given, 'pair' has 2 inputs"):
        pair(x, x, x)
    with pytest.raises(TypeError, match="3 arrays are given"):
        pair(x, x, p=x)
    with pytest.raises(TypeError, match="'r' is no input of 'pair'; input 'q' .* is missing"):
        pair(x, r=x)
    with pytest.raises(ValueError, match="input 'q' has rows for 1 runs, the inputs before it for 3"):
        pair(np.zeros((6, 3), np.float32), x)


def test_all_problems_at_once(pair):
    with pytest.raises(TypeError, match="input 'p' is int64 .*; input 'q' is float32 1x1"):
        pair(np.zeros((2, 3), np.int64), np.zeros((1, 1), np.float32))


def test_wrong_candidate(model):
    with pytest.raises(anybit.InvalidInput, match="candidate 'w9a9' does not exist, 'switchable' has w8a8, w4a4, w2a2"):
        model.candidate = "w9a9"
    with pytest.raises(anybit.InvalidInput):
        model.candidate = "w4a4\0"
    for index in (3, -1, 2**63, -2**70):
        with pytest.raises(IndexError, match="does not exist, 'switchable' has 3"):
            model.candidate = index
    with pytest.raises(TypeError, match="by name or index, not by a float"):
        model.candidate = 1.0
    assert model.candidate == "w8a8"


def test_profile(model):
    model.candidate = "w4a4"
    for layers in (model.profile(), model.profile(image(3))):
        assert layers and all(isinstance(layer, anybit.LayerTime) for layer in layers)
        assert all(layer.layer and layer.family and layer.nanoseconds > 0 for layer in layers)
        # 8x8 outputs of 8 channels over 27 taps, 4x4 of 8 over 72, 5 of 8.
        assert sum(layer.macs for layer in layers) == 8 * 8 * 8 * 27 + 4 * 4 * 8 * 72 + 5 * 8
    assert model.profile()[0].layer == layers[0].layer
    with pytest.raises(TypeError):
        model.profile(image().astype(np.float64))


def test_prepare_and_threads(switchable):
    model = anybit.load(switchable[1], threads=2)
    model.candidate = 1
    model.prepare()
    one = anybit.load(switchable[1])
    one.candidate = 1
    assert model(image()).tobytes() == one(image()).tobytes()
    with pytest.raises(anybit.InvalidInput, match="5000 threads"):
        anybit.load(switchable[1], threads=5000)
    with pytest.raises(TypeError):
        anybit.load(switchable[1], threads=-1)


def test_load_refuses(folder, tmp_path):
    with pytest.raises(anybit.InvalidInput, match="absent.so"):
        anybit.load(tmp_path / "absent.so")
    (tmp_path / "foreign.so").write_bytes(b"no library" * 100)
    with pytest.raises(anybit.InvalidInput) as caught:
        anybit.load(tmp_path / "foreign.so")
    assert caught.value.exit_code == 2 and isinstance(caught.value, ValueError)
    whole = (folder / "pair.so").read_bytes()
    (tmp_path / "truncated.so").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(anybit.InvalidInput):
        anybit.load(tmp_path / "truncated.so")
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 1
    (tmp_path / "altered.so").write_bytes(altered)
    with pytest.raises(anybit.InvalidInput):
        anybit.load(tmp_path / "altered.so")
    with pytest.raises(TypeError):
        anybit.load(3)
    with pytest.raises(ValueError, match="null"):
        anybit.load("a\0b")
    with pytest.raises(TypeError):
        anybit.Model()
