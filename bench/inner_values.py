"""Values inside of a network as outputs of its graph, so that a compiled artifact and anybit.reference can be compared
there. The sections of the evidence and the tests use these."""

from __future__ import annotations

from typing import Iterable

import numpy as np
import onnx


def entry(model: onnx.ModelProto) -> str:
    """The input that is neither a constant nor the index of the candidate."""
    others = {tensor.name for tensor in model.graph.initializer} | {"candidate"}
    (name,) = [value.name for value in model.graph.input if value.name not in others]
    return name


def with_outputs(model: onnx.ModelProto, names: Iterable[str]) -> onnx.ModelProto:
    """The model with these values as outputs, too (float, rank unknown). Those that are outputs already stay as they are."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {value.name for value in copy.graph.output}
    copy.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
                             for name in dict.fromkeys(names) if name not in known)
    return copy


def with_codes(model: onnx.ModelProto, x: np.ndarray, candidate: str | None = None) -> onnx.ModelProto:
    """The model with every value that the reference holds as codes, and every input of a Softmax, as an output, too.

    A Softmax is a real-valued op outside of bit identity (numerics N6); what it reads says whether all before it is equal.
    """
    from anybit import reference
    taps = {}
    reference.run(model, {entry(model): x}, candidate, taps=taps)
    made = {output for node in model.graph.node for output in node.output}
    names = [name for name, value in taps.items() if isinstance(value, reference.Codes) and name in made]
    return with_outputs(model, names + [node.input[0] for node in model.graph.node if node.op_type == "Softmax"])
