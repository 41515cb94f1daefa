"""Small networks and data that several tests use."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.down = None
        if stride != 1 or inputs != outputs:
            self.down = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.down is None else self.down(x)
        return self.relu(y)


class ResNet(nn.Module):
    """CIFAR-style residual network; blocks: per stage."""

    def __init__(self, width: int = 4, blocks: int = 1, classes: int = 6, channels: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        stages, inputs = [], width
        for stage in range(3):
            outputs = width << stage
            for block in range(blocks):
                stages.append(Block(inputs, outputs, 2 if stage and not block else 1))
                inputs = outputs
        self.stages, self.pool, self.fc = nn.Sequential(*stages), nn.AdaptiveAvgPool2d(1), nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.pool(x), 1))


class Small(nn.Module):
    """Two convolutions, for tests that train."""

    def __init__(self, width: int = 8, classes: int = 6) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.fc = nn.Linear(width * 16, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(torch.flatten(x, 1))


class Mobile(nn.Module):
    """Depthwise, grouped, SiLU, concat, max pool, dropout, 1-D-like shapes, signed activations, bias."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.depthwise = nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.point = nn.Conv2d(8, 6, 1)
        self.grouped = nn.Conv2d(6, 8, 3, 1, 1, groups=2)
        self.pool = nn.MaxPool2d(2)
        self.act = nn.SiLU()
        self.head = nn.Linear(14, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.stem(x))
        x = F.relu(self.norm(self.depthwise(x)))
        x = self.pool(self.point(x))
        x = torch.cat([self.act(self.grouped(x)), x], 1)
        x = F.dropout(x.mean((2, 3)), 0.1, self.training)
        return self.head(x)


class Signal(nn.Module):
    """1-D convolutions, a transposed one, and a linear layer over rank 3."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv1d(2, 6, 5, 2, 2)
        self.up = nn.ConvTranspose1d(6, 4, 4, 2, 1)
        self.grouped = nn.ConvTranspose1d(4, 6, 3, 1, 1, groups=2)
        self.mixer = nn.Linear(16, 8)
        self.head = nn.Conv1d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.up(F.relu(self.down(x))))
        return self.head(F.relu(self.mixer(F.relu(self.grouped(x)))))


class Untraceable(nn.Module):
    """Control flow on data, which torch.fx cannot trace."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] > 1000 and bool(x.sum() > 0):
            x = -x
        return self.last(F.relu(self.norm(self.first(x))).mean((2, 3)))


def pictures(count: int, seed: int, size: int = 8, classes: int = 6, noise: float = 0.8) -> tuple[Tensor, Tensor]:
    """Noisy copies of one random picture per class: learnable in a few steps."""
    prototypes = torch.randn(classes, 1, size, size, generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=generator)
    return prototypes[labels] + noise * torch.randn(count, 1, size, size, generator=generator), labels


def batches(x: Tensor, y: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(x.split(size), y.split(size)))


def seen(net, x: Tensor):
    """The network after one training pass at each candidate, so that every quantizer has its start."""
    net.train()
    with torch.no_grad():
        for name in net.names:
            with net.at(name):
                net(x)
    return net
