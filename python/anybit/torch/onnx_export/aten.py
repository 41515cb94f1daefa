"""The ops of an exported graph (torch.export, ATen) as ONNX ops of opset 17."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx

from .writer import Writer

Handler = Callable[["Call"], "str | list[str]"]
OPS: dict[str, Handler] = {}
_FLOAT, _INT64 = 1, 7


class Call:
    """One call: `w` the writer, `node` it, `values` the names of tensors, and its arguments by the schema."""

    def __init__(self, w: Writer, node: fx.Node, values: dict[fx.Node, Any], hint: str) -> None:
        self.w, self.node, self.hint = w, node, hint
        self._values = values
        self.arguments: dict[str, Any] = {}
        for i, parameter in enumerate(node.target._schema.arguments):  # type: ignore[union-attr]
            given = node.args[i] if i < len(node.args) else node.kwargs.get(parameter.name, parameter.default_value)
            self.arguments[parameter.name] = given

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def tensor(self, name: str) -> str:
        """The name of a tensor argument; a number becomes a constant."""
        value = self.arguments[name]
        return self._values[value] if isinstance(value, fx.Node) else self.w.floats(value)

    def tensors(self, name: str) -> list[str]:
        return [self._values[value] for value in self.arguments[name]]

    def rank(self, name: str) -> int:
        return self.arguments[name].meta["val"].dim()

    def axis(self, name: str, of: str = "self") -> int:
        axis = self.arguments[name]
        return axis + self.rank(of) if axis < 0 else axis

    def axes(self, name: str, of: str = "self") -> list[int]:
        """Axes; all of them where none are named."""
        given = self.arguments[name]
        given = range(self.rank(of)) if given is None or given == [] else [given] if isinstance(given, int) else given
        return sorted(axis % self.rank(of) for axis in given)

    def add(self, op: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> Any:
        return self.w.add(op, inputs, self.hint, outputs, **attributes)

    def sizes(self, name: str) -> str:
        """A shape argument as an int64 constant; a size that is the batch's becomes 0 (Reshape copies it) at axis 0."""
        sizes = list(self.arguments[name])
        fixed = [size if isinstance(size, int) else None for size in sizes]
        if None in fixed[1:]:
            raise ValueError("a size other than the first depends on the batch")
        return self.w.integers([0 if size is None else size for size in fixed])


def op(*names: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        OPS.update((f"aten.{name}", handler) for name in names)
        return handler
    return register


def _simple(onnx_op: str, *names: str) -> None:
    op(*names)(lambda c: c.add(onnx_op, [c.tensor("self")]))


for _onnx_op, _names in {"Relu": ("relu.default",), "Sigmoid": ("sigmoid.default",), "Tanh": ("tanh.default",),
                         "Exp": ("exp.default",), "Log": ("log.default",), "Sqrt": ("sqrt.default",),
                         "Abs": ("abs.default",), "Neg": ("neg.default",), "Floor": ("floor.default",),
                         "Ceil": ("ceil.default",), "Round": ("round.default",), "Erf": ("erf.default",),
                         "Sin": ("sin.default",), "Cos": ("cos.default",), "Reciprocal": ("reciprocal.default",),
                         "HardSwish": ("hardswish.default",), "Softsign": ("softsign.default",)}.items():
    _simple(_onnx_op, *_names)


def _binary(onnx_op: str, *names: str) -> None:
    def handler(c: Call) -> str:
        other = c.tensor("other")
        if c.arguments.get("alpha", 1) != 1:
            other = c.w.add("Mul", [other, c.w.floats(c["alpha"])], f"{c.hint}/scaled")
        return c.add(onnx_op, [c.tensor("self"), other])
    op(*names)(handler)


for _onnx_op in ("Add", "Sub", "Mul", "Div"):
    _binary(_onnx_op, f"{_onnx_op.lower()}.Tensor", f"{_onnx_op.lower()}.Scalar")
_binary("Max", "maximum.default")
_binary("Min", "minimum.default")
op("matmul.default", "bmm.default", "mm.default")(
    lambda c: c.add("MatMul", [c.tensor("self"), c.tensor("mat2" if "mat2" in c.arguments else "other")]))
op("pow.Tensor_Scalar")(lambda c: c.add("Pow", [c.tensor("self"), c.w.floats(c["exponent"])]))
op("rsub.Scalar")(lambda c: c.add("Sub", [c.tensor("other"), c.tensor("self")]))
op("square.default")(lambda c: c.add("Mul", [c.tensor("self")] * 2))
op("silu.default")(lambda c: c.add("Mul", [c.tensor("self"), c.w.add("Sigmoid", [c.tensor("self")],
                                                                    f"{c.hint}/sigmoid")]))
op("hardsigmoid.default")(lambda c: c.add("HardSigmoid", [c.tensor("self")], alpha=1 / 6, beta=0.5))
op("leaky_relu.default")(lambda c: c.add("LeakyRelu", [c.tensor("self")], alpha=float(c["negative_slope"])))
op("elu.default")(lambda c: c.add("Elu", [c.tensor("self")], alpha=float(c["alpha"])))
op("softplus.default")(lambda c: c.add("Softplus", [c.tensor("self")]))
op("prelu.default")(lambda c: c.add("PRelu", [c.tensor("self"), _channels(c, "weight")]))
op("dropout.default", "clone.default", "alias.default", "contiguous.default", "detach.default", "dropout_.default",
   "feature_dropout.default", "lift_fresh_copy.default")(
        lambda c: c.tensor("input" if "input" in c.arguments else "self"))
op("cat.default")(lambda c: c.add("Concat", c.tensors("tensors"), axis=c["dim"]))
op("softmax.int")(lambda c: c.add("Softmax", [c.tensor("self")], axis=c["dim"]))
op("permute.default")(lambda c: c.add("Transpose", [c.tensor("self")], perm=[d % c.rank("self") for d in c["dims"]]))
op("view.default", "reshape.default", "_unsafe_view.default")(
    lambda c: c.add("Reshape", [c.tensor("self"), c.sizes("size" if "size" in c.arguments else "shape")]))
op("unsqueeze.default")(lambda c: c.add("Unsqueeze", [c.tensor("self"), c.w.integers([c["dim"]])]))
op("squeeze.dim", "squeeze.dims")(lambda c: c.add("Squeeze", [c.tensor("self"), c.w.integers(c.axes("dim"))]))
op("pixel_shuffle.default")(lambda c: c.add("DepthToSpace", [c.tensor("self")], blocksize=c["upscale_factor"],
                                            mode="CRD"))


def _channels(c: Call, name: str) -> str:
    """A per-channel vector [C] as [C, 1, ...] of one rank less than the input."""
    trailing = c.rank("self") - 2
    if trailing <= 0 or c.arguments[name].meta["val"].numel() == 1:
        return c.tensor(name)
    return c.w.add("Reshape", [c.tensor(name), c.w.integers([-1] + [1] * trailing)], f"{c.hint}/{name}")


@op("gelu.default")
def _gelu(c: Call) -> str:
    x = c.tensor("self")
    if c["approximate"] != "none":
        raise ValueError("gelu with the tanh approximation")
    erf = c.w.add("Erf", [c.w.add("Div", [x, c.w.floats(math.sqrt(2))], f"{c.hint}/scaled")], f"{c.hint}/erf")
    half = c.w.add("Mul", [x, c.w.add("Add", [erf, c.w.floats(1)], f"{c.hint}/shifted")], f"{c.hint}/product")
    return c.add("Mul", [half, c.w.floats(0.5)])


@op("clamp.default", "hardtanh.default", "relu6.default", "clamp_min.default", "clamp_max.default")
def _clamp(c: Call) -> str:
    low = c.arguments.get("min", c.arguments.get("min_val"))
    high = c.arguments.get("max", c.arguments.get("max_val"))
    if "relu6" in str(c.node.target):
        low, high = 0, 6
    bounds = ["" if bound is None else c.w.floats(float(bound)) for bound in (low, high)]
    return c.add("Clip", [c.tensor("self"), *bounds][: 3 if bounds[1] else 2])


@op("transpose.int")
def _transpose(c: Call) -> str:
    order = list(range(c.rank("self")))
    a, b = c.axis("dim0"), c.axis("dim1")
    order[a], order[b] = order[b], order[a]
    return c.add("Transpose", [c.tensor("self")], perm=order)


@op("flatten.using_ints")
def _flatten(c: Call) -> str:
    rank = c.rank("self")
    start, end = c["start_dim"] % rank, c["end_dim"] % rank
    if start == 1 and end == rank - 1:
        return c.add("Flatten", [c.tensor("self")], axis=1)
    shape = c["self"].meta["val"].shape
    return c.add("Reshape", [c.tensor("self"), c.w.integers([0] * start + [-1] + [int(s) for s in shape[end + 1:]])])


@op("mean.dim", "sum.dim_IntList", "amax.default", "amin.default", "mean.default")
def _reduce(c: Call) -> str:
    kind = str(c.node.target).split(".")[1]
    onnx_op = {"mean": "ReduceMean", "sum": "ReduceSum", "amax": "ReduceMax", "amin": "ReduceMin"}[kind]
    if "dim" not in c.arguments:
        return c.add(onnx_op, [c.tensor("self")], keepdims=0)
    axes, keep = c.axes("dim"), int(c["keepdim"])
    if kind == "mean" and axes == [2, 3] and c.rank("self") == 4:
        pooled = c.w.add("GlobalAveragePool", [c.tensor("self")], c.hint)
        return pooled if keep else c.w.add("Flatten", [pooled], f"{c.hint}/flat", axis=1)
    if kind == "sum":
        return c.add(onnx_op, [c.tensor("self"), c.w.integers(axes)], keepdims=keep)
    return c.add(onnx_op, [c.tensor("self")], axes=axes, keepdims=keep)


def _pair(values: Any, rank: int) -> list[int]:
    values = [values] if isinstance(values, int) else list(values)
    return values * rank if len(values) == 1 else values


@op("max_pool1d.default", "max_pool2d.default", "avg_pool1d.default", "avg_pool2d.default")
def _pool(c: Call) -> str:
    spatial = 1 if "1d" in str(c.node.target) else 2
    kernel = _pair(c["kernel_size"], spatial)
    pads = _pair(c["padding"], spatial)
    window = dict(kernel_shape=kernel, strides=_pair(c["stride"], spatial) if c["stride"] else kernel, pads=pads + pads,
                  ceil_mode=int(c["ceil_mode"]))
    if "max" in str(c.node.target):
        return c.add("MaxPool", [c.tensor("self")], dilations=_pair(c["dilation"], spatial), **window)
    if c.arguments.get("divisor_override"):
        raise ValueError("an average pool with a divisor of its own")
    return c.add("AveragePool", [c.tensor("self")], count_include_pad=int(c["count_include_pad"]), **window)


@op("adaptive_avg_pool1d.default", "adaptive_avg_pool2d.default", "adaptive_max_pool2d.default")
def _adaptive(c: Call) -> str:
    shape = c["self"].meta["val"].shape
    output = list(c["output_size"])
    spatial = [int(size) for size in shape[-len(output):]]
    is_max = "max" in str(c.node.target)
    if all(size == 1 for size in output):
        return c.add("GlobalMaxPool" if is_max else "GlobalAveragePool", [c.tensor("self")])
    if any(size % target for size, target in zip(spatial, output)):
        raise ValueError(f"an adaptive pool from {spatial} to {output}, which are no multiples")
    window = [size // target for size, target in zip(spatial, output)]
    return c.add("MaxPool" if is_max else "AveragePool", [c.tensor("self")], kernel_shape=window, strides=window)


@op("conv1d.default", "conv2d.default", "conv1d.padding", "conv2d.padding")
def _convolution(c: Call) -> str:
    kernel = list(c["weight"].meta["val"].shape[2:])
    dilation = _pair(c["dilation"], len(kernel))
    if isinstance(c["padding"], str):
        totals = [d * (k - 1) if c["padding"] == "same" else 0 for d, k in zip(dilation, kernel)]
        pads = [t // 2 for t in totals] + [t - t // 2 for t in totals]
    else:
        pads = 2 * _pair(c["padding"], len(kernel))
    bias = [] if c["bias"] is None else [c.tensor("bias")]
    return c.add("Conv", [c.tensor("input"), c.tensor("weight"), *bias], kernel_shape=kernel, dilations=dilation,
                 strides=_pair(c["stride"], len(kernel)), pads=pads, group=c["groups"])


@op("linear.default")
def _linear(c: Call) -> str:
    moved = c.w.add("Transpose", [c.tensor("weight")], f"{c.hint}/weight", perm=[1, 0])
    if c["bias"] is None:
        return c.add("MatMul", [c.tensor("input"), moved])
    product = c.w.add("MatMul", [c.tensor("input"), moved], f"{c.hint}/product")
    return c.add("Add", [product, c.tensor("bias")])


@op("batch_norm.default")
def _batch_norm(c: Call) -> str:
    if c["training"]:
        raise ValueError("a batch norm that uses batch statistics")
    size = c["running_mean"].meta["val"].shape[0]
    weight = c.w.floats([1.0] * size) if c["weight"] is None else c.tensor("weight")
    bias = c.w.floats([0.0] * size) if c["bias"] is None else c.tensor("bias")
    return c.add("BatchNormalization", [c.tensor("input"), weight, bias, c.tensor("running_mean"),
                                        c.tensor("running_var")], epsilon=float(c["eps"]))


@op("slice.Tensor")
def _slice(c: Call) -> str:
    bounds = [c["start"] or 0, (1 << 63) - 1 if c["end"] is None else c["end"]]
    if not all(isinstance(bound, int) for bound in bounds):
        raise ValueError("a slice whose bounds depend on the batch")
    return c.add("Slice", [c.tensor("self"), *(c.w.integers([v]) for v in (*bounds, c.axis("dim"), c["step"]))])


@op("select.int")
def _select(c: Call) -> str:
    return c.add("Gather", [c.tensor("self"), c.w.integers(c["index"])], axis=c.axis("dim"))


@op("chunk.default", "split.Tensor", "split_with_sizes.default")
def _split(c: Call) -> list[str]:
    sizes = [int(part.shape[c.axis("dim")]) for part in c.node.meta["val"]]
    parts = c.add("Split", [c.tensor("self"), c.w.integers(sizes)], outputs=len(sizes), axis=c.axis("dim"))
    return [parts] if isinstance(parts, str) else parts


@op("pad.default", "constant_pad_nd.default")
def _pad(c: Call) -> str:
    rank, given = c.rank("self"), c["pad"]
    before, after = [0] * rank, [0] * rank
    for i in range(len(given) // 2):
        before[rank - 1 - i], after[rank - 1 - i] = given[2 * i], given[2 * i + 1]
    mode = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}.get(c.arguments.get("mode", "constant"))
    if mode is None:
        raise ValueError(f"padding mode {c['mode']}")
    operands = [c.tensor("self"), c.w.integers(before + after)]
    return c.add("Pad", operands + ([c.w.floats(float(c["value"] or 0))] if mode == "constant" else []), mode=mode)


@op("upsample_nearest2d.vec", "upsample_bilinear2d.vec", "upsample_nearest1d.vec")
def _resize(c: Call) -> str:
    source, result = c["input"].meta["val"].shape, c.node.meta["val"].shape
    scales = [1.0, 1.0] + [float(r) / float(s) for r, s in zip(result[2:], source[2:])]
    if "nearest" in str(c.node.target):
        how = dict(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    else:
        corners = c["align_corners"]
        how = dict(mode="linear", coordinate_transformation_mode="align_corners" if corners else "half_pixel")
    return c.add("Resize", [c.tensor("input"), "", c.w.floats(scales)], **how)
