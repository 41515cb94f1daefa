"""Band mixing: numerics N3."""

from __future__ import annotations

import numpy as np

from .errors import NumericsError

F32 = np.float32
LAYOUTS = ("none", "tile", "matrix", "plane", "spatial")
WAVELETS = ("haar", "db2")
_DB2_LOW = np.array([-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025], F32)
_DB2_HIGH = np.array([-0.48296291314469025, 0.836516303737469, -0.22414386804185735, -0.12940952255092145], F32)


def mix_bands(weights: np.ndarray, alpha: np.ndarray, layout: str = "tile", wavelet: str = "haar",
              group: int = 1) -> np.ndarray:
    """N3: W' = sum_k alpha_k P_k W.

    weights: float32 in the order O, I/g, kh, kw (rank 4), O, I/g, kw (rank 3, kh = 1) or O, I (rank 2); a rank of 1
    or 0 is the identity. alpha: 4 factors in the order LL, LH, HL, HH (LH: difference of the rows, HL: of the
    columns). Returns float32 of the same shape. Each group is a plane of its own.
    """
    weights = np.asarray(weights, F32)
    alpha = np.asarray(alpha, F32).reshape(-1)
    if alpha.size != 4:
        raise NumericsError(f"mix_bands needs 4 factors, got {alpha.size}")
    if layout not in LAYOUTS or wavelet not in WAVELETS:
        raise NumericsError(f"mix_bands of layout '{layout}' and wavelet '{wavelet}': layouts are "
                            f"{', '.join(LAYOUTS)}, wavelets {', '.join(WAVELETS)}")
    if layout == "none" or weights.ndim < 2:
        return weights.copy()
    outputs, inputs, height, width = _four_axes(weights.shape)
    if outputs % group:
        raise NumericsError(f"{outputs} output channels do not divide into {group} groups")
    if layout == "spatial" and height == width == 1:
        return weights.copy()
    grouped = weights.reshape(group, outputs // group, inputs, height, width)
    planes, restore = _to_planes(grouped, layout)
    mixed = (_mix_haar if wavelet == "haar" else _mix_db2)(_pad_even(planes), alpha)
    return restore(mixed[:, :planes.shape[1], :planes.shape[2]]).reshape(weights.shape)


def haar_factors(alpha: np.ndarray) -> tuple[np.float32, ...]:
    """t0, tc, tr, td in float32, left to right, the division by 4 last."""
    low, row, column, diagonal = (F32(a) for a in np.asarray(alpha, F32).reshape(-1))
    quarter = F32(4)
    return (F32(F32(F32(low + row) + column) + diagonal) / quarter,
            F32(F32(F32(low + row) - column) - diagonal) / quarter,
            F32(F32(F32(low - row) + column) - diagonal) / quarter,
            F32(F32(F32(low - row) - column) + diagonal) / quarter)


def _four_axes(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    if len(shape) > 4:
        raise NumericsError(f"mix_bands takes weights of rank 2 to 4, got rank {len(shape)}")
    spatial = shape[2:]
    return shape[0], shape[1], spatial[0] if len(spatial) == 2 else 1, spatial[-1] if spatial else 1


def _to_planes(grouped: np.ndarray, layout: str):
    """[g, O/g, I/g, kh, kw] as planes [n, rows, columns], and the way back."""
    order = {"tile": (0, 1, 3, 2, 4), "matrix": (0, 1, 2, 3, 4), "plane": (0, 3, 4, 1, 2),
             "spatial": (0, 1, 2, 3, 4)}[layout]
    permuted = grouped.transpose(order)
    sizes = permuted.shape
    rows = {"tile": sizes[1] * sizes[2], "matrix": sizes[1]}.get(layout, sizes[3])
    columns = {"tile": sizes[3] * sizes[4], "matrix": sizes[2] * sizes[3] * sizes[4]}.get(layout, sizes[4])
    back = np.argsort(order)
    return permuted.reshape(-1, rows, columns), lambda planes: planes.reshape(sizes).transpose(back)


def _pad_even(planes: np.ndarray) -> np.ndarray:
    """One zero row or column at the far end where a size is odd."""
    return np.pad(planes, ((0, 0), (0, planes.shape[1] % 2), (0, planes.shape[2] % 2)))


def _mix_haar(planes: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Closed form, ((t0*own + tc*column) + tr*row) + td*diagonal, each operation rounded to float32."""
    own_factor, column_factor, row_factor, diagonal_factor = haar_factors(alpha)
    blocks = planes.reshape(planes.shape[0], planes.shape[1] // 2, 2, planes.shape[2] // 2, 2)
    column, row = blocks[..., ::-1], blocks[:, :, ::-1]
    diagonal = row[..., ::-1]
    mixed = ((own_factor * blocks + column_factor * column) + row_factor * row) + diagonal_factor * diagonal
    return mixed.reshape(planes.shape)


def _mix_db2(planes: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Periodized Daubechies 2: columns of each row first, then rows; back in the reverse order (N3)."""
    low, high = _analyse(planes)
    low_low, low_high = _analyse(low.swapaxes(1, 2))
    high_low, high_high = _analyse(high.swapaxes(1, 2))
    low = _synthesise(low_low * alpha[0], low_high * alpha[1]).swapaxes(1, 2)
    high = _synthesise(high_low * alpha[2], high_high * alpha[3]).swapaxes(1, 2)
    return _synthesise(low, high)


def _analyse(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Last axis of even length n to two halves: y[k] = sum over j = 0..3 of f[j]*x[(2k + 2 - j) mod n], in that order."""
    length = x.shape[-1]
    starts = 2 * np.arange(length // 2) + 2
    taps = [x[..., (starts - j) % length] for j in range(4)]
    return tuple(((f[0] * taps[0] + f[1] * taps[1]) + f[2] * taps[2]) + f[3] * taps[3] for f in (_DB2_LOW, _DB2_HIGH))


def _synthesise(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The transpose of _analyse. Two low terms, then two high terms, the larger filter index first."""
    half = low.shape[-1]
    k = np.arange(half)
    result = np.empty(low.shape[:-1] + (2 * half,), F32)
    for parity in (0, 1):
        # x[2k + parity] meets filter index j, of the same parity, at band position (2k + parity + j - 2) / 2.
        indices = (parity + 2, parity)
        positions = [(k + (parity + j - 2) // 2) % half for j in indices]
        terms = [f[j] * band[..., p] for f, band in ((_DB2_LOW, low), (_DB2_HIGH, high))
                 for j, p in zip(indices, positions)]
        result[..., parity::2] = ((terms[0] + terms[1]) + terms[2]) + terms[3]
    return result
