"""`switchable`: any network as one that holds several precisions."""

from __future__ import annotations

import copy
import operator
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import fx, nn

from .._errors import InvalidInput
from .branches import Branches, SwitchableBranches
from .candidates import Candidate, Widths, parse_candidates, unused_rules
from .model import Switchable
from .modules import LAYERS, SwitchableActivation, SwitchableBatchNorm, switchable_layer
from .placement import NORMS, Edge, Placement
from .quantizers import LSQ, PACT, LSQPlus, Spec
from .wavelet import Haar, Wavelet

_OUT_OF_PLACE = {operator.iadd: operator.add, operator.imul: operator.mul, "add_": "add", "mul_": "mul"}


def switchable(net: nn.Module, candidates: Iterable[Any], weight: Spec = LSQ(), activation: Spec = PACT(),
               wavelet: "Wavelet | None" = Haar(), first_last: "int | None" = 8, *, residual: "int | None" = 8,
               negative: "Spec | None" = LSQPlus(), batch_norm: str = "candidate",
               own_weights: bool = False) -> Switchable:
    """A copy of `net` that runs at each of `candidates` (see `parse_candidates`); `net` is left as it is.

    weight, activation: quantizers of weights, and of activations that cannot be negative. negative: of activations that
    can; None refuses them. first_last: bits of the first and the last layer and their inputs; None: as the candidate
    says. residual: bits of sums, average pools and activation functions between layers (placement.py); None: float.
    wavelet: None or `none` layout for no factors. batch_norm: "candidate" (a complete set each) or "shared".
    own_weights: each candidate has weights of its own (a baseline of dedicated networks in one file, and `distill`).

    A network that torch.fx cannot trace is converted module by module, with a warning: each layer then quantizes its
    own input, of either sign, and residuals stay float. Raises InvalidInput with all problems at once.
    """
    settings = _Settings(parse_candidates(candidates), weight, activation, negative, wavelet, first_last, residual,
                         batch_norm, own_weights)
    net = copy.deepcopy(net)
    for module in net.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # a quantizer needs its input for the gradient
    try:
        root = _trace(net)
    except Exception as error:  # whatever forward does with a proxy
        warnings.warn(f"torch.fx cannot trace {type(net).__name__} ({str(error).splitlines()[0]}); converting its "
                      f"modules one by one, each layer quantizes its own input and residuals stay float", stacklevel=2)
        return _Converter(net, settings).by_module()
    return _Converter(root, settings).by_graph()


@dataclass(frozen=True)
class _Settings:
    """The arguments of `switchable`, checked."""

    candidates: Sequence[Candidate]
    weight: Spec
    activation: Spec
    negative: "Spec | None"
    wavelet: "Wavelet | None"
    first_last: "int | None"
    residual: "int | None"
    batch_norm: str
    own_weights: bool

    def __post_init__(self) -> None:
        problems = [f"{name} is {bits!r}, expected 1 to 8 or None" for name, bits in
                    (("first_last", self.first_last), ("residual", self.residual))
                    if bits is not None and not (isinstance(bits, int) and 1 <= bits <= 8)]
        if self.batch_norm not in ("candidate", "shared"):
            problems.append(f"batch_norm is '{self.batch_norm}', expected candidate or shared")
        if problems:
            raise InvalidInput("\n".join(problems))


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, Branches) or super().is_leaf_module(module, qualified_name)


def _trace(net: nn.Module) -> fx.GraphModule:
    return fx.GraphModule(net, _Tracer().trace(net), type(net).__name__)


class _Converter:
    """prefix: of layer names, and bits: of all weights, in a body of `Branches`."""

    def __init__(self, root: nn.Module, given: _Settings, prefix: str = "", bits: "int | None" = None) -> None:
        self.root, self.given, self.prefix, self.bits = root, given, prefix, bits

    def by_graph(self) -> Switchable:
        return Switchable(self.converted(), self.given.candidates, traced=True)

    def converted(self) -> fx.GraphModule:
        """The traced root with quantizers and switchable modules."""
        root: fx.GraphModule = self.root  # type: ignore[assignment]
        root.delete_all_unused_submodules()
        _tidy(root)
        placement = Placement(root, root.graph)
        layers = list(dict.fromkeys(str(node.target) for node in placement.layers()))
        widths = self._widths(layers)
        edges = placement.edges(self.given.residual is not None)
        self._refuse_negative(edges)
        made: dict[tuple, fx.Node] = {}
        for edge in edges:
            self._quantize(root, edge, widths, made)
        self._replace_modules(widths, _norm_owners(root, placement))
        _drop_rectifiers(root)
        root.graph.lint()
        root.recompile()
        return root

    def by_module(self) -> Switchable:
        layers = [name for name, module in self.root.named_modules() if type(module) in LAYERS]
        widths = self._widths(layers)
        if self.given.negative is None:
            raise InvalidInput("the network cannot be traced, so that inputs of layers may be negative: give a "
                               "quantizer for `negative`")
        self._replace_modules(widths, {})
        for name in layers:
            bits = [width.activations for width in widths[name]]
            quantizer = SwitchableActivation(f"{name}.input", bits, self.given.negative)
            quantizer.owner = name
            self.root.get_submodule(name).input_quantizer = quantizer  # type: ignore[assignment]
        return Switchable(self.root, self.given.candidates, traced=False)

    def _widths(self, layers: list[str]) -> dict[str, list[Widths]]:
        """Widths of each layer at each candidate; first and last as `first_last` says."""
        if not layers:
            raise InvalidInput(f"the network has no layer to quantize ({', '.join(t.__name__ for t in LAYERS)})")
        mixed = [c for c in self.given.candidates if len(c.rules) > 1 and not self._has_branches()]
        if unused := unused_rules(mixed, layers):
            raise InvalidInput("\n".join(unused))
        widths = {layer: [self._layer_widths(candidate, layer) for candidate in self.given.candidates]
                  for layer in layers}
        for layer in {layers[0], layers[-1]} if self.given.first_last and not self.prefix else ():
            fixed = Widths(self.given.first_last, self.given.first_last)  # type: ignore[arg-type]
            widths[layer] = [width if width.real else fixed for width in widths[layer]]
        return widths

    def _layer_widths(self, candidate: Candidate, layer: str) -> Widths:
        widths = candidate.widths(self.prefix + layer)
        return widths if widths.real or self.bits is None else Widths(self.bits, widths.activations)

    def _has_branches(self) -> bool:
        return bool(self.prefix) or any(isinstance(module, Branches) for module in self.root.modules())

    def _refuse_negative(self, edges: list[Edge]) -> None:
        if self.given.negative is not None:
            return
        bad = [f"the input '{edge.source.name}' of '{edge.reader.name}' can be negative, but the quantizer "
               f"{type(self.given.activation).__name__} is unsigned; give one for `negative`, such as abt.LSQPlus()"
               for edge in edges if not edge.nonnegative]
        if bad:
            raise InvalidInput("\n".join(bad))

    def _quantize(self, root: fx.GraphModule, edge: Edge, widths: dict[str, list[Widths]],
                  made: dict[tuple, fx.Node]) -> None:
        if edge.layer is None:
            bits = tuple(0 if c.rules == (("*", Widths(0, 0)),) else self.given.residual for c in self.given.candidates)
        else:
            bits = tuple(width.activations for width in widths[edge.layer])
        key = (edge.source, bits, edge.layer is None)
        if not any(bits):
            return
        if key not in made:
            made[key] = self._insert(root, edge, bits)
        edge.reader.replace_input_with(edge.source, made[key])

    def _insert(self, root: fx.GraphModule, edge: Edge, bits: tuple) -> fx.Node:
        spec = self.given.negative if not edge.nonnegative else LSQ() if edge.layer is None else self.given.activation
        name = f"{edge.source.name}_codes" + ("" if edge.layer else "_residual")
        while hasattr(root, name):
            name += "_"
        module = SwitchableActivation(self.prefix + name, bits, spec)  # type: ignore[arg-type]
        module.owner = self.prefix + edge.layer if edge.layer else ""
        root.add_submodule(name, module)
        with root.graph.inserting_after(edge.source):
            return root.graph.call_module(name, (edge.source,))

    def _replace_modules(self, widths: dict[str, list[Widths]], owners: dict[str, str]) -> None:
        """owners: the layer in front of each batch norm; where it is not known, the last layer of the module order."""
        last = ""
        inside = tuple(f"{name}." for name, m in self.root.named_modules() if isinstance(m, Branches))
        for name, module in list(self.root.named_modules()):
            if inside and name.startswith(inside):
                continue
            if name in widths:
                last = name
                switchable_layer(module, self.prefix + name, widths[name], self.given.weight, self.given.wavelet,
                                 self.given.own_weights)
            elif isinstance(module, NORMS) and self.given.batch_norm == "candidate":
                parent, _, child = name.rpartition(".")
                norm = SwitchableBatchNorm(module, self.prefix + name, len(self.given.candidates))
                norm.owner = self.prefix + owners.get(name, last)
                setattr(self.root.get_submodule(parent), child, norm)
            elif isinstance(module, Branches):
                parent, _, child = name.rpartition(".")
                setattr(self.root.get_submodule(parent), child, self._branches(module, name))

    def _branches(self, branches: Branches, name: str) -> SwitchableBranches:
        """Each body converted on its own."""
        bodies = [_Converter(_trace(body), self.given, f"{self.prefix}{name}.bodies.{i}.", branches.bits).converted()
                  for i, body in enumerate(branches.bodies)]
        return SwitchableBranches(branches, self.prefix + name, bodies, self.given.candidates)


def _norm_owners(root: fx.GraphModule, placement: Placement) -> dict[str, str]:
    """The layer in front of each batch norm."""
    owners = {}
    for node in root.graph.nodes:
        if node.op == "call_module" and isinstance(placement.types.get(node.target), NORMS):
            source = node.all_input_nodes[0]
            while source.op != "placeholder" and source.all_input_nodes and source.target not in placement.types:
                source = source.all_input_nodes[0]
            owners[node.target] = str(source.target) if source.op == "call_module" else ""
    return owners


def _tidy(root: fx.GraphModule) -> None:
    """In-place arithmetic out of place; functional dropout as a module, which knows when it trains."""
    for node in list(root.graph.nodes):
        if node.op in ("call_function", "call_method") and node.target in _OUT_OF_PLACE:
            node.target = _OUT_OF_PLACE[node.target]
        if node.op == "call_function" and node.target is F.dropout:
            rate = node.args[1] if len(node.args) > 1 else node.kwargs.get("p", 0.5)
            root.add_submodule(f"{node.name}_module", nn.Dropout(rate))
            with root.graph.inserting_before(node):
                module = root.graph.call_module(f"{node.name}_module", (node.args[0] if node.args else
                                                                        node.kwargs["input"],))
            node.replace_all_uses_with(module)
            root.graph.erase_node(node)
        elif "inplace" in node.kwargs:
            node.kwargs = {key: value for key, value in node.kwargs.items() if key != "inplace"}


def _drop_rectifiers(root: fx.GraphModule) -> None:
    """A Relu in front of nothing but quantizers that make 0 of negative values is one pass too many."""
    modules = dict(root.named_modules())
    for node in list(root.graph.nodes):
        is_relu = (node.op == "call_module" and type(modules[node.target]) is nn.ReLU) or \
            (node.op == "call_function" and node.target is F.relu)
        if is_relu and node.users and all(_rectifies(modules, user) for user in node.users):
            node.replace_all_uses_with(node.all_input_nodes[0])
            root.graph.erase_node(node)


def _rectifies(modules: dict[str, nn.Module], node: fx.Node) -> bool:
    module = modules[node.target] if node.op == "call_module" else None  # type: ignore[index]
    return isinstance(module, SwitchableActivation) and all(
        getattr(quantizer, "rectifies", False) for quantizer in module.quantizers)
