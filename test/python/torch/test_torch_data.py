"""Readers, augmentation and sharding of `anybit.torch.data`."""

from __future__ import annotations

import gzip
import struct

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch

from anybit import InvalidInput
from anybit.torch.data import FASHION_MNIST, Augment, TensorLoader, read_fashion_mnist, read_idx


def write_idx(path, shape, content, kind=8):
    with gzip.open(path, "wb") as file:
        file.write(bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + content)
    return path


def test_idx(tmp_path):
    tensor = read_idx(write_idx(tmp_path / "a.gz", (2, 3), bytes(range(6))))
    assert torch.equal(tensor, torch.arange(6, dtype=torch.uint8).reshape(2, 3))


@pytest.mark.parametrize("shape, content, kind, words", [
    ((2, 3), bytes(5), 8, "has 5 bytes of data"), ((2, 3), bytes(7), 8, "more than"), ((2, 3), bytes(6), 13, "no IDX"),
    ((1 << 31, 1 << 31), b"", 8, "at most"),
])
def test_idx_refuses(tmp_path, shape, content, kind, words):
    with pytest.raises(InvalidInput, match=words):
        read_idx(write_idx(tmp_path / "a.gz", shape, content, kind))


def test_idx_refuses_other_files(tmp_path):
    whole = write_idx(tmp_path / "a.gz", (2, 3), bytes(6)).read_bytes()
    (tmp_path / "cut.gz").write_bytes(whole[:len(whole) // 2])
    (tmp_path / "text.gz").write_text("no gzip")
    for name in ("cut.gz", "text.gz", "absent.gz"):
        with pytest.raises(InvalidInput, match=name):
            read_idx(tmp_path / name)


def test_fashion_mnist_of_a_folder(tmp_path):
    with pytest.raises(InvalidInput, match="dataset-fashion-mnist"):
        read_fashion_mnist("train", tmp_path / "absent")
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", (2, 4, 4), bytes(range(32)))
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", (2,), bytes([3, 9]))
    images, labels = read_fashion_mnist("t10k", tmp_path)
    assert images.shape == (2, 1, 4, 4) and labels.tolist() == [3, 9]
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", (3,), bytes(3))
    with pytest.raises(InvalidInput, match="do not belong together"):
        read_fashion_mnist("t10k", tmp_path)


@pytest.mark.skipif(not FASHION_MNIST.is_dir(), reason="Fashion-MNIST is not installed (dataset-fashion-mnist)")
def test_fashion_mnist():
    images, labels = read_fashion_mnist("t10k")
    assert images.shape == (10000, 1, 28, 28) and labels.bincount().tolist() == [1000] * 10


def pictures(count):
    """Picture i is filled with i and labelled i."""
    return torch.arange(count, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 1, 6, 5), torch.arange(count)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch", [4, 6])
def test_two_ranks_see_what_one_sees(shuffle, batch):
    images, labels = pictures(50)
    images = torch.randint(0, 256, images.shape, dtype=torch.uint8)

    def batches(batch, rank, world):
        loader = TensorLoader(images, labels, batch, shuffle=shuffle, seed=3, mean=0.3, std=0.5, rank=rank, world=world,
                              augment=Augment(2, True))
        loader.set_epoch(4)
        assert len(list(loader)) <= len(loader)
        return list(loader)

    together = batches(2 * batch, 0, 1)
    halves = [batches(batch, rank, 2) for rank in (0, 1)]
    for step, (x, y) in enumerate(together):
        parts = [half[step] for half in halves if step < len(half)]
        assert torch.equal(x, torch.cat([p[0] for p in parts])) and torch.equal(y, torch.cat([p[1] for p in parts]))
    seen = torch.cat([y for _, y in together])
    assert len(seen.unique()) == len(seen) == (50 // (2 * batch) * 2 * batch if shuffle else 50)


def test_epochs_differ_and_repeat():
    loader = TensorLoader(*pictures(40), 8, shuffle=True, seed=1)
    orders = []
    for epoch in (0, 1, 0):
        loader.set_epoch(epoch)
        orders.append(torch.cat([y for _, y in loader]).tolist())
    assert orders[0] == orders[2] != orders[1]


def test_augmentation_against_a_loop():
    images = torch.rand(64, 2, 6, 5)
    changed = Augment(2, True)(images, torch.Generator().manual_seed(0), slice(0, 64), 64)
    generator = torch.Generator().manual_seed(0)
    moves = torch.randint(-2, 3, (64, 2), generator=generator)
    flips = torch.rand(64, generator=generator) < 0.5
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    for i, (dy, dx) in enumerate(moves.tolist()):
        # Column x of the result reads column x' - dx of the flipped, column x' + dx of the plain picture.
        source = padded[i, :, 2 + dy:8 + dy, 2:7]
        columns = [(4 - x if flips[i] else x) + dx for x in range(5)]
        expected = torch.stack([padded[i, :, 2 + dy:8 + dy, 2 + c] for c in columns], dim=-1)
        assert source.shape == expected.shape and torch.equal(changed[i], expected)
    assert flips.any() and not flips.all() and len(moves.unique()) == 5


def test_loader_refuses():
    images, labels = pictures(4)
    for arguments in ((images, labels[:3], 2), (images, labels, 0), (images[:, 0], labels, 2)):
        with pytest.raises(InvalidInput):
            TensorLoader(*arguments)
    with pytest.raises(InvalidInput, match="batch 3 on rank 0 of 2"):
        TensorLoader(images, labels, 3, shuffle=True, world=2)
