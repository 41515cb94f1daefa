"""Activations as modules (so that fine-tuning code can find and replace them), other elementwise ops as functions."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from .call import Call


def hard_sigmoid(x: torch.Tensor, alpha: float, beta: float) -> torch.Tensor:
    return torch.clamp(alpha * x + beta, 0.0, 1.0)


def divide(x: Any, y: Any) -> Any:
    """ONNX Div: integers are divided with truncation."""
    integer = isinstance(x, torch.Tensor) and not x.is_floating_point()
    return torch.div(x, y, rounding_mode="trunc") if integer else x / y


def _clip_bounds(call: Call) -> tuple[float, float]:
    """Attributes before opset 11, optional inputs since."""
    low, high = call.attribute("min", -math.inf), call.attribute("max", math.inf)
    if call.has_input(1):
        low = float(call.require(1, "min").reshape(()))
    if call.has_input(2):
        high = float(call.require(2, "max").reshape(()))
    return low, high


def _clip(call: Call) -> fx.Node:
    low, high = _clip_bounds(call)
    if (low, high) == (0.0, 6.0):
        return call.module(nn.ReLU6(), call.value(0))
    if low == 0.0 and high >= 3.4e38:
        return call.module(nn.ReLU(), call.value(0))
    if low < high and math.isfinite(low) and math.isfinite(high):
        return call.module(nn.Hardtanh(low, high), call.value(0))
    return call.function(torch.clamp, call.value(0), min=low, max=high)


def _hard_sigmoid(call: Call) -> fx.Node:
    alpha, beta = call.attribute("alpha", 0.2), call.attribute("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5:
        return call.module(nn.Hardsigmoid(), call.value(0))
    return call.function(hard_sigmoid, call.value(0), alpha, beta)


def _selu(call: Call) -> fx.Node:
    alpha, gamma = call.attribute("alpha", 1.6732632), call.attribute("gamma", 1.0507010)
    if not (math.isclose(alpha, 1.6732632, rel_tol=1e-6) and math.isclose(gamma, 1.0507010, rel_tol=1e-6)):
        raise call.refuse(f"alpha {alpha} and gamma {gamma}, expected the defaults")
    return call.module(nn.SELU(), call.value(0))


def softmax_from(x: torch.Tensor, axis: int, logarithm: bool) -> torch.Tensor:
    """Softmax before opset 13: over `axis` and all later ones together."""
    flat = x.flatten(axis)
    return (flat.log_softmax(-1) if logarithm else flat.softmax(-1)).reshape(x.shape)


def _softmax(module: Callable[[int], nn.Module], call: Call) -> fx.Node:
    axis, rank = call.attribute("axis", -1 if call.opset >= 13 else 1), call.rank()
    if call.opset >= 13 or axis == -1 or axis == (rank or 0) - 1:
        return call.module(module(axis), call.value(0))
    return call.function(softmax_from, call.value(0), axis, module is nn.LogSoftmax)


def _dropout(call: Call) -> fx.Node:
    if len(call.node.output) > 1 and call.node.output[1]:
        raise call.refuse("the output mask")
    ratio = call.attribute("ratio", 0.5)
    if call.has_input(1):
        ratio = float(call.require(1, "ratio").reshape(()))
    return call.module(nn.Dropout(ratio), call.value(0))


def _module(make: Callable[[Call], nn.Module], call: Call) -> fx.Node:
    return call.module(make(call), call.value(0))


def _unary(function: Callable[..., Any], call: Call) -> fx.Node:
    return call.function(function, call.value(0))


def _binary(function: Callable[..., Any], call: Call) -> fx.Node:
    """Numbers stay numbers, except that one operand must be a tensor."""
    left = call.scalar_or_value(0) if call.constant(1) is None else call.value(0)
    right = call.scalar_or_value(1) if isinstance(left, fx.Node) else call.value(1)
    return call.function(function, left, right)


def _variadic(function: Callable[..., Any], call: Call) -> fx.Node:
    """Sum, Max and Min of any number of operands, left to right."""
    values = [call.value(i) for i in range(len(call.node.input))]
    return functools.reduce(lambda left, right: call.function(function, left, right), values)


def _where(call: Call) -> fx.Node:
    return call.function(torch.where, call.value(0), call.value(1), call.value(2))


_MODULES: dict[str, Callable[[Call], nn.Module]] = {
    "Relu": lambda call: nn.ReLU(),
    "LeakyRelu": lambda call: nn.LeakyReLU(call.attribute("alpha", 0.01)),
    "Elu": lambda call: nn.ELU(call.attribute("alpha", 1.0)),
    "Sigmoid": lambda call: nn.Sigmoid(),
    "HardSwish": lambda call: nn.Hardswish(),
    "Tanh": lambda call: nn.Tanh(),
    "Softplus": lambda call: nn.Softplus(),
    "Softsign": lambda call: nn.Softsign(),
    "Gelu": lambda call: nn.GELU(call.attribute("approximate", "none")),
    "Mish": lambda call: nn.Mish(),
    "Identity": lambda call: nn.Identity(),
}
_UNARY = {"Abs": torch.abs, "Ceil": torch.ceil, "Cos": torch.cos, "Erf": torch.erf, "Exp": torch.exp,
          "Floor": torch.floor, "Log": torch.log, "Neg": operator.neg, "Not": torch.logical_not,
          "Reciprocal": torch.reciprocal, "Round": torch.round, "Sin": torch.sin, "Sqrt": torch.sqrt}
_BINARY = {"Add": operator.add, "Sub": operator.sub, "Mul": operator.mul, "Div": divide, "Pow": operator.pow,
           "Equal": torch.eq, "Greater": torch.gt, "GreaterOrEqual": torch.ge, "Less": torch.lt,
           "LessOrEqual": torch.le}
_VARIADIC = {"Sum": operator.add, "Max": torch.maximum, "Min": torch.minimum}

HANDLERS = {
    "Clip": _clip, "HardSigmoid": _hard_sigmoid, "Selu": _selu, "Dropout": _dropout, "Where": _where,
    "Softmax": functools.partial(_softmax, nn.Softmax), "LogSoftmax": functools.partial(_softmax, nn.LogSoftmax),
    **{op: functools.partial(_module, make) for op, make in _MODULES.items()},
    **{op: functools.partial(_unary, function) for op, function in _UNARY.items()},
    **{op: functools.partial(_binary, function) for op, function in _BINARY.items()},
    **{op: functools.partial(_variadic, function) for op, function in _VARIADIC.items()},
}
