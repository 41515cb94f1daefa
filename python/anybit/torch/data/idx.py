"""IDX files, the format of MNIST and its successors: big-endian magic, sizes, bytes; usually gzip-compressed."""

from __future__ import annotations

import gzip
import math
import os
import pathlib
import struct
import zlib

import numpy
import torch
from torch import Tensor

from ..._errors import InvalidInput

# Where the Debian package dataset-fashion-mnist has its files.
FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")
_UINT8 = 8
_LIMIT = 1 << 30


def read_idx(path: str | os.PathLike[str]) -> Tensor:
    """The bytes of an IDX file of unsigned bytes, in its shape. Raises InvalidInput for any other content."""
    try:
        with gzip.open(path) as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] != _UINT8 or not 1 <= head[3] <= 4:
                raise InvalidInput(f"'{path}' is no IDX file of unsigned bytes: it begins with {head.hex()}")
            sizes = file.read(4 * head[3])
            if len(sizes) < 4 * head[3]:
                raise InvalidInput(f"'{path}' ends within its {head[3]} sizes")
            shape = struct.unpack(f">{head[3]}I", sizes)
            count = math.prod(shape)
            if count > _LIMIT:
                raise InvalidInput(f"'{path}' says {count} bytes, expected at most {_LIMIT}")
            content = file.read(count + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"cannot read '{path}': {getattr(error, 'strerror', None) or error}") from error
    if len(content) != count:
        raise InvalidInput(f"'{path}' has {'more than ' if len(content) > count else ''}"
                           f"{min(len(content), count)} bytes of data, its sizes {list(shape)} say {count}")
    return torch.from_numpy(numpy.frombuffer(content, numpy.uint8).reshape(shape).copy())


def read_fashion_mnist(part: str, folder: str | os.PathLike[str] = FASHION_MNIST) -> tuple[Tensor, Tensor]:
    """part: `train` (60,000 pictures) or `t10k` (10,000). Pictures uint8 [N, 1, 28, 28], labels int64 [N]."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise InvalidInput(f"there is no folder '{folder}'; install Fashion-MNIST (Debian: apt-get install "
                           "dataset-fashion-mnist) or name the folder with its four .gz files")
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise InvalidInput(f"'{folder}': pictures of shape {list(images.shape)} and labels of shape "
                           f"{list(labels.shape)} do not belong together")
    return images.unsqueeze(1), labels.long()
