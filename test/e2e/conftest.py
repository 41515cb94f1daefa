"""What the end-to-end tests share: the programs of the build and the repository's example model, quantized."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in (ROOT / "python", ROOT / "test" / "python", ROOT / "bench"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from exact import program  # noqa: E402

EXAMPLE = ROOT / "examples" / "resnet8"
CANDIDATES = ["w8a8", "w4a4", "w2a2"]


def anybit(*arguments: object) -> subprocess.CompletedProcess:
    """A call of the tool that must succeed."""
    done = subprocess.run([program("bin", "anybit"), *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, f"anybit {' '.join(map(str, arguments))} exits {done.returncode}: {done.stderr[-2000:]}"
    return done


@pytest.fixture(scope="session")
def switchable(tmp_path_factory) -> pathlib.Path:
    """ResNet-8 at CANDIDATES. Few pictures: these tests compare outputs with each other, not with labels."""
    path = tmp_path_factory.mktemp("model") / "resnet8.onnx"
    anybit("quantize", EXAMPLE / "resnet8.onnx", "--calibration", EXAMPLE / "calibration", "--preprocess", "raw",
           "--samples", 8, "--candidates", ",".join(CANDIDATES), "-q", "-o", path)
    return path


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """Two inputs of ResNet-8, float32 [2, 3, 32, 32] in 0..255."""
    return np.random.default_rng(8).uniform(0, 255, (2, 3, 32, 32)).astype(np.float32)


def run_fresh(artifact: pathlib.Path, candidate: str, x: np.ndarray, folder: pathlib.Path) -> np.ndarray:
    """The output of a process of its own that knows no other candidate."""
    np.save(folder / "x.npy", x)
    anybit("run", artifact, "--input", folder / "x.npy", "--candidate", candidate, "--output", folder / "y.npy", "-q")
    return np.load(folder / "y.npy")
