"""Scores as TensorBoard scalars, where its package is installed."""

from __future__ import annotations

import os
from collections.abc import Callable

from .._errors import InvalidInput
from .evaluate import Score


def scalars_of(folder: str | os.PathLike[str]) -> Callable[[int, dict[str, Score]], None]:
    """A function that writes the scores of an epoch to `folder`."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InvalidInput("a TensorBoard log was asked for, but the package tensorboard is not installed: pip install "
                           "tensorboard") from error
    writer = SummaryWriter(os.fspath(folder))

    def write(epoch: int, scores: dict[str, Score]) -> None:
        for name, score in scores.items():
            writer.add_scalar(f"accuracy/{name}", score.accuracy, epoch)
            writer.add_scalar(f"loss/{name}", score.loss, epoch)
        writer.flush()

    return write
