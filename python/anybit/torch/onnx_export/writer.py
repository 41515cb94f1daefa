"""Building the ONNX file: names, constants written once, tables of candidates (convention C1, C2, C6)."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, parser

OPSET = 17
IR_VERSION = 10
DOMAIN = "ai.anybit"
CANDIDATE = "candidate"


@functools.lru_cache(maxsize=None)
def convention_functions() -> dict[tuple[str, str], onnx.FunctionProto]:
    """The canonical bodies of the domain (C3), by (name, overload); the compiler knows them by these bodies."""
    text = importlib.resources.files(__package__).joinpath("convention.onnxtxt").read_text(encoding="utf-8")
    functions = [parser.parse_function(part) for part in text.split("\n\n")]
    for function in functions:
        for node in function.node:
            node.ClearField("domain")
    return {(function.name, function.overload): function for function in functions}


class Writer:
    """A graph under construction. count: number of candidates."""

    def __init__(self, candidates: Sequence[str]) -> None:
        self.candidates, self.count = list(candidates), len(candidates)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.functions: dict[tuple[str, str], onnx.FunctionProto] = {}
        self._names = {CANDIDATE}
        self._node_names: set[str] = set()
        self._constants: dict[tuple, str] = {}
        self._selected: dict[str, str] = {}

    def fresh(self, hint: str) -> str:
        """A name that no value has yet."""
        name, number = hint, 1
        while name in self._names:
            name, number = f"{hint}_{number}", number + 1
        self._names.add(name)
        return name

    def add(self, op: str, inputs: Sequence[str], hint: str, outputs: int = 1, domain: str = "", overload: str = "",
            **attributes: Any) -> Any:
        """A node; hint: of its name and its output's. Returns the output's name, a list of them if outputs > 1."""
        names = [self.fresh(hint if outputs == 1 else f"{hint}.{i}") for i in range(outputs)]
        label, number = hint, 1
        while label in self._node_names:
            label, number = f"{hint}_{number}", number + 1
        self._node_names.add(label)
        node = helper.make_node(op, list(inputs), names, name=label, domain=domain or None,
                                overload=overload or None, **attributes)
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def call(self, function: str, inputs: Sequence[str], hint: str, overload: str = "", **attributes: Any) -> str:
        """A call of a function of the domain ai.anybit, whose canonical body the file gets."""
        self.functions.setdefault((function, overload), convention_functions()[function, overload])
        return self.add(function, inputs, hint, domain=DOMAIN, overload=overload, **attributes)

    def constant(self, value: Any, hint: str, dtype: "Any | None" = None) -> str:
        """An initializer; equal ones are written once, under the first's name."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = self.fresh(hint)
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
            self._constants[key] = name
        return self._constants[key]

    def shared(self, key: str, make: "Callable[[], str]") -> str:
        """The value `make` adds, added once for each key."""
        if key not in self._selected:
            self._selected[key] = make()
        return self._selected[key]

    def floats(self, value: Any, hint: str = "constant") -> str:
        return self.constant(value, hint, np.float32)

    def integers(self, value: Any, hint: str = "constant") -> str:
        return self.constant(value, hint, np.int64)

    def table(self, rows: np.ndarray, hint: str) -> str:
        """C2: the candidate's row of `rows` [candidates, ...]; a plain constant where all rows are equal."""
        rows = np.asarray(rows)
        if all(row.tobytes() == rows[0].tobytes() for row in rows):
            return self.constant(rows[0], hint)
        name = self.constant(rows, f"{hint}/table")
        return self.shared(name, lambda: self.add("Gather", [name, CANDIDATE], hint, axis=0))

    def choose(self, flags: Sequence[bool], yes: str, no: str, hint: str) -> str:
        """`yes` at the candidates with a flag, `no` at the others (C3)."""
        if all(flags):
            return yes
        if not any(flags):
            return no
        return self.add("Where", [self.table(np.asarray(flags), f"{hint}/flag"), yes, no], hint)

    def model(self, name: str, inputs: Sequence[onnx.ValueInfoProto],
              outputs: Sequence[onnx.ValueInfoProto]) -> onnx.ModelProto:
        """The finished model, checked by onnx. C1: `candidate` is an input even if nothing depends on it."""
        candidate = helper.make_tensor_value_info(CANDIDATE, TensorProto.INT64, [])
        graph = helper.make_graph(self.nodes, name, [*inputs, candidate], list(outputs), self.initializers)
        opsets = [helper.make_opsetid("", OPSET)] + ([helper.make_opsetid(DOMAIN, 1)] if self.functions else [])
        model = helper.make_model(graph, functions=list(self.functions.values()), opset_imports=opsets,
                                  ir_version=IR_VERSION, producer_name="anybit.torch")
        helper.set_model_props(model, {"anybit.candidates": ",".join(self.candidates)})
        onnx.checker.check_model(model)
        return model
