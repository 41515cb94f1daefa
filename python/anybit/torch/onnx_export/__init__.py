"""Writing a switchable network as ONNX (docs/onnx-convention.md)."""

from .export import export
from .load_state import load_onnx_state

__all__ = ["export", "load_onnx_state"]
