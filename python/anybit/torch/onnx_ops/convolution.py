"""Conv, ConvTranspose, Gemm, MatMul and BatchNormalization: the layers with parameters, as plain `torch.nn` modules."""

from __future__ import annotations

import numpy
import torch
from torch import fx, nn

from ..._errors import InvalidInput
from .call import Call, parameter
from .padding import Window, pad_for_window, window_of

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_BATCH_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


def _set_parameters(module: nn.Module, weight: numpy.ndarray, bias: numpy.ndarray | None) -> None:
    """Puts real parameters in the place of those without data (device `meta`: nothing is initialized in vain)."""
    module.weight = parameter(weight)
    if bias is not None:
        if bias.size != module.bias.numel():
            raise InvalidInput(f"bias has {bias.size} elements, expected {module.bias.numel()}")
        module.bias = parameter(bias.reshape(-1))


def _check_window(call: Call, window: Window, weight: numpy.ndarray) -> int:
    spatial = weight.ndim - 2
    if spatial not in _CONVOLUTIONS:
        raise call.refuse(f"weight has rank {weight.ndim}, expected 3 to 5")
    if tuple(weight.shape[2:]) != tuple(window.kernel):
        raise call.invalid(f"kernel_shape {list(window.kernel)} is not that of the weight, {list(weight.shape[2:])}")
    return spatial


def _conv(call: Call) -> fx.Node:
    weight = call.require(1, "weight")
    bias = call.require(2, "bias") if call.has_input(2) else None
    window = window_of(call, weight.shape[2:])
    spatial = _check_window(call, window, weight)
    group = call.attribute("group", 1)
    x, padding = pad_for_window(call, window, 0.0)
    with torch.device("meta"):
        module = _CONVOLUTIONS[spatial](weight.shape[1] * group, weight.shape[0], window.kernel, window.strides,
                                        padding, window.dilations, group, bias is not None)
    _set_parameters(module, weight, bias)
    return call.module(module, x, weight=1)


def _conv_transpose(call: Call) -> fx.Node:
    weight = call.require(1, "weight")
    bias = call.require(2, "bias") if call.has_input(2) else None
    window = window_of(call, weight.shape[2:])
    spatial = _check_window(call, window, weight)
    group = call.attribute("group", 1)
    before, after = window.pads[:spatial], window.pads[spatial:]
    if before != after or window.automatic or call.attribute("output_shape"):
        raise call.refuse("output_shape, auto_pad and asymmetric pads of a transposed convolution")
    extra = call.attribute("output_padding", [0] * spatial)
    with torch.device("meta"):
        module = _TRANSPOSED[spatial](weight.shape[0], weight.shape[1] * group, window.kernel, window.strides,
                                      tuple(before), tuple(extra), group, bias is not None, tuple(window.dilations))
    _set_parameters(module, weight, bias)
    return call.module(module, call.value(0), weight=1)


def _linear(call: Call, weight: numpy.ndarray, bias: numpy.ndarray | None) -> fx.Node:
    """weight: [out, in]; bias: any shape that broadcasts to [out]."""
    with torch.device("meta"):
        module = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    if bias is not None:
        bias = numpy.broadcast_to(bias.reshape(-1), weight.shape[:1])
    _set_parameters(module, weight, bias)
    return call.module(module, call.value(0), weight=1)


def _gemm(call: Call) -> fx.Node:
    weight = call.constant(1)
    bias = call.constant(2) if call.has_input(2) else None
    if call.attribute("transA", 0) or weight is None or (call.has_input(2) and bias is None):
        raise call.refuse("transA, or a weight or bias that is not constant")
    if weight.ndim != 2 or (bias is not None and bias.size != max(bias.shape[-1:] or (1,))):
        raise call.refuse("a weight whose rank is not 2, or a bias with a row per sample")
    weight = weight if call.attribute("transB", 0) else weight.T
    if bias is not None:
        bias = bias * numpy.float32(call.attribute("beta", 1.0))
    return _linear(call, weight * numpy.float32(call.attribute("alpha", 1.0)), bias)


def _matmul(call: Call) -> fx.Node:
    weight = call.constant(1)
    if weight is not None and weight.ndim == 2:
        return _linear(call, weight.T, None)
    return call.function(torch.matmul, call.value(0), call.value(1))


def _batch_norm(call: Call) -> fx.Node:
    scale, shift, mean, variance = (call.require(i, what) for i, what in
                                    ((1, "scale"), (2, "B"), (3, "mean"), (4, "var")))
    if call.attribute("training_mode", 0) or not call.attribute("spatial", 1) or len(call.node.output) > 1:
        raise call.refuse("training_mode, spatial = 0 and more than one output")
    rank = call.rank() or 4
    if rank not in _BATCH_NORMS:
        raise call.refuse(f"an input of rank {rank}, expected 2 to 5")
    module = _BATCH_NORMS[rank](scale.size, call.attribute("epsilon", 1e-5), 1 - call.attribute("momentum", 0.9))
    module.weight, module.bias = parameter(scale), parameter(shift)
    module.running_mean, module.running_var = (parameter(a).detach().clone() for a in (mean, variance))
    return call.module(module, call.value(0), weight=1)


def _prelu(call: Call) -> fx.Node:
    slope = call.require(1, "slope")
    if slope.size != 1 and (slope.ndim < 1 or slope.size != slope.shape[0]):
        raise call.refuse(f"a slope of shape {list(slope.shape)}, expected one element or one per channel")
    module = nn.PReLU(slope.size)
    module.weight = parameter(slope.reshape(-1))
    return call.module(module, call.value(0), weight=1)


HANDLERS = {"Conv": _conv, "ConvTranspose": _conv_transpose, "Gemm": _gemm, "MatMul": _matmul,
            "BatchNormalization": _batch_norm, "PRelu": _prelu}
