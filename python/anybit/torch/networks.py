"""Small networks to train with: the residual networks of He et al. (2016), section 4.2, of any depth and width."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .._errors import InvalidInput


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut: [N, C, H, W] to [N, channels, H / stride, W / stride]."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != channels:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(out + self.shortcut(x))


class ResNet(nn.Module):
    """A residual network of `6n + 2` layers for small pictures, [N, channels, H, W] to logits [N, classes].

    depth: 8, 14, 20, 32, 44, 56, ...; width: channels of the first stage (16 in the paper), doubled twice. stem_stride:
    of the first convolution, 1 in the paper; 2 makes every stage a quarter of the work.
    """

    def __init__(self, depth: int = 20, width: int = 16, channels: int = 3, classes: int = 10,
                 stem_stride: int = 1) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2 or min(width, channels, classes, stem_stride) < 1:
            raise InvalidInput(f"depth is {depth}, width {width}, channels {channels}, classes {classes} and "
                               f"stem_stride {stem_stride}; expected a depth of 6n + 2 and positive sizes")
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(channels, width, 3, stem_stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.layer1 = self._stage(width, width, blocks, 1)
        self.layer2 = self._stage(width, 2 * width, blocks, 2)
        self.layer3 = self._stage(2 * width, 4 * width, blocks, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(4 * width, classes)
        self.apply(_initialize)

    @staticmethod
    def _stage(inputs: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
        first = BasicBlock(inputs, channels, stride)
        return nn.Sequential(first, *(BasicBlock(channels, channels, 1) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.relu(self.bn1(self.conv1(x))))))
        return self.linear(self.flatten(self.pool(x)))


def _initialize(module: nn.Module) -> None:
    """He initialization of convolutions and of the classifier."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


NETWORKS: dict[str, Callable[..., nn.Module]] = {"resnet": ResNet}


def build_network(name: str, **arguments: Any) -> nn.Module:
    """The network called `name`; raises InvalidInput with the names there are, or with what its arguments lack."""
    if name not in NETWORKS:
        raise InvalidInput(f"there is no network '{name}', there are {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](**arguments)
    except TypeError as error:
        raise InvalidInput(f"network '{name}': {error}") from error
