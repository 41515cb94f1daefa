"""anybit.reference.run on random switchable models: recognition, grouping, and rule N10 against ONNX Runtime."""

import numpy as np
import onnx
import pytest
from onnx import parser

import models
from anybit import reference
from anybit.reference import Codes, UnsupportedModel
from anybit.reference.grouping import hoist_quantizers
from anybit.reference.specialize import specialize

F32 = np.float32
NETWORKS = {"residual": (models.residual_network, (3, 12, 12)), "mobile": (models.mobile_network, (4, 13, 13))}


def oracle_codes(quantizer, values):
    """The codes behind the oracle's dequantized values, which must lie on the grid."""
    codes = np.rint(values.astype(np.float64) / quantizer.scale).astype(np.int64) + quantizer.zero
    assert np.array_equal(quantizer.integers(codes).astype(F32) * quantizer.scale, values)
    return codes


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("network", NETWORKS)
def test_fed_with_the_oracles_codes(network, seed):
    make, shape = NETWORKS[network]
    built = make(seed)
    model, output = built.build(), built.outputs[0].name
    x = {"image": np.random.default_rng(seed).normal(size=(6,) + shape).astype(F32) * F32(1.5)}
    different = total = 0
    for index, (name, _, _) in enumerate(built.candidates):
        expected = models.oracle(model, x, index, built.activations + [output])
        taps = {}
        reference.run(model, x, name, taps)
        codes = {key: oracle_codes(taps[key].quantizer, expected[key]) for key in built.activations}
        result = reference.run(model, x, index, taps, overrides=codes)[output]
        different += sum(int((taps[key].q != codes[key]).sum()) for key in codes)
        total += sum(value.size for value in codes.values())
        assert np.abs(result - expected[output]).max() <= 1e-5 * max(np.abs(expected[output]).max(), 1)
    assert different <= 1e-4 * total


@pytest.mark.parametrize("network", NETWORKS)
def test_groups_leave_no_value_between_accumulator_and_codes(network):
    built = NETWORKS[network][0](0)
    model, shape, taps = built.build(), NETWORKS[network][1], {}
    reference.run(model, np.zeros((1,) + shape, F32), "w4a4", taps)
    assert all(isinstance(taps[name], Codes) for name in built.activations)
    real = {name.split("_")[0] for name, value in taps.items() if not isinstance(value, Codes)}
    allowed = {"residual": {"image", "add", "gemm"}, "mobile": {"image", "clip", "mul", "div", "add", "matmul"}}[network]
    assert real <= allowed
    if network == "residual":
        assert "relu_13" not in taps


def test_quantizers_move_in_front_of_max_pools():
    graph = specialize(models.mobile_network(0).build(), "w8a8")
    pool = next(node for node in graph.nodes if node.op == "MaxPool")
    assert graph.producers()[pool.inputs[0]].op == "Clip"
    hoist_quantizers(graph)
    pool = next(node for node in graph.nodes if node.op == "MaxPool")
    assert graph.producers()[pool.inputs[0]].op == "FakeQuantize"


def test_weights_are_codes_after_specialization():
    model = models.residual_network(0).build()
    for name, kind in (("w8a8", "signed"), ("w2a2", "odd"), ("w1a1", "odd")):
        graph = specialize(model, name)
        weights = [graph.constants[node.inputs[1]] for node in graph.nodes if node.op in ("Conv", "Gemm")]
        assert len(weights) == 8 and all(isinstance(w, Codes) and w.quantizer.kind == kind for w in weights)
        assert all(w.quantizer.bits == int(name[1]) for w in weights)


def test_a_function_with_another_body_is_an_ordinary_function():
    built = models.Builder(models.CANDIDATES, 0)
    x = built.quantize(built.input("image", [1, 2, 4, 4]), signed=True, bits=8)
    built.output(x, 4)
    model = built.build()
    identity = parser.parse_function('<opset_import: ["" : 17], domain: "ai.anybit">\n'
                                     'FakeQuantSigned (x, scale, bits) => (y) {\n y = Identity (x)\n}')
    others = [f for f in model.functions if f.name != "FakeQuantSigned"]
    del model.functions[:]
    model.functions.extend(others + [identity])
    x, taps = np.random.default_rng(0).normal(size=(1, 2, 4, 4)).astype(F32), {}
    result = reference.run(model, x, "w4a4", taps)
    assert np.array_equal(next(iter(result.values())), x)
    assert not any(isinstance(value, Codes) for value in taps.values())


def test_candidates_by_name_index_and_refusals():
    model, x = models.residual_network(1).build(), np.ones((1, 3, 12, 12), F32)
    by_name, by_index = reference.run(model, x, "w3a5"), reference.run(model, x, 2)
    assert all(np.array_equal(by_name[key], by_index[key]) for key in by_name)
    for candidate in ("w5a5", -1, 5):
        with pytest.raises(UnsupportedModel):
            reference.run(model, x, candidate)


def test_a_float_candidate_is_a_where_on_a_flag():
    built = models.Builder([("w8a8", 8, 8), ("f32", 8, 8)], 3)
    image = built.input("image", [1, 2, 6, 6])
    quantized = built.quantize(image, signed=True, reach=3)
    flag = built.select(np.array([False, True]))
    x = built.op("Where", [flag, image, quantized], "where")
    w = built.constant(built.rng.normal(size=(3, 2, 3, 3)).astype(F32))
    built.output(built.op("Conv", [x, w], kernel_shape=[3, 3]), 4)
    model, taps = built.build(), {}
    x = np.random.default_rng(4).normal(size=(1, 2, 6, 6)).astype(F32)
    for index, name in enumerate(("w8a8", "f32")):
        taps.clear()
        got = reference.run(model, x, name, taps)
        expected = models.oracle(model, {"image": x}, index, list(got))
        assert all(np.allclose(got[key], expected[key], atol=1e-5) for key in got)
        assert any(isinstance(value, Codes) for value in taps.values()) == (name == "w8a8")


def test_a_run_is_deterministic_and_independent_of_the_batch():
    model = models.mobile_network(2).build()
    x = np.random.default_rng(5).normal(size=(3, 4, 13, 13)).astype(F32)
    whole, taps, single = {}, {}, {}
    reference.run(model, x, "w2a2", whole)
    for i in range(3):
        reference.run(model, x[i:i + 1], "w2a2", single)
        for key, value in whole.items():
            if isinstance(value, Codes):
                assert np.array_equal(single[key].q, value.q[i:i + 1])


def test_importing_anybit_is_light():
    import subprocess
    import sys
    code = "import sys, anybit; sys.exit(any(m in sys.modules for m in ('onnx', 'numpy', 'anybit._anybit')))"
    path = str(models.__file__).rsplit("/test/", 1)[0] + "/python"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}).returncode == 0
