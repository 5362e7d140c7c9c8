"""Axes of tensors: the indices that run along one, and what is summed or the largest over it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TypeAlias

from sympy import Expr, Integer, Symbol

from derive.functions import maximum
from derive.index import Bound, Dim, Index, Joined, Max, Sigma, Stack, fresh, substitute

Size: TypeAlias = Symbol | Stack


@dataclass(frozen=True)
class Axis:
    """One axis of a tensor: a plain index, the two of a stack, those of joined parts, or none at all."""

    indices: tuple[Index, ...]
    size: Size | Dim | Joined

    def fresh(self) -> Axis:
        return replace(self, indices=tuple(fresh(index.dim) for index in self.indices))

    def total(self, expr: Expr) -> Expr:
        """Σ of an expression along the axis."""
        return self._over_all(expr, Sigma, operator.add)

    def largest(self, expr: Expr) -> Expr:
        """The largest of an expression along the axis."""
        return self._over_all(expr, Max, maximum)

    def _over_all(self, expr: Expr, bound: type[Bound], join: Callable[[Expr, Expr], Expr]) -> Expr:
        if not isinstance(self.size, Joined):
            return bound(expr, *self.indices)
        chosen, *inner = self.indices
        return reduce(join, (bound(substitute(expr, {chosen: Integer(k)}), index) for k, index in enumerate(inner)))


ONE = Axis((), Integer(1))
"""An axis of length 1 along which nothing varies."""


def axis(size: Size | Dim | Joined) -> Axis:
    """A new axis of the given size."""
    if isinstance(size, Joined):
        return Axis((fresh(Integer(len(size.dims))), *map(fresh, size.dims)), size)
    if isinstance(size, Stack):
        return Axis((fresh(Integer(len(size.labels))), fresh(size.dim)), size)
    return Axis((fresh(size),), size)


def shape_text(axes: Sequence[Axis]) -> str:
    """A shape as the notes write it: (N, 4H), (4H,), ()."""
    sizes = [str(a.size) for a in axes]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
