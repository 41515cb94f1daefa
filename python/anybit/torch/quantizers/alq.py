"""Multi-base weights: per channel a sum of signs with learned coefficients (ALQ, LQ-Nets; algorithms 4.1, 4.9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..._errors import InvalidInput
from .base import Bases, Quantizer, Site, Spec
from .functions import positive


class _Reconstruct(torch.autograd.Function):
    """sum of alpha_i * (2*bit_i - 1), i = 0 first (N2 `bases`); dw = g, dalpha_i = sum of g * sign_i of a channel."""

    @staticmethod
    def forward(ctx, w: Tensor, alphas: Tensor, codes: Tensor) -> Tensor:
        ctx.save_for_backward(alphas, codes)
        total = torch.zeros_like(w)
        for i, alpha in enumerate(alphas):
            total = total + alpha * signs(codes, i)
        return total

    @staticmethod
    def backward(ctx, grad: Tensor):
        alphas, codes = ctx.saved_tensors
        rows = [(grad * signs(codes, i)).sum_to_size(alpha.shape) for i, alpha in enumerate(alphas)]
        return grad, torch.stack(rows), None


def signs(codes: Tensor, bit: int) -> Tensor:
    """-1 or +1, float32."""
    return (2 * ((codes >> bit) & 1) - 1).float()


@torch.no_grad()
def sketch(rows: Tensor, bases: int) -> Tensor:
    """Structured sketching: rows [O, n] -> coefficients [O, bases] >= 0, ascending. The residual's sign is the next
    base, all coefficients are solved anew by least squares after each."""
    residual, found = rows, []
    for _ in range(bases):
        found.append(torch.where(residual >= 0, 1.0, -1.0))
        matrix = torch.stack(found, -1).double()
        gram = matrix.transpose(1, 2) @ matrix
        gram = gram + 1e-6 * rows.shape[1] * torch.eye(len(found), dtype=gram.dtype, device=gram.device)
        alphas = torch.linalg.solve(gram, matrix.transpose(1, 2) @ rows.double()[..., None])
        residual = rows - (matrix @ alphas)[..., 0].float()
    return alphas[..., 0].float().abs().sort(1).values


class MultiBaseWeight(Quantizer):
    """alphas: [I, O]; kept: 0 where a coefficient has been deleted (`LossAwareBases`), else 1. watch: called with the
    gradient of the quantized weight, if it is set."""

    def __init__(self, site: Site, bits: int) -> None:
        super().__init__(site, bits)
        self.alphas = nn.Parameter(torch.ones(bits, site.shape[0]))  # type: ignore[index]
        self.register_buffer("kept", torch.ones(bits, site.shape[0]))  # type: ignore[index]
        self.watch: "Callable[[Tensor], None] | None" = None

    def initialize(self, w: Tensor) -> None:
        self.alphas.copy_(sketch(w.reshape(w.shape[0], -1), self.bits).T)

    @torch.no_grad()
    def codes(self, w: Tensor) -> Tensor:
        """The nearest of the 2^I reachable values of each channel."""
        alphas = self.coefficients()
        every = torch.arange(1 << self.bits, device=w.device)
        reachable = sum(alphas[i][:, None] * signs(every, i) for i in range(self.bits))
        levels, order = reachable.sort(1)  # type: ignore[union-attr]
        middles = ((levels[:, 1:] + levels[:, :-1]) / 2).contiguous()
        position = torch.searchsorted(middles, w.reshape(w.shape[0], -1).contiguous(), right=True)
        return order.gather(1, position).reshape(w.shape)

    def coefficients(self) -> Tensor:
        """[I, O], at least 0."""
        return positive(self.alphas) * self.kept

    def _for_weight(self, w: Tensor) -> Tensor:
        return self.coefficients().reshape(*self.alphas.shape, *(1,) * (w.dim() - 1))

    def forward(self, w: Tensor) -> Tensor:
        w = w.float()
        self.ready(w)
        quantized = _Reconstruct.apply(w, self._for_weight(w), self.codes(w))
        if self.watch is not None and quantized.requires_grad:
            quantized.register_hook(self.watch)
        return quantized

    @torch.no_grad()
    def grid(self, x: "Tensor | None" = None) -> Bases:
        return Bases("bases", self.bits, self.codes(x), self._for_weight(x))  # type: ignore[arg-type]


@dataclass(frozen=True)
class MultiBase(Spec):
    """Weights of b bits as b sign planes with learned coefficients per output channel (F6); 1 bit is XNOR-Net's form
    with a learned scale. The weight takes the nearest reachable value, the gradient goes straight through. Channels may
    get different numbers of planes: `LossAwareBases`."""

    def build(self, site: Site, bits: int, common: dict[str, nn.Parameter]) -> Quantizer:
        if site.role != "weight":
            raise InvalidInput(f"activation of '{site.name}': MultiBase is for weights")
        return MultiBaseWeight(site, bits)
