"""Small random switchable models (docs/onnx-convention.md C1-C4), and ONNX Runtime as their oracle.

The function bodies here are standard ops that compute the rules N2 and N3; the reference recognises them by what
they compute.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, parser

from inner_values import with_outputs

F32 = np.float32
OPSET = 17
_HEADER = '<opset_import: ["" : 17], domain: "ai.anybit">\n'
_FAKE_QUANT = {
    "FakeQuantSigned": '''FakeQuantSigned (x, scale, bits) => (y) {
  one = Constant <value_float = 1.0> ()
  two = Constant <value_float = 2.0> ()
  width = Cast <to = 1> (bits)
  less = Sub (width, one)
  half = Pow (two, less)
  low = Neg (half)
  high = Sub (half, one)
  scaled = Div (x, scale)
  rounded = Round (scaled)
  above = Max (rounded, low)
  code = Min (above, high)
  y = Mul (code, scale)
}''',
    "FakeQuantUnsigned": '''FakeQuantUnsigned (x, scale, zero_point, bits) => (y) {
  none = Constant <value_float = 0.0> ()
  one = Constant <value_float = 1.0> ()
  two = Constant <value_float = 2.0> ()
  width = Cast <to = 1> (bits)
  zero = Cast <to = 1> (zero_point)
  levels = Pow (two, width)
  high = Sub (levels, one)
  scaled = Div (x, scale)
  rounded = Round (scaled)
  moved = Add (rounded, zero)
  above = Max (moved, none)
  code = Min (above, high)
  back = Sub (code, zero)
  y = Mul (back, scale)
}''',
    "FakeQuantOdd": '''FakeQuantOdd (x, scale, bits) => (y) {
  none = Constant <value_float = 0.0> ()
  halving = Constant <value_float = 0.5> ()
  one = Constant <value_float = 1.0> ()
  two = Constant <value_float = 2.0> ()
  width = Cast <to = 1> (bits)
  less = Sub (width, one)
  half = Pow (two, less)
  levels = Mul (half, two)
  top = Sub (levels, one)
  scaled = Div (x, scale)
  halved = Mul (scaled, halving)
  lowered = Floor (halved)
  moved = Add (lowered, half)
  above = Max (moved, none)
  code = Min (above, top)
  doubled = Mul (code, two)
  odd = Sub (doubled, top)
  y = Mul (odd, scale)
}''',
}

# Haar on the tile layout of a rank-4 weight in one group: blocks of 2x2 of the (O*kh) x (I*kw) plane.
_MIX_TILE = '''MixBands <layout, wavelet, group: int = 1> (w, alpha) => (y) {
  shape = Shape (w)
  order = Transpose <perm = [0, 2, 1, 3]> (w)
  i0 = Constant <value_ints = [0]> ()
  i1 = Constant <value_ints = [1]> ()
  i2 = Constant <value_ints = [2]> ()
  i3 = Constant <value_ints = [3]> ()
  o = Gather <axis = 0> (shape, i0)
  i = Gather <axis = 0> (shape, i1)
  kh = Gather <axis = 0> (shape, i2)
  kw = Gather <axis = 0> (shape, i3)
  ordered = Concat <axis = 0> (o, kh, i, kw)
  rows = Mul (o, kh)
  columns = Mul (i, kw)
  planar = Concat <axis = 0> (rows, columns)
  plane = Reshape (order, planar)
  oddrows = Mod (rows, i2)
  oddcolumns = Mod (columns, i2)
  pads = Concat <axis = 0> (i0, i0, oddrows, oddcolumns)
  padded = Pad (plane, pads)
  brows0 = Add (rows, oddrows)
  bcolumns0 = Add (columns, oddcolumns)
  evenplane = Concat <axis = 0> (brows0, bcolumns0)
  brows = Div (brows0, i2)
  bcolumns = Div (bcolumns0, i2)
  blocked = Concat <axis = 0> (brows, i2, bcolumns, i2)
  p = Reshape (padded, blocked)
  swap = Constant <value_ints = [1, 0]> ()
  q = Gather <axis = 3> (p, swap)
  r = Gather <axis = 1> (p, swap)
  s = Gather <axis = 1> (q, swap)
  flat = Reshape (alpha, minus)
  ll = Gather <axis = 0> (flat, i0)
  lh = Gather <axis = 0> (flat, i1)
  hl = Gather <axis = 0> (flat, i2)
  hh = Gather <axis = 0> (flat, i3)
  four = Constant <value_float = 4.0> ()
  plus = Add (ll, lh)
  less = Sub (ll, lh)
  a0 = Add (plus, hl)
  a1 = Add (a0, hh)
  t0 = Div (a1, four)
  b0 = Sub (plus, hl)
  b1 = Sub (b0, hh)
  tc = Div (b1, four)
  c0 = Add (less, hl)
  c1 = Sub (c0, hh)
  tr = Div (c1, four)
  d0 = Sub (less, hl)
  d1 = Add (d0, hh)
  td = Div (d1, four)
  e0 = Mul (p, t0)
  e1 = Mul (q, tc)
  e2 = Mul (r, tr)
  e3 = Mul (s, td)
  f0 = Add (e0, e1)
  f1 = Add (f0, e2)
  mixed = Add (f1, e3)
  even = Reshape (mixed, evenplane)
  starts = Concat <axis = 0> (i0, i0)
  cropped = Slice (even, starts, planar)
  back = Reshape (cropped, ordered)
  y = Transpose <perm = [0, 2, 1, 3]> (back)
}'''.replace("  flat =", "  minus = Constant <value_ints = [-1]> ()\n  flat =")


def functions() -> list[onnx.FunctionProto]:
    """The FakeQuant functions and MixBands of layout tile, wavelet haar, one group."""
    made = [parser.parse_function(_HEADER + text) for text in _FAKE_QUANT.values()]
    mix = parser.parse_function(_HEADER + _MIX_TILE)
    mix.overload = "tile_haar"
    return made + [mix]


@dataclass
class Builder:
    """Builds one switchable model; every method returns the name of the value it made.

    candidates: (name, weight bits, activation bits).
    """

    candidates: list[tuple[str, int, int]]
    seed: int = 0
    nodes: list = field(default_factory=list)
    initializers: list = field(default_factory=list)
    inputs: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    activations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.count = 0
        self.inputs.append(helper.make_tensor_value_info("candidate", TensorProto.INT64, []))

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}_{self.count}"

    def constant(self, value: np.ndarray, stem: str = "c") -> str:
        name = self.fresh(stem)
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, kind: str, operands: list[str], stem: str = "", **attributes) -> str:
        name = self.fresh(stem or kind.lower())
        self.nodes.append(helper.make_node(kind, operands, [name], name=f"{name}_node", **attributes))
        return name

    def select(self, rows: list) -> str:
        """C2: one row per candidate."""
        return self.op("Gather", [self.constant(np.asarray(rows), "table"), "candidate"], "select", axis=0)

    def input(self, name: str, shape: list) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def output(self, value: str, rank: int) -> None:
        self.outputs.append(helper.make_tensor_value_info(value, TensorProto.FLOAT, [None] * rank))

    def call(self, function: str, operands: list[str], stem: str, **attributes) -> str:
        name = self.fresh(stem)
        overload = {"overload": "tile_haar"} if function == "MixBands" else {}
        self.nodes.append(helper.make_node(function, operands, [name], name=f"{name}_call", domain="ai.anybit",
                                           **overload, **attributes))
        return name

    def quantize(self, x: str, reach: float = 4.0, bits: "int | None" = None, signed: bool = False,
                 zero: int = 0) -> str:
        """An activation quantizer: table of scales; unsigned over [0, reach], or signed over +-reach."""
        widths = [bits or a for _, _, a in self.candidates]
        scales = [F32(reach * self.rng.uniform(0.7, 1.3) / (2 ** (b - 1) if signed else 2 ** b - 1)) for b in widths]
        operands = [x, self.select(np.array(scales, F32))]
        if not signed:
            operands.append(self.select([np.int64(min(zero, 2 ** b - 1)) for b in widths]))
        operands.append(self.select(np.array(widths, np.int64)))
        name = self.call("FakeQuantSigned" if signed else "FakeQuantUnsigned", operands, "codes")
        self.activations.append(name)
        return name

    def weight(self, shape: tuple, axis: int = 0, mix: bool = True) -> str:
        """MixBands of float16 master weights, then odd at <= 2 bits and signed above, per channel."""
        values = (self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float16)
        wide = self.op("Cast", [self.constant(values, "w")], to=TensorProto.FLOAT)
        if mix and len(shape) == 4:
            alphas = self.rng.uniform(0.8, 1.2, (len(self.candidates), 4)).astype(F32)
            wide = self.call("MixBands", [wide, self.select(alphas)], "mixed", layout="tile", wavelet="haar", group=1)
        widths = [w for _, w, _ in self.candidates]
        column = [shape[i] if i == axis else 1 for i in range(len(shape))]
        spread = np.abs(values.astype(F32)).max(axis=tuple(i for i in range(len(shape)) if i != axis)).reshape(column)
        scales = np.stack([spread * F32(1.1) / F32(2 ** max(b - 1, 1)) for b in widths]).astype(F32)
        scale, bits = self.select(scales), self.select(np.array(widths, np.int64))
        signed = self.call("FakeQuantSigned", [wide, scale, bits], "signed")
        odd = self.call("FakeQuantOdd", [wide, scale, bits], "odd")
        return self.op("Where", [self.select(np.array([b <= 2 for b in widths])), odd, signed], "weight")

    def conv(self, x: str, outputs: int, inputs: int, kernel: int = 3, stride: int = 1, groups: int = 1,
             bias: bool = True, dilation: int = 1, bits: "int | None" = None) -> str:
        weight = self.weight((outputs, inputs // groups, kernel, kernel), mix=groups == 1)
        operands = [x, weight] + ([self.constant(self.rng.normal(size=outputs).astype(F32) * F32(0.3))] if bias else [])
        reach = (kernel - 1) * dilation // 2
        return self.op("Conv", operands, kernel_shape=[kernel, kernel], strides=[stride] * 2, pads=[reach] * 4,
                       dilations=[dilation] * 2, group=groups)

    def batch_norm(self, x: str, channels: int) -> str:
        """One complete set per candidate (N7)."""
        rows = len(self.candidates)
        draw = lambda low, high: self.select(self.rng.uniform(low, high, (rows, channels)).astype(F32))
        gamma = self.select((self.rng.uniform(0.6, 1.5, (rows, channels)) *
                             self.rng.choice([1, 1, 1, -1], (rows, channels))).astype(F32))
        return self.op("BatchNormalization", [x, gamma, draw(-.3, .6), draw(-.3, .3), draw(.5, 1.5)], epsilon=1e-5)

    def build(self) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "random", self.inputs, self.outputs, self.initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.anybit", 1)]
        model = helper.make_model(graph, functions=functions(), opset_imports=opsets, ir_version=10)
        entry = model.metadata_props.add()
        entry.key, entry.value = "anybit.candidates", ",".join(name for name, _, _ in self.candidates)
        return model


CANDIDATES = [("w8a8", 8, 8), ("w4a4", 4, 4), ("w3a5", 3, 5), ("w2a2", 2, 2), ("w1a1", 1, 1)]


def residual_network(seed: int, candidates=None, size: int = 12) -> Builder:
    """Input quantizer, stem, a block with a quantized residual, a strided block, average pool, classifier."""
    b = Builder(list(candidates or CANDIDATES), seed)
    x = b.quantize(b.input("image", ["n", 3, size, size]), 3.0, bits=8, signed=True)
    x = b.quantize(b.op("Relu", [b.batch_norm(b.conv(x, 8, 3), 8)]), 2.5)
    skip = x
    y = b.quantize(b.op("Relu", [b.batch_norm(b.conv(x, 8, 8), 8)]), 2.5)
    y = b.batch_norm(b.conv(y, 8, 8, bias=False), 8)
    x = b.quantize(b.op("Relu", [b.op("Add", [y, skip])]), 4.0)
    short = b.quantize(b.batch_norm(b.conv(x, 12, 8, kernel=1, stride=2), 12), 4.0, bits=8, signed=True)
    y = b.quantize(b.op("Relu", [b.conv(x, 12, 8, stride=2)]), 2.5)
    y = b.conv(y, 12, 12)
    total = b.op("Relu", [b.op("Add", [short, y])])
    x, side = b.quantize(total, 4.0), b.quantize(total, 3.0, bits=8)
    x = b.conv(x, 12, 12)
    x = b.op("Clip", [b.op("Add", [x, side]), b.constant(F32(0)), b.constant(F32(3))])
    x = b.quantize(x, 3.0)
    x = b.quantize(b.op("GlobalAveragePool", [x]), 2.0, bits=8)
    x = b.op("Flatten", [x])
    weight = b.weight((10, 12), mix=False)
    b.output(b.op("Gemm", [x, weight, b.constant(b.rng.normal(size=10).astype(F32))], transB=1), 2)
    return b


def mobile_network(seed: int, candidates=None, size: int = 13) -> Builder:
    """Depthwise, dilation, zero points, relu6, max pool, concat, a code table for HardSwish, average pool, MatMul."""
    b = Builder(list(candidates or CANDIDATES), seed)
    x = b.quantize(b.input("image", ["n", 4, size, size]), 6.0, bits=8, zero=120)
    x = b.op("Clip", [b.conv(x, 8, 4, stride=2), b.constant(F32(0)), b.constant(F32(6))])
    x = b.quantize(b.op("MaxPool", [x], kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]), 3.0)
    left = b.quantize(b.op("Relu", [b.batch_norm(b.conv(x, 8, 8, groups=8), 8)]), 2.5)
    right = b.conv(x, 8, 8, groups=2, dilation=2)
    right = b.quantize(right, 3.0, bits=8, zero=128)
    inner = b.op("Clip", [b.op("Add", [right, b.constant(F32(3))]), b.constant(F32(0)), b.constant(F32(6))])
    right = b.op("Div", [b.op("Mul", [right, inner]), b.constant(F32(6))])
    x = b.quantize(b.op("Concat", [left, right], axis=1), 3.0, zero=1)
    x = b.quantize(b.op("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2], pads=[1, 0, 0, 1],
                        count_include_pad=0), 2.0)
    x = b.op("Mul", [b.conv(x, 6, 16, kernel=1, bias=False),
                     b.constant(b.rng.uniform(.5, 1.5, (1, 6, 1, 1)).astype(F32))])
    x = b.op("Add", [x, b.constant(b.rng.normal(size=(6, 1, 1)).astype(F32))])
    x = b.quantize(b.op("Relu", [x]), 3.0)
    x = b.op("Reshape", [x, b.constant(np.array([0, -1], np.int64))])
    size = (((size + 1) // 2 + 1) // 2) ** 2 * 6
    b.output(b.op("MatMul", [x, b.weight((size, 5), axis=1, mix=False)]), 2)
    return b


def oracle(model: onnx.ModelProto, inputs: dict, index: int, names: list[str]) -> dict[str, np.ndarray]:
    """ONNX Runtime, unoptimised, one thread: the named float values at one candidate."""
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(with_outputs(model, names).SerializeToString(), options,
                                   providers=["CPUExecutionProvider"])
    feeds = dict(inputs)
    if any(value.name == "candidate" for value in session.get_inputs()):
        feeds["candidate"] = np.asarray(index, np.int64)
    return dict(zip(names, session.run(names, feeds)))
