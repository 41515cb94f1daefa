"""Max, average and global pools."""

from __future__ import annotations

import math

from torch import fx, nn

from .call import Call
from .padding import Window, pad_for_window, window_of

_MAX = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_AVERAGE = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_GLOBAL_AVERAGE = {3: nn.AdaptiveAvgPool1d, 4: nn.AdaptiveAvgPool2d, 5: nn.AdaptiveAvgPool3d}
_GLOBAL_MAX = {3: nn.AdaptiveMaxPool1d, 4: nn.AdaptiveMaxPool2d, 5: nn.AdaptiveMaxPool3d}


def _pool_window(call: Call) -> Window:
    window = window_of(call)
    if len(window.kernel) not in _MAX:
        raise call.refuse(f"a window of {len(window.kernel)} axes, expected 1 to 3")
    if call.attribute("ceil_mode", 0) and not window.symmetric:
        raise call.refuse("ceil_mode with pads that differ at both ends")
    return window


def _padding(call: Call, window: Window, fill: float) -> tuple[fx.Node, tuple[int, ...]]:
    """As `pad_for_window`, but `torch.nn` pools also refuse a padding above half of the kernel."""
    if any(2 * pad > size for pad, size in zip(window.pads, window.kernel * 2)) and window.symmetric:
        raise call.refuse(f"pads {list(window.pads)} above half of the kernel {list(window.kernel)}")
    return pad_for_window(call, window, fill)


def _max_pool(call: Call) -> fx.Node:
    window = _pool_window(call)
    if len(call.node.output) > 1 and call.node.output[1]:
        raise call.refuse("the output Indices")
    x, padding = _padding(call, window, -math.inf)
    return call.module(_MAX[len(window.kernel)](window.kernel, window.strides, padding, window.dilations, False,
                                                bool(call.attribute("ceil_mode", 0))), x)


def _average_pool(call: Call) -> fx.Node:
    window, include = _pool_window(call), bool(call.attribute("count_include_pad", 0))
    if max(window.dilations) > 1:
        raise call.refuse("dilations of an average pool")
    if not window.symmetric and not include:
        raise call.refuse("pads that differ at both ends and are not counted (count_include_pad = 0)")
    x, padding = _padding(call, window, 0.0)
    # A window that ceil_mode lets hang over the declared padding is divided by what it covers in both libraries.
    return call.module(_AVERAGE[len(window.kernel)](window.kernel, window.strides, padding,
                                                    bool(call.attribute("ceil_mode", 0)), include), x)


def _global(modules: dict[int, type[nn.Module]], call: Call) -> fx.Node:
    rank = call.rank() or 4
    if rank not in modules:
        raise call.refuse(f"an input of rank {rank}, expected 3 to 5")
    return call.module(modules[rank](1), call.value(0))


HANDLERS = {
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda call: _global(_GLOBAL_AVERAGE, call),
    "GlobalMaxPool": lambda call: _global(_GLOBAL_MAX, call),
}
