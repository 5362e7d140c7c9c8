"""The syntax tree of a formula, each node with the span of text that it was read from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any

Span = tuple[int, int]


@dataclass(frozen=True)
class Node:
    """A piece of a formula; nodes are equal if they say the same, wherever they stand."""

    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Number(Node):
    value: Fraction


@dataclass(frozen=True)
class Symbol(Node):
    """A letter with its decorations under one canonical name, e.g. ``h_t``, ``d_{next-h}``, ``\\sigma``."""

    name: str


@dataclass(frozen=True)
class Differential(Node):
    """``dX`` of a symbol or a function, and the sign before it: d, ``\\partial``, ``\\delta`` or ``\\nabla``."""

    of: Node
    sign: str = "d"


@dataclass(frozen=True)
class Applied(Node):
    """A function of an argument; the function is a Symbol, the Differential of one, or a column of functions."""

    function: Node
    argument: Node


@dataclass(frozen=True)
class Power(Node):
    base: Node
    exponent: int


@dataclass(frozen=True)
class Transpose(Node):
    of: Node


@dataclass(frozen=True)
class Negative(Node):
    of: Node


@dataclass(frozen=True)
class Sum(Node):
    """Terms added up; a subtracted term is a Negative."""

    terms: tuple[Node, ...]


@dataclass(frozen=True)
class Product(Node):
    """Factors with the operator before each but the first: ``⊙``, ``⊗``, ``·``, ``*`` or nothing (juxtaposed)."""

    factors: tuple[Node, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Quotient(Node):
    numerator: Node
    denominator: Node


@dataclass(frozen=True)
class SumOver(Node):
    """Σ of the body over an index, which names a dimension: n runs over N; the number it begins with, if it is said."""

    index: str
    body: Node
    first: str = field(default="", compare=False)


@dataclass(frozen=True)
class Concatenation(Node):
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Slice(Node):
    """A range of an axis: ``z[:, H:2H]``; a bound is a multiple of a size, or None at either end."""

    of: Node
    start: tuple[int, str] | None
    stop: tuple[int, str] | None


@dataclass(frozen=True)
class Shaped(Node):
    """A formula under its shape as the writer states it, e.g. ("N", "4H")."""

    of: Node
    shape: tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """``left = right`` as it is written, its shapes attached."""

    left: Node
    right: Node
    text: str


_PARTS: dict[type[Node], tuple[str, ...]] = {}


def _names(kind: type[Node]) -> tuple[str, ...]:
    """What a kind of node consists of; it is asked for often."""
    if kind not in _PARTS:
        _PARTS[kind] = tuple(one.name for one in fields(kind) if one.name != "span")
    return _PARTS[kind]


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below."""
    for name in _names(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (part for part in value if isinstance(part, Node))


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, top down and from left to right."""
    yield node
    for child in children(node):
        yield from walk(child)


def rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with each of the nodes directly below changed."""
    changed: dict[str, Any] = {}
    for name in _names(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            changed[name] = change(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], Node):
            changed[name] = tuple(map(change, value))
    return replace(node, **changed) if changed else node


def juxtaposed_first(node: Product) -> Product:
    """A product in which what is juxtaposed is one factor, ``h * W x`` as h * (W x); itself where nothing is mixed."""
    if "" not in node.operators or set(node.operators) == {""}:
        return node
    groups: list[list[Node]] = [[node.factors[0]]]
    signs: list[str] = []
    for sign, factor in zip(node.operators, node.factors[1:], strict=True):
        if sign:
            signs.append(sign)
            groups.append([factor])
        else:
            groups[-1].append(factor)
    factors = tuple(
        group[0]
        if len(group) == 1
        else Product((group[0].span[0], group[-1].span[1]), tuple(group), ("",) * (len(group) - 1))
        for group in groups
    )
    return Product(node.span, factors, tuple(signs))


def symbol_below(node: Node) -> str | None:
    """The symbol that a formula is, or is the differential of."""
    inner = node.of if isinstance(node, Differential) else node
    return inner.name if isinstance(inner, Symbol) else None


_TIMES = {"t": 0, "t-1": -1, "prev": -1, "t+1": 1, "next": 0, "T": 2}


def split_time(name: str) -> tuple[str, int | None]:
    """``h_t-1`` → (h, −1); a name without a time has None, one of the last step 2."""
    base, _, last = name.rpartition("_")
    return (base, _TIMES[last]) if base and last in _TIMES else (name, None)
