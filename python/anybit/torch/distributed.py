"""Training in several processes (`torchrun`): equal candidates, summed gradients, shared statistics.

    abt.distributed.start()                          # reads what torchrun set; nothing in a single process
    model = abt.distributed.parallel(net)            # call this in place of net; net stays what is saved and exported
    net.set_candidate(abt.distributed.agree(index))
    loss(model(x), y).backward()

The weights go through `torch.nn.parallel.DistributedDataParallel`. A step leaves the parameters of all other candidates
without a gradient, which that class can only find by walking the graph of every step (`find_unused_parameters`); here
it never sees them: those of the chosen candidate, a few numbers a layer, are averaged in one all-reduce when the
backward pass ends. One process with batch 2N and two with batch N thus compute the same step, up to float sums.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .._errors import InvalidInput
from .model import Switchable
from .modules import SwitchableActivation
from .quantizers.base import Quantizer
from .synchronized_norm import synchronize_batch_norms


def start(backend: str = "gloo") -> None:
    """Joins the processes that `torchrun` started; nothing to do where there are none."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group(backend)


def stop() -> None:
    """Leaves the group."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def agree(value: int) -> int:
    """The value of rank 0, on every rank: the candidate of a step, for example."""
    if world_size() == 1:
        return value
    shared = torch.tensor([value])
    dist.broadcast(shared, 0)
    return int(shared)


def total(*values: float) -> list[float]:
    """Sums over the ranks: right answers and their number, for example."""
    if world_size() == 1:
        return [float(value) for value in values]
    summed = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(summed)
    return summed.tolist()


def mean(values: Tensor) -> Tensor:
    """The mean of a tensor over the ranks."""
    if world_size() == 1:
        return values
    summed = values.clone()
    dist.all_reduce(summed)
    return summed / world_size()


def parallel(net: Switchable, find_unused_parameters: bool = False) -> nn.Module:
    """What to call in place of `net` while training; `net` itself in a single process.

    All ranks take the state of rank 0, batch norms become synchronized, and activation quantizers take their first
    values from the batches of all ranks. find_unused_parameters: for networks in which a candidate leaves out weights
    of the others (branches).
    """
    return net if world_size() == 1 else DistributedSwitchable(net, find_unused_parameters)


class DistributedSwitchable(nn.Module):
    """See `parallel`. module: the network, whose `set_candidate`, `state_dict` and so on are to be used."""

    def __init__(self, net: Switchable, find_unused_parameters: bool) -> None:
        super().__init__()
        self.module, self._find_unused = net, find_unused_parameters
        owned = {id(p): p for index in range(len(net.candidates)) for p in net.candidate_parameters(index)}
        self._owned = list(owned.values())
        self._candidates_only = [name for name, p in net.named_parameters() if id(p) in owned]
        self._ready: list[nn.Parameter] = []
        self._weights: Any = None
        self._weights_of: tuple[int, ...] = ()
        self._hooks = [p.register_post_accumulate_grad_hook(self._on_gradient) for p in self._owned]
        # Axes of size 1 have any stride: a 1x1 kernel that is channels-last differs from its gradient in nothing else.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        _share_state(net)
        synchronize_batch_norms(net)
        _share_first_batches(net)

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        if not self.module.training or not torch.is_grad_enabled():
            return self.module(*arguments, **keywords)
        self._check_candidates()
        return self._reducing()(*arguments, **keywords)

    def _reducing(self) -> nn.Module:
        """The network whose backward pass averages the gradients of the weights that are trained at this time (fewer
        while warming up or freezing); those of the candidates are averaged by `_on_gradient`."""
        owned = {id(p) for p in self._owned}
        trained = tuple(id(p) for p in self.module.parameters() if p.requires_grad and id(p) not in owned)
        if trained != self._weights_of or self._weights is None:
            self._weights_of = trained
            DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(self.module, self._candidates_only)
            # A tuple hides the wrapper from nn.Module: it is no second child with the same parameters.
            self._weights = (DistributedDataParallel(self.module, forward_sync_buffers=False,
                                                     find_unused_parameters=self._find_unused)
                             if trained else self.module,)
        return self._weights[0]

    def _check_candidates(self) -> None:
        index = torch.tensor([self.module.index])
        chosen = [torch.empty_like(index) for _ in range(world_size())]
        dist.all_gather(chosen, index)
        if any(int(other) != int(index) for other in chosen):
            names = ", ".join(f"rank {r}: {self.module.names[int(i)]}" for r, i in enumerate(chosen))
            raise InvalidInput(f"candidates differ among ranks ({names}); choose them with "
                               "anybit.torch.distributed.agree")

    def _on_gradient(self, parameter: nn.Parameter) -> None:
        if not self._ready:
            torch.autograd.Variable._execution_engine.queue_callback(self._average)
        self._ready.append(parameter)

    def _average(self) -> None:
        """One all-reduce of all gradients of candidates that this backward pass made, in the order of the network."""
        ready = {id(parameter) for parameter in self._ready}
        self._ready = []
        gradients = [p.grad for p in self._owned if id(p) in ready and p.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        parts = (flat / world_size()).split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts):
            gradient.copy_(part.view_as(gradient))


def _share_state(net: Switchable) -> None:
    """Parameters and buffers of rank 0 on all ranks, after a look at whether the networks are the same."""
    state = [tensor for tensor in (*net.parameters(), *net.buffers())]
    mine = {"candidates": net.names, "shapes": [tuple(tensor.shape) for tensor in state]}
    others: list[Any] = [None] * world_size()
    dist.all_gather_object(others, mine)
    if any(other["candidates"] != net.names for other in others):
        names = "; ".join(f"rank {r}: {', '.join(other['candidates'])}" for r, other in enumerate(others))
        raise InvalidInput(f"candidates differ among ranks ({names})")
    if any(other["shapes"] != mine["shapes"] for other in others):
        raise InvalidInput("the networks of the ranks have different parameters")
    for tensor in state:
        dist.broadcast(tensor.data, 0)


def _share_first_batches(net: Switchable) -> None:
    """LSQ counts the values of all ranks, and quantizers start from them."""
    for module in net.modules():
        if isinstance(module, Quantizer) and module.site.role == "activation":
            module.replicas = world_size()
        if isinstance(module, SwitchableActivation):
            module.register_forward_pre_hook(_start_from_all)


def _start_from_all(module: SwitchableActivation, inputs: tuple[Tensor, ...]) -> None:
    if not module.training:
        return
    quantizer = module.quantizers[module.index]
    if quantizer.initialized:
        return
    mine = inputs[0].detach().contiguous()
    parts = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(parts, mine)
    quantizer.ready(torch.cat(parts))
