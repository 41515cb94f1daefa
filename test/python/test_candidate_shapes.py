"""Models whose shapes and branches depend on the candidate (convention C4), against ONNX Runtime."""

import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import exact

CANDIDATES = ["w8a8", "w4a4", "w2a2"]
X = np.random.default_rng(0).normal(size=(1, 4, 6, 6)).astype(np.float32)


def table(name, values):
    return numpy_helper.from_array(np.asarray(values, np.int64), name)


def model(nodes, tables, output=None):
    """`row` is the row of the first table that `candidate` selects."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape),
              helper.make_tensor_value_info("candidate", TensorProto.INT64, [])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)]
    weight = numpy_helper.from_array(np.random.default_rng(1).normal(size=(4, 4, 3, 3)).astype(np.float32), "w")
    nodes = [helper.make_node("Gather", [tables[0].name, "candidate"], ["row"]), *nodes]
    graph = helper.make_graph(nodes, "shapes", inputs, outputs, [weight, *tables])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(made, {"anybit.candidates": ",".join(CANDIDATES)})
    return made


def branch(op):
    return helper.make_graph([helper.make_node(op, ["x"], ["z"])], op,
                             [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, X.shape)])


CONV = helper.make_node("Conv", ["part", "w"], ["conv"], pads=[1, 1, 1, 1])
MEAN = helper.make_node("GlobalAveragePool", ["conv"], ["y"])
MODELS = {
    "slice": ([helper.make_node("Slice", ["x", "zero", "row", "axis"], ["part"]), CONV, MEAN],
              [table("ends", [[6], [4], [3]]), table("zero", [0]), table("axis", [3])]),
    "reshape": ([helper.make_node("Reshape", ["x", "row"], ["part"]), CONV, MEAN],
                [table("shapes", [[1, 4, 6, 6], [1, 4, 3, 12], [1, 4, 9, 4]])]),
    "pad": ([helper.make_node("Pad", ["x", "row"], ["part"]), CONV, MEAN],
            [table("pads", [[0] * 8, [0, 0, 1, 0, 0, 0, 0, 2], [0, 0, 0, 3, 0, 0, 0, 0]])]),
    "split": ([helper.make_node("Split", ["x", "row"], ["part", "rest"], axis=2), CONV, MEAN],
              [table("lengths", [[5, 1], [3, 3], [2, 4]])]),
    "if": ([helper.make_node("Equal", ["candidate", "row"], ["same"]),
            helper.make_node("If", ["same"], ["part"], then_branch=branch("Relu"), else_branch=branch("Neg")), CONV, MEAN],
           [table("wanted", [0, 0, 2])]),
}


@pytest.mark.parametrize("name", MODELS)
def test_candidates_have_shapes_of_their_own(name, tmp_path):
    made = model(*MODELS[name])
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    for flags, candidates in ((), CANDIDATES), (("--candidates", "w2a2,w8a8"), ["w2a2", "w8a8"]):
        artifact = exact.compile_model(made, tmp_path, flags=flags)
        for candidate in candidates:
            (want,) = session.run(None, {"x": X, "candidate": np.asarray(CANDIDATES.index(candidate))})
            (got,) = exact.run_artifact(artifact, {"x": X}, candidate).values()
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5, err_msg=candidate)


def test_an_output_has_one_shape(tmp_path):
    nodes, tables = MODELS["reshape"]
    onnx.save(model([helper.make_node("Reshape", ["x", "row"], ["y"])], tables), tmp_path / "m.onnx")
    done = subprocess.run([exact.program("bin", "anybit"), "compile", tmp_path / "m.onnx", "-o", tmp_path / "m.so"],
                          capture_output=True, text=True)
    assert done.returncode == 3 and not (tmp_path / "m.so").exists()
    assert done.stderr.splitlines() == [f'error: output "y" is [1, 4, 6, 6] at w8a8 and {shape} at {candidate}; give it one '
                                        "shape at all candidates" for candidate, shape in
                                        (("w4a4", "[1, 4, 3, 12]"), ("w2a2", "[1, 4, 9, 4]"))]
