"""Batches of pictures that lie in memory as bytes: no worker processes, no Python loop over samples.

Every random number of a batch comes from (seed, epoch, step) and is drawn for the batch of all ranks, of which each
rank takes its rows. So one rank with batch 2N sees the very pictures of two ranks with batch N, and a run that is
resumed at an epoch continues as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..._errors import InvalidInput


@dataclass(frozen=True)
class Augment:
    """Random changes of a training picture. shift: at most so many pixels each way, what comes in is 0; flip: left to
    right in half of the cases."""

    shift: int = 0
    flip: bool = False

    def __call__(self, images: Tensor, generator: torch.Generator, rows: slice, count: int) -> Tensor:
        """images: [N, C, H, W], the rows `rows` of a batch of `count` pictures, for which numbers are drawn."""
        if not self.shift and not self.flip:
            return images
        height, width = images.shape[2:]
        moves = torch.randint(-self.shift, self.shift + 1, (count, 2), generator=generator)[rows]
        flips = torch.rand(count, generator=generator)[rows] < 0.5
        y = torch.arange(height) + moves[:, :1]
        x = torch.arange(width).expand(len(images), width)
        if self.flip:
            x = torch.where(flips[:, None], width - 1 - x, x)
        x = x + moves[:, 1:]
        inside = _inside(y, height)[:, None, :, None] & _inside(x, width)[:, None, None, :]
        index = y.clamp(0, height - 1)[:, :, None] * width + x.clamp(0, width - 1)[:, None, :]
        index = index.flatten(1)[:, None].expand(-1, images.shape[1], -1)
        return images.flatten(2).gather(2, index).reshape(images.shape) * inside


def arranged(images: Tensor, memory_format: torch.memory_format) -> Tensor:
    """In a memory format that pictures of one channel show in their strides too: `contiguous` leaves those as they are,
    so that convolutions take them for the other format."""
    images = images.contiguous(memory_format=memory_format)
    if memory_format is not torch.channels_last or images.shape[1] != 1:
        return images
    height, width = images.shape[2:]
    return images.as_strided(images.shape, (height * width, 1, width, 1))


def _inside(positions: Tensor, size: int) -> Tensor:
    return (positions >= 0) & (positions < size)


class TensorLoader:
    """Iterates over (pictures float32 [n, C, H, W], labels int64 [n]).

    images: uint8 or float32 [N, C, H, W]; bytes become (x / 255 - mean) / std. batch: of one rank. shuffle: a new order
    every epoch, and the last incomplete batch of all ranks is left out; without it every picture comes once, on one
    rank. rank, world: this process and their number. epoch: set it before each pass, as with
    `torch.utils.data.DistributedSampler`.
    """

    def __init__(self, images: Tensor, labels: Tensor, batch: int, *, shuffle: bool = False, seed: int = 0,
                 mean: float = 0.0, std: float = 1.0, augment: Augment | None = None, rank: int = 0, world: int = 1,
                 memory_format: torch.memory_format = torch.contiguous_format) -> None:
        if images.ndim != 4 or len(images) != len(labels) or not len(images):
            raise InvalidInput(f"pictures of shape {list(images.shape)} and labels of shape {list(labels.shape)}, "
                               "expected [N, C, H, W] and [N] with N above 0")
        if batch < 1 or not 0 <= rank < world or (shuffle and batch * world > len(images)):
            raise InvalidInput(f"batch {batch} on rank {rank} of {world} for {len(images)} pictures")
        self.images, self.labels, self.batch, self.shuffle, self.seed = images, labels, batch, shuffle, seed
        self.mean, self.std, self.augment = mean, std, augment or Augment()
        self.rank, self.world, self.memory_format = rank, world, memory_format
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        together = self.batch * self.world
        return len(self.images) // together if self.shuffle else -(-len(self.images) // together)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.arange(len(self.images))
        if self.shuffle:
            order = torch.randperm(len(self.images), generator=self._generator(-1))
        first = self.rank * self.batch
        together = self.batch * self.world
        for step in range(len(self)):
            indices = order[step * together:][:together][first:first + self.batch]
            if len(indices):
                yield self._prepared(self.images[indices], step), self.labels[indices]

    def _prepared(self, images: Tensor, step: int) -> Tensor:
        if self.shuffle:
            rows = slice(self.rank * self.batch, (self.rank + 1) * self.batch)
            images = self.augment(images, self._generator(step), rows, self.batch * self.world)
        if images.dtype == torch.uint8:
            images = images.float().div_(255.0)
        if (self.mean, self.std) != (0.0, 1.0):
            images = (images - self.mean) / self.std
        return arranged(images, self.memory_format)

    def _generator(self, step: int) -> torch.Generator:
        """Numbers of one step of one epoch; step -1 is the order of the epoch."""
        mixed = (self.seed * 1_000_003 + self.epoch) * 1_000_003 + step + 1
        return torch.Generator().manual_seed(mixed % (1 << 63))
