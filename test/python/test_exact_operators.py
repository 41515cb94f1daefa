"""Operators of integers (QLinear, MatMulInteger, …) and quantizers that the formats of numerics N2 do not have.

Each is compared with what its definition says in NumPy, with the reference, and with ONNX Runtime. A QLinear operator is
DequantizeLinear, the real operator and QuantizeLinear (numerics N5); ONNX Runtime rounds a float32 multiple of the sum
instead, so that it may differ by one step where a value lies on a tie but for the last bits of a float.
"""

import pathlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import exact
import models
from anybit import reference

F32 = np.float32
KINDS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int8): TensorProto.INT8,
         np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int32): TensorProto.INT32}
MODES = ("ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "ROUND_TO_ZERO", "HALF_UP", "HALF_DOWN")


class Graph:
    """Nodes and constants around inputs of any type."""

    def __init__(self, seed=1):
        self.nodes, self.initializers, self.inputs, self.outputs, self.count = [], [], {}, [], 0
        self.rng = np.random.default_rng(seed)

    def constant(self, value):
        self.count += 1
        self.initializers.append(numpy_helper.from_array(np.asarray(value), f"c{self.count}"))
        return f"c{self.count}"

    def constants(self, *values):
        return [self.constant(value) for value in values]

    def input(self, name, value):
        self.inputs[name] = value
        return name

    def op(self, kind, operands, domain="", outputs=1, **attributes):
        self.count += 1
        names = [f"v{self.count}"] + [f"v{self.count}_{i}" for i in range(1, outputs)]
        self.nodes.append(helper.make_node(kind, operands, names, name=f"n{self.count}", domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def quantize(self, x, scale, zero, **attributes):
        """Codes of a real, and the names of scale and zero point: the three operands of QLinear operators."""
        scale, zero = self.constant(np.asarray(scale, F32)), self.constant(zero)
        return [self.op("QuantizeLinear", [x, scale, zero], **attributes), scale, zero]

    def output(self, name, kind=TensorProto.FLOAT):
        self.outputs.append(helper.make_tensor_value_info(name, kind, None))

    def output_real(self, codes, **attributes):
        self.output(self.op("DequantizeLinear", codes, **attributes))

    def model(self, opset=21):
        inputs = [helper.make_tensor_value_info(name, KINDS[value.dtype], value.shape)
                  for name, value in self.inputs.items()]
        graph = helper.make_graph(self.nodes, "operators", inputs, self.outputs, self.initializers)
        opsets = [("", opset), ("com.microsoft", 1), ("qonnx.custom_op.general", 1)]
        return helper.make_model(graph, opset_imports=[helper.make_opsetid(*each) for each in opsets], ir_version=10)

    def compiled(self, folder, opset=21):
        return exact.run_artifact(exact.compile_model(self.model(opset), folder), self.inputs, None)

    def oracle(self, opset=21):
        return models.oracle(self.model(opset), self.inputs, 0, [value.name for value in self.outputs])

    def check(self, folder, step=None, rate=0.01, opset=21):
        """Equal to the reference; to ONNX Runtime but for `rate` of the elements, which differ by one `step`."""
        got = self.compiled(folder, opset)
        assert not exact.differences(got, reference.run(self.model(opset), self.inputs))
        if step is None:
            return
        for name, want in self.oracle(opset).items():
            apart = np.abs(got[name].reshape(want.shape).astype(np.float64) - want)
            assert np.ptp(want) > 10 * step, "the oracle's output is nearly constant: the test says nothing"
            assert apart.max() <= step * 1.0001 and (apart > step / 2).mean() <= rate, (apart.max(), (apart > step / 2).mean())

    def codes(self, *shape, kind=np.int8, margin=1):
        info = np.iinfo(kind)
        return self.rng.integers(info.min + margin, info.max + 1 - margin, shape).astype(kind)

    def numbers(self, *shape, reach=3.0):
        return (self.rng.normal(size=shape) * reach / 2).astype(F32)


@pytest.mark.parametrize("kind,zero", [(np.uint8, 117), (np.int8, -9), (np.int8, 0)])
@pytest.mark.parametrize("per_channel", [False, True])
def test_qlinear_conv(kind, zero, per_channel, tmp_path):
    g = Graph(int(zero) + 100)
    x = g.quantize(g.input("x", g.numbers(2, 6, 9, 8)), 0.031, kind(zero))
    scale = g.rng.uniform(0.004, 0.02, 8 if per_channel else 1).astype(F32)
    w = g.constants(g.codes(8, 3, 3, 3), scale, np.zeros(len(scale), np.int8))
    y = g.constants(F32(0.062), kind(zero))
    bias = g.constant(g.rng.integers(-3000, 3000, 8).astype(np.int32))
    codes = g.op("QLinearConv", x + w + y + [bias], group=2, pads=[1, 0, 1, 2], strides=[2, 1])
    middle = 128 if kind is np.uint8 else 0  # ONNX Runtime takes no signed codes times unsigned weights
    second = g.constants(g.codes(5, 8, 1, 1, kind=kind, margin=20), F32(0.01), kind(middle))
    last = g.constants(F32(0.21), kind(3))
    g.output_real([g.op("QLinearConv", [codes] + y + second + last)] + last)
    g.check(tmp_path, step=0.21, rate=0.01)


def test_qlinear_matmul(tmp_path):
    g = Graph()
    x = g.quantize(g.input("x", g.numbers(2, 5, 33)), 0.03, np.uint8(120))
    w = g.constants(g.codes(33, 7), g.rng.uniform(0.004, 0.02, 7).astype(F32), np.zeros(7, np.int8))
    y = g.constants(F32(0.05), np.uint8(128))
    codes = g.op("QLinearMatMul", x + w + y)
    w = g.constants(g.codes(7, 4, kind=np.uint8, margin=20), F32(0.01), np.uint8(131))
    z = g.constants(F32(0.1), np.uint8(125))
    g.output_real([g.op("QLinearMatMul", [codes] + y + w + z)] + z)
    g.check(tmp_path, step=0.1)


@pytest.mark.parametrize("quantized", [False, True])
def test_qgemm(quantized, tmp_path):
    g = Graph()
    x = g.quantize(g.input("x", g.numbers(4, 33)), 0.03, np.uint8(120))
    w = g.constants(g.codes(7, 33), g.rng.uniform(0.004, 0.02, 7).astype(F32), np.zeros(7, np.int8))
    bias = g.constant(g.rng.integers(-3000, 3000, 7).astype(np.int32))
    y = g.constants(F32(0.05), np.uint8(128)) if quantized else []
    made = g.op("QGemm", x + w + [bias] + y, domain="com.microsoft", transB=1, alpha=0.5)
    if quantized:
        g.output_real([made] + y)
    else:
        g.output(made)
    g.check(tmp_path, step=0.05 if quantized else 1e-5)


@pytest.mark.parametrize("kind", ["QLinearAdd", "QLinearMul"])
def test_qlinear_binary(kind, tmp_path):
    g = Graph()
    a = g.quantize(g.input("a", g.numbers(2, 5, 9, 8)), 0.031, np.uint8(120))
    b = g.quantize(g.input("b", g.numbers(2, 5, 9, 8)), 0.017, np.uint8(127))
    y = g.constants(F32(0.05), np.uint8(125))
    g.output_real([g.op(kind, a + b + y, domain="com.microsoft")] + y)
    g.check(tmp_path, step=0.05)


@pytest.mark.parametrize("kind,attributes", [
    ("QLinearSigmoid", {}), ("QLinearLeakyRelu", {"alpha": 0.1}), ("QLinearGlobalAveragePool", {"channels_last": 0}),
    ("QLinearAveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]})])
def test_qlinear_unary(kind, attributes, tmp_path):
    g = Graph()
    x = g.quantize(g.input("x", g.numbers(1, 5, 9, 8)), 0.031, np.uint8(120))
    step = {"QLinearSigmoid": 1 / 256, "QLinearGlobalAveragePool": 0.004}.get(kind, 0.02)
    y = g.constants(F32(step), np.uint8(0 if kind == "QLinearSigmoid" else 125))
    g.output_real([g.op(kind, x + y, domain="com.microsoft", **attributes)] + y)
    g.check(tmp_path, step=step, rate=0.02)


def test_qlinear_softmax(tmp_path):
    g = Graph()
    x = g.quantize(g.input("x", g.numbers(3, 10)), 0.05, np.uint8(120))
    y = g.constants(F32(1 / 256), np.uint8(0))
    g.output_real([g.op("QLinearSoftmax", x + y, domain="com.microsoft", axis=-1, opset=13)] + y)
    g.check(tmp_path, step=1 / 256, rate=0.1)


def test_qlinear_concat(tmp_path):
    g = Graph()
    y = g.constants(F32(0.05), np.uint8(125))
    parts = [each for i, scale in enumerate((0.031, 0.05, 0.02))
             for each in g.quantize(g.input(f"x{i}", g.numbers(1, 2 + i, 6, 5)), scale, np.uint8(120))]
    g.output_real([g.op("QLinearConcat", y + parts, domain="com.microsoft", axis=1)] + y)
    g.check(tmp_path, step=0.05)


def run_integer(g, names, folder):
    got, want = g.compiled(folder), g.oracle()
    for name in names:
        assert got[name].dtype == want[name].dtype
        assert np.array_equal(got[name], want[name]), (name, np.abs(got[name].astype(np.int64) - want[name]).max())


# 9 and 33 terms stay below 2^24 in one piece; 1000 and 4112 do not, in the worst case, which is among the codes.
@pytest.mark.parametrize("terms", [33, 1000, 4112])
@pytest.mark.parametrize("computed", [False, True])
def test_matmul_integer(terms, computed, tmp_path):
    g = Graph(terms)
    a = g.codes(6, terms, kind=np.uint8, margin=0)
    a[0], a[1] = 255, 0
    b = g.codes(terms, 5, margin=0)
    b[:, 0], b[:, 1] = -128, 127
    right = g.input("b", b) if computed else g.constant(b)
    zeros = [g.constant(np.uint8(3)), g.constant(np.int8(-5) if computed else g.codes(5))]
    made = g.op("MatMulInteger", [g.input("a", a), right] + zeros)
    g.output(made, TensorProto.INT32)
    zero = numpy_helper.to_array(g.initializers[-1]).astype(np.int64)
    want = (a.astype(np.int64) - 3) @ (b.astype(np.int64) - zero)
    assert terms < 1000 or np.abs(want).max() > 2 ** 24, "no sum needs more than a float32 holds"
    assert np.array_equal(g.compiled(tmp_path)[made], want)
    run_integer(g, [made], tmp_path)


def test_matmul_integer_refuses_longer_sums(tmp_path):
    import subprocess
    g = Graph()
    g.output(g.op("MatMulInteger", [g.input("a", g.codes(1, 4113)), g.constant(g.codes(4113, 2))]), TensorProto.INT32)
    onnx.save(g.model(), tmp_path / "m.onnx")
    done = subprocess.run([exact.program("bin", "anybit"), "compile", tmp_path / "m.onnx", "-o", tmp_path / "m.so"],
                          capture_output=True, text=True)
    assert done.returncode == 3 and "4113 terms" in done.stderr


@pytest.mark.parametrize("channels", [3, 130])
def test_conv_integer(channels, tmp_path):
    g = Graph()
    x, w = g.codes(1, channels, 8, 7, kind=np.uint8, margin=0), g.codes(5, channels, 3, 3, margin=0)
    made = g.op("ConvInteger", [g.input("x", x), g.constant(w), g.constant(np.uint8(119)), g.constant(np.int8(0))],
                pads=[1, 1, 1, 1], strides=[2, 1])
    g.output(made, TensorProto.INT32)
    run_integer(g, [made], tmp_path)


def test_dynamic_quantization(tmp_path):
    """The pattern that ONNX Runtime's dynamic quantizer writes for a MatMul."""
    g = Graph()
    x = g.input("x", g.numbers(3, 700))
    codes, scale, zero = g.op("DynamicQuantizeLinear", [x], outputs=3)
    weight, weight_scale = g.constant(g.codes(700, 9)), g.constant(F32(0.013))
    total = g.op("MatMulInteger", [codes, weight, zero, g.constant(np.int8(0))])
    real = g.op("Mul", [g.op("Cast", [total], to=TensorProto.FLOAT), g.op("Mul", [scale, weight_scale])])
    for name, kind in ((codes, TensorProto.UINT8), (scale, TensorProto.FLOAT), (zero, TensorProto.UINT8),
                       (total, TensorProto.INT32), (real, TensorProto.FLOAT)):
        g.output(name, kind)
    run_integer(g, [codes, scale, zero, total, real], tmp_path)


@pytest.mark.parametrize("values", [np.zeros((2, 3)), np.full((2, 3), 4.5), np.full((2, 3), -4.5)])
def test_dynamic_quantize_linear_of_one_value(values, tmp_path):
    g = Graph()
    names = g.op("DynamicQuantizeLinear", [g.input("x", values.astype(F32))], outputs=3)
    for name, kind in zip(names, (TensorProto.UINT8, TensorProto.FLOAT, TensorProto.UINT8)):
        g.output(name, kind)
    run_integer(g, names, tmp_path)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_quantizers_per_axis_of_an_activation(kind, tmp_path):
    g = Graph()
    x = g.input("x", g.numbers(2, 6, 5, 4))
    scale, zero = g.rng.uniform(0.01, 0.05, 6).astype(F32), g.codes(6, kind=kind, margin=60)
    real = g.op("DequantizeLinear", g.quantize(x, scale, zero, axis=1), axis=1)
    g.output(real)
    weight = g.constants(g.codes(4, 6, 3, 3), F32(0.01), np.int8(0))
    g.output(g.op("Conv", [real, g.op("DequantizeLinear", weight)]))
    got, want = g.compiled(tmp_path), reference.run(g.model(), g.inputs)
    assert np.array_equal(got[real], want[real]) and np.array_equal(got[real], g.oracle()[real])
    for name in want:
        assert np.abs(got[name] - want[name]).max() <= 1e-4 * np.abs(want[name]).max()


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("block,columns", [(4, 12), (5, 12)])
def test_blocked_quantizers_of_an_activation(kind, block, columns, tmp_path):
    g = Graph()
    x = g.input("x", g.numbers(3, columns))
    blocks = -(-columns // block)
    scale, zero = g.rng.uniform(0.01, 0.05, (3, blocks)).astype(F32), g.codes(3, blocks, kind=kind, margin=60)
    codes = g.quantize(x, scale, zero, axis=1, block_size=block)
    g.output(codes[0], KINDS[np.dtype(kind)])
    g.output_real(codes, axis=1, block_size=block)
    spread = [np.repeat(each, block, axis=1)[:, :columns] for each in (scale, zero.astype(F32))]
    info = np.iinfo(kind)
    want = np.clip(np.rint(g.inputs["x"] / spread[0]) + spread[1], info.min, info.max)
    got = g.compiled(tmp_path)
    assert np.array_equal(got[codes[0]], want)
    assert np.array_equal(got[g.outputs[1].name], (want - spread[1]) * spread[0])


def qonnx_rounding(mode):
    """The table of QONNX: HALF_UP and HALF_DOWN are away from zero and towards it at ties."""
    return {"ROUND": np.round, "HALF_EVEN": np.round, "CEIL": np.ceil, "FLOOR": np.floor,
            "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)), "DOWN": np.fix, "ROUND_TO_ZERO": np.fix,
            "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + F32(0.5)),
            "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - F32(0.5))}[mode]


def qonnx_quant(x, scale, zero, bits, signed, narrow, mode):
    """QONNX's own definition: scale, zero point, clamp, round, and back; float32 throughout."""
    low = -(2 ** (bits - 1)) + narrow if signed else 0
    high = 2 ** (bits - 1) - 1 if signed else 2 ** bits - 1 - narrow
    y = np.clip(x / F32(scale) + F32(zero), F32(low), F32(high))
    return (qonnx_rounding(mode)(y) - F32(zero)) * F32(scale)


def quarters(*shape):
    """Every tie and every quarter of a step, both signs, and the float below one half."""
    x = (np.arange(np.prod(shape)) % 97 - 48).astype(F32) / 4
    x[0], x[1] = np.nextafter(F32(0.5), F32(0)), -np.nextafter(F32(0.5), F32(0))
    return x.reshape(shape)


@pytest.mark.parametrize("mode", MODES)
def test_qonnx_rounding_modes(mode, tmp_path):
    g = Graph()
    x = g.input("x", quarters(2, 3, 6, 6))
    want = {}
    for bits, signed, narrow, zero, scale in ((4, 1, 0, 0, 1), (3, 0, 0, 0, 0.5), (8, 1, 1, 0, 0.1), (5, 0, 0, 3, 0.7),
                                              (4, 1, 0, 2, 0.25), (6, 0, 1, 0, 0.3), (12, 1, 0, 0, 0.013)):
        operands = [x] + g.constants(F32(scale), F32(zero), F32(bits))
        name = g.op("Quant", operands, "qonnx.custom_op.general", signed=signed, narrow=narrow, rounding_mode=mode)
        g.output(name)
        if zero == 0 or mode not in ("ROUND", "HALF_EVEN"):  # numerics N2 adds the zero point behind the rounding
            want[name] = qonnx_quant(g.inputs["x"], scale, zero, bits, signed, narrow, mode)
    got = g.compiled(tmp_path)
    for name, values in want.items():
        assert np.array_equal(got[name], values), name
    assert not exact.differences(got, reference.run(g.model(), g.inputs))


@pytest.mark.parametrize("mode", MODES)
def test_qonnx_rounding_modes_of_weights(mode, tmp_path):
    """Folded; the layer stays an integer convolution, equal to the reference."""
    g = Graph()
    domain = "qonnx.custom_op.general"
    x = g.op("Quant", [g.input("x", g.numbers(1, 3, 7, 7))] + g.constants(F32(0.125), F32(0), F32(8)), domain)
    scale = g.rng.uniform(0.05, 0.2, (6, 1, 1, 1)).astype(F32)
    values = g.numbers(6, 3, 3, 3, reach=2)
    values.reshape(-1)[:20] = (np.arange(20, dtype=F32) - 10) / 2 * scale[0, 0, 0, 0]
    weight = g.op("Quant", [g.constant(values), g.constant(scale)] + g.constants(F32(0), F32(4)), domain,
                  signed=1, narrow=1, rounding_mode=mode)
    g.output(weight)
    y = g.op("Relu", [g.op("Conv", [x, weight], pads=[1] * 4)])
    g.output(g.op("Quant", [y] + g.constants(F32(0.5), F32(0), F32(4)), domain, signed=0, rounding_mode=mode))
    got = g.compiled(tmp_path)
    assert np.array_equal(got[weight], qonnx_quant(values, scale, 0, 4, 1, 1, mode))
    assert not exact.differences(got, reference.run(g.model(), g.inputs))


@pytest.mark.parametrize("how", ["QOperator", "QDQ", "dynamic"])
def test_files_of_onnx_runtimes_quantizer(how, tmp_path):
    """ResNet-8 as ONNX Runtime's own quantizer writes it; a batch of 1, for dynamic scales are those of a batch."""
    from onnxruntime import quantization
    source = pathlib.Path(__file__).resolve().parents[2] / "examples" / "resnet8" / "resnet8.onnx"
    name = onnx.load(source).graph.input[0].name
    rng = np.random.default_rng(3)
    pictures = rng.integers(0, 256, (17, 1, 3, 4, 4)).astype(F32).repeat(8, axis=3).repeat(8, axis=4)

    class Reader(quantization.CalibrationDataReader):
        rest = iter(pictures[1:])

        def get_next(self):
            picture = next(self.rest, None)
            return None if picture is None else {name: picture}

    made = str(tmp_path / "quantized.onnx")
    if how == "dynamic":
        quantization.quantize_dynamic(source, made)
    else:
        quantization.quantize_static(source, made, Reader(), quant_format=quantization.QuantFormat[how], per_channel=True)
    model, inputs = onnx.load(made), {name: pictures[0]}
    got = exact.run_artifact(exact.compile_model(model, tmp_path), inputs, None)
    (want,) = models.oracle(model, inputs, 0, [value.name for value in model.graph.output]).values()
    (result,) = got.values()
    assert np.abs(result - want).max() <= (1e-4 if how == "dynamic" else 2 / 256)
    if how == "QDQ":
        assert not exact.differences(got, reference.run(model, inputs))
