"""Sums apart from pointwise work: every Σ of an equation under a name of its own, and each of them only once.

Pointwise equations can share a loop; a Σ reads what other points computed, so it is what everybody waits for. A maximum
over an axis is one of them: a sum whose terms are not added up, the largest is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sympy import Expr, Mul, S, Symbol

from derive.index import Bound, Dim, Entry, Index, Max, Sigma, Stack, as_text, entries
from derive.program import Array, Equation, tidy

PARTS = Symbol("parts", integer=True, positive=True)
"""How many pieces a sum over all steps of all sequences is cut into."""


_PREFIXES: dict[type[Bound], str] = {Sigma: "sum_", Max: "largest_"}
"""What the names of sums begin with."""


@dataclass(frozen=True)
class Sum:
    """``array[indices] = Σ_over body``; the array has one value per point of its equation's domain.

    Attributes:
        more: further sums that are added to it.
        kind: what is made of the terms, their sum or the largest.
    """

    array: Array
    body: Expr
    over: tuple[Index, ...]
    more: tuple[Sum, ...] = ()
    kind: type[Bound] = Sigma

    @property
    def name(self) -> str:
        return self.array.name

    @property
    def value(self) -> Expr:
        return self.kind(self.body, *self.over)

    @property
    def all(self) -> tuple[Sum, ...]:
        """It alone, and what is added to it."""
        return (replace(self, more=()), *self.more)

    @cached_property
    def reads(self) -> tuple[Entry, ...]:
        """The entries of all its terms, in a stable order."""
        return tuple(dict.fromkeys(entry for part in (self, *self.more) for entry in entries(part.body)))


def points(array: Array) -> tuple[Index, ...]:
    """The indices that tell the entries of an array apart, but for block labels: one thread has all blocks."""
    return tuple(axis.indices[-1] for axis in array.axes if axis.indices[-1].dim != PARTS)


def block_index(array: Array) -> Index | None:
    """The index over the block labels of an array."""
    return next((axis.indices[0] for axis in array.axes if isinstance(axis.size, Stack)), None)


def name_sums(equations: Iterable[Equation]) -> list[Equation | Sum]:
    """The equations with their sums in front of them, equal ones once, factors that are not summed outside."""
    known: dict[tuple[tuple[Index, ...], Expr], Sum] = {}
    result: list[Equation | Sum] = []
    for equation in equations:
        uses: dict[Expr, Expr] = {}
        own = 0
        for total in _outermost(equation.value):
            outside, body = _factored(total)
            array = _array(equation, body, f"{_PREFIXES[type(total)]}{equation.name}{_number(own)}")
            renamed = tidy(total.func(body, *total.indices), array.indices)
            key = (array.indices, renamed)
            if key not in known:
                own += 1
                known[key] = Sum(array, renamed.body, renamed.indices, kind=total.func)
                result.append(known[key])
            uses[total] = outside * Entry(known[key].name, *known[key].array.indices)
        result.append(Equation(equation.array, equation.value.xreplace(uses)))
    return result


def _outermost(expr: Expr) -> list[Bound]:
    if isinstance(expr, Bound):
        return [expr]
    return [found for part in sorted(expr.args, key=as_text) for found in _outermost(part)] if expr.has(Bound) else []


def _factored(total: Bound) -> tuple[Expr, Expr]:
    """(factors without a summed index, the rest); nothing is taken out of a maximum."""
    if isinstance(total, Max):
        return S.One, total.body
    factors = Mul.make_args(total.body)
    inside = [f for f in factors if set(total.indices) & f.free_symbols]
    return Mul(*(f for f in factors if f not in inside)), Mul(*inside)


def _array(equation: Equation, body: Expr, name: str) -> Array:
    """An array for a sum: of its equation's shape, without blocks where they are all the same."""
    block = block_index(equation.array)
    if block is None or block in body.free_symbols:
        return Array(name, equation.array.sizes)
    return Array(name, tuple(s.dim if isinstance(s, Stack) else s for s in equation.array.sizes))


def _number(before: int) -> str:
    """What tells a second sum of an equation from the first, and from those of an equation whose name ends so."""
    return f"__{before + 1}" if before else ""


def in_parts(sums: Sequence[Equation | Sum], batch: str) -> list[Equation | Sum]:
    """Sums over all rows cut into parts that are summed side by side, and then the sum of the parts in order."""
    result: list[Equation | Sum] = []
    for one in sums:
        if isinstance(one, Sum) and any(_is(index.dim, batch) for index in one.over):
            pieces = Array(f"{one.name.removeprefix('sum_')}_parts", (PARTS, *one.array.sizes))
            part = pieces.indices[0]
            result.append(Sum(pieces, one.body, one.over, tuple(replace(more, array=pieces) for more in one.more)))
            result.append(Sum(one.array, Entry(pieces.name, *pieces.indices), (part,)))
        else:
            result.append(one)
    return result


def _is(dim: Dim, name: str) -> bool:
    return str(dim) == name
