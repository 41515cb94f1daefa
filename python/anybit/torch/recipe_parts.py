"""What a recipe names, as objects: network, loaders, quantizers, strategy, optimizer."""

from __future__ import annotations

import math
import pathlib
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from .._errors import InvalidInput
from . import distributed, quantizers, strategies
from .convert import switchable
from .data import FASHION_MNIST, Augment, TensorLoader, read_fashion_mnist
from .fit import parameter_groups
from .model import Switchable
from .networks import build_network
from .onnx_import import from_onnx
from .quantizers import Spec
from .recipe import DataRecipe, NetworkRecipe, OptimizerRecipe
from .strategies import Strategy
from .wavelet import Db2, Haar, Wavelet


def network(recipe: NetworkRecipe) -> nn.Module:
    """The plain network, channels-last: convolutions are faster so on CPUs."""
    made = from_onnx(recipe.onnx) if recipe.onnx else build_network(recipe.name, **recipe.arguments)
    return made.to(memory_format=torch.channels_last)


def _read_arrays(folder: str, part: str) -> tuple[Tensor, Tensor]:
    arrays = []
    for letter in "xy":
        path = pathlib.Path(folder) / f"{part}_{letter}.npy"
        try:
            arrays.append(torch.from_numpy(numpy.load(path, allow_pickle=False)))
        except (OSError, ValueError, TypeError) as error:
            raise InvalidInput(f"cannot read '{path}': {error}") from error
    return arrays[0], arrays[1].long()


def loaders(recipe: DataRecipe, seed: int) -> tuple[TensorLoader, TensorLoader]:
    """Training data (shuffled, augmented) and test data, of this rank."""
    if recipe.name == "fashion-mnist":
        folder = recipe.folder or FASHION_MNIST
        train, test = read_fashion_mnist("train", folder), read_fashion_mnist("t10k", folder)
    else:
        train, test = _read_arrays(recipe.folder, "train"), _read_arrays(recipe.folder, "test")
    world = distributed.world_size()
    if recipe.batch % world:
        raise InvalidInput(f"a batch of {recipe.batch} cannot be shared by {world} processes")
    common = {"mean": recipe.mean, "std": recipe.std, "rank": distributed.rank(), "world": world,
              "memory_format": torch.channels_last}
    if recipe.limit:
        train = train[0][:recipe.limit], train[1][:recipe.limit]
    return (TensorLoader(*train, recipe.batch // world, shuffle=True, seed=seed,
                         augment=Augment(recipe.shift, recipe.flip), **common),
            TensorLoader(*test, max(recipe.batch * 2 // world, 1), **common))


def _named(given: Any, known: dict[str, Any], what: str) -> Any:
    """"LSQ" or {name = "LSQ", per_channel = true}."""
    table = {"name": given} if isinstance(given, str) else dict(given) if isinstance(given, dict) else {}
    name = table.pop("name", None)
    if name not in known:
        raise InvalidInput(f"'{what}' is {given!r}, expected one of {', '.join(known)}, or a table with such a name")
    try:
        return known[name](**table)
    except TypeError as error:
        raise InvalidInput(f"'{what}': {error}") from error


def _classes(module: Any, base: type) -> dict[str, type]:
    found = {name: getattr(module, name) for name in module.__all__}
    return {name: kind for name, kind in found.items()
            if isinstance(kind, type) and issubclass(kind, base) and kind is not base}


def strategy_of(given: Any) -> Strategy:
    return _named(given, _classes(strategies, Strategy), "train.strategy")


def switchable_of(plain: nn.Module, settings: dict[str, Any]) -> Switchable:
    """`switchable` with the settings of `recipe.SwitchableRecipe`; absent ones have the defaults of `switchable`."""
    arguments = dict(settings)
    specs = _classes(quantizers, Spec)
    for role in ("weight", "activation"):
        if role in arguments:
            arguments[role] = _named(arguments[role], specs, f"switchable.{role}")
    wavelets: dict[str, Any] = {"Haar": Haar, "Db2": Db2, "none": lambda: None}
    if "wavelet" in arguments:
        arguments["wavelet"] = _wavelet(arguments["wavelet"], wavelets)
    for name in ("first_last", "residual"):
        if name in arguments:
            arguments[name] = arguments[name] or None
    return switchable(plain, arguments.pop("candidates"), **arguments)


def _wavelet(given: Any, wavelets: dict[str, Any]) -> Wavelet | None:
    """Bands come as a list from TOML."""
    if isinstance(given, dict) and "bands" in given:
        given = {**given, "bands": tuple(given["bands"])}
    return _named(given, wavelets, "switchable.wavelet")


def optimizer_of(net: Switchable, recipe: OptimizerRecipe, steps: int) -> tuple[torch.optim.Optimizer, Any]:
    """The optimizer and its schedule for a run of `steps`: a linear rise, then half a cosine to 0."""
    groups = parameter_groups(net, recipe.weight_decay, recipe.theta, recipe.learning_rate, recipe.step)
    if recipe.name == "adam":
        made: torch.optim.Optimizer = torch.optim.Adam(groups, recipe.learning_rate)
    else:
        made = torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum, nesterov=recipe.momentum > 0)
    rise = recipe.warmup * steps

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1)))

    return made, torch.optim.lr_scheduler.LambdaLR(made, factor)
