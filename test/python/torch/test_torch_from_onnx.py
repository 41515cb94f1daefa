"""`from_onnx` against ONNX Runtime: whole models of the test data, and every operator in small graphs."""

from __future__ import annotations

import copy

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
onnxruntime = pytest.importorskip("onnxruntime")

import onnx
import torch
from torch import nn

from anybit import InvalidInput, Unsupported
from anybit.torch.onnx_import import from_onnx

BOUND = 1e-5

# Models with the shape and the range of what they are fed.
MODELS = {
    "mlperftiny_ad01_autoencoder": ((2, 640), 10), "mlperftiny_kws_dscnn": ((2, 1, 49, 10), 50),
    "mlperftiny_resnet8_cifar10": ((2, 3, 32, 32), 255), "mlperftiny_vww_mobilenetv1_025": ((1, 3, 96, 96), 1),
    "mnist8": ((1, 1, 28, 28), 255), "mnist_mlp_bn": ((1, 784), 1),
    "mobilenetv1_025_imagenet": ((1, 3, 224, 224), 1), "mobilenetv2_imagenet": ((1, 3, 224, 224), 1),
    "ppocr_cls_mobilenetv3": ((2, 3, 48, 192), 1), "resnet20_cifar10": ((2, 3, 32, 32), 1),
    "resnet56_cifar10": ((2, 3, 32, 32), 1), "squeezenet1_1_imagenet": ((1, 3, 224, 224), 1),
    "fastestdet_coco": ((1, 3, 352, 352), 1), "yolox_nano_coco": ((1, 3, 416, 416), 255),
}


def oracle(model, inputs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    source = model if isinstance(model, str) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options).run(None, inputs)


def imported_outputs(module, inputs):
    with torch.no_grad():
        outputs = module(*(torch.from_numpy(array) for array in inputs.values()))
    return [o.numpy() for o in ((outputs,) if isinstance(outputs, torch.Tensor) else outputs)]


def largest_difference(outputs, expected):
    assert [o.shape for o in outputs] == [e.shape for e in expected]
    return max(float(np.abs(o - e).max() / max(np.abs(e).max(), 1e-12)) for o, e in zip(outputs, expected))


@pytest.mark.parametrize("name", MODELS)
def test_models(data, name):
    torch.set_num_threads(1)
    path, (shape, high) = str(data / "models" / f"{name}.onnx"), MODELS[name]
    x = np.random.default_rng(0).random(shape, np.float32) * np.float32(high)
    inputs = {onnx.load(path).graph.input[0].name: x}
    module = from_onnx(path)
    assert largest_difference(imported_outputs(module, inputs), oracle(path, inputs)) <= BOUND


def test_names_and_parameters_are_those_of_the_file(data):
    module = from_onnx(data / "models" / "resnet20_cifar10.onnx")
    state = module.state_dict()
    for tensor in onnx.load(data / "models" / "resnet20_cifar10.onnx").graph.initializer:
        if tensor.name.endswith((".weight", ".running_mean")):
            np.testing.assert_array_equal(state[tensor.name].numpy(), onnx.numpy_helper.to_array(tensor))
    kinds = [type(m) for m in module.modules()]
    assert (kinds.count(nn.Conv2d), kinds.count(nn.BatchNorm2d), kinds.count(nn.Linear)) == (19, 19, 1)
    names = {node.meta.get("onnx_name") for node in module.graph.nodes}
    assert {"Conv_1", "BatchNormalization_2", "Relu_3"} <= names


def test_an_imported_model_can_be_trained_and_copied(data):
    module = copy.deepcopy(from_onnx(data / "models" / "mlperftiny_resnet8_cifar10.onnx")).train()
    module(torch.rand(2, 3, 32, 32)).log().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in module.parameters())


# Small graphs: opset, text of the graph, shapes of the inputs.

def graph(nodes, opset=17, **shapes):
    """shapes: input x first, the others are constants with random values."""
    rng = np.random.default_rng(1)
    inputs = ", ".join(f"float[{','.join(map(str, shape))}] {name}" for name, shape in shapes.items())
    text = f'<ir_version: 8, opset_import: ["" : {opset}]> small ({inputs}) => (float[] y) {{ {nodes} }}'
    model = onnx.parser.parse_model(text)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    for name, shape in list(shapes.items())[1:]:
        array = rng.random(shape, np.float32) + np.float32(0.25)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        model.graph.input.remove(next(i for i in model.graph.input if i.name == name))
    return model


X = (2, 4, 9, 7)
CONV = {"w": (8, 4, 3, 3), "b": (8,)}
CASES = {
    "conv": ("y = Conv<strides=[2,1], pads=[1,0,1,0]>(x, w, b)", 17, {"x": X, **CONV}),
    "conv asymmetric": ("y = Conv<strides=[2,2], pads=[0,1,1,2]>(x, w, b)", 17, {"x": X, **CONV}),
    "conv same upper": ('y = Conv<strides=[2,2], auto_pad="SAME_UPPER">(x, w)', 17, {"x": X, "w": (8, 4, 4, 3)}),
    "conv same lower": ('y = Conv<strides=[2,2], auto_pad="SAME_LOWER">(x, w)', 17, {"x": X, "w": (8, 4, 4, 3)}),
    "conv depthwise": ("y = Conv<group=4, dilations=[2,1]>(x, w)", 17, {"x": X, "w": (8, 1, 3, 3)}),
    "conv 1-D": ("y = Conv<strides=[2], pads=[2,2]>(x, w, b)", 17, {"x": (2, 4, 11), "w": (6, 4, 5), "b": (6,)}),
    "transposed": ("y = ConvTranspose<strides=[2,2], pads=[1,1,1,1], output_padding=[1,0], group=2>(x, w, b)", 17,
                   {"x": X, "w": (4, 3, 3, 3), "b": (6,)}),
    "gemm": ("y = Gemm<alpha=0.5, beta=2.0>(x, w, b)", 17, {"x": (3, 5), "w": (5, 6), "b": (1, 6)}),
    "gemm scalar bias": ("y = Gemm<transB=1>(x, w, b)", 17, {"x": (3, 5), "w": (6, 5), "b": (1,)}),
    "matmul": ("y = MatMul(x, w)", 17, {"x": (2, 3, 5), "w": (5, 6)}),
    "matmul of values": ("t = Transpose<perm=[0,2,1]>(x) y = MatMul(x, t)", 17, {"x": (2, 3, 5)}),
    "batch norm": ("y = BatchNormalization<epsilon=0.01>(x, s, h, m, v)", 17,
                   {"x": X, "s": (4,), "h": (4,), "m": (4,), "v": (4,)}),
    "batch norm 2-D": ("y = BatchNormalization(x, s, h, m, v)", 9,
                       {"x": (3, 4), "s": (4,), "h": (4,), "m": (4,), "v": (4,)}),
    "max pool": ("y = MaxPool<kernel_shape=[3,2], strides=[2,2], pads=[1,0,1,0], ceil_mode=1>(x)", 17, {"x": X}),
    "max pool asymmetric": ("y = MaxPool<kernel_shape=[2,2], strides=[2,2], pads=[0,0,1,1]>(x)", 17, {"x": X}),
    "max pool large pads": ("y = MaxPool<kernel_shape=[3,3], dilations=[2,2], pads=[1,1,1,1]>(x)", 17, {"x": X}),
    "average pool": ("y = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x)", 17, {"x": X}),
    "average pool counted": ("y = AveragePool<kernel_shape=[2,2], strides=[2,2], pads=[0,0,1,1], "
                             "count_include_pad=1>(x)", 17, {"x": X}),
    "global pools": ("a = GlobalAveragePool(x) b = GlobalMaxPool(x) y = Concat<axis=1>(a, b)", 17, {"x": X}),
    "softmax": ("y = Softmax<axis=1>(x)", 17, {"x": X}),
    "softmax before 13": ("y = Softmax<axis=1>(x)", 11, {"x": X}),
    "log softmax": ("y = LogSoftmax<axis=-1>(x)", 17, {"x": X}),
    "clip": ("lo = Constant<value_float=0.2>() hi = Constant<value_float=0.7>() y = Clip(x, lo, hi)", 17, {"x": X}),
    "clip to six": ("y = Clip<min=0.0, max=6.0>(x)", 10, {"x": X}),
    "activations": ("a = LeakyRelu<alpha=0.1>(x) b = Elu(a) c = Sigmoid(b) d = HardSigmoid(c) e = Tanh(d) "
                    "f = Softplus(e) g = Softsign(f) h = HardSwish(g) i = Selu(h) y = PRelu(i, s)", 17,
                    {"x": X, "s": (4, 1, 1)}),
    "functions": ("a = Abs(x) b = Sqrt(a) c = Exp(b) d = Log(c) e = Reciprocal(d) f = Neg(e) g = Erf(f) h = Floor(g) "
                  "i = Ceil(a) j = Round(a) k = Sin(a) l = Cos(a) y = Sum(g, h, i, j, k, l)", 17, {"x": X}),
    "arithmetic": ("a = Add(x, c) b = Mul(c, a) d = Sub(s, b) e = Div(d, s) p = Abs(a) f = Pow(p, s) g = Max(e, f) "
                   "y = Min(g, c)", 17, {"x": X, "c": (4, 1, 1), "s": (1,)}),
    "scalar keeps rank": ("y = Mul(x, c)", 17, {"x": (3,), "c": (1, 1)}),
    "reductions": ("a = ReduceMean<axes=[2,3]>(x) b = ReduceMax<axes=[2,3]>(x) y = Add(a, b)", 17, {"x": X}),
    "reduce all": ("y = ReduceMean<keepdims=0>(x)", 17, {"x": X}),
    "movement": ("sh = Constant<value_ints=[0,2,-1]>() a = Reshape(x, sh) b = Transpose<perm=[2,0,1]>(a) "
                 "ax = Constant<value_ints=[0,-1]>() c = Unsqueeze(b, ax) y = Squeeze(c, ax)", 17, {"x": X}),
    "flatten": ("y = Flatten<axis=2>(x)", 17, {"x": X}),
    "flatten negative": ("y = Flatten<axis=-3>(x)", 17, {"x": X}),
    "slice": ("s = Constant<value_ints=[1,-6]>() e = Constant<value_ints=[9223372036854775807,-1]>() "
              "a = Constant<value_ints=[1,-1]>() t = Constant<value_ints=[2,3]>() y = Slice(x, s, e, a, t)", 17,
              {"x": X}),
    "gather": ("i = Constant<value_ints=[2,0]>() j = Constant<value_int=1>() a = Gather<axis=1>(x, i) "
               "y = Gather<axis=2>(a, j)", 17, {"x": X}),
    "split": ("a, b = Split<axis=1>(x) y = Sub(a, b)", 17, {"x": X}),
    "split sizes": ("s = Constant<value_ints=[1,3]>() a, b = Split<axis=1>(x, s) y = Sub(b, a)", 17, {"x": X}),
    "pad": ("p = Constant<value_ints=[0,1,2,0, 0,3,1,2]>() y = Pad(x, p)", 17, {"x": X}),
    "pad negative": ("p = Constant<value_ints=[0,0,-1,0, 0,0,0,-2]>() y = Pad(x, p)", 17, {"x": X}),
    "pad reflect": ('p = Constant<value_ints=[0,0,1,2, 0,0,2,1]>() y = Pad<mode="reflect">(x, p)', 17, {"x": X}),
    "pad edge before 11": ('y = Pad<mode="edge", pads=[0,0,1,2,0,0,2,1]>(x)', 10, {"x": X}),
    "depth to space": ('y = DepthToSpace<blocksize=2, mode="CRD">(x)', 17, {"x": X}),
    "depth to space, depth first": ("y = DepthToSpace<blocksize=2>(x)", 17, {"x": (1, 8, 2, 3)}),
    "space to depth": ("y = SpaceToDepth<blocksize=2>(x)", 17, {"x": (1, 3, 4, 6)}),
    "tile and expand": ("r = Constant<value_ints=[1,2,1,1]>() t = Tile(x, r) s = Constant<value_ints=[2,1,1,1]>() "
                        "y = Expand(t, s)", 17, {"x": (1, 4, 3, 2)}),
    "shape at run time": ("s = Shape(x) z = Constant<value_ints=[0]>() o = Constant<value_ints=[1]>() "
                          "b = Slice(s, z, o) m = Constant<value_ints=[-1]>() t = Concat<axis=0>(b, m) "
                          "y = Reshape(x, t)", 17, {"x": X}),
    "folded weight": ("s = Constant<value_ints=[8,4,3,3]>() k = Reshape(w, s) y = Conv(x, k)", 17,
                      {"x": X, "w": (8, 36)}),
    "where": ("c = Greater(x, h) y = Where(c, x, h)", 17, {"x": X, "h": (1,)}),
    "casts and identity": ("a = Cast<to=11>(x) b = Cast<to=1>(a) c = Identity(b) y = Dropout(c)", 17, {"x": X}),
    "upsample floor": ('e = Constant<value_floats=[1.0,1.0,2.0,3.0]>() y = Resize<mode="nearest", '
                       'coordinate_transformation_mode="asymmetric", nearest_mode="floor">(x, , e)', 17, {"x": X}),
    "upsample half pixel": ('e = Constant<value_floats=[1.0,1.0,2.0,3.0]>() y = Resize<mode="nearest">(x, , e)', 17,
                            {"x": X}),
    "resize linear": ('n = Constant<value_ints=[2,4,5,11]>() y = Resize<mode="linear">(x, , , n)', 17, {"x": X}),
    "resize corners": ('n = Constant<value_ints=[2,4,5,11]>() y = Resize<mode="linear", '
                       'coordinate_transformation_mode="align_corners">(x, , , n)', 17, {"x": X}),
}


@pytest.mark.parametrize("name", CASES)
def test_operators(tmp_path, name):
    nodes, opset, shapes = CASES[name]
    model = graph(nodes, opset, **shapes)
    inputs = {"x": np.random.default_rng(2).standard_normal(shapes["x"], np.float32)}
    onnx.save(model, tmp_path / "small.onnx")
    outputs = imported_outputs(from_onnx(tmp_path / "small.onnx"), inputs)
    assert largest_difference(outputs, oracle(model, inputs)) <= BOUND


def test_computed_shapes_can_be_traced_at_another_batch_size(tmp_path):
    nodes, opset, shapes = CASES["shape at run time"]
    model = graph(nodes, opset, **shapes)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(model, tmp_path / "small.onnx")
    traced = torch.fx.symbolic_trace(from_onnx(tmp_path / "small.onnx"))
    x = torch.rand(5, *X[1:])
    assert torch.equal(traced(x), x.reshape(5, -1))


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("free", [False, True])
def test_same_pads_of_known_and_of_free_sizes(tmp_path, mode, free):
    model = graph(f'y = Conv<strides=[2,3], auto_pad="{mode}">(x, w)', x=X, w=(8, 4, 4, 3))
    if free:
        for dimension in model.graph.input[0].type.tensor_type.shape.dim[2:]:
            dimension.Clear()
    onnx.save(model, tmp_path / "small.onnx")
    module = from_onnx(tmp_path / "small.onnx")
    assert any(type(m).__name__ == "PadSame" for m in module.modules()) == free
    inputs = {"x": np.random.default_rng(2).standard_normal(X, np.float32)}
    assert largest_difference(imported_outputs(module, inputs), oracle(model, inputs)) <= BOUND


def test_all_unsupported_nodes_are_listed(tmp_path):
    model = graph("a = Relu(x) b = Asin(a) c = Conv(b, a) d = DequantizeLinear(i, s) y = Add(c, d)", x=(1, 1, 3, 3),
                  i=(1,), s=(1,))
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.zeros(1, np.int8), "i"))
    onnx.save(model, tmp_path / "small.onnx")
    with pytest.raises(Unsupported) as error:
        from_onnx(tmp_path / "small.onnx")
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert all(word in line for word, line in zip(("(Asin)", "weight is not a constant", "(DequantizeLinear)"), lines))


@pytest.mark.parametrize("nodes, shapes, words", [
    ("y = Conv<kernel_shape=[3,2]>(x, w)", {"x": X, "w": (8, 4, 3, 3)}, "kernel_shape"),
    ("y = Conv<group=3>(x, w)", {"x": X, "w": (8, 4, 3, 3)}, "Conv"),
    ("y = Conv(x, w, b)", {"x": X, "w": (8, 4, 3, 3), "b": (3,)}, "bias has 3 elements, expected 8"),
    ("y = MaxPool<kernel_shape=[2,2], strides=[0,1]>(x)", {"x": X}, "below 1"),
    ("n = Constant<value_ints=[100000,100000]>() z = ConstantOfShape(n) y = Add(x, z)", {"x": X},
     "10000000000 elements"),
])
def test_contradictions_are_named(tmp_path, nodes, shapes, words):
    onnx.save(graph(nodes, **shapes), tmp_path / "small.onnx")
    with pytest.raises(InvalidInput, match=words):
        from_onnx(tmp_path / "small.onnx")


def test_files_that_are_no_models(tmp_path):
    with pytest.raises(InvalidInput, match="cannot read"):
        from_onnx(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(InvalidInput, match="not a valid ONNX model"):
        from_onnx(tmp_path / "text.onnx")
