"""Which chain becomes one integer op: the section "Grouping" of docs/numerics.md, rules G1-G6."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .formats import Codes, Quantizer
from .ops import Node
from .ops_math import ELEMENTWISE, clip_bounds
from .ops_shape import MOVERS
from .requantize import NO_CLIP, batch_norm_affine
from .specialize import Graph, real

F32 = np.float32
_SELECTORS = MOVERS | {"MaxPool", "GlobalMaxPool"}


def moves_codes(node: Node, graph: Graph) -> bool:
    """G2: whether a node only selects elements of its data, so that it commutes with decode and with encode."""
    if node.op not in _SELECTORS or (node.op == "MaxPool" and len(node.outputs) > 1):
        return False
    if node.op in ("Resize", "Upsample"):
        return node.attributes.get("mode", "nearest") == "nearest"
    if node.op == "Pad" and node.attributes.get("mode", "constant") == "constant":
        name = node.inputs[2] if len(node.inputs) > 2 else ""
        fill = node.attributes.get("value", 0.0) if not name else graph.constants.get(name)
        return fill is not None and not np.any(np.asarray(real(fill)))
    return True


def pads_with_zero(node: Node) -> bool:
    return node.op == "Pad" and node.attributes.get("mode", "constant") == "constant"


def data_inputs(node: Node) -> list[str]:
    """The operands whose elements a node of G2 moves."""
    return node.inputs if node.op == "Concat" else node.inputs[:1]


def hoist_quantizers(graph: Graph) -> None:
    """G1: moves quantizers in front of the selecting op they stand behind, until none moves."""
    moved = True
    while moved:
        consumers = graph.consumers()
        moved = any(_hoist(graph, node, consumers) for node in list(graph.nodes))


def _hoist(graph: Graph, node: Node, consumers: dict[str, list[Node]]) -> bool:
    if not moves_codes(node, graph) or len(node.outputs) != 1:
        return False
    users = consumers.get(node.outputs[0], [])
    if not users or any(user is None or user.op != "FakeQuantize" for user in users):
        return False
    quantizer = users[0].attributes["quantizer"]
    if not quantizer.per_tensor or not all(user.attributes["quantizer"].same(quantizer) for user in users):
        return False
    if pads_with_zero(node) and not quantizer.represents_zero:
        return False
    position, result = graph.nodes.index(node), users[0].outputs[0]
    data = data_inputs(node)
    inserted = [Node("FakeQuantize", [name], [f"{result}/{i}"], {"quantizer": quantizer}, name=f"{result}/{i}")
                for i, name in enumerate(data)]
    operands = [new.outputs[0] for new in inserted] + node.inputs[len(data):]
    replacement = Node(node.op, operands, [result], node.attributes, node.opset, node.name)
    graph.nodes[position:position + 1] = inserted + [replacement]
    graph.nodes = [other for other in graph.nodes if all(other is not user for user in users)]
    _rename(graph, {user.outputs[0]: result for user in users[1:]})
    return True


def _rename(graph: Graph, names: dict[str, str]) -> None:
    for node in graph.nodes:
        node.inputs = [names.get(name, name) for name in node.inputs]
    graph.outputs = {key: names.get(name, name) for key, name in graph.outputs.items()}
    graph.aliases.update(names)
    graph.aliases = {key: names.get(name, name) for key, name in graph.aliases.items()}


def code_tensors(graph: Graph) -> dict[str, Quantizer]:
    """G2: the per-tensor quantizer of every value that is held as codes."""
    known: dict[str, Quantizer] = {}
    for node in graph.nodes:
        if node.op == "FakeQuantize":
            if node.attributes["quantizer"].per_tensor:
                known[node.outputs[0]] = node.attributes["quantizer"]
            continue
        if not moves_codes(node, graph):
            continue
        sources = [known.get(name) for name in data_inputs(node)]
        if any(source is None or not source.same(sources[0]) for source in sources):
            continue
        if not pads_with_zero(node) or sources[0].represents_zero:
            known.update({name: sources[0] for name in node.outputs})
    return known


def table_sources(graph: Graph, codes: dict[str, Quantizer]) -> dict[str, str]:
    """G3: value name -> the code tensor of at most 8 bits of which it is an elementwise function."""
    source = {name: name for name, quantizer in codes.items() if quantizer.bits <= 8}
    for node in graph.nodes:
        if node.op not in ELEMENTWISE or node.outputs[0] in source:
            continue
        variables = [name for name in node.inputs if name and name not in graph.constants]
        scalars = [graph.constants[name] for name in node.inputs if name in graph.constants]
        roots = {source.get(name) for name in variables}
        if len(roots) == 1 and None not in roots and all(real(value).size == 1 for value in scalars):
            source[node.outputs[0]] = roots.pop()
    return source


@dataclass
class Group:
    """G4, G5: an integer op with what follows it. scale, offset: A, B in double, per channel or scalar.

    result: the value the group computes; real where ``quantizers`` is empty. skipped: nodes it replaces.
    """

    result: str
    scale: np.ndarray
    offset: np.ndarray
    residual: str | None = None
    bounds: tuple[np.float32, np.float32] = NO_CLIP
    quantizers: list[Node] = field(default_factory=list)
    skipped: list[Node] = field(default_factory=list)

    @property
    def second_form(self) -> bool:
        """N5: two variables or several different quantizers."""
        first = self.quantizers[0].attributes["quantizer"]
        return self.residual is not None or not all(q.attributes["quantizer"].same(first) for q in self.quantizers)


class Matcher:
    """Finds the chain behind an accumulator."""

    def __init__(self, graph: Graph, codes: dict[str, Quantizer]) -> None:
        self.graph, self.codes, self.consumers = graph, codes, graph.consumers()

    def match(self, output: str, scale: np.ndarray, offset: np.ndarray, rank: int, channel_axis: int,
              channels: int) -> Group:
        """G4. scale, offset: A and B in front of the chain (s_w*s_x and the op's own bias, in double)."""
        group = Group(output, np.asarray(scale, np.float64), np.asarray(offset, np.float64))
        while (node := self._only_user(group.result)) is not None:
            folded = self._affine(node, group, rank, channel_axis, channels)
            if folded is None:
                break
            group.scale, group.offset = folded
            group.skipped.append(node)
            group.result = node.outputs[0]
        return self._tail(group, with_residual=True)

    def match_pool(self, output: str) -> Group:
        """G5: an average pool takes clips and quantizers, no affine steps and no residual."""
        return self._tail(Group(output, np.float64(1), np.float64(0)), with_residual=False)

    def _only_user(self, name: str) -> Node | None:
        users = self.consumers.get(name, [])
        return users[0] if len(users) == 1 and users[0] is not None else None

    def _constant(self, name: str, rank: int, axis: int, channels: int) -> np.ndarray | None:
        """A constant that is one number or one number per channel, in double."""
        if name not in self.graph.constants:
            return None
        value = np.asarray(real(self.graph.constants[name]))
        if value.ndim > rank or value.dtype.kind != "f":
            return None
        shape = (1,) * (rank - value.ndim) + value.shape
        if any(n != 1 for i, n in enumerate(shape) if i != axis) or shape[axis] not in (1, channels):
            return None
        return value.reshape(-1).astype(np.float64) if value.size > 1 else np.float64(value.reshape(-1)[0])

    def _affine(self, node: Node, group: Group, rank: int, axis: int, channels: int):
        """A, B after one more affine node, or None."""
        scale, offset = group.scale, group.offset
        if node.op == "BatchNormalization":
            parameters = [self.graph.constants.get(name) for name in node.inputs[1:5]]
            if any(p is None for p in parameters) or axis != 1 or node.inputs[0] != group.result:
                return None
            return batch_norm_affine(*map(real, parameters), node.attributes.get("epsilon", 1e-5), scale, offset)
        if node.op not in ("Add", "Sub", "Mul", "Div"):
            return None
        first = node.inputs[0] == group.result
        constant = self._constant(node.inputs[1 if first else 0], rank, axis, channels)
        if constant is None or (node.op == "Div" and not first):
            return None
        if node.op == "Add":
            return scale, offset + constant
        if node.op == "Sub":
            return (scale, offset - constant) if first else (-scale, constant - offset)
        if node.op == "Mul":
            return scale * constant, offset * constant
        return scale / constant, offset / constant

    def _tail(self, group: Group, with_residual: bool) -> Group:
        """[residual] [clips] quantizers; the group keeps its real result where no quantizer ends the chain."""
        value, residual, bounds, skipped = group.result, None, NO_CLIP, []
        node = self._only_user(value)
        if with_residual and node is not None and node.op == "Add":
            other = node.inputs[1 if node.inputs[0] == value else 0]
            if other in self.codes:
                residual, value = other, node.outputs[0]
                skipped.append(node)
                node = self._only_user(value)
        while node is not None and (limits := self._clip_limits(node, value)) is not None:
            bounds = compose(bounds, limits)
            value = node.outputs[0]
            skipped.append(node)
            node = self._only_user(value)
        users = self.consumers.get(value, [])
        if not users or any(u is None or u.op != "FakeQuantize" or not u.attributes["quantizer"].per_tensor
                            for u in users):
            return group
        return Group(value, group.scale, group.offset, residual, bounds, users, group.skipped + skipped)

    def _clip_limits(self, node: Node, value: str) -> tuple[np.float32, np.float32] | None:
        """Bounds of Relu, Clip, and Max or Min with one scalar constant."""
        if node.op == "Relu":
            return F32(0), F32(np.inf)
        if node.op == "Clip" and node.inputs[0] == value:
            names = [name for name in node.inputs[1:] if name]
            if any(name not in self.graph.constants for name in names):
                return None
            operands = [self.graph.constants.get(name) if name else None for name in node.inputs]
            low, high = clip_bounds(node, [None if o is None else real(o) for o in operands])
            return F32(-np.inf if low is None else low), F32(np.inf if high is None else high)
        if node.op not in ("Max", "Min") or len(node.inputs) != 2:
            return None
        other = self.graph.constants.get(node.inputs[1 if node.inputs[0] == value else 0])
        if other is None or real(other).size != 1:
            return None
        bound = F32(real(other).reshape(-1)[0])
        return (bound, F32(np.inf)) if node.op == "Max" else (F32(-np.inf), bound)


def compose(first: tuple[np.float32, np.float32], second: tuple[np.float32, np.float32]) -> tuple[np.float32, np.float32]:
    """The clip that equals ``first`` and then ``second``: second is applied to both bounds of first."""
    return tuple(np.minimum(np.maximum(bound, second[0]), second[1]) for bound in first)
