"""`anybit.compile` and `anybit.quantize`: what they return, and their refusals with all messages."""
import json
import warnings

import numpy as np
import pytest

pytest.importorskip("anybit._anybit")
import anybit
import package_models


@pytest.fixture
def small(tmp_path):
    package_models.write_float(tmp_path / "small.onnx")
    return tmp_path / "small.onnx"


def test_float_model(small, tmp_path):
    assert anybit.compile(small, tmp_path / "small.so", quiet=True) == ""
    model = anybit.load(tmp_path / "small.so")
    assert model.candidates == ["f32"]
    x = np.random.default_rng(0).normal(size=(3, 3, 6, 6)).astype(np.float32)
    ort = pytest.importorskip("onnxruntime")
    expected = ort.InferenceSession(str(small), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)


def test_dims_and_candidates(tmp_path):
    package_models.write_switchable(tmp_path / "s.onnx")
    anybit.compile(str(tmp_path / "s.onnx"), str(tmp_path / "s.so"), "native", ["w2a2", "w8a8"], {"n": 2})
    model = anybit.load(tmp_path / "s.so")
    assert model.candidates == ["w2a2", "w8a8"]
    assert model.inputs[0].shape == (2, 3, 8, 8)
    assert model(np.zeros((4, 3, 8, 8), np.float32)).shape == (4, 5)
    with pytest.raises(ValueError, match="multiple of its rows"):
        model(np.zeros((3, 3, 8, 8), np.float32))


def test_messages(small, tmp_path):
    text = anybit.compile(small, tmp_path / "small.so", stats=True)
    assert json.loads(text)["candidates"]["f32"]["macs"] > 0
    assert "specialize" in anybit.compile(small, tmp_path / "small.so", timing=True)


def test_stop_after_and_text(small, tmp_path):
    anybit.compile(small, tmp_path / "ir.mlir", stop_after="import")
    assert "func" in (tmp_path / "ir.mlir").read_text()
    anybit.compile(small, tmp_path / "small.ll", emit="llvm")
    assert "define" in (tmp_path / "small.ll").read_text()


@pytest.mark.parametrize("options, words", [
    ({"target": "z80"}, "z80"),
    ({"emit": "exe"}, "emit is 'exe', expected one of so, obj, lib, llvm, asm"),
    ({"store": "cloud"}, "store is 'cloud', expected one of packed, master"),
    ({"stop_after": "lunch"}, "stop_after is 'lunch', expected one of import, specialize"),
    ({"optimization": 4}, "optimization is 4, expected 0 to 3"),
    ({"dims": {"n": 0}}, "the size of 'n' is 0, expected at least 1"),
    ({"candidates": ["w3a3"]}, "f32"),
])
def test_wrong_option(small, tmp_path, options, words):
    output = tmp_path / "kept.so"
    output.write_bytes(b"as before")
    with pytest.raises(anybit.InvalidInput, match=words) as caught:
        anybit.compile(small, output, **options)
    assert caught.value.exit_code == 2
    assert output.read_bytes() == b"as before"


def test_a_text_is_no_list_of_names(small, tmp_path):
    with pytest.raises(TypeError, match=r"candidates is a str, pass a list of names: \['w8a8', 'w4a4'\]"):
        anybit.compile(small, tmp_path / "o.so", candidates="w8a8,w4a4")


def test_invalid_model(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"\xff" * 64)
    with pytest.raises(anybit.InvalidInput, match="not an ONNX file"):
        anybit.compile(tmp_path / "bad.onnx", tmp_path / "o.so")
    with pytest.raises(anybit.InvalidInput, match="absent.onnx"):
        anybit.compile(tmp_path / "absent.onnx", tmp_path / "o.so")
    with pytest.raises(anybit.InvalidInput, match="absent.onnx"):
        anybit.quantize(tmp_path / "absent.onnx", tmp_path / "o.onnx", np.zeros((2, 3), np.float32), ["w8a8"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.onnx"]


def test_unsupported_model_lists_every_node(tmp_path):
    package_models.write_unsupported(tmp_path / "odd.onnx")
    with pytest.raises(anybit.Unsupported) as caught:
        anybit.compile(tmp_path / "odd.onnx", tmp_path / "o.so")
    text = str(caught.value)
    assert all(word in text for word in ("first_odd", "Frobnicate", "second_odd", "Defenestrate"))
    assert caught.value.exit_code == 3 and isinstance(caught.value, anybit.Error)
    assert not (tmp_path / "o.so").exists()


@pytest.mark.parametrize("kind", ["array", "mapping", "file"])
def test_quantize(small, tmp_path, kind):
    x = np.random.default_rng(0).normal(size=(24, 3, 6, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    calibration = {"array": x, "mapping": {"x": x}, "file": tmp_path / "x.npy"}[kind]
    report = anybit.quantize(small, tmp_path / "q.onnx", calibration, ["w8a8", "w4a4"], quiet=True)
    assert report["samples"] == 24
    assert [candidate["name"] for candidate in report["candidates"]] == ["w8a8", "w4a4"]
    anybit.compile(tmp_path / "q.onnx", tmp_path / "q.so")
    model = anybit.load(tmp_path / "q.so")
    assert model.candidates == ["w8a8", "w4a4"]
    anybit.compile(small, tmp_path / "small.so")
    exact = anybit.load(tmp_path / "small.so")(x)
    assert np.abs(model(x) - exact).max() < 0.05 * np.abs(exact).max()


def test_quantize_warns(small, tmp_path):
    x = np.random.default_rng(0).normal(size=(8, 3, 6, 6)).astype(np.float32)
    (tmp_path / "mine.json").write_text(json.dumps({"mine": {"*": {"weights": 4, "activations": 8},
                                                                  "absent": {"weights": 2, "activations": 2}}}))
    with pytest.warns(UserWarning, match="^candidate 'mine': pattern 'absent' names no layer$") as caught:
        anybit.quantize(small, tmp_path / "q.onnx", x, candidate_file=tmp_path / "mine.json")
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        anybit.quantize(small, tmp_path / "q.onnx", x, ["w8a8"], threshold=0.0)


@pytest.mark.parametrize("arguments, options, words", [
    ([[]], {}, "candidates is empty"),
    ([["w8a8"]], {"first_last_bits": 9}, "first_last_bits is 9"),
    ([["w8a8"]], {"samples": -1}, "samples -1"),
    ([["w8a8"]], {"threshold": 2.0}, "0 to 1"),
    ([["w0a8"]], {}, "w0a8"),
    ([["w8a8"]], {"candidate_file": "absent.json"}, "absent.json"),
])
def test_quantize_refuses(small, tmp_path, arguments, options, words):
    x = np.zeros((4, 3, 6, 6), np.float32)
    with pytest.raises(anybit.InvalidInput, match=words):
        anybit.quantize(small, tmp_path / "q.onnx", x, *arguments, **options)
    assert not (tmp_path / "q.onnx").exists()


def test_quantize_refuses_calibration(small, tmp_path):
    with pytest.raises(anybit.InvalidInput, match="absent"):
        anybit.quantize(small, tmp_path / "q.onnx", tmp_path / "absent.npy", ["w8a8"])
    with pytest.raises(anybit.InvalidInput):
        anybit.quantize(small, tmp_path / "q.onnx", np.zeros((4, 3, 5, 5), np.float32), ["w8a8"])
    with pytest.raises(TypeError, match=r"candidates is a str"):
        anybit.quantize(small, tmp_path / "q.onnx", np.zeros((4, 3, 6, 6), np.float32), "w8a8")
