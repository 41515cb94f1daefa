"""Transcendental functions of reals over all of float32, within the bounds of docs/numerics.md (N6)."""

import math

import numpy as np
import pytest
from onnx import TensorProto, helper

import exact

F32 = np.float32
# Function in double, and the largest error in units of the last place of the float32 result.
FUNCTIONS = {
    "Sin": (np.sin, 1),
    "Cos": (np.cos, 1),
    "Exp": (np.exp, 3),
    "Log": (np.log, 3),
    "Tanh": (np.tanh, 7),
    "Erf": (np.vectorize(math.erf), 7),
}


def numbers():
    """Numbers of every exponent and sign, multiples of π/2 and their neighbours, the ends of every range."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32).view(F32)
    turns = (np.arange(1, 4000) * (np.pi / 2)).astype(F32)
    far = (rng.integers(1, 2**53, 20_000).astype(np.float64) * (np.pi / 2)).astype(F32)
    near = np.concatenate([turns, np.nextafter(turns, F32(0)), np.nextafter(turns, F32(1e9)), far])
    ends = np.array([0, -0.0, 1, 0.5, np.pi / 4, 1e-45, 1e-40, 1.1754944e-38, 3.4028235e38, 1e30, np.inf, np.nan,
                     16367173 * 2.0**72], F32)  # the last: closest of all to a multiple of π/2
    moderate = rng.uniform(-20, 20, 100_000).astype(F32)
    values = np.concatenate([bits, near, -near, ends, -ends, moderate])
    return np.concatenate([values, np.zeros(-values.size % 64, F32)])


def ulps(got, want):
    """Distance in units of the last place, of the least normal number at least; 0 where both overflow or are no
    numbers, and where a result below the least normal number is 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = want.astype(F32)
        unit = np.spacing(np.maximum(np.abs(rounded), F32(2.0**-126))).astype(np.float64)
        distance = np.abs(got.astype(np.float64) - want) / unit
    same = (got == rounded) | (np.isnan(got) & np.isnan(want)) | (got == 0) & (np.abs(want) < 2.0**-126)
    return np.where(same, 0, np.where(np.isnan(distance), np.inf, distance))


def model(count):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, count])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count]) for name in FUNCTIONS]
    nodes = [helper.make_node(name, ["x"], [name]) for name in FUNCTIONS]
    graph = helper.make_graph(nodes, "transcendental", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


@pytest.mark.parametrize("target", ["native", "x86-64"])
def test_errors_are_within_their_bounds(target, tmp_path):
    exact.need_target(target)
    x = numbers()
    got = exact.run_artifact(exact.compile_model(model(x.size), tmp_path, target), {"x": x[None]}, None)
    problems = []
    for name, (function, bound) in FUNCTIONS.items():
        with np.errstate(all="ignore"):
            want = function(x.astype(np.float64))
        error = ulps(got[name][0], want)
        worst = int(error.argmax())
        if error[worst] > bound:
            problems.append(f"{name}({x[worst]!r}) is {got[name][0][worst]!r}, {error[worst]:.2f} units from {want[worst]!r}")
    assert not problems, "\n".join(problems)


