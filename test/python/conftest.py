"""Paths and test data of the Python tests."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in (ROOT / "python", ROOT / "test" / "python", ROOT / "bench"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


@pytest.fixture(scope="session")
def data() -> pathlib.Path:
    """The folder of test models and labelled sets."""
    folder = os.environ.get("ANYBIT_TEST_DATA")
    if not folder:
        pytest.skip("ANYBIT_TEST_DATA is not set: no test models and pictures")
    return pathlib.Path(folder)
