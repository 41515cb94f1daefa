"""Recognising the functions of the domain ai.anybit by name and by what their bodies compute (C3)."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .errors import NumericsError
from .formats import Quantizer, encode
from .ops import Node
from .wavelet import mix_bands

F32 = np.float32
_KINDS = {"FakeQuantSigned": "signed", "FakeQuantUnsigned": "unsigned", "FakeQuantOdd": "odd"}


def recognise_fake_quantize(node: Node, operands: list, evaluate: Callable[[list], np.ndarray]) -> Quantizer | None:
    """The quantizer of a FakeQuant call with constant parameters, or None: then its body is inlined.

    operands: constant inputs (None where not constant): x, scale, [zero_point,] bits. evaluate: runs the body on
    arrays. A body that disagrees with the rule on probes is not ours.
    """
    kind = _KINDS.get(node.op)
    parameters = operands[1:]
    if kind is None or len(operands) != (4 if kind == "unsigned" else 3) or any(p is None for p in parameters):
        return None
    bits = int(np.asarray(parameters[-1]).reshape(-1)[0])
    zero = np.asarray(parameters[1]) if kind == "unsigned" else np.zeros((), np.int64)
    if np.any(zero != np.rint(zero)):
        raise NumericsError(f"{node.label}: zero point is not an integer")
    quantizer = Quantizer(kind, bits, parameters[0], zero.astype(np.int64), bool(node.attributes.get("narrow", 0)))
    first = Quantizer(kind, bits, quantizer.scale.reshape(-1)[:1].reshape(()), quantizer.zero.reshape(-1)[0],
                      quantizer.narrow)
    reach = (1 << bits) + 2
    probe = (np.arange(-4 * reach, 4 * reach + 1, max(1, reach // 300)).astype(F32) / F32(4)) * first.scale
    values = [probe, np.asarray(first.scale)]
    if kind == "unsigned":
        values.append(np.asarray(parameters[1]).reshape(-1)[0].reshape(()))
    values.append(np.asarray(parameters[-1]))
    return quantizer if np.array_equal(evaluate(values), encode(probe, first).real) else None


def recognise_mix_bands(node: Node, operands: list, evaluate: Callable[[list], np.ndarray]) -> np.ndarray | None:
    """N3 applied to constant operands w, alpha, or None where the body computes something else."""
    if len(operands) != 2 or any(value is None for value in operands):
        return None
    attributes = node.attributes
    mixed = mix_bands(operands[0], operands[1], attributes.get("layout", "tile"), attributes.get("wavelet", "haar"),
                      attributes.get("group", 1))
    body = evaluate([np.asarray(value) for value in operands])
    tolerance = 1e-5 * max(float(np.abs(mixed).max(initial=0)), 1e-30)
    return mixed if body.shape == mixed.shape and np.allclose(body, mixed, rtol=0, atol=tolerance) else None
