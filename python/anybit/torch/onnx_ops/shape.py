"""Data movement: reshapes, slices, gathers, pads, concatenations, casts."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from torch import fx, nn

from ..onnx_dimensions import Dimension
from .call import Call, axes_within
from .padding import reversed_pads

_TYPES = {1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64,
          9: torch.bool, 10: torch.float16, 11: torch.float64, 16: torch.bfloat16}


# What the graph calls.

def shape_of(x: torch.Tensor, start: int, end: int | None) -> torch.Tensor:
    """ONNX Shape: the dimensions as an int64 tensor."""
    return torch.tensor(x.shape[start:end], dtype=torch.int64)


def reshape_to(x: torch.Tensor, shape: torch.Tensor, keep_zero: bool) -> torch.Tensor:
    """ONNX Reshape to a shape that the graph computes: 0 copies the dimension of the input, unless `keep_zero`."""
    return x.reshape([x.shape[i] if size == 0 and not keep_zero else size for i, size in enumerate(shape.tolist())])


def flatten_at(x: torch.Tensor, axis: int) -> torch.Tensor:
    """ONNX Flatten: [axes before `axis`, the others]."""
    return x.flatten(axis).reshape(-1, x[(0,) * axis].numel()) if axis else x.reshape(1, -1)


def expand(x: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """ONNX Expand: broadcast both ways."""
    return x.expand(torch.broadcast_shapes(x.shape, tuple(shape)))


def depth_to_space(x: torch.Tensor, block: int, column_row_depth: bool) -> torch.Tensor:
    """[N, C, H, W] to [N, C / block², H·block, W·block]."""
    n, c, h, w = x.shape
    if column_row_depth:
        x = x.reshape(n, c // block**2, block, block, h, w).permute(0, 1, 4, 2, 5, 3)
    else:
        x = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // block**2, h * block, w * block)


def space_to_depth(x: torch.Tensor, block: int) -> torch.Tensor:
    """[N, C, H, W] to [N, C·block², H / block, W / block]."""
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, c * block**2, h // block, w // block)


def pad_edges(x: torch.Tensor, pads: Sequence[int], mode: str) -> torch.Tensor:
    """`replicate` and `reflect` of `torch` want 3 to 5 axes, of which the first two are not padded."""
    return nn.functional.pad(x, list(pads), mode=mode)


# How nodes become calls.

def _reshape(call: Call) -> fx.Node:
    keep_zero, shape = bool(call.attribute("allowzero", 0)), call.vector(1)
    if shape is None:
        return call.function(reshape_to, call.value(0), call.value(1), keep_zero)
    sizes = [Dimension(call.node.input[0], axis) if size == 0 and not keep_zero else size
             for axis, size in enumerate(shape)]
    return call.function(torch.reshape, call.value(0), call.sizes(sizes))


def _flatten(call: Call) -> fx.Node:
    axis, rank = call.attribute("axis", 1), call.rank()
    if axis < 0:
        if rank is None:
            raise call.refuse(f"axis {axis} of a tensor of unknown rank")
        axis += rank
    if axis == 1:
        return call.module(nn.Flatten(), call.value(0))
    return call.function(flatten_at, call.value(0), axis)


def _transpose(call: Call) -> fx.Node:
    perm = call.attribute("perm")
    if perm is None and (rank := call.rank()) is None:
        raise call.refuse("no perm for a tensor of unknown rank")
    return call.function(torch.permute, call.value(0), tuple(perm or reversed(range(rank))))


def _squeeze(call: Call) -> fx.Node:
    axes = call.attribute_or_input("axes", 1)
    if axes is None:
        raise call.refuse("no axes: which dimensions are 1 is not known here")
    return call.function(torch.squeeze, call.value(0), tuple(axes))


def _unsqueeze(call: Call) -> fx.Node:
    axes = call.attribute_or_input("axes", 1) or []
    rank = call.rank()
    if rank is None and min(axes, default=0) < 0:
        raise call.refuse(f"axes {axes} of a tensor of unknown rank")
    value = call.value(0)
    for axis in sorted(axes if rank is None else axes_within(axes, rank + len(axes))):
        value = call.function(torch.unsqueeze, value, axis)
    return value


def _slice(call: Call) -> fx.Node:
    starts, ends = call.attribute_or_input("starts", 1), call.attribute_or_input("ends", 2)
    axes = call.attribute_or_input("axes", 3)
    steps = call.integers(4, "steps") if call.has_input(4) else None
    axes = list(range(len(starts))) if axes is None else axes
    steps = steps or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise call.invalid(f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes and {len(steps)} steps")
    if min(steps) < 1:
        raise call.refuse(f"steps {steps}, expected at least 1")
    if min(axes) < 0:
        rank = call.rank()
        if rank is None:
            raise call.refuse(f"axes {axes} of a tensor of unknown rank")
        axes = axes_within(axes, rank)
    index = [slice(None)] * (max(axes) + 1)
    for axis, start, end, step in zip(axes, starts, ends, steps):
        index[axis] = slice(start, end, step)
    return call.function(operator.getitem, call.value(0), tuple(index))


def _gather(call: Call) -> fx.Node:
    axis, indices = call.attribute("axis", 0), call.require(1, "indices")
    if indices.ndim == 0:
        return call.function(torch.select, call.value(0), axis, int(indices))
    if indices.ndim > 1:
        raise call.refuse(f"indices of rank {indices.ndim}, expected 0 or 1")
    if (indices < 0).any():
        raise call.refuse("negative indices")
    return call.function(torch.index_select, call.value(0), axis, call.value(1))


def _split(call: Call) -> list[fx.Node]:
    axis, count = call.attribute("axis", 0), len(call.node.output)
    sizes = call.attribute_or_input("split", 1)
    if sizes is None:
        parts = call.function(torch.chunk, call.value(0), count, axis)
    else:
        parts = call.function(torch.split, call.value(0), sizes, axis)
    return [call.function(operator.getitem, parts, i) for i in range(count)]


def _pad(call: Call) -> fx.Node:
    mode, pads = call.attribute("mode", "constant"), call.attribute_or_input("pads", 1)
    fill = call.attribute("value", 0.0)
    if call.has_input(2):
        fill = float(call.require(2, "constant_value").reshape(()))
    if call.has_input(3):
        raise call.refuse("the input axes")
    pads = reversed_pads(pads or call.attribute("paddings", []))
    while len(pads) > 2 and pads[-2:] == [0, 0]:
        pads = pads[:-2]
    if mode == "constant":
        return call.function(nn.functional.pad, call.value(0), pads, value=fill)
    if mode not in ("edge", "reflect"):
        raise call.refuse(f"mode {mode}")
    return call.function(pad_edges, call.value(0), pads, "replicate" if mode == "edge" else mode)


def _concat(call: Call) -> fx.Node:
    values = [call.value(i) for i in range(len(call.node.input))]
    return call.function(torch.cat, values, call.attribute("axis", 1))


def _cast(call: Call) -> fx.Node:
    to = call.attribute("to")
    if to not in _TYPES:
        raise call.refuse(f"the type {to}")
    return call.function("to", call.value(0), _TYPES[to])


def _tile(call: Call) -> fx.Node:
    return call.function(torch.tile, call.value(0), tuple(call.integers(1, "repeats")))


def _expand(call: Call) -> fx.Node:
    return call.function(expand, call.value(0), tuple(call.integers(1, "shape")))


def _depth_to_space(call: Call) -> fx.Node:
    return call.function(depth_to_space, call.value(0), call.attribute("blocksize"),
                         call.attribute("mode", "DCR") == "CRD")


def _space_to_depth(call: Call) -> fx.Node:
    return call.function(space_to_depth, call.value(0), call.attribute("blocksize"))


def _shape(call: Call) -> fx.Node:
    return call.function(shape_of, call.value(0), call.attribute("start", 0), call.attribute("end"))


HANDLERS = {
    "Reshape": _reshape, "Flatten": _flatten, "Transpose": _transpose, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Slice": _slice, "Gather": _gather, "Split": _split, "Pad": _pad, "Concat": _concat, "Cast": _cast, "Tile": _tile,
    "Expand": _expand, "DepthToSpace": _depth_to_space, "SpaceToDepth": _space_to_depth, "Shape": _shape,
}
