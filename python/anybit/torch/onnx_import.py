"""`from_onnx`: a float ONNX model as a `torch.fx.GraphModule` that can be trained, made switchable and exported."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import onnx
import torch
from torch import fx, nn

from .._errors import Error, InvalidInput, Unsupported
from .onnx_dimensions import Vector, follow
from .onnx_fold import fold
from .onnx_ops import HANDLERS, Call
from .onnx_ops.call import parameter

_DOMAINS = ("", "ai.onnx")
_OPSETS = range(8, 25)


def from_onnx(path: str | os.PathLike[str]) -> fx.GraphModule:
    """Reads a float ONNX model into PyTorch, in evaluation mode.

    Layers are plain `torch.nn` modules with real parameters; a module is called as its weight (`layer1.0.conv1.weight`
    makes it `layer1.0.conv1`) or else as its node, and `node.meta["onnx_name"]` of the graph is the node's own name.
    Inputs are those of the file, in its order; one output is returned as a tensor, several as a tuple. The outputs are
    those of the file up to the order of float32 sums. Batch sizes are free wherever the file leaves them free.

    Raises:
        InvalidInput: the file cannot be read or contradicts itself; all such nodes are listed.
        Unsupported: nodes that have no counterpart here; all are listed.
    """
    return Importer(_load(path)).build()


def _load(path: str | os.PathLike[str]) -> onnx.ModelProto:
    try:
        model = onnx.load(os.fspath(path))
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except OSError as error:
        raise InvalidInput(f"cannot read '{path}': {error.strerror or error}") from error
    except Exception as error:  # protobuf and shape inference have errors of their own.
        raise InvalidInput(f"'{path}' is not a valid ONNX model: {error}") from error


def _identifier(name: str) -> str:
    """`name` as a dotted path of Python identifiers or numbers, as module names are."""
    parts = [re.sub(r"\W", "_", part) for part in re.split(r"[./]", name)]
    return ".".join(part for part in parts if part)


def _shapes(graph: onnx.GraphProto) -> dict[str, list[int | None]]:
    """Dimensions of every value of known rank; None for a free one."""
    values = (*graph.input, *graph.value_info, *graph.output)
    return {v.name: [d.dim_value if d.HasField("dim_value") else None for d in v.type.tensor_type.shape.dim]
            for v in values if v.type.tensor_type.HasField("shape")}


class Importer:
    """One pass over the nodes. `constants`, `shapes` (None: a free dimension) and `vectors` (shapes that the graph
    computes) are what handlers ask about a value by its ONNX name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._root, self._graph = nn.Module(), fx.Graph()
        self._values: dict[str, fx.Node] = {}
        self._problems: list[Error] = []
        self.opset = next((o.version for o in model.opset_import if o.domain in _DOMAINS), 0)
        self.shapes = _shapes(model.graph)
        self.constants: dict[str, numpy.ndarray] = {}
        self.vectors: dict[str, Vector] = {}

    def build(self) -> fx.GraphModule:
        graph = self._model.graph
        if self.opset not in _OPSETS:
            raise Unsupported(f"the model has opset {self.opset}, expected {_OPSETS[0]} to {_OPSETS[-1]}; convert it "
                              "with onnx.version_converter")
        self._read_constants()
        for value in graph.input:
            if value.name not in self.constants:
                self._values[value.name] = self._graph.placeholder(_identifier(value.name).replace(".", "_"))
        for node in graph.node:
            self._import(node)
        self._report()
        outputs = [self.value(value.name) for value in graph.output]
        self._graph.output(outputs[0] if len(outputs) == 1 else tuple(outputs))
        module = fx.GraphModule(self._root, self._graph, class_name=_identifier(graph.name).replace(".", "_") or "Onnx")
        module.graph.eliminate_dead_code()
        module.delete_all_unused_submodules()
        module.recompile()
        return module.eval()

    def _read_constants(self) -> None:
        graph = self._model.graph
        if graph.sparse_initializer:
            raise Unsupported("the model has sparse initializers")
        for tensor in graph.initializer:
            self.constants[tensor.name] = onnx.numpy_helper.to_array(tensor)

    # Nodes.

    def _import(self, node: onnx.NodeProto) -> None:
        """Adds a node to the graph, or its problem to the list."""
        try:
            folded = fold(node, self.constants, self.opset)
            if folded is not None:
                self.constants.update(folded)
                return
            vector = follow(node, self.vectors, self.constants, self.shapes)
            if vector is not None:
                self.vectors[node.output[0]] = vector
            result = self._handler(node)(Call(self, node))
            results = [result] if isinstance(result, fx.Node) else list(result)
        except Error as error:
            results = self._fail(node, error)
        except (AttributeError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            results = self._fail(node, InvalidInput(str(error)))
        self._values.update(zip(node.output, results))

    def _handler(self, node: onnx.NodeProto) -> Callable[[Call], Any]:
        if node.domain not in _DOMAINS or node.op_type not in HANDLERS:
            domain = node.domain or "ai.onnx"
            raise Unsupported(f"no such operator is known here (domain '{domain}', opset {self.opset})")
        return HANDLERS[node.op_type]

    def _fail(self, node: onnx.NodeProto, error: Error) -> list[fx.Node]:
        """Keeps the problem and returns stand-ins for the outputs, so that later nodes are still checked."""
        name = node.name or ", ".join(node.output)
        self._problems.append(type(error)(f"node '{name}' ({node.op_type}): {error}"))
        return [self._graph.call_function(torch.empty, (0,)) for _ in node.output]

    def _report(self) -> None:
        if self._problems:
            kind = next((type(p) for p in self._problems if isinstance(p, InvalidInput)), Unsupported)
            raise kind("\n".join(str(problem) for problem in self._problems))

    # What handlers emit.

    def value(self, name: str) -> fx.Node:
        """The graph value called `name`; a constant becomes a parameter or a buffer of the root module."""
        if name in self._values:
            return self._values[name]
        if name not in self.constants:
            raise InvalidInput(f"'{name}' is used but defined nowhere before")
        array = self.constants[name]
        path = self._free(_identifier(name).replace(".", "_") or "constant")
        if array.dtype.kind == "f":
            self._root.register_parameter(path, parameter(array))
        else:
            self._root.register_buffer(path, torch.from_numpy(array.copy()))
        self._values[name] = self._graph.get_attr(path)
        return self._values[name]

    def function(self, node: onnx.NodeProto, function: Callable[..., Any] | str, args: tuple, kwargs: dict) -> fx.Node:
        """A call of a function, or of the method of this name of the first argument."""
        name = _identifier(node.name or node.output[0]).replace(".", "_")
        kind = "call_method" if isinstance(function, str) else "call_function"
        created = self._graph.create_node(kind, function, args, kwargs, name=name or None)
        created.meta["onnx_name"] = node.name
        return created

    def module(self, node: onnx.NodeProto, module: nn.Module, inputs: Sequence[fx.Node], weight: str,
               suffix: str) -> fx.Node:
        folder, _, leaf = weight.rpartition(".")
        name = folder if folder and leaf in ("weight", "kernel", "w") else node.name or node.output[0]
        name = _identifier(name) or node.op_type.lower()
        path = self._free(f"{name}_{suffix}" if suffix else name)
        self._place(path, module)
        created = self._graph.call_module(path, tuple(inputs))
        created.meta["onnx_name"] = node.name
        return created

    def _free(self, path: str) -> str:
        """`path`, or with a number behind it if something else lies there (or on the way there)."""
        names = (path if i == 0 else f"{path}_{i}" for i in range(len(self._values) + len(self._model.graph.node) + 2))
        return next(name for name in names if self._is_free(name))

    def _is_free(self, path: str) -> bool:
        module: Any = self._root
        *folders, leaf = path.split(".")
        for folder in folders:
            if not hasattr(module, folder):
                return True
            module = getattr(module, folder)
            if type(module) is not nn.Module:
                return False
        return not hasattr(module, leaf)

    def _place(self, path: str, module: nn.Module) -> None:
        *folders, leaf = path.split(".")

        def descend(parent: nn.Module, name: str) -> nn.Module:
            if not hasattr(parent, name):
                parent.add_module(name, nn.Module())
            return getattr(parent, name)

        functools.reduce(descend, folders, self._root).add_module(leaf, module)
