"""anybit.reference.run on float, QONNX and QDQ files."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from anybit import reference
from anybit.reference import Codes, UnsupportedModel
from models import oracle

F32 = np.float32
FLOAT_MODELS = {
    "deeplabv3_mnv2_dm05_voc": (1, 3, 257, 257), "fastestdet_coco": (1, 3, 352, 352),
    "mlperftiny_ad01_autoencoder": (2, 640), "mlperftiny_kws_dscnn": (2, 1, 49, 10),
    "mlperftiny_resnet8_cifar10": (2, 3, 32, 32), "mlperftiny_vww_mobilenetv1_025": (2, 3, 96, 96),
    "mnist8": (1, 1, 28, 28), "mnist_mlp_bn": (1, 784), "mobilenetv1_025_imagenet": (1, 3, 224, 224),
    "mobilenetv2_imagenet": (1, 3, 224, 224), "ppocr_cls_mobilenetv3": (2, 3, 48, 192),
    "resnet20_cifar10": (2, 3, 32, 32), "resnet56_cifar10": (2, 3, 32, 32),
    "squeezenet1_1_imagenet": (1, 3, 224, 224), "yolox_nano_coco": (1, 3, 416, 416)}


@pytest.mark.parametrize("name", FLOAT_MODELS)
def test_float_models_against_onnx_runtime(data, name):
    model = onnx.load(data / "models" / f"{name}.onnx")
    x = np.random.default_rng(0).normal(size=FLOAT_MODELS[name]).astype(F32)
    inner = {tensor.name for tensor in model.graph.initializer}
    feed = {value.name: x for value in model.graph.input if value.name not in inner}
    names = [value.name for value in model.graph.output]
    expected, got = oracle(model, feed, 0, names), reference.run(model, feed)
    for key in names:
        assert got[key].shape == expected[key].shape and got[key].dtype == expected[key].dtype
        assert np.abs(got[key] - expected[key]).max() <= 1e-4 * np.abs(expected[key]).max()


@pytest.mark.parametrize("name,shape,layers", [
    ("TFC_1W1A", (4, 1, 28, 28), 4), ("TFC_1W2A", (4, 1, 28, 28), 4), ("TFC_2W2A", (4, 1, 28, 28), 4),
    ("kwsmlp_w3a3", (1, 1, 10, 49), 5), ("qkeras_jettagging", (1, 16), 3), ("unsw_nb15-mlp-w2a2", (1, 600), 4)])
def test_qonnx_models_keep_their_widths(data, name, shape, layers):
    x, taps = np.random.default_rng(1).uniform(0, 1, shape).astype(F32), {}
    outputs = reference.run(data / "models" / "qonnx" / f"{name}.onnx", x, taps=taps)
    assert all(np.all(np.isfinite(value)) for value in outputs.values())
    codes = {key: value for key, value in taps.items() if isinstance(value, Codes)}
    assert len(codes) == layers
    for value in codes.values():
        assert value.q.min() >= value.quantizer.low and value.q.max() <= value.quantizer.high


@pytest.mark.parametrize("name,least", [("TFC_1W1A", .90), ("TFC_1W2A", .925), ("TFC_2W2A", .945)])
def test_qonnx_mnist_accuracy(data, name, least):
    from datasets import mnist
    images, labels = mnist(data)
    result = reference.run(data / "models" / "qonnx" / f"{name}.onnx", images / F32(255))
    assert (next(iter(result.values())).argmax(axis=1) == labels).mean() >= least


def linear_model(nodes, constants, inputs, outputs, opset=21):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(v, n) for n, v in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def qdq_network(activation_type, zero):
    rng = np.random.default_rng(5)
    node = helper.make_node
    constants = {
        "sx": F32(.03), "zx": activation_type(zero), "w": rng.integers(-127, 128, (6, 3, 3, 3)).astype(np.int8),
        "sw": rng.uniform(.002, .01, 6).astype(F32), "zw": np.zeros(6, np.int8),
        "b": rng.integers(-900, 900, 6).astype(np.int32), "sb": F32(.0003), "zb": np.int32(0), "sy": F32(.05),
        "zy": activation_type(zero)}
    nodes = [
        node("QuantizeLinear", ["x", "sx", "zx"], ["xq"]), node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"]),
        node("DequantizeLinear", ["w", "sw", "zw"], ["wd"], axis=0),
        node("DequantizeLinear", ["b", "sb", "zb"], ["bd"]),
        node("Conv", ["xd", "wd", "bd"], ["y"], pads=[1, 1, 1, 1]), node("Relu", ["y"], ["r"]),
        node("QuantizeLinear", ["r", "sy", "zy"], ["rq"]), node("MaxPool", ["rq"], ["pq"], kernel_shape=[2, 2]),
        node("DequantizeLinear", ["pq", "sy", "zy"], ["out"])]
    return linear_model(nodes, constants, [("x", [2, 3, 9, 9])], ["out"])


@pytest.mark.parametrize("kind,zero", [(np.uint8, 0), (np.uint8, 100), (np.int8, 0), (np.int8, -7)])
def test_qdq_against_onnx_runtime(kind, zero):
    model = qdq_network(kind, zero)
    x = np.random.default_rng(6).normal(size=(2, 3, 9, 9)).astype(F32) * 2
    taps = {}
    got = reference.run(model, x, taps=taps)["out"]
    assert np.array_equal(got, oracle(model, {"x": x}, 0, ["out"])["out"])
    assert isinstance(taps["pq"], Codes) and "y" not in taps and "r" not in taps


def test_brevitas_clip_carries_the_width():
    node = helper.make_node
    constants = {"s": F32(.25), "z": np.int8(0), "low": np.int8(-4), "high": np.int8(3)}
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("Clip", ["q", "low", "high"], ["c"]),
             node("DequantizeLinear", ["c", "s", "z"], ["y"])]
    model = linear_model(nodes, constants, [("x", [9])], ["y"])
    x, taps = np.linspace(-3, 3, 9, dtype=F32), {}
    got = reference.run(model, x, taps=taps)["y"]
    assert taps["y"].quantizer.bits == 3
    assert np.array_equal(got, oracle(model, {"x": x}, 0, ["y"])["y"])


def test_unsupported_nodes_are_listed_at_once():
    nodes = [helper.make_node("LSTM", ["x"], ["a"], name="first"), helper.make_node("Xyz", ["a"], ["y"], name="second")]
    with pytest.raises(UnsupportedModel, match="first.*second"):
        reference.run(linear_model(nodes, {}, [("x", [1])], ["y"]), np.zeros(1, F32))


@pytest.mark.parametrize("mode,attributes", [
    ("half_pixel", {"mode": "linear"}), ("align_corners", {"mode": "linear"}), ("pytorch_half_pixel", {"mode": "linear"}),
    ("asymmetric", {"mode": "linear"}), ("asymmetric", {"mode": "nearest", "nearest_mode": "floor"}),
    ("half_pixel", {"mode": "nearest"}), ("half_pixel", {"mode": "nearest", "nearest_mode": "ceil"}),
    ("align_corners", {"mode": "nearest", "nearest_mode": "round_prefer_ceil"})])
def test_resize_modes(mode, attributes):
    node = helper.make_node("Resize", ["x", "", "", "n"], ["y"], coordinate_transformation_mode=mode, **attributes)
    model = linear_model([node], {"n": np.array([1, 2, 7, 11])}, [("x", [1, 2, 4, 5])], ["y"], opset=17)
    x = np.random.default_rng(2).normal(size=(1, 2, 4, 5)).astype(F32)
    assert np.allclose(reference.run(model, x)["y"], oracle(model, {"x": x}, 0, ["y"])["y"], atol=1e-6)


@pytest.mark.parametrize("attributes", [
    {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}, {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1, "count_include_pad": 1}])
@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_pools(kind, attributes):
    if kind == "MaxPool":
        attributes = {key: value for key, value in attributes.items() if key != "count_include_pad"}
    model = linear_model([helper.make_node(kind, ["x"], ["y"], **attributes)], {}, [("x", [2, 3, 8, 7])], ["y"], opset=19)
    x = np.random.default_rng(3).normal(size=(2, 3, 8, 7)).astype(F32)
    assert np.allclose(reference.run(model, x)["y"], oracle(model, {"x": x}, 0, ["y"])["y"], atol=1e-6)
