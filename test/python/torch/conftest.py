"""One thread and a fixed seed; every file is skipped where PyTorch is not installed."""

import importlib.util
import sys

import pytest

# Without PyTorch `import torch` would find this very folder.
found = importlib.util.find_spec("torch")
if found is None or found.origin is None:
    sys.modules["torch"] = None


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    import torch
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    import torch
    torch.manual_seed(0)
