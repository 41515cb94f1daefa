"""ResNet-18, ResNet-50 and MobileNetV1 with random weights: networks whose shape, not accuracy, is measured."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F32 = np.float32
STAGES = {"resnet18": ((2, 2, 2, 2), False), "resnet50": ((3, 4, 6, 3), True)}


class _Network:
    def __init__(self, seed: int) -> None:
        self.rng, self.nodes, self.initializers = np.random.default_rng(seed), [], []

    def op(self, kind: str, operands: list[str], **attributes) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, operands, [name], name=name, **attributes))
        return name

    def constant(self, value: np.ndarray) -> str:
        name = f"constant{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(value.astype(F32), name))
        return name

    def conv(self, x: str, outputs: int, inputs: int, kernel: int, stride: int = 1, relu: bool = True,
             group: int = 1) -> str:
        """Convolution with the batch norm folded in; weights keep the variance of their input."""
        deviation = np.sqrt((2 if relu else .5) * group / (inputs * kernel * kernel))
        weights = self.constant(self.rng.normal(size=(outputs, inputs // group, kernel, kernel)) * deviation)
        bias = self.constant(self.rng.normal(size=outputs) * .1)
        y = self.op("Conv", [x, weights, bias], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4,
                    **({"group": group} if group > 1 else {}))
        return self.op("Relu", [y]) if relu else y

    def block(self, x: str, inputs: int, width: int, stride: int, bottleneck: bool) -> tuple[str, int]:
        outputs = width * 4 if bottleneck else width
        if bottleneck:
            y = self.conv(self.conv(x, width, inputs, 1), width, width, 3, stride)
            y = self.conv(y, outputs, width, 1, relu=False)
        else:
            y = self.conv(self.conv(x, width, inputs, 3, stride), outputs, width, 3, relu=False)
        if stride != 1 or inputs != outputs:
            x = self.conv(x, outputs, inputs, 1, stride, relu=False)
        return self.op("Relu", [self.op("Add", [y, x])]), outputs


    def classified(self, x: str, channels: int, name: str) -> onnx.ModelProto:
        """The model that averages ``x`` and maps it to 1000 logits."""
        x = self.op("Flatten", [self.op("GlobalAveragePool", [x])])
        weights = self.constant(self.rng.normal(size=(1000, channels)) * channels ** -.5)
        self.nodes.append(helper.make_node("Gemm", [x, weights, self.constant(np.zeros(1000))], ["logits"], transB=1))
        graph = helper.make_graph(
            self.nodes, name, [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 224, 224])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1000])], self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def resnet(name: str, seed: int = 0) -> onnx.ModelProto:
    """``resnet18`` or ``resnet50``: input [1, 3, 224, 224], output [1, 1000], opset 17."""
    repeats, bottleneck = STAGES[name]
    net = _Network(seed)
    x = net.op("MaxPool", [net.conv("input", 64, 3, 7, 2)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, count in enumerate(repeats):
        for i in range(count):
            x, channels = net.block(x, channels, 64 << stage, 2 if stage and i == 0 else 1, bottleneck)
    return net.classified(x, channels, name)


def mobilenetv1(name: str, seed: int = 0) -> onnx.ModelProto:
    """``mobilenetv1`` of width 1: input [1, 3, 224, 224], output [1, 1000], opset 17."""
    net = _Network(seed)
    x, channels = net.conv("input", 32, 3, 3, 2), 32
    for outputs, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)):
        x = net.conv(net.conv(x, channels, channels, 3, stride, group=channels), outputs, channels, 1)
        channels = outputs
    return net.classified(x, channels, name)


GENERATED = {"resnet18": resnet, "resnet50": resnet, "mobilenetv1": mobilenetv1}
