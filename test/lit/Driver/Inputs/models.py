"""models.py: writes good.onnx (Relu, then Add of itself; batch N) and unsupported.onnx (two ops that nobody has)."""
import onnx
from onnx import TensorProto, helper


def save(name, nodes, opsets):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph(nodes, "graph", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="test"), name)


opset = helper.make_opsetid("", 17)
save("good.onnx", [helper.make_node("Relu", ["x"], ["r"], name="relu"), helper.make_node("Add", ["r", "r"], ["y"], name="add")], [opset])
save("unsupported.onnx",
     [helper.make_node("Frobnicate", ["x"], ["f"], name="first", domain="acme"),
      helper.make_node("Twist", ["x"], ["t"], name="second", domain="acme"),
      helper.make_node("Add", ["f", "t"], ["y"], name="add")],
     [opset, helper.make_opsetid("acme", 1)])
