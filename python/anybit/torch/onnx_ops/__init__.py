"""What one ONNX node becomes in a `torch.fx` graph: one small function an operator, by name in `HANDLERS`."""

from . import convolution, elementwise, pooling, reduce, resize, shape
from .call import Call, Handler

HANDLERS: dict[str, Handler] = {
    **convolution.HANDLERS, **elementwise.HANDLERS, **pooling.HANDLERS, **reduce.HANDLERS, **resize.HANDLERS,
    **shape.HANDLERS,
}

__all__ = ["HANDLERS", "Call"]
