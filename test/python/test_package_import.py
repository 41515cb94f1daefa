"""`import anybit`: light, and helpful when the extension is missing."""
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(code, **environment):
    """What a fresh interpreter prints; it must end well."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def loaded(code):
    """The modules that are loaded after `code`."""
    return set(run(f"{code}\nimport sys\nprint(*sys.modules)"))


def test_import_is_light():
    modules = loaded("import anybit")
    assert "anybit" in modules
    assert not modules & {"onnx", "torch", "numpy", "anybit._anybit", "anybit.reference"}


def test_reference_needs_no_extension():
    modules = loaded("import anybit; anybit.reference")
    assert "anybit.reference" in modules and "anybit._anybit" not in modules


def test_extension_needs_no_onnx():
    pytest.importorskip("anybit._anybit")
    modules = loaded("import anybit; anybit.load; anybit.compile; anybit.quantize; anybit.InvalidInput")
    assert "anybit._anybit" in modules
    assert not modules & {"onnx", "torch", "numpy"}


def test_all_names_are_there():
    pytest.importorskip("anybit._anybit")
    import anybit
    assert set(anybit.__all__) <= set(dir(anybit))
    assert all(getattr(anybit, name) is not None for name in anybit.__all__)


def test_unknown_name():
    import anybit
    with pytest.raises(AttributeError, match="module 'anybit' has no attribute 'nonsense'"):
        anybit.nonsense


def test_missing_extension_is_explained():
    code = "import anybit\ntry: anybit.load\nexcept ImportError as error: print(error)"
    words = run(code, PYTHONPATH=str(ROOT / "python"))
    assert {"needs", "compiled", "extension", "anybit._anybit:"} <= set(words)
