"""From accumulators to codes: numerics N5, batch norm N7, average pools N6."""

from __future__ import annotations

from typing import Callable

import numpy as np

from .errors import NumericsError
from .formats import Codes, Quantizer

F32 = np.float32
NO_CLIP = (F32(-np.inf), F32(np.inf))


def batch_norm_affine(gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float,
                      scale: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """N7 in double: (A, B) -> (A*g, (B - mean)*g + beta) with g = gamma / sqrt(var + eps). All per channel."""
    wide = [np.asarray(value, np.float64) for value in (gamma, beta, mean, variance)]
    gain = wide[0] / np.sqrt(wide[3] + np.float64(F32(epsilon)))
    return scale * gain, (offset - wide[2]) * gain + wide[1]


def finite_float32(values: np.ndarray, what: str) -> np.ndarray:
    """N5: one rounding of a double to float32; refuses what is not finite."""
    with np.errstate(over="ignore"):
        narrow = np.asarray(values, np.float64).astype(F32)
    if not np.all(np.isfinite(narrow)):
        raise NumericsError(f"{what} is not finite")
    return narrow


def affine(accumulator: np.ndarray, multiplier: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """fl(fl(float(acc)*m) + h), float32, two roundings. m, h broadcast against acc."""
    with np.errstate(over="ignore"):
        return (np.asarray(accumulator).astype(F32) * np.asarray(multiplier, F32)).astype(F32) + np.asarray(offset, F32)


def clip(values: np.ndarray, low: np.float32, high: np.float32) -> np.ndarray:
    """min(max(x, low), high): the lower bound first."""
    return np.minimum(np.maximum(values, F32(low)), F32(high))


def requantize(accumulator: np.ndarray, scale: np.ndarray, offset: np.ndarray, quantizer: Quantizer,
               bounds: tuple[np.float32, np.float32] = NO_CLIP) -> Codes:
    """N5, first form. accumulator: int64; scale, offset: double A, B with real = acc*A + B, broadcast per channel.

    m = fl32(A/s), h = fl32(B/s); y = fl(fl(acc*m) + h); y is clamped to fl(bounds/s), then rounded and clamped.
    """
    step = np.float64(quantizer.scale.reshape(-1)[0])
    multiplier = finite_float32(np.asarray(scale) / step, "multiplier")
    shift = finite_float32(np.asarray(offset) / step, "offset")
    return Codes(step_function(accumulator, multiplier, shift, quantizer, bounds), quantizer)


def step_function(accumulator: np.ndarray, multiplier: np.ndarray, offset: np.ndarray, quantizer: Quantizer,
                  bounds: tuple[np.float32, np.float32] = NO_CLIP) -> np.ndarray:
    """The codes (int32) of N5's first form for given float32 m and h."""
    step = quantizer.scale.reshape(-1)[0]
    with np.errstate(over="ignore"):
        low, high = (F32(bound / step) for bound in bounds)
    return quantizer.code_of_scaled(clip(affine(accumulator, multiplier, offset), low, high))


def real_value(accumulator: np.ndarray, scale: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """N5/N6: v = fl(fl(acc*fl32(A)) + fl32(B)) in real units, float32."""
    return affine(accumulator, finite_float32(scale, "multiplier"), finite_float32(offset, "offset"))


def requantize_residual(real: np.ndarray, residual: Codes | None, quantizer: Quantizer,
                        bounds: tuple[np.float32, np.float32] = NO_CLIP) -> Codes:
    """N5, second form. real: v of ``real_value``. t = fl(v + fl(float(r - z_r)*s_r)), the activation, then
    clamp(RNE(fl(t*fl(1/s))) + z)."""
    total = real if residual is None else real + residual.real
    reciprocal = F32(1) / quantizer.scale.reshape(-1)[0]
    with np.errstate(over="ignore", invalid="ignore"):
        return Codes(quantizer.code_of_scaled(clip(total, *bounds) * reciprocal), quantizer)


def thresholds(multiplier: np.ndarray, offset: np.ndarray, quantizer: Quantizer, accumulator_low: int,
               accumulator_high: int, bounds: tuple[np.float32, np.float32] = NO_CLIP
               ) -> tuple[np.ndarray, np.ndarray]:
    """N5: the identity of a requantization, derived from the step function itself.

    multiplier, offset: float32 [C]. Returns (T, direction): T int64 [C, high - low], direction int [C], with
    code = low + #{j : acc >= T[c, j]} where direction is +1, low + #{j : acc <= T[c, j]} where it is -1. direction is
    that of m; m = 0 counts as +1. A threshold that no accumulator of the range reaches is accumulator_high + 1
    (direction +1) or accumulator_low - 1 (direction -1); one that all reach is the other end of the range.
    """
    multiplier, offset = (np.asarray(values, F32).reshape(-1, 1) for values in (multiplier, offset))
    direction = np.where(multiplier < 0, -1, 1)
    wanted = quantizer.low + 1 + np.arange(quantizer.high - quantizer.low)
    # Search over n = direction*acc, in which the code does not fall: the least n whose code is >= wanted.
    first = np.where(direction > 0, accumulator_low, -accumulator_high) + np.zeros_like(wanted)
    last = first + (accumulator_high - accumulator_low) + 1
    while np.any(first < last):
        middle = (first + last) // 2
        reached = step_function(direction * middle, multiplier, offset, quantizer, bounds) >= wanted
        active = first < last
        last = np.where(active & reached, middle, last)
        first = np.where(active & ~reached, middle + 1, first)
    return direction * first, direction.reshape(-1)


def apply_thresholds(accumulator: np.ndarray, levels: np.ndarray, direction: np.ndarray, low: int) -> np.ndarray:
    """Codes [C, n] of accumulators [C, n] by counting the thresholds of ``thresholds``."""
    signed = np.asarray(direction)[:, None]
    ordered = np.asarray(levels) * signed
    return low + (signed[..., None] * np.asarray(accumulator)[..., None] >= ordered[:, None, :]).sum(axis=-1)


def activation_table(function: Callable[[np.ndarray], np.ndarray], source: Quantizer, target: Quantizer) -> np.ndarray:
    """N5: a unary function between two per-tensor quantizers as a table, int32 [source.high - source.low + 1].

    Entry q - source.low is the code of f(s*w(q)) / s', all in double: the product, f, and the division; rounding,
    zero point and clamp follow N2.
    """
    codes = np.arange(source.low, source.high + 1)
    real = source.integers(codes).astype(np.float64) * np.float64(source.scale.reshape(-1)[0])
    with np.errstate(all="ignore"):
        scaled = np.asarray(function(real), np.float64) / np.float64(target.scale.reshape(-1)[0])
    return target.code_of_scaled_double(scaled)


def requantize_sum(total: np.ndarray, count: np.ndarray, source: Quantizer, target: Quantizer,
                   bounds: tuple[np.float32, np.float32] = NO_CLIP) -> Codes:
    """N6: average pool of codes. total: exact sums of q - z; count broadcasts. m = fl32(s_in / (count*s_out))."""
    wide = np.float64(source.scale.reshape(-1)[0]) / (
        np.asarray(count, np.float64) * np.float64(target.scale.reshape(-1)[0]))
    return Codes(step_function(total, finite_float32(wide, "multiplier"), F32(0), target, bounds), target)


def average_real(total: np.ndarray, count: np.ndarray, source: Quantizer) -> np.ndarray:
    """N6: average pool of codes without a quantizer behind it: fl(float(sum) * fl32(s_in/count))."""
    wide = np.float64(source.scale.reshape(-1)[0]) / np.asarray(count, np.float64)
    return np.asarray(total).astype(F32) * finite_float32(wide, "multiplier")
