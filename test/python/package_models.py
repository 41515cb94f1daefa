"""Small models for the tests of the package, compiled once per session."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

import models

CANDIDATES = [("w8a8", 8, 8), ("w4a4", 4, 4), ("w2a2", 2, 2)]
NAMES = [name for name, _, _ in CANDIDATES]


def write_switchable(path, size=8):
    """image[n,3,size,size] -> logits[n,5] at three precisions."""
    b = models.Builder(list(CANDIDATES), 3)
    x = b.quantize(b.input("image", ["n", 3, size, size]), 3.0, bits=8, signed=True)
    x = b.quantize(b.op("Relu", [b.conv(x, 8, 3)]), 2.5)
    x = b.quantize(b.op("Relu", [b.conv(x, 8, 8, stride=2)]), 2.5)
    x = b.quantize(b.op("GlobalAveragePool", [x]), 2.0, bits=8)
    x = b.op("Flatten", [x])
    bias = b.constant(b.rng.normal(size=5).astype(np.float32))
    b.output(b.op("Gemm", [x, b.weight((5, 8), mix=False), bias], transB=1), 2)
    model = b.build()
    save(model, path)
    return model


def write_pair(path):
    """p[2,3], q[2,3] -> sum[2,3] = p + q and scaled[2,3] = 2 p."""
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3])
    nodes = [helper.make_node("Add", ["p", "q"], ["sum"], name="adding"),
             helper.make_node("Mul", ["p", "two"], ["scaled"], name="doubling")]
    two = numpy_helper.from_array(np.float32(2), "two")
    graph = helper.make_graph(nodes, "pair", [value("p"), value("q")], [value("sum"), value("scaled")], [two])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_float(path, channels=3, size=6):
    """x[n,channels,size,size] -> y[n,4]: a convolution, an average, a classifier."""
    rng = np.random.default_rng(5)
    draw = lambda name, *shape: numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1, 1, 1]),
             helper.make_node("Relu", ["c"], ["r"], name="relu"),
             helper.make_node("GlobalAveragePool", ["r"], ["g"], name="average"),
             helper.make_node("Flatten", ["g"], ["f"], name="flatten"),
             helper.make_node("Gemm", ["f", "v", "b"], ["y"], name="classifier", transB=1)]
    graph = helper.make_graph(
        nodes, "small", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [draw("w", 8, channels, 3, 3), draw("v", 4, 8), draw("b", 4)])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_deep(path, layers):
    """x[1,8,12,12] -> y: `layers` convolutions, no two of one shape."""
    rng = np.random.default_rng(6)
    widths = [8 + layer for layer in range(layers + 1)]
    weights = [numpy_helper.from_array(rng.normal(0, 0.1, (o, i, 3, 3)).astype(np.float32), f"w{i}")
               for i, o in zip(widths, widths[1:])]
    nodes = [helper.make_node("Conv", [f"v{i}", f"w{i}"], [f"v{i + 1}"], pads=[1, 1, 1, 1]) for i in widths[:-1]]
    value = lambda i: helper.make_tensor_value_info(f"v{i}", TensorProto.FLOAT, [1, i, 12, 12])
    graph = helper.make_graph(nodes, "deep", [value(widths[0])], [value(widths[-1])], weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_unsupported(path):
    """Two nodes that no version of ONNX has."""
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [4])
    nodes = [helper.make_node("Frobnicate", ["x"], ["h"], name="first_odd"),
             helper.make_node("Defenestrate", ["x"], ["y"], name="second_odd")]
    graph = helper.make_graph(nodes, "odd", [value("x")], [value("h"), value("y")])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
