"""Codes and their meaning: numerics N1 (rounding) and N2 (formats)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .errors import NumericsError

F32 = np.float32


@dataclass(frozen=True, eq=False)
class Quantizer:
    """A format of N2 with its parameters.

    kind: ``signed``, ``unsigned`` or ``odd``. bits: 1 to 16 (artifacts hold 1 to 8). scale: float32, one element or
    an array that broadcasts against the tensor (per channel). zero: integers, as scale; used by ``unsigned`` only.
    narrow: ``signed`` without its lowest code.
    """

    kind: str
    bits: int
    scale: np.ndarray
    zero: np.ndarray = field(default_factory=lambda: np.zeros((), np.int64))
    narrow: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", np.asarray(self.scale, F32))
        object.__setattr__(self, "zero", np.asarray(self.zero, np.int64))
        if self.kind not in ("signed", "unsigned", "odd"):
            raise NumericsError(f"format '{self.kind}' is none of signed, unsigned, odd")
        if not 1 <= self.bits <= 16:
            raise NumericsError(f"{self.kind} of {self.bits} bits; widths are 1 to 16")
        if self.narrow and (self.kind != "signed" or self.bits < 2):
            raise NumericsError(f"narrow needs signed of at least 2 bits, not {self.kind} of {self.bits}")
        if not np.all(np.isfinite(self.scale) & (self.scale > 0)):
            raise NumericsError(f"scale of a {self.kind} quantizer is not finite and positive: {self.scale.min()}")

    @property
    def low(self) -> int:
        """Smallest code."""
        return -(1 << (self.bits - 1)) + int(self.narrow) if self.kind == "signed" else 0

    @property
    def high(self) -> int:
        """Largest code."""
        return (1 << (self.bits - 1)) - 1 if self.kind == "signed" else (1 << self.bits) - 1

    def along(self, axis: int, rank: int) -> Quantizer:
        """The quantizer whose parameters, vectors here, lie along an axis of a tensor of that rank."""
        shape = [-1 if i == axis % rank else 1 for i in range(rank)]
        scale, zero = (p.reshape(shape) if p.size > 1 else p for p in (self.scale, self.zero))
        return replace(self, scale=scale, zero=zero)

    @property
    def per_tensor(self) -> bool:
        """One scale and one zero point for the whole tensor."""
        return self.scale.size == 1 and self.zero.size == 1

    @property
    def represents_zero(self) -> bool:
        """Whether 0.0 is a point of the grid, so that padding stays on codes."""
        inside = (self.zero >= self.low) & (self.zero <= self.high)
        return self.kind == "signed" or (self.kind == "unsigned" and bool(np.all(inside)))

    def same(self, other: "Quantizer") -> bool:
        """Equal format and parameters: the two map equal reals to equal codes."""
        return (self.kind, self.bits, self.narrow) == (other.kind, other.bits, other.narrow) and np.array_equal(
                self.scale.reshape(-1), other.scale.reshape(-1)) and np.array_equal(
                    self.zero.reshape(-1), other.zero.reshape(-1))

    def integers(self, codes: np.ndarray) -> np.ndarray:
        """The integer w of decode = s*w: q, q - z or 2q - (2^b - 1); int64, the shape of codes."""
        wide = np.asarray(codes, np.int64)
        if self.kind == "signed":
            return wide
        return wide - self.zero if self.kind == "unsigned" else 2 * wide - ((1 << self.bits) - 1)

    def code_of_scaled(self, scaled: np.ndarray) -> np.ndarray:
        """Codes of x/s, already divided: rounding, zero point, clamp. float32 in, int32 out.

        NaN has the code of 0, infinities are clamped.
        """
        return self.code_of_scaled_double(np.asarray(scaled, F32))

    def code_of_scaled_double(self, scaled: np.ndarray) -> np.ndarray:
        """As ``code_of_scaled`` in the precision of its argument (tables are computed in double, N5)."""
        scaled = np.where(np.isnan(scaled), scaled.dtype.type(0), scaled)
        if self.kind == "odd":
            wide = np.floor(scaled * scaled.dtype.type(0.5)).astype(np.float64) + (1 << (self.bits - 1))
        else:
            wide = np.rint(scaled).astype(np.float64)
            wide = wide + self.zero if self.kind == "unsigned" else wide
        return np.clip(wide, self.low, self.high).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Codes:
    """A tensor of codes with its quantizer. Stands for the reals ``decode(codes)``."""

    q: np.ndarray
    quantizer: Quantizer

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the tensor: codes are stored one an element."""
        return self.q.shape

    @property
    def integers(self) -> np.ndarray:
        """int64 integers w with real = s*w."""
        return self.quantizer.integers(self.q)

    @property
    def real(self) -> np.ndarray:
        """fl(float(w) * s) in float32 (N2 decode, N6)."""
        return (self.integers.astype(F32) * self.quantizer.scale).astype(F32)


def encode(x: np.ndarray, quantizer: Quantizer) -> Codes:
    """N2 encode of a float32 tensor: x/s by division in float32, then N1 and the clamp."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.asarray(x, F32) / quantizer.scale
    return Codes(quantizer.code_of_scaled(scaled), quantizer)


def decode(codes: np.ndarray, quantizer: Quantizer) -> np.ndarray:
    """N2 decode: float32 reals of an integer array."""
    return Codes(np.asarray(codes), quantizer).real


def decode_table(codes: np.ndarray, table: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """N2 decode of ``pow2``, ``apot``, ``esb`` and ``lut``: float(table[q]) * s. table: exact small integers."""
    return np.asarray(table)[np.asarray(codes)].astype(F32) * np.asarray(scale, F32)


def decode_bases(codes: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """N2 decode of ``bases``: sum of alpha_i * (2*bit_i - 1) in the order i = 0, 1, ..., bit 0 the lowest.

    alphas: float32 [b] or [b, ...] that broadcasts against codes behind its first axis.
    """
    codes = np.asarray(codes, np.int64)
    total = np.zeros(codes.shape, F32)
    for bit, alpha in enumerate(np.asarray(alphas, F32)):
        total = total + alpha * (2 * ((codes >> bit) & 1) - 1).astype(F32)
    return total
