"""`anybit quantize` of float models of every opset: what the written file of opset 17 computes, and what is refused.

A model is one Conv and the nodes of the case behind it. Needs ANYBIT_BUILD.
"""
import os
import pathlib
import subprocess

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
helper, node = onnx.helper, onnx.helper.make_node

BUILD = os.environ.get("ANYBIT_BUILD")
pytestmark = pytest.mark.skipif(not BUILD, reason="ANYBIT_BUILD is not set: no programs to test")


def ints(*values):
    return np.array(values, np.int64)


def reals(*values):
    return np.array(values, np.float32)


def branch(op, name):
    """Adds a constant of its own to c, and applies `op`."""
    one = onnx.numpy_helper.from_array(np.array([0.5], np.float32))
    nodes = [node("Constant", [], [f"{name}_half"], value=one), node("Identity", [f"{name}_half"], [f"{name}_same"]),
             node("Add", ["c", f"{name}_same"], [f"{name}_sum"]), node(op, [f"{name}_sum"], [name])]
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(name, 1, None)])


def choice(condition):
    return node("If", [condition], ["y"], then_branch=branch("Relu", "then"), else_branch=branch("Neg", "else"))


def write_model(path, opset, nodes, constants, shape=(1, 3, 10, 6)):
    """x of `shape`, a 1x1 Conv c with four channels, and `nodes`, which make y of c."""
    rng = np.random.default_rng(1)
    constants = dict(constants, w=rng.normal(0, 0.5, (4, 3, 1, 1)).astype(np.float32),
                     b=rng.normal(0, 0.5, 4).astype(np.float32))
    graph = helper.make_graph(
        [node("Conv", ["x", "w", "b"], ["c"], name="conv"), *nodes], "case",
        [helper.make_tensor_value_info("x", 1, shape)], [helper.make_tensor_value_info("y", 1, [None] * 4)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)


def quantize(folder, opset, nodes, constants, shape=(1, 3, 10, 6)):
    """Returns the samples, what the program said and its exit code."""
    write_model(folder / "m.onnx", opset, nodes, constants, shape)
    x = np.random.default_rng(2).normal(0, 1, (4, 3, 10, 6)).astype(np.float32)
    np.save(folder / "x.npy", x)
    done = subprocess.run(
        [pathlib.Path(BUILD) / "bin" / "anybit", "quantize", folder / "m.onnx", "--calibration", folder / "x.npy",
         "--candidates", "w8a8,f32", "-q", "-o", folder / "s.onnx"], capture_output=True, text=True, timeout=60)
    return x, done.stderr, done.returncode


def run(path, x, **feed):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.stack([session.run(None, {"x": row[None], **feed})[0] for row in x])


SCALES = {"s": reals(2, 1.5)}
ALL_SCALES = {"s": reals(1, 1, 2, 2)}
ASPECT = {"axes": [2, 3], "mode": "linear"}
CASES = {
    "gelu": (20, [node("Gelu", ["c"], ["y"])], {}),
    "gelu tanh": (20, [node("Gelu", ["c"], ["y"], approximate="tanh")], {}),
    "resize axes, scales": (18, [node("Resize", ["c", "", "s"], ["y"], mode="linear", axes=[2, -1])], SCALES),
    "resize axes, nearest": (19, [node("Resize", ["c", "", "s"], ["y"], axes=[3, 2])], SCALES),
    "resize axes, sizes": (18, [node("Resize", ["c", "", "", "s"], ["y"], mode="linear", axes=[2, 3])],
                           {"s": ints(15, 12)}),
    "resize not_larger": (18, [node("Resize", ["c", "", "", "s"], ["y"], keep_aspect_ratio_policy="not_larger",
                                    **ASPECT)], {"s": ints(20, 18)}),
    "resize not_smaller": (18, [node("Resize", ["c", "", "", "s"], ["y"], keep_aspect_ratio_policy="not_smaller",
                                     **ASPECT)], {"s": ints(20, 18)}),
    "resize, rounded down": (18, [node("Resize", ["c", "", "", "s"], ["y"], keep_aspect_ratio_policy="not_larger",
                                       **ASPECT)], {"s": ints(12, 9)}),
    "resize, policy without axes": (18, [node("Resize", ["c", "", "", "s"], ["y"], mode="linear",
                                              keep_aspect_ratio_policy="not_larger")], {"s": ints(1, 4, 10, 6)}),
    "upsample 8": (8, [node("Upsample", ["c"], ["y"], mode="nearest", scales=[1.0, 1.0, 2.0, 2.0])], {}),
    "upsample 8 linear": (8, [node("Upsample", ["c"], ["y"], mode="linear", scales=[1.0, 1.0, 2.0, 2.0])], {}),
    "upsample 9": (9, [node("Upsample", ["c", "s"], ["y"], mode="nearest")], ALL_SCALES),
    "upsample 9 linear": (9, [node("Upsample", ["c", "s"], ["y"], mode="linear")], ALL_SCALES),
    "pad axes": (18, [node("Pad", ["c", "p", "", "a"], ["y"])], {"p": ints(1, 0, 2, 1), "a": ints(-1, 2)}),
    "pad axes reflect": (18, [node("Pad", ["c", "p", "", "a"], ["y"], mode="reflect")],
                         {"p": ints(1, 2), "a": ints(3)}),
    "pad wrap": (19, [node("Pad", ["c", "p"], ["y"], mode="wrap")], {"p": ints(0, 0, 1, 2, 0, 0, 3, 1)}),
    "castlike": (15, [node("CastLike", ["k", "c"], ["f"]), node("Add", ["c", "f"], ["a"]),
                      node("CastLike", ["a", "c"], ["y"])], {"k": ints(1, 2, 3, 4).reshape(4, 1, 1)}),
    "if": (13, [choice("yes")], {"yes": np.bool_(True)}),
    "if not": (19, [node("Not", ["yes"], ["no"]), choice("no")], {"yes": np.bool_(True)}),
    "if of a shape": (13, [node("Shape", ["c"], ["d"]), node("Gather", ["d", "i"], ["n"]),
                           node("Equal", ["n", "four"], ["yes"]), choice("yes")],
                      {"i": np.int64(1), "four": np.int64(4)}),
    "xor": (13, [node("Greater", ["c", "z"], ["g"]), node("Less", ["c", "low"], ["l"]), node("Xor", ["g", "l"], ["e"]),
                 node("Where", ["e", "c", "z"], ["y"])], {"z": np.float32(0), "low": np.float32(-100)}),
    "mod": (13, [node("Mod", ["k", "three"], ["r"]), node("Cast", ["r"], ["f"], to=1), node("Add", ["c", "f"], ["y"])],
            {"k": ints(1, 2, 3, 4, 5, 6), "three": np.int64(3)}),
    "split, shorter last": (18, [node("Split", ["c"], ["p", "q"], axis=2, num_outputs=2),
                                 node("Split", ["c"], ["r", "s", "t", "u"], axis=2, num_outputs=4),
                                 node("Concat", ["u", "q", "p"], ["y"], axis=2)], {}),
    "split, given": (18, [node("Split", ["c", "l"], ["p", "q"], axis=1), node("Concat", ["q", "p"], ["y"], axis=1)],
                     {"l": ints(1, 3)}),
    "mean of nothing": (18, [node("ReduceMean", ["c"], ["y"], noop_with_empty_axes=1)], {}),
    "mean of all": (18, [node("ReduceMean", ["c"], ["y"])], {}),
    "pool, dilations of 1": (19, [node("AveragePool", ["c"], ["y"], kernel_shape=[2, 2], dilations=[1, 1])], {}),
}


@pytest.mark.parametrize("name", CASES)
def test_computes_what_the_float_model_does(name, tmp_path):
    x, text, code = quantize(tmp_path, *CASES[name])
    assert code == 0, text
    written = onnx.load(tmp_path / "s.onnx")
    onnx.checker.check_model(written, full_check=False)
    assert {entry.domain: entry.version for entry in written.opset_import}[""] == 17
    want = run(tmp_path / "m.onnx", x)
    coded, real = (run(tmp_path / "s.onnx", x, candidate=np.array(i, np.int64)) for i in range(2))
    assert real.shape == coded.shape == want.shape
    # Weights are float16 numbers at f32, and codes of 8 bits at w8a8.
    assert np.abs(real - want).max() < 5e-3 * np.abs(want).max()
    assert np.square(coded - want).mean() < 0.1 ** 2 * np.square(want).mean()


def test_free_batch_stays_free(tmp_path):
    nodes = [node("Resize", ["c", "", "", "s"], ["y"], mode="linear", axes=[2, 3])]
    x, text, code = quantize(tmp_path, 18, nodes, {"s": ints(15, 12)}, ("N", 3, 10, 6))
    assert code == 0, text
    rows = run(tmp_path / "s.onnx", x, candidate=np.array(1, np.int64))
    session = ort.InferenceSession(str(tmp_path / "s.onnx"), providers=["CPUExecutionProvider"])
    batch = session.run(None, {"x": x, "candidate": np.array(1, np.int64)})[0]
    assert batch.shape == (4, 4, 15, 12)
    np.testing.assert_allclose(batch, rows[:, 0], rtol=1e-5, atol=1e-5)


REFUSED = {
    "antialias": (18, [node("Resize", ["c", "", "s"], ["y"], mode="linear", antialias=1)], {"s": reals(1, 1, .5, .5)},
                  "antialias does not exist at opset 17"),
    "rounded up": (18, [node("Resize", ["c", "", "", "s"], ["y"], keep_aspect_ratio_policy="not_larger", **ASPECT)],
                   {"s": ints(13, 9)}, "keep_aspect_ratio_policy rounds a size up"),
    "dilations": (19, [node("AveragePool", ["c"], ["y"], kernel_shape=[2, 2], dilations=[2, 2])], {},
                  "replace it by a depthwise Conv"),
    "branch of the data": (13, [node("ReduceMax", ["c"], ["m"], keepdims=0), node("Greater", ["m", "z"], ["g"]),
                                choice("g")], {"z": np.float32(0)}, "its condition is not known before the network"),
    "codes": (13, [node("QuantizeLinear", ["c", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"])],
              {"s": np.float32(.1), "z": np.uint8(128)}, "the model is quantized already"),
    "unknown": (18, [node("Mish", ["c"], ["y"])], {}, "there is no rule that brings this node there"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_says_why_not(name, tmp_path):
    opset, nodes, constants, words = REFUSED[name]
    _, text, code = quantize(tmp_path, opset, nodes, constants)
    assert code == 3, text
    assert words in text and f"opset {opset})" in text
    assert not (tmp_path / "s.onnx").exists()
