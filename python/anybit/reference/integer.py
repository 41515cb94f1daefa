"""Exact integer accumulation (numerics N4), windows, and the popcount identities (N9)."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from .errors import NumericsError

_INT32 = 1 << 31


def window_sum(x: np.ndarray, weights: np.ndarray, strides: Sequence[int], pads: Sequence[int],
               dilations: Sequence[int], groups: int) -> np.ndarray:
    """Cross-correlation, padded with zeros, in the element type of x.

    x: [N, C, H, W]; weights: [O, C/groups, kh, kw]; pads: top, left, bottom, right. Returns [N, O, oh, ow]. The sum
    runs over kernel positions outside, channels inside.
    """
    batch, channels = x.shape[:2]
    outputs, inputs, height, width = weights.shape
    if inputs * groups != channels or outputs % groups:
        raise NumericsError(f"weights {weights.shape} in {groups} groups do not fit {channels} input channels")
    padded = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    extent = [(k - 1) * d + 1 for k, d in zip((height, width), dilations)]
    out_height, out_width = ((size - e) // s + 1 for size, e, s in zip(padded.shape[2:], extent, strides))
    total = np.zeros((batch, groups, outputs // groups, out_height * out_width), x.dtype)
    grouped = weights.reshape(groups, outputs // groups, inputs, height, width)
    for i in range(height):
        for j in range(width):
            top, left = i * dilations[0], j * dilations[1]
            part = padded[:, :, top:top + (out_height - 1) * strides[0] + 1:strides[0],
                          left:left + (out_width - 1) * strides[1] + 1:strides[1]]
            part = part.reshape(batch, groups, inputs, out_height * out_width)
            tap = grouped[..., i, j]
            total += part * tap if inputs == 1 else np.matmul(tap, part)
    return total.reshape(batch, outputs, out_height, out_width)


def accumulate_convolution(x: np.ndarray, weights: np.ndarray, strides: Sequence[int] = (1, 1),
                           pads: Sequence[int] = (0, 0, 0, 0), dilations: Sequence[int] = (1, 1),
                           groups: int = 1) -> np.ndarray:
    """N4: exact sums of integers, int64 [N, O, oh, ow]. Arguments as ``window_sum``; a padded element adds 0.

    Summed in float64, which is exact here: the products and all partial sums are integers below 2^53 (checked).
    """
    x, weights = np.asarray(x, np.int64), np.asarray(weights, np.int64)
    _check_exact(np.abs(x).max(initial=0), np.abs(weights).sum(axis=(1, 2, 3)).max(initial=0))
    return window_sum(x.astype(np.float64), weights.astype(np.float64), strides, pads, dilations, groups
                      ).astype(np.int64)


def accumulate_matmul(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """N4: exact x @ weights, int64; x [..., K], weights [K, N]."""
    x, weights = np.asarray(x, np.int64), np.asarray(weights, np.int64)
    _check_exact(np.abs(x).max(initial=0), np.abs(weights).sum(axis=0).max(initial=0))
    return np.matmul(x.astype(np.float64), weights.astype(np.float64)).astype(np.int64)


def _check_exact(largest_input: int, largest_row: int) -> None:
    if int(largest_input) * int(largest_row) >= 1 << 53:
        raise NumericsError(f"sums up to {int(largest_input) * int(largest_row)} are not exact in float64")


def check_int32(weights: np.ndarray, input_low: int, input_high: int, name: str = "accumulator") -> None:
    """N4: refuses weights whose accumulator may leave |acc| < 2^31.

    weights: integers, the output channel first, the reduction behind it. input_low, input_high: range of the integer
    input (a - z); 0 is taken into the range, for padding.
    """
    rows = np.asarray(weights, np.int64).reshape(len(weights), -1)
    low, high = min(int(input_low), 0), max(int(input_high), 0)
    positive, negative = np.clip(rows, 0, None).sum(axis=1), np.clip(rows, None, 0).sum(axis=1)
    largest, smallest = positive * high + negative * low, positive * low + negative * high
    bound = max(int(largest.max(initial=0)), -int(smallest.min(initial=0)))
    if bound >= _INT32:
        raise NumericsError(f"{name}: the accumulator may reach {bound}, beyond int32; use fewer bits or split the "
                            f"reduction")


def bit_plane(codes: np.ndarray, bit: int) -> np.ndarray:
    """Bit ``bit`` of two's complement or unsigned codes as 0/1, int64."""
    return (np.asarray(codes, np.int64) >> bit) & 1


def popcount_dot(weight_codes: np.ndarray, weight_kind: str, weight_bits: int, activation_codes: np.ndarray,
                 activation_kind: str, activation_bits: int) -> int:
    """N9: the dot product of two code vectors [K] by bit planes only.

    weight_kind: ``odd`` or ``signed``. activation_kind: ``unsigned`` (zero point 0), or ``odd`` of 1 bit with
    ``odd`` weights of 1 bit (xor). Equals the sum of the decoded integers.
    """
    if activation_kind == "odd":
        if weight_kind != "odd" or weight_bits != 1 or activation_bits != 1:
            raise NumericsError("the xor identity is for +-1 weights and +-1 activations")
        return len(weight_codes) - 2 * int((np.asarray(weight_codes) ^ np.asarray(activation_codes)).sum())
    if weight_kind not in ("odd", "signed"):
        raise NumericsError(f"no popcount identity for {weight_kind} weights")
    total = 0
    for i in range(weight_bits):
        for j in range(activation_bits):
            weight, activation = bit_plane(weight_codes, i), bit_plane(activation_codes, j)
            common = int((weight & activation).sum())
            if weight_kind == "odd":
                total += (1 << (i + j)) * (2 * common - int(activation.sum()))
            else:
                total += (1 << (i + j)) * (-common if i == weight_bits - 1 else common)
    return total
