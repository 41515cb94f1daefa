"""anybit: one ONNX model in, one artifact out, several precisions inside it.

    anybit.quantize("float.onnx", "switchable.onnx", calibration, ["w8a8", "w4a4"])
    anybit.compile("switchable.onnx", "model.so")
    model = anybit.load("model.so")
    model.candidate = "w4a4"
    y = model(x)

Importing this package is light: neither ``onnx`` nor the compiled extension ``anybit._anybit`` is loaded before a
name that needs it is used. ``anybit.reference`` (the NumPy meaning of every bit) works without the extension.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import reference as reference
    from ._anybit import Model as Model, load as load
    from ._errors import (Error as Error, InternalError as InternalError, InvalidInput as InvalidInput,
                          Unsupported as Unsupported)
    from ._tools import compile as compile, quantize as quantize
    from ._types import LayerTime as LayerTime, TensorInfo as TensorInfo

_HOMES = {
    "Model": "_anybit",
    "load": "_anybit",
    "compile": "_tools",
    "quantize": "_tools",
    "Error": "_errors",
    "InvalidInput": "_errors",
    "Unsupported": "_errors",
    "InternalError": "_errors",
    "LayerTime": "_types",
    "TensorInfo": "_types",
}
__all__ = [*_HOMES, "reference"]


def _remedy(error: ImportError) -> str:
    """What to do when the extension cannot be loaded: a wheel holds none of the libraries that it links."""
    if "cannot open shared object file" in str(error):
        return ("install the Debian packages libmlir-22, libllvm22, libprotobuf-lite32, libjpeg62-turbo and libpng16-16 "
                "(and lld-22, which links artifacts)")
    return "build the project or install its wheel"


def __getattr__(name: str) -> Any:
    """Loads a public name at its first use."""
    if name == "reference":
        return importlib.import_module(f"{__name__}.reference")
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    try:
        home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    except ImportError as error:
        raise ImportError(f"'{__name__}.{name}' needs the compiled extension {__name__}._anybit: {error}; "
                          f"{_remedy(error)}") from error
    globals()[name] = value = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
