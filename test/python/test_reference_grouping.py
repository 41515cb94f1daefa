"""The section "Grouping" of docs/numerics.md, rule by rule, on the smallest graph of each."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from anybit import reference
from anybit.reference import Codes, NumericsError, Quantizer, encode

F32 = np.float32
INPUT = Quantizer("unsigned", 8, F32(.037), 11)
OUTPUT = Quantizer("unsigned", 8, F32(.21))
WIDE = Quantizer("unsigned", 8, F32(.11), 128)


class Graph:
    """A QDQ graph; every method returns the name of its result. The weights are int8 with a scale per channel."""

    def __init__(self):
        self.rng, self.nodes, self.constants, self.weights = np.random.default_rng(0), [], {}, []

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def op(self, kind, *operands, **attributes):
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(operands), [name], **attributes))
        return name

    def quantize(self, x, quantizer):
        parameters = self.constant(quantizer.scale), self.constant(np.uint8(quantizer.zero))
        return self.op("DequantizeLinear", self.op("QuantizeLinear", x, *parameters), *parameters)

    def conv(self, x, channels=4, bias=True):
        q = self.rng.integers(-127, 128, (5, channels, 3, 3)).astype(np.int8)
        scale = self.rng.uniform(.002, .004, 5).astype(F32)
        b = self.rng.normal(size=5).astype(F32)
        self.weights.append((q, scale, b if bias else np.zeros(5, F32)))
        w = self.op("DequantizeLinear", self.constant(q), self.constant(scale), axis=0)
        return self.op("Conv", x, w, *([self.constant(b)] if bias else []), pads=[1, 1, 1, 1])

    def run(self, *outputs):
        graph = helper.make_graph(
            self.nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4, 6, 6])],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
            [numpy_helper.from_array(v, n) for n, v in self.constants.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
        self.x = np.random.default_rng(9).normal(size=(2, 4, 6, 6)).astype(F32) * 3
        self.taps = {}
        return reference.run(model, self.x, taps=self.taps)

    def accumulator(self, index=0, x=None):
        """acc, A, B of a convolution by hand; A and B in double."""
        q, scale, bias = self.weights[index]
        x = encode(self.x, INPUT) if x is None else x
        acc = reference.accumulate_convolution(x.integers, q, pads=(1, 1, 1, 1))
        return acc, scale.astype(np.float64) * np.float64(x.quantizer.scale), bias.astype(np.float64)


def column(values):
    return np.asarray(values).reshape(-1, 1, 1)


def first_form(acc, a, b, quantizer, low=-np.inf, high=np.inf):
    s = np.float64(quantizer.scale)
    y = (acc.astype(F32) * column((a / s).astype(F32))).astype(F32) + column((b / s).astype(F32))
    y = np.minimum(np.maximum(y, F32(low) / quantizer.scale), F32(high) / quantizer.scale)
    return np.clip(np.rint(y) + quantizer.zero, 0, 255).astype(np.int32)


def real_form(acc, a, b):
    return (acc.astype(F32) * column(a.astype(F32))).astype(F32) + column(b.astype(F32))


def second_form(t, quantizer):
    return np.clip(np.rint(t * (F32(1) / quantizer.scale)) + quantizer.zero, 0, 255).astype(np.int32)


def test_first_form_with_a_chain():
    g = Graph()
    y = g.conv(g.quantize("x", INPUT))
    k = [g.rng.uniform(.5, 2, 5).astype(F32) for _ in range(4)]
    mean, variance = g.rng.normal(size=5).astype(F32), g.rng.uniform(.5, 2, 5).astype(F32)
    y = g.op("Mul", y, g.constant(k[0].reshape(5, 1, 1)))
    y = g.op("BatchNormalization", y, g.constant(k[1]), g.constant(k[2]), g.constant(mean), g.constant(variance))
    y = g.op("Sub", g.constant(F32(1.5)), y)
    y = g.op("Div", y, g.constant(k[3].reshape(1, 5, 1, 1)))
    y = g.op("Clip", y, g.constant(F32(-1)), g.constant(F32(3)))
    out = g.quantize(g.op("Relu", y), OUTPUT)
    g.run(out)
    acc, a, b = g.accumulator()
    k = [v.astype(np.float64) for v in k]
    gain = k[1] / np.sqrt(variance.astype(np.float64) + np.float64(F32(1e-5)))
    a, b = a * k[0] * gain, (b * k[0] - mean.astype(np.float64)) * gain + k[2]
    a, b = -a / k[3], (1.5 - b) / k[3]
    assert np.array_equal(g.taps[out].q, first_form(acc, a, b, OUTPUT, 0, 3))
    assert not any(name.startswith(("conv", "mul", "batch", "sub", "div", "clip", "relu")) for name in g.taps)


def test_a_value_that_is_also_read_as_a_real_is_real_first():
    g = Graph()
    y = g.conv(g.quantize("x", INPUT))
    out = g.quantize(y, OUTPUT)
    result = g.run(out, y)
    value = real_form(*g.accumulator())
    assert np.array_equal(result[y], value)
    assert np.array_equal(g.taps[out].q, encode(value, OUTPUT).q)


def test_residual_takes_the_second_form():
    g = Graph()
    x = g.quantize("x", INPUT)
    skip = g.quantize(g.conv(x), WIDE)
    y = g.op("Relu", g.op("Add", skip, g.conv(x)))
    out = g.quantize(y, OUTPUT)
    g.run(out)
    residual = Codes(first_form(*g.accumulator(0), WIDE), WIDE)
    total = real_form(*g.accumulator(1)) + residual.real
    assert np.array_equal(g.taps[skip].q, residual.q)
    assert np.array_equal(g.taps[out].q, second_form(np.maximum(total, F32(0)), OUTPUT))


def test_two_unequal_quantizers_take_the_second_form_two_equal_the_first():
    g = Graph()
    y = g.conv(g.quantize("x", INPUT))
    one, two = g.quantize(y, OUTPUT), g.quantize(y, WIDE)
    g.run(one, two)
    value = real_form(*g.accumulator())
    assert np.array_equal(g.taps[one].q, second_form(value, OUTPUT))
    assert np.array_equal(g.taps[two].q, second_form(value, WIDE))
    g = Graph()
    y = g.conv(g.quantize("x", INPUT))
    one, two = g.quantize(y, OUTPUT), g.quantize(y, OUTPUT)
    g.run(one, two)
    assert np.array_equal(g.taps[one].q, first_form(*g.accumulator(), OUTPUT))
    assert np.array_equal(g.taps[one].q, g.taps[two].q)


def test_two_bare_convolutions_add_as_reals():
    g = Graph()
    x = g.quantize("x", INPUT)
    y = g.op("Add", g.conv(x), g.conv(x, bias=False))
    out = g.quantize(y, OUTPUT)
    g.run(out)
    total = real_form(*g.accumulator(0)) + real_form(*g.accumulator(1))
    assert np.array_equal(g.taps[y], total)
    assert np.array_equal(g.taps[out].q, encode(total, OUTPUT).q)


def test_quantizers_move_through_pool_reshape_and_concat():
    g = Graph()
    x = g.quantize("x", INPUT)
    a, b = g.op("Relu", g.conv(x)), g.conv(x)
    y = g.op("Concat", g.op("MaxPool", a, kernel_shape=[2, 2]), g.op("MaxPool", b, kernel_shape=[2, 2]), axis=1)
    out = g.quantize(g.op("Reshape", y, g.constant(np.array([2, -1]))), OUTPUT)
    g.run(out)
    codes = [first_form(*g.accumulator(0), OUTPUT, 0), first_form(*g.accumulator(1), OUTPUT)]
    pooled = [np.max([c[:, :, i:i + 5, j:j + 5] for i in (0, 1) for j in (0, 1)], axis=0) for c in codes]
    assert np.array_equal(g.taps[out].q, np.concatenate(pooled, axis=1).reshape(2, -1))


def test_a_quantizer_stays_behind_a_pool_that_others_read():
    g = Graph()
    y = g.op("MaxPool", g.conv(g.quantize("x", INPUT)), kernel_shape=[2, 2])
    out = g.quantize(y, OUTPUT)
    result = g.run(out, y)
    assert np.array_equal(g.taps[out].q, encode(result[y], OUTPUT).q)


def test_activation_between_quantizers_is_a_table_in_double():
    g = Graph()
    x = g.quantize("x", WIDE)
    out = g.quantize(g.op("Mul", g.op("Sigmoid", x), x), OUTPUT)
    g.run(out)
    real = encode(g.x, WIDE).integers * np.float64(WIDE.scale)
    expected = np.clip(np.rint(real / (1 + np.exp(-real)) / np.float64(OUTPUT.scale)), 0, 255)
    assert np.array_equal(g.taps[out].q, expected)


def test_equal_quantizer_on_codes_disappears_unequal_is_a_table():
    g = Graph()
    x = g.quantize("x", WIDE)
    same, other = g.quantize(x, WIDE), g.quantize(x, OUTPUT)
    g.run(same, other)
    codes = encode(g.x, WIDE)
    assert np.array_equal(g.taps[same].q, codes.q)
    exact = codes.integers * np.float64(WIDE.scale) / np.float64(OUTPUT.scale)
    assert np.array_equal(g.taps[other].q, np.clip(np.rint(exact), 0, 255))


def test_a_table_sees_exact_ties():
    g = Graph()
    double = Quantizer("unsigned", 8, F32(2) * WIDE.scale, 64)
    third = Quantizer("unsigned", 8, F32(.7), 100)
    out, other = g.quantize(g.quantize("x", WIDE), double), g.quantize(g.quantize("x", Quantizer("unsigned", 8, F32(.1))), third)
    g.run(out, other)
    assert np.array_equal(g.taps[out].q, np.rint(encode(g.x, WIDE).integers / 2) + 64)
    exact = encode(g.x, Quantizer("unsigned", 8, F32(.1))).integers * np.float64(F32(.1)) / np.float64(F32(.7))
    assert np.array_equal(g.taps[other].q, np.rint(exact) + 100)


def test_unequal_concat_without_a_quantizer_is_float():
    g = Graph()
    y = g.op("Concat", g.quantize("x", WIDE), g.quantize("x", OUTPUT), axis=1)
    out = g.conv(y, channels=8)
    result = g.run(out)
    assert isinstance(g.taps[y], np.ndarray)
    assert result[out].dtype == F32


def test_average_pool_of_codes_with_a_clip():
    g = Graph()
    y = g.op("GlobalAveragePool", g.quantize("x", WIDE))
    out = g.quantize(g.op("Relu", y), OUTPUT)
    bare = g.op("AveragePool", g.quantize("x", WIDE), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    result = g.run(out, bare)
    codes = encode(g.x, WIDE).integers
    total = codes.sum(axis=(2, 3), keepdims=True)
    m = F32(np.float64(WIDE.scale) / (36 * np.float64(OUTPUT.scale)))
    assert np.array_equal(g.taps[out].q, np.clip(np.rint(np.maximum(total.astype(F32) * m, F32(0))), 0, 255))
    corner = codes[:, :, :2, :2].sum(axis=(2, 3)).astype(F32) * F32(np.float64(WIDE.scale) / 4)
    assert np.array_equal(result[bare][:, :, 0, 0], corner)


def test_codes_pass_slice_pad_transpose():
    g = Graph()
    x = g.quantize("x", WIDE)
    y = g.op("Slice", x, g.constant(np.array([0, 0])), g.constant(np.array([6, 6])), g.constant(np.array([2, 3])),
             g.constant(np.array([2, 2])))
    y = g.op("Pad", y, g.constant(np.array([0, 1, 0, 0, 0, 2, 0, 0])), g.constant(F32(0)))
    y = g.op("Transpose", y, perm=[0, 2, 3, 1])
    g.run(y)
    expected = np.pad(encode(g.x, WIDE).q[:, :, ::2, ::2], ((0, 0), (1, 2), (0, 0), (0, 0)), constant_values=128)
    assert np.array_equal(g.taps[y].q, expected.transpose(0, 2, 3, 1))


def test_an_accumulator_beyond_int32_is_refused():
    g = Graph()
    x = g.op("Reshape", g.quantize("x", INPUT), g.constant(np.array([2, -1])))
    x = g.op("Tile", x, g.constant(np.array([1, 500])))
    w = g.op("DequantizeLinear", g.constant(np.full((72000, 1), 127, np.int8)), g.constant(F32(1)))
    y = g.op("MatMul", x, w)
    with pytest.raises(NumericsError, match="int32"):
        g.run(y)
