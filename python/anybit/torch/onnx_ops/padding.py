"""Windows of convolutions and pools: ONNX pads may differ at both ends of an axis, those of `torch.nn` may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import fx, nn

from .call import Call


@dataclass(frozen=True)
class Window:
    """One entry per spatial axis; `pads` has all begins, then all ends. `automatic`: "", SAME_UPPER or SAME_LOWER."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    automatic: str

    @property
    def symmetric(self) -> bool:
        half = len(self.kernel)
        return not self.automatic and self.pads[:half] == self.pads[half:]


def same_pads(window: Window, sizes: Sequence[int]) -> tuple[int, ...]:
    """Explicit pads of a SAME window over an input of these spatial sizes: all begins, then all ends."""
    begins, ends = [], []
    for size, kernel, stride, dilation in zip(sizes, window.kernel, window.strides, window.dilations):
        total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
        small, large = total // 2, total - total // 2
        begins.append(small if window.automatic == "SAME_UPPER" else large)
        ends.append(large if window.automatic == "SAME_UPPER" else small)
    return (*begins, *ends)


class PadSame(nn.Module):
    """SAME_UPPER or SAME_LOWER over free sizes: [N, C, spatial...] is padded so that the output has ceil(size / stride)
    positions."""

    def __init__(self, window: Window, fill: float) -> None:
        super().__init__()
        self.window, self.fill = window, fill

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(x, reversed_pads(same_pads(self.window, x.shape[2:])), value=self.fill)

    def extra_repr(self) -> str:
        return f"{self.window.automatic}, kernel={self.window.kernel}, strides={self.window.strides}"


def window_of(call: Call, kernel: Sequence[int] | None = None) -> Window:
    """The window of a node, checked. `kernel`: sizes where the node has no kernel_shape of its own."""
    kernel = call.attribute("kernel_shape", kernel)
    spatial = len(kernel)
    strides, dilations = call.attribute("strides", [1] * spatial), call.attribute("dilations", [1] * spatial)
    pads, automatic = call.attribute("pads", [0] * 2 * spatial), call.attribute("auto_pad", "NOTSET")
    lengths = (len(strides), len(dilations), len(pads))
    if lengths != (spatial, spatial, 2 * spatial) or not spatial:
        raise call.invalid(f"strides, dilations and pads have {lengths} entries for a kernel of {spatial}")
    if min(*kernel, *strides, *dilations) < 1 or min(pads) < 0:
        raise call.invalid(f"kernel {list(kernel)}, strides {strides} or dilations {dilations} below 1, or pads {pads} "
                           "below 0")
    if automatic not in ("NOTSET", "", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise call.invalid(f"auto_pad is {automatic}")
    automatic = automatic if automatic.startswith("SAME") else ""
    window = Window(tuple(kernel), tuple(strides), tuple(dilations), tuple(pads), automatic)
    sizes = (call.shape() or [None] * (2 + spatial))[2:]
    if automatic and len(sizes) == spatial and None not in sizes:
        return replace(window, pads=same_pads(window, sizes), automatic="")
    return window


def reversed_pads(pads: Sequence[int]) -> list[int]:
    """ONNX order (begins, then ends) to that of `torch.nn.functional.pad` (last axis first, begin and end together)."""
    half = len(pads) // 2
    return [pads[axis + half * end] for axis in reversed(range(half)) for end in (0, 1)]


def pad_for_window(call: Call, window: Window, fill: float) -> tuple[fx.Node, tuple[int, ...]]:
    """The padded input and the padding that is left to the module itself: all of it where both ends are equal."""
    half = len(window.kernel)
    if window.automatic:
        return call.module(PadSame(window, fill), call.value(0), suffix="pad"), (0,) * half
    if window.symmetric:
        return call.value(0), window.pads[:half]
    pads = reversed_pads(window.pads)
    module = {1: nn.ConstantPad1d, 2: nn.ConstantPad2d, 3: nn.ConstantPad3d}[half](pads, fill)
    return call.module(module, call.value(0), suffix="pad"), (0,) * half
