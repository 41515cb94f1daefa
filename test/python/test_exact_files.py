"""Quantized files of others (QDQ, Brevitas QCDQ, QONNX) compiled: equal to the reference, element by element."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import exact
from inner_values import entry, with_codes

F32 = np.float32


class File:
    """A graph of standard and QONNX nodes around one input."""

    def __init__(self) -> None:
        self.nodes, self.initializers, self.outputs, self.count = [], [], [], 0
        self.rng = np.random.default_rng(4)

    def constant(self, value):
        self.count += 1
        self.initializers.append(numpy_helper.from_array(np.asarray(value), f"c{self.count}"))
        return f"c{self.count}"

    def op(self, kind, operands, domain="", output=False, **attributes):
        self.count += 1
        name = f"v{self.count}"
        self.nodes.append(helper.make_node(kind, operands, [name], name=f"n{self.count}", domain=domain, **attributes))
        if output:
            self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        return name

    def qdq(self, x, scale, zero, clip=None, output=True):
        scale, zero = self.constant(F32(scale)), self.constant(zero)
        q = self.op("QuantizeLinear", [x, scale, zero])
        if clip:
            q = self.op("Clip", [q] + [self.constant(zero_like) for zero_like in clip])
        return self.op("DequantizeLinear", [q, scale, zero], output=output)

    def qdq_weight(self, shape, kind, zero, axis=0):
        info = np.iinfo(kind)
        # Zero points of their own take room: all integers q - z must span at most 256.
        margin = 0 if np.isscalar(zero) else 25
        codes = self.rng.integers(info.min + margin, info.max + 1 - margin, shape).astype(kind)
        scale = self.rng.uniform(0.004, 0.02, shape[axis]).astype(F32)
        zeros = np.full(shape[axis], zero, kind) if np.isscalar(zero) else np.asarray(zero, kind)
        return self.op("DequantizeLinear", [self.constant(codes), self.constant(scale), self.constant(zeros)], axis=axis)

    def quant(self, x, scale, zero, bits, output=True, kind="Quant", **attributes):
        operands = [x, self.constant(np.asarray(scale, F32))]
        if kind != "BipolarQuant":
            operands += [self.constant(F32(zero)), self.constant(F32(bits))]
        return self.op(kind, operands, "qonnx.custom_op.general", output=output, **attributes)

    def check(self, shape, folder, flags=()):
        x = np.random.default_rng(5).normal(size=shape).astype(F32) * F32(3)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("qonnx.custom_op.general", 1)]
        graph = helper.make_graph(self.nodes, "file", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                                  self.outputs, self.initializers)
        exact.assert_exact(helper.make_model(graph, opset_imports=opsets, ir_version=9), {"x": x}, folder, flags=flags)


@pytest.mark.parametrize("kind,zero", [(np.int8, 0), (np.int8, 5), (np.uint8, 128), (np.uint8, [100, 130, 128, 140, 128, 99, 128])])
def test_qdq(kind, zero, tmp_path):
    f = File()
    x = f.qdq("x", 0.05, np.uint8(120))
    bias = f.constant(f.rng.normal(size=7).astype(F32))
    y = f.op("Relu", [f.op("Conv", [x, f.qdq_weight((7, 3, 3, 3), kind, zero), bias], pads=[1] * 4)])
    y = f.qdq(y, 0.04, np.int8(-128))
    z = f.qdq(f.op("Conv", [y, f.qdq_weight((7, 7, 1, 1), kind, zero)]), 0.1, np.int8(3))
    z = f.qdq(f.op("Add", [y, z]), 0.12, np.int8(0))
    z = f.qdq(f.op("GlobalAveragePool", [z]), 0.02, np.uint8(7))
    w = f.qdq_weight((7, 7), kind, zero)
    f.op("Gemm", [f.op("Flatten", [z]), w, f.constant(f.rng.normal(size=7).astype(F32))], transB=1, output=True)
    f.check([1, 3, 9, 8], tmp_path)


def test_qcdq_widths(tmp_path):
    f = File()
    x = f.qdq("x", 0.3, np.int8(0), (np.int8(-8), np.int8(7)))
    y = f.op("Conv", [x, f.qdq_weight((5, 3, 3, 3), np.int8, 0)])
    y = f.qdq(y, 0.9, np.uint8(0), (np.uint8(0), np.uint8(7)))
    z = f.op("Conv", [y, f.qdq_weight((5, 5, 1, 1), np.int8, 0)])
    f.qdq(z, 0.5, np.int8(0), (np.int8(-7), np.int8(7)))
    f.check([1, 3, 6, 6], tmp_path)


def test_qonnx(tmp_path):
    f = File()
    x = f.quant("x", 0.125, 0, 8, signed=1, narrow=1)
    y = "x"
    for bits in range(1, 9):
        scale = f.rng.uniform(0.02, 0.2, (6, 1, 1, 1))
        weight = f.quant(f.constant(f.rng.normal(size=(6, 3, 3, 3)).astype(F32) * F32(2 ** bits / 20)), scale, 0, bits,
                         output=False, signed=1, narrow=int(bits > 1))
        y = f.op("Conv", [x, weight], pads=[1] * 4)
        f.quant(f.op("Relu", [y]), 0.5, 0, bits, signed=0)
    y = f.quant(y, 1.0, 0, 1, kind="BipolarQuant")
    weight = f.quant(f.constant(f.rng.normal(size=(4, 6, 3, 3)).astype(F32)), 1.0, 0, 1, output=False, kind="BipolarQuant")
    f.quant(f.op("Conv", [y, weight]), 1.0, 0, 4, signed=1, narrow=1)
    f.check([1, 3, 7, 7], tmp_path)


@pytest.mark.parametrize("store", ["packed", "master"])
def test_weight_formats_in_both_stores(store, tmp_path):
    """Narrow, unsigned and signed weights with zero points inside and outside of their codes, at every width."""
    f = File()
    x = f.quant("x", 0.25, 3, 5, signed=0)
    for bits in range(1, 9):
        middle = 2 ** (bits - 1)
        kinds = [(1, bits > 1, 0), (0, 0, 0), (0, 0, middle), (0, 0, -3)] + [(1, 0, 2)] * (bits > 1)
        for signed, narrow, zero in kinds:
            values = f.rng.uniform(-1, 1, (6, 3, 3, 3)) * middle / 8 - (zero - middle * (1 - signed)) / 8
            scale = f.rng.uniform(0.09, 0.13, (6, 1, 1, 1))
            weight = f.quant(f.constant(values.astype(np.float16).astype(F32)), scale, zero, bits, output=False,
                             signed=signed, narrow=int(narrow))
            f.quant(f.op("Conv", [x, weight], pads=[1] * 4), 0.5, 8, 8, signed=0)
    f.check([1, 3, 7, 7], tmp_path, ("--store", store))
    ir = exact.compile_model(onnx.load(tmp_path / "model.onnx"), tmp_path, flags=("--store", store, "--stop-after", "kernels"))
    assert ir.read_text().count("plan.rebuild") == (39 if store == "master" else 0)


@pytest.mark.parametrize("name,shape", [
    ("TFC_1W1A", (3, 1, 28, 28)), ("TFC_1W2A", (3, 1, 28, 28)), ("TFC_2W2A", (3, 1, 28, 28)),
    ("kwsmlp_w3a3", (1, 1, 10, 49)), ("qkeras_jettagging", (1, 16)), ("unsw_nb15-mlp-w2a2", (1, 600))])
def test_qonnx_models(data, name, shape, tmp_path):
    """Every code and every sum; a Softmax at the end is real (numerics N6) and may differ in its last bit.

    The first layer of some of these files multiplies reals: with inputs that are multiples of 1/16 its sums are exact
    in any order.
    """
    model = onnx.load(data / "models" / "qonnx" / f"{name}.onnx")
    x = (np.random.default_rng(1).integers(0, 17, shape) / 16).astype(F32)
    model = with_codes(model, x)
    inputs = {entry(model): x}
    softmax = {node.output[0] for node in model.graph.node if node.op_type == "Softmax"}
    want = exact.reference.run(model, inputs)
    got = exact.run_artifact(exact.compile_model(model, tmp_path), inputs, None)
    assert len(want) >= 4
    for key in softmax & want.keys():
        assert np.abs(got[exact.file_name(key)].reshape(want[key].shape) - want.pop(key)).max() <= 1e-7
    assert not exact.differences(got, want)
