"""Reductions over axes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from .call import Call


def _reduce(function: Callable[..., Any], call: Call) -> fx.Node:
    """axes: an attribute, or an input in newer opsets; none means all."""
    axes = call.attribute_or_input("axes", 1)
    if not axes and call.attribute("noop_with_empty_axes", 0):
        return call.value(0)
    rank = call.rank()
    if not axes and rank is None:
        raise call.refuse("all axes of a tensor of unknown rank")
    return call.function(function, call.value(0), tuple(axes or range(rank)),
                         keepdim=bool(call.attribute("keepdims", 1)))


HANDLERS = {
    "ReduceMean": functools.partial(_reduce, torch.mean),
    "ReduceSum": functools.partial(_reduce, torch.sum),
    "ReduceMax": functools.partial(_reduce, torch.amax),
    "ReduceMin": functools.partial(_reduce, torch.amin),
}
