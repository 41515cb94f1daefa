"""Wavelets of weights: numerics N3, algorithms 2.2 and 2.3.

`mix_bands` is the function that is trained and exported, equal to `anybit.reference.mix_bands` to the bit. `dwt2` and
`idwt2` are the transform itself, for analysis and tests. Bands are in the order LL, LH (difference of the rows),
HL (difference of the columns), HH.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .._errors import InvalidInput

LAYOUTS = ("none", "tile", "matrix", "plane", "spatial")
WAVELETS = ("haar", "db2")
_DB2_LOW = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)
_DB2_HIGH = (-_DB2_LOW[3], _DB2_LOW[2], -_DB2_LOW[1], _DB2_LOW[0])
_HAAR = 0.5 ** 0.5
_ORDER = {"tile": (0, 1, 3, 2, 4), "matrix": (0, 1, 2, 3, 4), "plane": (0, 3, 4, 1, 2), "spatial": (0, 1, 2, 3, 4)}


@dataclass(frozen=True)
class Wavelet:
    """How weights are mixed. layout: one of LAYOUTS. gauge: fixes the LL factor at 1 (algorithms 2.2 fact ii).

    bands: the bands that are kept, a subset of ("LL", "LH", "HL", "HH"); the factors of the others are fixed at 0
    (Table 3). shared: one set of factors for all candidates.
    """

    layout: str = "tile"
    name: str = "haar"
    gauge: bool = False
    bands: tuple[str, ...] = ("LL", "LH", "HL", "HH")
    shared: bool = False

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS or self.name not in WAVELETS:
            raise InvalidInput(f"layout is '{self.layout}' and wavelet '{self.name}': layouts are "
                               f"{', '.join(LAYOUTS)}, wavelets {', '.join(WAVELETS)}")
        unknown = [band for band in self.bands if band not in ("LL", "LH", "HL", "HH")]
        if unknown or not self.bands:
            raise InvalidInput(f"bands are {', '.join(self.bands)}; choose from LL, LH, HL, HH")


def Haar(layout: str = "tile", **options: object) -> Wavelet:
    """The Haar wavelet in closed form (algorithms 2.2)."""
    return Wavelet(layout, "haar", **options)  # type: ignore[arg-type]


def Db2(layout: str = "tile", **options: object) -> Wavelet:
    """The periodized Daubechies wavelet with two vanishing moments, D4 (algorithms 2.2)."""
    return Wavelet(layout, "db2", **options)  # type: ignore[arg-type]


def mix_bands(weights: Tensor, alpha: Tensor, layout: str = "tile", wavelet: str = "haar", group: int = 1) -> Tensor:
    """N3: sum over k of alpha_k P_k W, with its exact gradient in both arguments.

    weights: [O, I/group, kh, kw], [O, I/group, k] or [O, I/group]; less than two axes is the identity. alpha: [4].
    Returns a tensor of the shape of weights. Odd planes get one zero row or column at the far end.
    """
    Wavelet(layout, wavelet)
    if alpha.numel() != 4:
        raise InvalidInput(f"mix_bands needs 4 factors, got {alpha.numel()}")
    if weights.dim() > 4 or (weights.dim() and weights.shape[0] % group):
        raise InvalidInput(f"weights of shape {tuple(weights.shape)} are not a kernel of {group} groups")
    kernel = weights.shape[2:].numel() if weights.dim() > 2 else 1
    if layout == "none" or weights.dim() < 2 or (layout == "spatial" and kernel == 1):
        return weights
    channels_last = is_channels_last(weights)
    if wavelet == "haar" and weights.numel() <= SMALL:
        index = neighbour_index(tuple(weights.shape), layout, group, channels_last, weights.device)
        return _MixHaarSmall.apply(weights, alpha.reshape(4), index, channels_last)
    mixed = _MixBands.apply(weights, alpha.reshape(4), layout, wavelet, group)
    return mixed.contiguous(memory_format=torch.channels_last) if channels_last else mixed


def dwt2(planes: Tensor, wavelet: str = "haar") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """LL, LH, HL, HH of [..., rows, columns], each [..., ceil(rows/2), ceil(columns/2)]; orthonormal, periodized."""
    planes = _pad_even(planes)
    low, high = _analyse(planes, wavelet)
    bands = [band.transpose(-1, -2) for half in (low, high) for band in _analyse(half.transpose(-1, -2), wavelet)]
    return bands[0], bands[1], bands[2], bands[3]


def idwt2(bands: "tuple[Tensor, Tensor, Tensor, Tensor]", wavelet: str = "haar",
          size: "tuple[int, int] | None" = None) -> Tensor:
    """The inverse of `dwt2`; size: (rows, columns) to crop to, where the planes were odd."""
    low_low, low_high, high_low, high_high = (band.transpose(-1, -2) for band in bands)
    low = _synthesise(low_low, low_high, wavelet).transpose(-1, -2)
    high = _synthesise(high_low, high_high, wavelet).transpose(-1, -2)
    planes = _synthesise(low, high, wavelet)
    return planes if size is None else planes[..., :size[0], :size[1]]


class _MixBands(torch.autograd.Function):
    """The operator is symmetric, so the gradient of W is the operator on the gradient (algorithms 2.2)."""

    @staticmethod
    def forward(ctx, weights: Tensor, alpha: Tensor, layout: str, wavelet: str, group: int) -> Tensor:
        ctx.save_for_backward(weights, alpha)
        ctx.settings = layout, wavelet, group
        return _mixed(weights, alpha, layout, wavelet, group)

    @staticmethod
    def backward(ctx, grad: Tensor):
        weights, alpha = ctx.saved_tensors
        layout, wavelet, group = ctx.settings
        grad_weights = mix_bands(grad, alpha, layout, wavelet, group) if ctx.needs_input_grad[0] else None
        grad_alpha = None
        if ctx.needs_input_grad[1]:
            planes = [_pad_even(_to_planes(tensor, layout, group)[0]) for tensor in (weights, grad)]
            inner = _haar_products if wavelet == "haar" else _band_products
            grad_alpha = inner(*planes).to(alpha.dtype)
        return grad_weights, grad_alpha, None, None, None


SMALL = 1 << 16  # elements; above, an index of four numbers an element costs more than it saves


@functools.lru_cache(maxsize=512)
def neighbour_index(shape: tuple[int, ...], layout: str, group: int, channels_last: bool,
                     device: torch.device) -> tuple[Tensor, bool]:
    """Where each element of a flat weight finds itself, its column, row and diagonal neighbour: int64 [4 * n], n for a
    padded one; and whether there is any. channels_last: the weight is flat in that order."""
    count = math.prod(shape)
    planes, restore = _to_planes(unflattened(torch.arange(count), shape, channels_last), layout, group)
    rows, columns = planes.shape[1:]
    padded = torch.nn.functional.pad(planes, (0, columns % 2, 0, rows % 2), value=count)
    parts = [flattened(restore(part.reshape(padded.shape)[:, :rows, :columns]), channels_last)
             for part in _neighbours(padded)]
    return torch.cat(parts).to(device), bool(rows % 2 or columns % 2)


def is_channels_last(weights: Tensor) -> bool:
    """Whether a weight lies in the order O, kh, kw, I and in no other."""
    return weights.dim() == 4 and not weights.is_contiguous() and \
        weights.is_contiguous(memory_format=torch.channels_last)


def flattened(x: Tensor, channels_last: bool) -> Tensor:
    """[n]; a view where the memory format is the one that is said."""
    return (x.permute(0, 2, 3, 1) if channels_last else x).reshape(-1)


def unflattened(flat: Tensor, shape: Sequence[int], channels_last: bool) -> Tensor:
    """The way back."""
    if not channels_last:
        return flat.view(shape)
    return flat.view(shape[0], shape[2], shape[3], shape[1]).permute(0, 3, 1, 2)


def _with_neighbours(x: Tensor, index: tuple[Tensor, bool], channels_last: bool) -> Tensor:
    """[4, n]."""
    places, is_padded = index
    flat = flattened(x, channels_last)
    flat = torch.cat((flat, flat.new_zeros(1))) if is_padded else flat
    return flat.index_select(0, places).view(4, -1)


class _MixHaarSmall(torch.autograd.Function):
    """The Haar form of _MixBands with a fraction of its calls, which is what small weights cost."""

    @staticmethod
    def forward(ctx, weights: Tensor, alpha: Tensor, index: tuple[Tensor, bool], channels_last: bool) -> Tensor:
        near, factors = _with_neighbours(weights, index, channels_last), haar_factors(alpha)
        ctx.save_for_backward(near, factors)
        ctx.index, ctx.channels_last = index, channels_last
        own, column, row, diagonal = (near * factors[:, None]).unbind()
        return unflattened((own + column).add_(row).add_(diagonal), weights.shape, channels_last)

    @staticmethod
    def backward(ctx, grad: Tensor):
        near, factors = ctx.saved_tensors
        grad_weights = grad_alpha = None
        if ctx.needs_input_grad[0]:
            flat = factors @ _with_neighbours(grad, ctx.index, ctx.channels_last)
            grad_weights = unflattened(flat, grad.shape, ctx.channels_last)
        if ctx.needs_input_grad[1]:
            grad_alpha = factor_gradients(near @ flattened(grad, ctx.channels_last))
        return grad_weights, grad_alpha, None, None


def factor_gradients(products: Tensor) -> Tensor:
    """dalpha from the products [4, ...] of the gradient with W, its column, row and diagonal neighbours."""
    return _hadamard(products.device, products.dtype) @ products


@functools.lru_cache(maxsize=None)
def _hadamard(device: torch.device, dtype: torch.dtype) -> Tensor:
    rows = [[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]
    return torch.tensor(rows, dtype=dtype, device=device) / 4


def _mixed(weights: Tensor, alpha: Tensor, layout: str, wavelet: str, group: int) -> Tensor:
    planes, restore = _to_planes(weights, layout, group)
    rows, columns = planes.shape[1:]
    mixed = (_mix_haar if wavelet == "haar" else _mix_db2)(_pad_even(planes), alpha)
    return restore(mixed[:, :rows, :columns])


def _to_planes(weights: Tensor, layout: str, group: int):
    """[O, I/g, kh, kw] as planes [n, rows, columns], and the way back."""
    outputs, inputs = weights.shape[:2]
    spatial = tuple(weights.shape[2:])
    height, width = (1,) * (2 - len(spatial)) + spatial
    order = _ORDER[layout]
    permuted = weights.reshape(group, outputs // group, inputs, height, width).permute(order)
    sizes = permuted.shape
    rows = {"tile": sizes[1] * sizes[2], "matrix": sizes[1]}.get(layout, sizes[3])
    columns = {"tile": sizes[3] * sizes[4], "matrix": sizes[2] * sizes[3] * sizes[4]}.get(layout, sizes[4])

    def restore(planes: Tensor) -> Tensor:
        return planes.reshape(sizes).permute(order).reshape(weights.shape)  # each order is its own inverse

    return permuted.reshape(-1, rows, columns), restore


def _pad_even(planes: Tensor) -> Tensor:
    """One zero row or column at the far end where a size is odd."""
    rows, columns = planes.shape[-2] % 2, planes.shape[-1] % 2
    return torch.nn.functional.pad(planes, (0, columns, 0, rows)) if rows or columns else planes


@functools.lru_cache(maxsize=None)
def _signs(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Rows: the signs of LH, HL, HH in t0, tc, tr, td."""
    signs = torch.tensor([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], dtype=dtype, device=device)
    return signs[0], signs[1], signs[2]


def haar_factors(alpha: Tensor) -> Tensor:
    """[t0, tc, tr, td] for alpha [4] (each [4, n] for [4, n] on CPUs), summed left to right, divided by 4 last (N3). A
    product with a sign is exact."""
    if alpha.device.type == "cpu" and alpha.dtype == torch.float32 and not torch.compiler.is_compiling():
        low, row, column, diagonal = alpha.detach().numpy()  # float32 scalars: a tenth of the time of tensors
        plus, minus = low + row, low - row
        return torch.from_numpy(np.array([(plus + column) + diagonal, (plus - column) - diagonal,
                                          (minus + column) - diagonal, (minus - column) + diagonal]) / np.float32(4))
    row, column, diagonal = _signs(alpha.device, alpha.dtype)
    return (((alpha[0] + alpha[1] * row) + alpha[2] * column) + alpha[3] * diagonal) / 4


def _neighbours(planes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each element of every aligned 2x2 block, its column, row and diagonal neighbour: [n, r/2, 2, c/2, 2]."""
    blocks = planes.reshape(planes.shape[0], planes.shape[1] // 2, 2, planes.shape[2] // 2, 2)
    return blocks, blocks.flip(4), blocks.flip(2), blocks.flip(2, 4)


def _mix_haar(planes: Tensor, alpha: Tensor) -> Tensor:
    """((t0*own + tc*column) + tr*row) + td*diagonal, each operation rounded."""
    own, column, row, diagonal = _neighbours(planes)
    t0, tc, tr, td = haar_factors(alpha).unbind()
    return (((t0 * own + tc * column) + tr * row) + td * diagonal).reshape(planes.shape)


def _haar_products(weights: Tensor, grad: Tensor) -> Tensor:
    """<P_k W, G> for the four bands, from the products of G with W and its neighbours."""
    products = torch.stack([(grad.reshape(part.shape) * part).sum() for part in _neighbours(weights)])
    row, column, diagonal = _signs(products.device, products.dtype)
    return torch.stack([products.sum(), (products * row).sum(), (products * column).sum(),
                        (products * diagonal).sum()]) / 4


def _mix_db2(planes: Tensor, alpha: Tensor) -> Tensor:
    bands = dwt2(planes, "db2")
    return idwt2(tuple(band * alpha[k] for k, band in enumerate(bands)), "db2")  # type: ignore[arg-type]


def _band_products(weights: Tensor, grad: Tensor) -> Tensor:
    """The transform is orthogonal: <P_k W, G> is the product of the bands."""
    return torch.stack([(w * g).sum() for w, g in zip(dwt2(weights, "db2"), dwt2(grad, "db2"))])


def _analyse(x: Tensor, wavelet: str) -> tuple[Tensor, Tensor]:
    """The last axis, of even length n, as two halves; db2: y[k] = sum over j = 0..3 of f[j] x[(2k + 2 - j) mod n]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    if wavelet == "haar":
        return (even + odd) * _HAAR, (even - odd) * _HAAR
    taps = (even.roll(-1, -1), odd, even, odd.roll(1, -1))
    low, high = (((f[0] * taps[0] + f[1] * taps[1]) + f[2] * taps[2]) + f[3] * taps[3] for f in (_DB2_LOW, _DB2_HIGH))
    return low, high


def _synthesise(low: Tensor, high: Tensor, wavelet: str) -> Tensor:
    """The transpose of `_analyse`: two low terms, then two high terms, the larger filter index first."""
    if wavelet == "haar":
        pair = (low + high) * _HAAR, (low - high) * _HAAR
        return torch.stack(pair, -1).flatten(-2)
    lo, hi = _DB2_LOW, _DB2_HIGH
    even = ((lo[2] * low + lo[0] * low.roll(1, -1)) + hi[2] * high) + hi[0] * high.roll(1, -1)
    odd = ((lo[3] * low.roll(-1, -1) + lo[1] * low) + hi[3] * high.roll(-1, -1)) + hi[1] * high
    return torch.stack((even, odd), -1).flatten(-2)
