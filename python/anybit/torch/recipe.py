"""A training run as a TOML file: what `anybit train --recipe FILE` and `python -m anybit.torch.train FILE` read."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import tomllib
from dataclasses import dataclass, field
from typing import Any

from .._errors import InvalidInput
from .fit import STEP_SCALE


@dataclass(frozen=True)
class NetworkRecipe:
    """name: one of `networks.NETWORKS`, with its arguments; or onnx: a float model to start from (`from_onnx`)."""

    name: str = ""
    onnx: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataRecipe:
    """name: `fashion-mnist` (folder: where its files are) or `arrays` (folder with train_x.npy, train_y.npy, test_x.npy
    and test_y.npy; [N, C, H, W] bytes or float32, and [N] labels). batch: of all ranks together. shift, flip: see
    `data.Augment`. Bytes become (x / 255 - mean) / std. limit: so many training pictures; 0: all."""

    name: str = "fashion-mnist"
    folder: str = ""
    batch: int = 128
    shift: int = 2
    flip: bool = True
    mean: float = 0.286
    std: float = 0.353
    limit: int = 0


@dataclass(frozen=True)
class OptimizerRecipe:
    """name: `sgd` (with Nesterov momentum) or `adam`. The learning rate falls to 0 along a cosine, after
    `warmup` of the steps in which it rises from 0. theta: its factor for the parameters of candidates; step: a further
    one for the learned steps of their weights (`parameter_groups`)."""

    name: str = "sgd"
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-4
    theta: float = 1.0
    step: float = STEP_SCALE
    warmup: float = 0.05


@dataclass(frozen=True)
class FloatRecipe:
    """The plain network that the candidates start from; 0 epochs: as it is."""

    epochs: int = 0
    optimizer: OptimizerRecipe = field(default_factory=OptimizerRecipe)


@dataclass(frozen=True)
class SwitchableRecipe:
    """Arguments of `switchable`. weight, activation, wavelet: a class of `anybit.torch` by name, or a table with its
    `name` and arguments; wavelet may be "none". first_last, residual: 0 for None."""

    candidates: list[Any] = field(default_factory=list)
    weight: Any = "LSQ"
    activation: Any = "PACT"
    wavelet: Any = "Haar"
    first_last: int = 8
    residual: int = 8
    batch_norm: str = "candidate"


@dataclass(frozen=True)
class TrainRecipe:
    """Arguments of `fit`. strategy: a class of `anybit.torch` by name, or a table. teacher: `none` or `float` (the
    network before it became switchable), with the share `distillation` of the loss at `temperature`. evaluate_every:
    epochs between evaluations of all candidates, of which the last epoch has one always; 0: only the finished
    network."""

    epochs: int = 8
    warmup_batches: int = 50
    strategy: Any = "OneCandidate"
    probabilities: list[float] = field(default_factory=list)
    teacher: str = "none"
    distillation: float = 0.5
    temperature: float = 1.0
    evaluate_every: int = 1
    reestimate_batches: int = 100
    optimizer: OptimizerRecipe = field(default_factory=OptimizerRecipe)


@dataclass(frozen=True)
class Recipe:
    """A whole run. threads: of each process; 0: as PyTorch likes."""

    seed: int = 0
    threads: int = 0
    network: NetworkRecipe = field(default_factory=NetworkRecipe)
    data: DataRecipe = field(default_factory=DataRecipe)
    float: FloatRecipe = field(default_factory=FloatRecipe)
    switchable: SwitchableRecipe = field(default_factory=SwitchableRecipe)
    train: TrainRecipe = field(default_factory=TrainRecipe)


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Raises InvalidInput with every problem of the file."""
    try:
        table = tomllib.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"cannot read '{path}': {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"'{path}' is not valid TOML: {error}") from error
    return parse_recipe(table)


def parse_recipe(table: dict[str, Any]) -> Recipe:
    """The same, from the tables themselves."""
    problems: list[str] = []
    recipe = _parse(Recipe, table, "", problems)
    if recipe is not None:
        problems += _contradictions(recipe)
    if problems:
        raise InvalidInput("\n".join(problems))
    return recipe


def _parse(kind: type, table: dict[str, Any], where: str, problems: list[str]) -> Any:
    """A dataclass from a table; None if there were problems. Tables of `network` that are no fields are arguments."""
    known = {f.name: f for f in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    before = len(problems)
    for name, value in table.items():
        if name not in known:
            if kind is NetworkRecipe:
                values.setdefault("arguments", {})[name] = value
            else:
                problems.append(f"'{where}{name}' is no setting; there are {', '.join(known)}")
        else:
            values[name] = _checked(known[name], value, f"{where}{name}", problems)
    return kind(**values) if len(problems) == before else None


def _checked(known: dataclasses.Field, value: Any, where: str, problems: list[str]) -> Any:
    default = known.default if known.default is not dataclasses.MISSING else known.default_factory()  # type: ignore
    if dataclasses.is_dataclass(default):
        if isinstance(value, dict):
            return _parse(type(default), value, f"{where}.", problems)
        problems.append(f"'{where}' is {value!r}, expected a table")
    elif known.type != "Any":
        accepted = (int, float) if isinstance(default, float) else type(default)
        if not isinstance(value, accepted) or (isinstance(value, bool) and not isinstance(default, bool)):
            problems.append(f"'{where}' is {value!r}, expected {_WORDS[type(default)]}")
    return value


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", list: "a list",
          dict: "a table"}


def _contradictions(recipe: Recipe) -> list[str]:
    problems = []
    if bool(recipe.network.name) == bool(recipe.network.onnx):
        problems.append("'network' needs one of name and onnx")
    if not recipe.switchable.candidates:
        problems.append("'switchable.candidates' is empty, give for example [\"w8a8\", \"w4a4\"]")
    if recipe.data.name not in ("fashion-mnist", "arrays"):
        problems.append(f"'data.name' is '{recipe.data.name}', expected fashion-mnist or arrays")
    if recipe.train.teacher not in ("none", "float"):
        problems.append(f"'train.teacher' is '{recipe.train.teacher}', expected none or float")
    for where, optimizer in (("float", recipe.float.optimizer), ("train", recipe.train.optimizer)):
        if optimizer.name not in ("sgd", "adam"):
            problems.append(f"'{where}.optimizer.name' is '{optimizer.name}', expected sgd or adam")
        if not 0 < optimizer.learning_rate or not 0 <= optimizer.warmup < 1:
            problems.append(f"'{where}.optimizer' has learning_rate {optimizer.learning_rate} and warmup "
                            f"{optimizer.warmup}, expected above 0, and at least 0 and below 1")
    for name, value, least in (("data.batch", recipe.data.batch, 1), ("train.epochs", recipe.train.epochs, 1),
                               ("train.evaluate_every", recipe.train.evaluate_every, 0),
                               ("train.reestimate_batches", recipe.train.reestimate_batches, 0)):
        if value < least:
            problems.append(f"'{name}' is {value}, expected at least {least}")
    return problems
