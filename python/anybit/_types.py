"""What a `Model` tells about itself."""

from __future__ import annotations

from typing import NamedTuple


class TensorInfo(NamedTuple):
    """One input or output of a model."""

    name: str
    dtype: str
    """NumPy's name: float32, uint8, int8, int32, int64 or bool."""
    shape: tuple[int, ...]


class LayerTime(NamedTuple):
    """One dispatch of a profiled call."""

    layer: str
    """Name of the ONNX node."""
    family: str
    """Kind of kernel, for people."""
    nanoseconds: int
    macs: int
    """Multiply-accumulates of one run; 0 for what is neither convolution nor product."""
