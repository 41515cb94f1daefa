"""Candidates: which widths each precision gives each layer."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import InvalidInput

_NAME = re.compile(r"w([1-8])a([1-8])\Z")
_LIMIT = 256


@dataclass(frozen=True)
class Widths:
    """Bits of a layer's weights and of the activations in front of it, 1 to 8; 0 stands for float32 (both then)."""

    weights: int
    activations: int

    @property
    def real(self) -> bool:
        return self.weights == 0

    def __str__(self) -> str:
        return "f32" if self.real else f"w{self.weights}a{self.activations}"


@dataclass(frozen=True)
class Candidate:
    """One precision of the whole network: rules (glob of layer names, widths), most specific first, the last is "*"."""

    name: str
    rules: tuple[tuple[str, Widths], ...]

    def widths(self, layer: str) -> Widths:
        """The widths of the layer with this name (its path of modules, "layer1.0.conv1")."""
        return next(widths for pattern, widths in self.rules if _matches(pattern, layer))


CandidateLike = "str | Candidate | Mapping[str, Mapping[str, Any]]"


def parse_candidates(given: "Iterable[CandidateLike]") -> tuple[Candidate, ...]:
    """Candidates from names ("w4a8", "f32"), Candidate objects, and mappings name -> glob of layers -> widths.

    Widths are a name, a pair, or {"weights": bits, "activations": bits} as in the candidate file of `anybit quantize`.
    An exact layer name beats a glob, a longer glob a shorter one. Raises InvalidInput with all problems at once.
    """
    if isinstance(given, (str, Mapping, Candidate)):
        given = [given]
    result: list[Candidate] = []
    problems: list[str] = []
    for item in given:
        try:
            result.extend(_parse(item))
        except InvalidInput as error:
            problems.append(str(error))
    names = [candidate.name for candidate in result]
    problems += [f"candidate '{name}' is given twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if not problems and not 1 <= len(result) <= _LIMIT:
        problems.append(f"{len(result)} candidates were given; give 1 to {_LIMIT}")
    if problems:
        raise InvalidInput("\n".join(problems))
    return tuple(result)


def unused_rules(candidates: Sequence[Candidate], layers: Sequence[str]) -> list[str]:
    """One sentence for every rule that names none of `layers`: a likely spelling mistake."""
    return [f"candidate '{candidate.name}': pattern '{pattern}' names no layer; layers are {', '.join(layers)}"
            for candidate in candidates for pattern, _ in candidate.rules
            if not any(_matches(pattern, layer) for layer in layers)]


def _matches(pattern: str, layer: str) -> bool:
    return pattern == layer or fnmatch.fnmatchcase(layer, pattern)


def _parse(item: Any) -> list[Candidate]:
    if isinstance(item, Candidate):
        return [item]
    if isinstance(item, str):
        return [Candidate(item, (("*", _widths(item, f"candidate '{item}'")),))]
    if isinstance(item, Mapping):
        return [_mixed(name, rules) for name, rules in item.items()]
    raise InvalidInput(f"candidate {item!r} is neither a name such as 'w4a4' nor a mapping name -> pattern -> widths")


def _mixed(name: str, rules: Any) -> Candidate:
    if not name or "," in name or not isinstance(rules, Mapping):
        raise InvalidInput(f"candidate '{name}' must have a name without commas and be a mapping of layer patterns")
    where = f"candidate '{name}': pattern "
    parsed = [(pattern, _widths(widths, f"{where}'{pattern}'")) for pattern, widths in rules.items()]
    parsed.sort(key=lambda rule: (_is_glob(rule[0]), -len(rule[0]), rule[0]))
    if not parsed or parsed[-1][0] != "*":
        raise InvalidInput(f"candidate '{name}' has no pattern \"*\"; add one for the layers that nothing else names")
    return Candidate(name, tuple(parsed))


def _is_glob(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[")


def _widths(given: Any, where: str) -> Widths:
    if given == "f32":
        return Widths(0, 0)
    if isinstance(given, str) and (match := _NAME.match(given)):
        return Widths(int(match[1]), int(match[2]))
    if isinstance(given, Widths):
        given = (given.weights, given.activations)
        if given == (0, 0):
            return Widths(0, 0)
    if isinstance(given, Mapping) and set(given) == {"weights", "activations"}:
        given = (given["weights"], given["activations"])
    if isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 2:
        if all(isinstance(bits, int) and 1 <= bits <= 8 for bits in given):
            return Widths(*given)
    raise InvalidInput(f"{where} is {given!r}: say wXaY with X and Y from 1 to 8, or f32")
