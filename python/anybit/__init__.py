"""anybit: one ONNX model in, one artifact out, several precisions inside it.

Importing this package is light: neither ``onnx`` nor the compiled extension ``anybit._anybit`` is loaded before a
name that needs it is used. ``anybit.reference`` (the NumPy meaning of every bit) works without the extension.
"""

from __future__ import annotations

import importlib
from typing import Any

_SUBMODULES = frozenset({"reference", "torch"})


def __getattr__(name: str) -> Any:
    """Loads a submodule, or a name of the compiled extension, at its first use."""
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name.startswith("_"):
        raise AttributeError(f"module 'anybit' has no attribute '{name}'")
    try:
        extension = importlib.import_module(f"{__name__}._anybit")
    except ModuleNotFoundError as error:
        raise AttributeError(f"'anybit.{name}' needs the compiled extension anybit._anybit, which is not built; "
                             f"build the project or install its wheel") from error
    return getattr(extension, name)
