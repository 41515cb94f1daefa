"""Elementwise ops, reductions and matrix products with ONNX semantics, in the float type of their operands.

An op is ``f(node, inputs) -> list of outputs``; ``node`` has ``attributes`` (a dict) and ``opset``. Elementwise ops
are used in double as well, for the tables of N5.
"""

from __future__ import annotations

import math
from typing import Any, Callable

import numpy as np

from .errors import UnsupportedModel

OPS: dict[str, Callable[[Any, list], list]] = {}


def _unary(name: str, function: Callable[[np.ndarray], np.ndarray]) -> None:
    OPS[name] = lambda node, xs: [np.asarray(function(xs[0])).astype(xs[0].dtype, copy=False)]


def _binary(name: str, function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    OPS[name] = lambda node, xs: [function(xs[0], xs[1])]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    one = x.dtype.type(1)
    with np.errstate(over="ignore"):
        return one / (one + np.exp(-x))


_erf = np.vectorize(math.erf, otypes=[np.float64])

for _name, _function in {
        "Relu": lambda x: np.maximum(x, x.dtype.type(0)), "Sigmoid": sigmoid, "Tanh": np.tanh, "Exp": np.exp,
        "Log": np.log, "Sqrt": np.sqrt, "Neg": np.negative, "Abs": np.abs, "Floor": np.floor, "Ceil": np.ceil,
        "Round": np.rint, "Sign": np.sign, "Erf": _erf, "Reciprocal": lambda x: x.dtype.type(1) / x,
        "Sin": np.sin, "Cos": np.cos, "Softplus": lambda x: np.logaddexp(x.dtype.type(0), x),
        "Softsign": lambda x: x / (1 + np.abs(x)), "Not": np.logical_not,
        "HardSwish": lambda x: x * np.clip(x / x.dtype.type(6) + x.dtype.type(0.5), 0, 1),
        "Identity": lambda x: x, "Dropout": lambda x: x}.items():
    _unary(_name, _function)
for _name, _function in {
        "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Equal": np.equal, "Less": np.less,
        "Greater": np.greater, "LessOrEqual": np.less_equal, "GreaterOrEqual": np.greater_equal, "And": np.logical_and,
        "Or": np.logical_or, "Xor": np.logical_xor}.items():
    _binary(_name, _function)


def _div(node: Any, xs: list) -> list:
    a, b = xs
    if a.dtype.kind in "iu":
        return [(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(a.dtype)]
    return [a / b]


def _mod(node: Any, xs: list) -> list:
    return [np.fmod(*xs) if node.attributes.get("fmod", 0) else np.mod(*xs)]


def _pow(node: Any, xs: list) -> list:
    if xs[0].dtype.kind == "f":
        return [np.power(xs[0], xs[1].astype(xs[0].dtype))]
    return [np.power(xs[0].astype(np.float64), xs[1]).astype(xs[0].dtype)]


def _fold(function: Callable) -> Callable:
    def apply(node: Any, xs: list) -> list:
        total = xs[0]
        for x in xs[1:]:
            total = function(total, x)
        return [total]
    return apply


def clip_bounds(node: Any, xs: list) -> tuple[Any, Any]:
    """Lower and upper bound of a Clip, None where it has none: attributes before opset 11, inputs since."""
    if node.opset < 11:
        return node.attributes.get("min"), node.attributes.get("max")
    return tuple(xs[i] if len(xs) > i else None for i in (1, 2))


def _clip(node: Any, xs: list) -> list:
    low, high = clip_bounds(node, xs)
    x = xs[0]
    x = x if low is None else np.maximum(x, np.asarray(low, x.dtype))
    return [x if high is None else np.minimum(x, np.asarray(high, x.dtype))]


def _leaky(node: Any, xs: list) -> list:
    x = xs[0]
    return [np.where(x >= 0, x, x * x.dtype.type(node.attributes.get("alpha", 0.01)))]


def _prelu(node: Any, xs: list) -> list:
    return [np.where(xs[0] >= 0, xs[0], xs[0] * xs[1])]


def _elu(node: Any, xs: list) -> list:
    x = xs[0]
    with np.errstate(over="ignore"):
        return [np.where(x >= 0, x, x.dtype.type(node.attributes.get("alpha", 1.0)) * np.expm1(x))]


def _selu(node: Any, xs: list) -> list:
    x, kind = xs[0], xs[0].dtype.type
    alpha = kind(node.attributes.get("alpha", 1.67326319217681884765625))
    gamma = kind(node.attributes.get("gamma", 1.05070102214813232421875))
    with np.errstate(over="ignore"):
        return [gamma * np.where(x > 0, x, alpha * np.expm1(x))]


def _hard_sigmoid(node: Any, xs: list) -> list:
    x, kind = xs[0], xs[0].dtype.type
    slope, offset = kind(node.attributes.get("alpha", 0.2)), kind(node.attributes.get("beta", 0.5))
    return [np.clip(x * slope + offset, kind(0), kind(1))]


def _gelu(node: Any, xs: list) -> list:
    x = xs[0].astype(np.float64)
    if node.attributes.get("approximate", "none") == "tanh":
        y = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))
    else:
        y = 0.5 * x * (1 + _erf(x / math.sqrt(2)))
    return [y.astype(xs[0].dtype)]


def _softmax(node: Any, xs: list) -> list:
    x = xs[0]
    axis = node.attributes.get("axis", -1 if node.opset >= 13 else 1)
    if node.opset < 13:
        axis = axis % x.ndim
        flat = x.reshape(int(np.prod(x.shape[:axis])), -1)
        return [_normalised_exponentials(flat, 1).reshape(x.shape)]
    return [_normalised_exponentials(x, axis)]


def _normalised_exponentials(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _reduce(function: Callable) -> Callable:
    def apply(node: Any, xs: list) -> list:
        axes = node.attributes.get("axes")
        if len(xs) > 1 and xs[1] is not None:
            axes = xs[1].tolist()
        if not axes and node.attributes.get("noop_with_empty_axes", 0):
            return [xs[0]]
        keep = bool(node.attributes.get("keepdims", 1))
        return [np.asarray(function(xs[0], axis=tuple(axes) if axes else None, keepdims=keep)).astype(xs[0].dtype)]
    return apply


def _arg_max(node: Any, xs: list) -> list:
    axis, keep = node.attributes.get("axis", 0), bool(node.attributes.get("keepdims", 1))
    x = xs[0]
    if node.attributes.get("select_last_index", 0):
        index = x.shape[axis] - 1 - np.argmax(np.flip(x, axis), axis=axis, keepdims=keep)
    else:
        index = np.argmax(x, axis=axis, keepdims=keep)
    return [np.asarray(index, np.int64)]


def _cumsum(node: Any, xs: list) -> list:
    if node.attributes.get("exclusive", 0) or node.attributes.get("reverse", 0):
        raise UnsupportedModel("CumSum with exclusive or reverse")
    return [np.cumsum(xs[0], axis=int(xs[1]), dtype=xs[0].dtype)]


def _gemm(node: Any, xs: list) -> list:
    a = xs[0].T if node.attributes.get("transA", 0) else xs[0]
    b = xs[1].T if node.attributes.get("transB", 0) else xs[1]
    y = a @ b
    alpha, beta = (y.dtype.type(node.attributes.get(k, 1.0)) for k in ("alpha", "beta"))
    y = y if alpha == 1 else y * alpha
    if len(xs) > 2 and xs[2] is not None:
        y = y + (xs[2] if beta == 1 else xs[2] * beta)
    return [y]


OPS.update({
    "Div": _div, "Mod": _mod, "Pow": _pow, "Max": _fold(np.maximum), "Min": _fold(np.minimum), "Sum": _fold(np.add),
    "Clip": _clip, "LeakyRelu": _leaky, "PRelu": _prelu, "Elu": _elu, "Selu": _selu, "HardSigmoid": _hard_sigmoid,
    "Gelu": _gelu, "Softmax": _softmax, "ReduceMean": _reduce(np.mean), "ReduceSum": _reduce(np.sum),
    "ReduceMax": _reduce(np.max), "ReduceMin": _reduce(np.min), "ReduceProd": _reduce(np.prod), "ArgMax": _arg_max,
    "CumSum": _cumsum, "Gemm": _gemm, "MatMul": lambda node, xs: [np.matmul(xs[0], xs[1])],
    "Where": lambda node, xs: [np.where(xs[0], xs[1], xs[2])],
})

# Ops of one value and scalars that N5 may fold into a table between two quantizers.
ELEMENTWISE = frozenset({
    "Relu", "Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Neg", "Abs", "Floor", "Ceil", "Round", "Erf", "Reciprocal", "Sin",
    "Cos", "Softplus", "Softsign", "HardSwish", "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Clip", "LeakyRelu",
    "PRelu", "Elu", "Selu", "HardSigmoid", "Gelu",
})
