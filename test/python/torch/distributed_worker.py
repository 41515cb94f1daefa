"""One process of test_torch_distributed.py: `python distributed_worker.py RESULT`, in the environment of torchrun."""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
from torch import nn

import anybit.torch as abt
from anybit import InvalidInput
from anybit.torch import distributed
from anybit.torch.data import Augment, TensorLoader

CANDIDATES = ["w8a8", "w4a4", "w2a2", "w1a1"]
BATCH = 16


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.conv3, self.bn3 = nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm1d(8)
        self.linear = nn.Linear(8, 4)

    def forward(self, x):
        x = self.relu2(self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x))))))
        return self.linear(self.bn3(self.conv3(x).mean((2, 3))))


def switchable_net(activation):
    # Another start on every rank: rank 0 must win.
    torch.manual_seed(distributed.rank())
    return abt.switchable(Net(), CANDIDATES, weight=abt.LSQ(), activation=activation, first_last=8)


def train(activation, steps=8):
    """Warm-up with frozen weights, then steps at changing candidates; the final state."""
    net = switchable_net(activation)
    model = distributed.parallel(net)
    generator = torch.Generator().manual_seed(5)
    images, labels = torch.rand(64, 1, 8, 8, generator=generator), torch.randint(4, (64,), generator=generator)
    loader = TensorLoader(images, labels, BATCH // distributed.world_size(), shuffle=True, seed=1,
                          augment=Augment(1, True), rank=distributed.rank(), world=distributed.world_size())
    model.train()
    for index in range(len(CANDIDATES)):
        optimizer = torch.optim.SGD(net.candidate_parameters(index), lr=0.01)
        for parameter in net.shared_parameters():
            parameter.requires_grad_(False)
        epoch(net, model, loader, optimizer, [index] * 2)
    for parameter in net.shared_parameters():
        parameter.requires_grad_(True)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for number in range(steps // len(loader)):
        loader.set_epoch(number + 1)
        # Only rank 0 draws; the others have another number.
        drawn = [(step * 3 + number) % len(CANDIDATES) if distributed.rank() == 0 else -1
                 for step in range(len(loader))]
        epoch(net, model, loader, optimizer, drawn)
    return {name: tensor.clone() for name, tensor in net.state_dict().items() if isinstance(tensor, torch.Tensor)}


def epoch(net, model, loader, optimizer, indices):
    for index, (x, y) in zip(indices, loader):
        net.set_candidate(distributed.agree(index))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def refusal():
    """What happens if the ranks choose different candidates."""
    net = switchable_net(abt.PACT())
    model = distributed.parallel(net).train()
    net.set_candidate(distributed.rank())
    try:
        model(torch.rand(2, 1, 8, 8))
    except InvalidInput as error:
        return str(error)
    return ""


def main():
    torch.set_num_threads(1)
    distributed.start()
    result = {"pact": train(abt.PACT()), "lsq": train(abt.LSQ()), "rank": distributed.rank(),
              "total": distributed.total(1.0, distributed.rank())}
    if distributed.world_size() > 1:
        result["refusal"] = refusal()
        assert dist.is_initialized()
    torch.save(result, f"{sys.argv[1]}.{distributed.rank()}")
    distributed.stop()


if __name__ == "__main__":
    main()
