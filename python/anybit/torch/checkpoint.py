"""Checkpoints from which a run goes on as if it had never stopped."""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
import torch

from .._errors import InvalidInput
from .model import Switchable

_VERSION = 1


def random_state() -> dict[str, Any]:
    """The state of every global random number generator."""
    state = {"torch": torch.get_rng_state(), "python": random.getstate(), "numpy": np.random.get_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def seed_everything(seed: int) -> None:
    """Seeds every global random number generator."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % (1 << 32))


def save_checkpoint(path: "str | os.PathLike[str]", net: Switchable, **state: Any) -> None:
    """Writes the network and `state` (anything torch.save takes). A crash leaves the file before it as it was."""
    partial = f"{os.fspath(path)}.partial"
    torch.save({"version": _VERSION, "candidates": net.names, "shapes": _shapes(net), "net": net.state_dict(), **state},
               partial)
    os.replace(partial, path)


def load_checkpoint(path: "str | os.PathLike[str]", net: Switchable) -> dict[str, Any]:
    """Sets the network from a file and returns the rest of it. Raises InvalidInput, and leaves the network as it is,
    for a file of another network; every difference is listed. Only load files that you trust: it may be a pickle."""
    try:
        stored = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        raise InvalidInput(f"'{path}' is no checkpoint: {error}") from error
    if not isinstance(stored, dict) or stored.get("version") != _VERSION:
        raise InvalidInput(f"'{path}' is no checkpoint of abt.fit of version {_VERSION}")
    if stored["candidates"] != net.names:
        raise InvalidInput(f"'{path}' is a checkpoint of the candidates {', '.join(stored['candidates'])}; this "
                           f"network has {', '.join(net.names)}")
    if problems := _differences(stored["shapes"], _shapes(net)):
        raise InvalidInput(f"'{path}' is a checkpoint of another network:\n" + "\n".join(problems[:20]))
    net.load_state_dict(stored["net"])
    return stored


def _shapes(net: Switchable) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in net.state_dict().items() if isinstance(value, torch.Tensor)}


def _differences(stored: dict, own: dict) -> list[str]:
    lines = [f"it has '{name}', which this network has not" for name in stored if name not in own]
    lines += [f"it lacks '{name}'" for name in own if name not in stored]
    lines += [f"'{name}' is {list(stored[name])} there and {list(own[name])} here"
              for name in own if name in stored and stored[name] != own[name]]
    return lines
