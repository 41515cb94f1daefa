"""Labelled pictures in memory: readers, augmentation on tensors, and a loader that shards over ranks."""

from .idx import FASHION_MNIST, read_fashion_mnist, read_idx
from .loader import Augment, TensorLoader

__all__ = ["FASHION_MNIST", "Augment", "TensorLoader", "read_fashion_mnist", "read_idx"]
