"""The grouping rules G1 to G6 in compiled artifacts: equal to the reference, element by element."""

import numpy as np
import pytest

import exact
import models
from exact import ODD, SIGNED, UNSIGNED

F32 = np.float32
CANDIDATES = [("w8a8", 8, 8, SIGNED), ("w2a3", 2, 3, ODD)]


class Graph(exact.Network):
    """One input of codes; ``some`` makes a convolution of its own weights.

    Scales are decimal and the steps of quantizers small multiples of theirs, so that many sums lie on ties, which
    another order of roundings breaks in another way.
    """

    def __init__(self, channels: int = 12) -> None:
        super().__init__(CANDIDATES, channels)
        self.channels = channels
        self.x = self.coded(self.input("x", [1, channels, 8, 6]), UNSIGNED, 0.1, 8, 4)

    def some(self, x=None, outputs=None):
        outputs = outputs or self.channels
        scales = np.full((len(self.candidates), 1, 1, 1, 1), 0.3, F32)
        weight = self.coded_weight(self.numbers(outputs, self.channels, 3, 3, low=-0.45, high=0.45), scales=scales)
        bias = self.numbers(outputs) * (np.arange(outputs) % 3 == 2)
        return self.plain_conv(x or self.x, weight, bias, pads=[1] * 4)

    def number(self, value):
        return self.constant(F32(value))

    def codes(self, x, scale=0.24, bits=8, zero=100, kind=UNSIGNED):
        return self.coded(x, kind, scale, bits, zero)

    def check(self, folder, target="native", level=3):
        x = np.random.default_rng(3).uniform(-2, 26, (1, self.channels, 8, 6)).astype(F32)
        exact.assert_exact(self.build(), {"x": x}, folder, target, level)


def test_affine_chain(tmp_path):
    g = Graph()
    y = g.op("Mul", [g.constant(g.numbers(1, 12, 1, 1)), g.some()])
    y = g.op("Div", [g.op("Sub", [g.number(0.7), y]), g.constant(g.numbers(12, 1, 1, low=0.5, high=2))])
    g.codes(g.op("Relu", [g.batch_norm(y, 12)]))
    g.codes(g.op("Div", [g.number(3), g.some()]))  # a number over x is not folded
    g.codes(g.op("Add", [g.some(), g.constant(g.numbers(6))]))  # not along the channels
    g.check(tmp_path)


def test_residuals(tmp_path):
    g = Graph()
    skip = g.codes(g.some())
    g.codes(g.op("Relu", [g.op("Add", [skip, g.some()])]), bits=6, zero=9)
    g.codes(g.op("Add", [g.some(), g.some()]))  # an add of two reals
    g.codes(g.op("Add", [g.codes(g.some(), kind=SIGNED), g.codes(g.some())]))
    twice = g.some()
    g.codes(g.op("Add", [twice, twice]))
    g.output(g.op("Relu", [g.op("Add", [g.some(), g.x])]), 4)
    g.codes(g.op("Add", [g.some(), g.op("Relu", [g.x])]))
    g.check(tmp_path)


def test_several_quantizers(tmp_path):
    g = Graph()
    y = g.op("Clip", [g.op("Relu", [g.some()]), g.number(0.5), g.number(20)])
    g.codes(y), g.codes(y, 0.2, 4, 3), g.codes(y)
    z = g.op("Min", [g.op("Max", [g.some(), g.number(-3)]), g.number(8)])
    g.codes(z), g.codes(z)
    real = g.some()
    g.codes(real)
    g.output(g.op("Relu", [real]), 4)  # also read as a real
    g.check(tmp_path)


def test_quantizers_move_up(tmp_path):
    g = Graph()
    g.codes(g.op("MaxPool", [g.some()], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4))
    g.codes(g.op("Concat", [g.some(), g.some(), g.x], axis=1))
    g.codes(g.op("Reshape", [g.some(), g.constant(np.array([1, 3, 4, -1]))]))
    g.codes(g.op("Transpose", [g.op("Flatten", [g.some()], axis=2)], perm=[1, 0]))
    g.codes(g.op("Slice", [g.some(), g.constant(np.array([2])), g.constant(np.array([9])), g.constant(np.array([1]))]))
    g.codes(g.op("Pad", [g.some(), g.constant(np.array([0, 0, 1, 1, 0, 0, 0, 2]))]))
    g.codes(g.op("Pad", [g.some(), g.constant(np.array([0, 0, 1, 1, 0, 0, 0, 2]))], mode="reflect"))
    g.codes(g.op("DepthToSpace", [g.some()], blocksize=2))
    g.codes(g.op("Gather", [g.some(), g.constant(np.array([3, 1, 1, 7]))], axis=1))
    left, right = g.fresh("left"), g.fresh("right")
    g.nodes.append(exact.helper.make_node("Split", [g.some()], [left, right], name="split", axis=1))
    g.codes(left), g.codes(right)  # Split has two outputs: quantizers stay behind it
    g.check(tmp_path)


def test_code_tensors(tmp_path):
    g = Graph()
    y = g.codes(g.some())
    joined = g.op("Concat", [y, g.op("Slice", [y, g.constant(np.array([1])), g.constant(np.array([4])), g.constant(np.array([1]))])], axis=1)
    joined = g.op("MaxPool", [g.op("Transpose", [joined], perm=[0, 1, 3, 2])], kernel_shape=[2, 2])
    weight = g.coded_weight(g.numbers(7, 15, 1, 1))
    g.codes(g.plain_conv(joined, weight))
    padded = g.op("Pad", [g.codes(g.some(), kind=SIGNED), g.constant(np.array([0, 0, 1, 1, 0, 0, 0, 2]))])
    g.codes(g.some(padded))
    g.codes(g.some(g.op("Resize", [y, "", g.constant(np.array([1, 1, 2, 2], F32))], mode="nearest")))
    mixed = g.op("Concat", [y, g.codes(g.some(), 0.2)], axis=1)  # unequal formats go through float
    g.output(mixed, 4)
    g.check(tmp_path)


def test_tables(tmp_path):
    g = Graph()
    y = g.codes(g.some())
    g.codes(g.op("Mul", [y, g.op("Sigmoid", [y])]), 0.2, 8, 7)
    g.codes(g.op("HardSwish", [y]), 0.25, 6, 3) if models.OPSET >= 14 else None
    inner = g.op("Clip", [g.op("Add", [y, g.number(3)]), g.number(0), g.number(6)])
    g.codes(g.op("Div", [g.op("Mul", [y, inner]), g.number(6)]), 0.2, 8, 7)
    for op, attributes in [("Tanh", {}), ("Elu", {"alpha": 0.7}), ("LeakyRelu", {"alpha": 0.2}), ("HardSigmoid", {}),
                           ("Exp", {}), ("Log", {}), ("Sqrt", {}), ("Erf", {}), ("Abs", {}), ("Reciprocal", {}), ("Neg", {})]:
        g.codes(g.op(op, [y], **attributes), 0.04, 8, 60)
    g.codes(y, 0.5, 5, 8)  # the identity between different quantizers
    g.codes(y), g.codes(g.op("Relu", [y]), kind=ODD, bits=4, scale=0.9)
    g.codes(g.some(g.codes(y)))
    g.check(tmp_path)


def test_formats_of_activations(tmp_path):
    g = Graph()
    for kind, bits in [(SIGNED, 8), (SIGNED, 3), (ODD, 1), (ODD, 4), (ODD, 7), (ODD, 8), (UNSIGNED, 1), (UNSIGNED, 5)]:
        y = g.coded(g.some(), kind, 0.8, bits, 1)
        weight = g.coded_weight(g.numbers(5, 12, 3, 3))
        g.codes(g.plain_conv(y, weight, g.numbers(5)))
    g.check(tmp_path)


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_odd_activations(bits, tmp_path):
    """Residuals, pools, movement, tables, thresholds and reals of codes that have no zero (numerics N2)."""
    g = Graph()
    y = g.coded(g.some(), ODD, 0.5 if bits > 1 else 4, bits)
    g.codes(g.op("Relu", [g.op("Add", [g.plain_conv(g.x, g.coded_weight(g.numbers(12, 12, 1, 1))), y])]))
    for pads, more in ([0] * 4, {}), ([1, 0, 1, 2], {}), ([1] * 4, {"count_include_pad": 1}):
        average = g.op("AveragePool", [y], kernel_shape=[3, 3], pads=pads, strides=[2, 1], **more)
        g.codes(average, 0.12), g.codes(average, 0.3, 6, 20)
        g.output(g.op("AveragePool", [y], kernel_shape=[3, 3], pads=pads, **more), 4)
    g.codes(g.op("GlobalAveragePool", [y]), 0.1)
    g.output(g.op("GlobalAveragePool", [y]), 4)
    moved = g.op("MaxPool", [g.op("Concat", [y, g.op("Transpose", [y], perm=[0, 1, 2, 3])], axis=1)], kernel_shape=[2, 2])
    g.codes(g.op("Sigmoid", [y]), 0.01)
    for outputs, kind, width in (7, UNSIGNED, 2), (9, ODD, 1), (5, UNSIGNED, 8):
        g.coded(g.plain_conv(moved, g.coded_weight(g.numbers(outputs, 24, 3, 1)), g.numbers(outputs)), kind, 9, width, 1)
    g.coded(g.plain_conv(y, g.coded_weight(g.numbers(12, 1, 2, 2)), g.numbers(12), group=12), UNSIGNED, 6, 2, 1)
    g.output(g.plain_conv(moved, g.coded_weight(g.numbers(6, 12, 1, 1)), group=2), 4)
    g.check(tmp_path)


def test_padded_odd_activations_are_reals(tmp_path):
    """No code stands for the padding (numerics G4, G1). Steps are powers of two, so that float sums are exact."""
    g = Graph()
    for bits in (1, 8):
        y = g.coded(g.some(), ODD, 2, bits)
        scales = np.full((len(g.candidates), 1, 1, 1, 1), 0.25, F32)
        weight = g.coded_weight(g.numbers(5, 12, 3, 3), scales=scales)
        g.output(g.plain_conv(y, weight, pads=[1] * 4), 4)
        g.output(g.op("Pad", [y, g.constant(np.array([0, 0, 1, 1, 0, 0, 0, 2]))]), 4)
        g.codes(g.op("Pad", [y, g.constant(np.array([0, 0, 1, 1, 0, 0, 0, 2]))], mode="reflect"))
    g.check(tmp_path)


def test_reals_between(tmp_path):
    """Extremes, NaN and ties at a quantizer of reals."""
    b = exact.Network(CANDIDATES, 1)
    x = b.input("x", [1, 4, 64, 3])
    for kind, bits in [(UNSIGNED, 8), (UNSIGNED, 1), (SIGNED, 8), (SIGNED, 2), (ODD, 1), (ODD, 8)]:
        b.coded(x, kind, 0.25, bits, 1)
    values = np.random.default_rng(0).integers(-2100, 2100, (1, 4, 64, 3)).astype(F32) * F32(0.03125)
    values.reshape(-1)[:6] = [np.nan, np.inf, -np.inf, 3e38, -3e38, -0.0]
    exact.assert_exact(b.build(), {"x": values}, tmp_path)


@pytest.mark.parametrize("level", [0, 3])
@pytest.mark.parametrize("network", ["residual", "mobile"])
def test_networks(network, level, tmp_path):
    make, shape = {"residual": (models.residual_network, (3, 12, 12)), "mobile": (models.mobile_network, (4, 13, 13))}[network]
    built = make(2)
    for name in built.activations:
        built.outputs.append(exact.helper.make_tensor_value_info(name, exact.TensorProto.FLOAT, None))
    x = np.random.default_rng(1).normal(size=(1,) + shape).astype(F32) * F32(1.5)
    exact.assert_exact(exact.canonical(built.build()), {"image": x}, tmp_path, level=level)
