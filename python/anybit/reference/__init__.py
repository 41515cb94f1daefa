"""The NumPy meaning of a quantized network, written from the rules N1-N9 of docs/numerics.md.

Nothing here is shared with the compiler or the runtime: where both must agree, they agree because both follow the
rules. Integer results are exact; ``run`` executes a whole ONNX file, every other function states one rule.
"""

from .errors import NumericsError, UnsupportedModel
from .execute import run
from .formats import Codes, Quantizer, decode, decode_bases, decode_table, encode
from .integer import accumulate_convolution, accumulate_matmul, check_int32, popcount_dot
from .requantize import (activation_table, batch_norm_affine, requantize, requantize_residual, step_function,
                         thresholds)
from .wavelet import mix_bands

__all__ = [
    "Codes", "NumericsError", "Quantizer", "UnsupportedModel", "accumulate_convolution", "accumulate_matmul",
    "activation_table", "batch_norm_affine", "check_int32", "decode", "decode_bases", "decode_table", "encode",
    "mix_bands", "popcount_dot", "requantize", "requantize_residual", "run", "step_function", "thresholds",
]
