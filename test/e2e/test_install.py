"""The Python package as a wheel holds it: the install rules' extension and the package's files, used away from the tree
with nothing of the environment. (A wheel itself takes as long as the whole build.)"""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import package_models
from conftest import ROOT
from exact import program

USE = """
import sys, numpy as np, anybit
x = np.random.default_rng(0).normal(size=(8, 3, 6, 6)).astype(np.float32)
assert anybit.__file__.startswith(sys.argv[1]), anybit.__file__
report = anybit.quantize("float.onnx", "switchable.onnx", x, ["w8a8", "w2a2"], quiet=True)
assert [candidate["name"] for candidate in report["candidates"]] == ["w8a8", "w2a2"]
anybit.compile("switchable.onnx", "model.so", quiet=True)
model = anybit.load("model.so")
assert model.candidates == ["w8a8", "w2a2"]
for model.candidate in model.candidates:
    y = model(x)
    assert y.shape == (8, 4) and np.isfinite(y).all() and y.any()
print("used")
"""


@pytest.fixture
def installed(tmp_path):
    """A folder with the package `anybit` as pip would unpack it."""
    build = program("python", "anybit", "_anybit.pyi").parents[2]
    done = subprocess.run(["cmake", "--install", build, "--component", "python", "--prefix", tmp_path / "site"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copytree(ROOT / "python" / "anybit", tmp_path / "site" / "anybit", dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


def use(script, site, folder):
    """Runs a script in an environment that knows the package, NumPy and the system's programs only."""
    paths = f"{site}:{pathlib.Path(np.__file__).parents[1]}"
    return subprocess.run([sys.executable, "-c", script, site], cwd=folder, capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "PYTHONPATH": paths})


def test_quantize_compile_load(installed, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    package_models.write_float(tmp_path / "elsewhere" / "float.onnx")
    done = use(USE, installed, tmp_path / "elsewhere")
    assert done.stdout == "used\n", done.stderr


def test_a_missing_library_says_what_to_install(installed, tmp_path):
    extension, = installed.glob("anybit/_anybit*.so")
    extension.unlink()
    (tmp_path / "empty.c").write_text("")
    for output, extra in ((tmp_path / "libabsent.so", []), (extension, ["-Wl,--no-as-needed", tmp_path / "libabsent.so"])):
        subprocess.run(["clang-22", "-shared", "-fPIC", tmp_path / "empty.c", *extra, "-o", output], check=True)
    (tmp_path / "libabsent.so").unlink()
    done = use("import anybit; anybit.load", installed, tmp_path)
    assert "libabsent.so: cannot open shared object file" in done.stderr
    assert "install the Debian packages libmlir-22, libllvm22" in done.stderr
