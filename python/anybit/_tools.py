"""`compile` and `quantize`: the verbs of the command-line tool as functions."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _anybit
from ._errors import InternalError, InvalidInput, Unsupported

if TYPE_CHECKING:
    import numpy

    Path = str | os.PathLike[str]
    Calibration = Path | numpy.ndarray | Mapping[str, numpy.ndarray]

_ERRORS = {error.exit_code: error for error in (InternalError, InvalidInput, Unsupported)}


def _names(what: str, names: Sequence[str] | None) -> list[str]:
    if isinstance(names, str):
        raise TypeError(f"{what} is a str, pass a list of names: {names.split(',')}")
    return list(names or [])


def _finish(code: int, text: str) -> str:
    """The messages of a tool that succeeded; its warnings as Python's, its failure as an exception."""
    if code:
        raise _ERRORS.get(code, InternalError)(text.rstrip() or f"failed with exit code {code} and without a message")
    for line in text.splitlines():
        if line.startswith("warning: "):
            warnings.warn(line.removeprefix("warning: "), stacklevel=3)
    return text


def compile(model: Path, output: Path, target: str = "native", candidates: Sequence[str] | None = None,
            dims: Mapping[str, int] | None = None, *, store: str = "packed", emit: str = "so", stop_after: str = "",
            optimization: int = 3, narrow_weights: bool = False, timing: bool = False, stats: bool = False,
            quiet: bool = False) -> str:
    """Compiles the ONNX file `model` into `output`, as `anybit compile` does. The GIL is released meanwhile.

    Args:
        target: `native`, `x86-64`, `x86-64-v3`, `x86-64-v4` or `CPUNAME[,+feature|-feature...]`.
        candidates: the precisions to keep, in this order; all if None.
        dims: sizes of free dimensions, by name; a free first dimension is 1 otherwise.
        store: `packed`, or `master` (weights rebuilt at a switch).
        emit: `so` (for `anybit.load`), `obj` or `lib` (with a C header beside it), `llvm`, `asm`.
        stop_after: name of a stage (import, specialize, integerize, schedule, kernels): its IR is the output.
        optimization: of the kernels' code, 0 to 3.
        narrow_weights: weights of four and fewer bits are never stored as bytes, even where that is faster.
        timing: the time of every stage is in the returned messages.
        stats: so are counters, as a JSON object.
        quiet: no progress bar on a terminal.

    Returns:
        The messages, one a line; "" normally. Warnings are issued as UserWarning too.

    Raises:
        InvalidInput: the model or an argument is wrong, or `output` cannot be written.
        Unsupported: the model needs what anybit lacks; every such node is listed.
        InternalError: a mistake of anybit.
    After an error `output` is as it was before.
    """
    if not 0 <= optimization <= 3:
        raise InvalidInput(f"optimization is {optimization}, expected 0 to 3")
    sizes = [(name, int(size)) for name, size in (dims or {}).items()]
    if wrong := [f"the size of '{name}' is {size}, expected at least 1" for name, size in sizes if size < 1]:
        raise InvalidInput("\n".join(wrong))
    return _finish(*_anybit.compile_model(
        model=model, output=output, target=target, candidates=_names("candidates", candidates), dims=sizes,
        store=store, emit=emit, stop_after=stop_after, optimization=optimization,
        narrow_weights=narrow_weights, timing=timing, stats=stats, quiet=quiet))


def _calibration_file(calibration: Calibration, folder: str) -> Path:
    """Arrays go to the tool as a file."""
    if isinstance(calibration, (str, bytes, os.PathLike)):
        return calibration
    import numpy
    if isinstance(calibration, Mapping):
        path = os.path.join(folder, "calibration.npz")
        numpy.savez(path, **calibration)
    else:
        path = os.path.join(folder, "calibration.npy")
        numpy.save(path, calibration, allow_pickle=False)
    return path


def quantize(model: Path, output: Path, calibration: Calibration, candidates: Sequence[str] | None = None,
             preprocess: str | None = None, *, candidate_file: Path | None = None, first_last_bits: int = 8,
             threshold: float = 0.5, samples: int = 0, quiet: bool = False) -> dict[str, Any]:
    """Quantizes the float ONNX file `model` without labels into the switchable ONNX file `output`, as
    `anybit quantize` does. The GIL is released meanwhile.

    Args:
        calibration: a .npy or .npz file, a folder of them, a folder of JPEG or PNG pictures, an array, or arrays by
            name of input; the first axis counts samples.
        candidates: names such as `w8a8` or `f32`, or names of `candidate_file`.
        preprocess: for pictures: `imagenet`, `tf`, `unit`, `raw` or `size=..,crop=..,mean=..,std=..,layout=..`.
        candidate_file: JSON: name -> layer pattern -> widths.
        first_last_bits: width of the first and the last layer, 1 to 8; 0: as the candidate says.
        threshold: a candidate that agrees with the float model on less than this fraction gets a UserWarning.
        samples: at most so many calibration samples; 0: all.
        quiet: no progress bar on a terminal.

    Returns:
        The report: {"samples", "held_out", "task", "layers": [..], "candidates": [{"name", "loss", "agreement",
        "deployable", "stages", "layers", "activations"}]}.

    Raises:
        InvalidInput: the model, the calibration data or an argument is wrong, or `output` cannot be written.
        Unsupported: the model needs what anybit lacks; every such node is listed.
        InternalError: a mistake of anybit.
    After an error `output` is as it was before.
    """
    names = _names("candidates", candidates)
    if not names and candidate_file is None:
        raise InvalidInput("candidates is empty, give for example ['w8a8', 'w4a4']")
    if not 0 <= first_last_bits <= 8 or samples < 0:
        raise InvalidInput(f"first_last_bits is {first_last_bits} and samples {samples}, "
                           f"expected 0 to 8 and at least 0")
    with tempfile.TemporaryDirectory(prefix="anybit-") as folder:
        report = os.path.join(folder, "report.json")
        _finish(*_anybit.quantize_model(
            model=model, output=output, calibration=_calibration_file(calibration, folder),
            preprocess=preprocess or "", candidates=names, candidate_file=candidate_file,
            first_last_bits=first_last_bits, threshold=threshold, report=report, samples=samples, quiet=quiet))
        with open(report, encoding="utf-8") as file:
            return json.load(file)
