"""Deciding whether two expressions are equal in a program, and how it was decided.

First the normal forms, with the program's names as they stand and then with all definitions inserted: a proof
for all sizes. Where these do not coincide, exact evaluation at small sizes with opaque function values: equal
there at every try is equality too, of the rational expressions. Only if the true functions agree although the
opaque ones do not (an identity between functions) is it left undecided.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

import numpy as np
from sympy import Expr, Integer, Symbol

from derive.evaluate import EXACT, REAL, Arithmetic, Sizes, Values, evaluate, random_inputs, run
from derive.exponentials import vanishes_in_exponentials
from derive.index import Entry, Index, substitute
from derive.normal import TooLargeError, normal
from derive.program import Program

Method = Literal["symbolic", "exact", "none"]

_TRIES = 2
_NOISE = 1e-9  # float64 at small shapes: differences below are rounding, differences above are real


@dataclass(frozen=True)
class Decision:
    """``equal`` is None where it could not be decided; ``method`` then is "none"."""

    equal: bool | None
    method: Method


@dataclass(frozen=True)
class Ground:
    """A program's equations as the ground truth against which expressions are compared.

    Attributes:
        proving: whether equality is proved; else floating point at small shapes is believed, which is much
            faster and good enough for choosing what is worth a proof.
    """

    program: Program
    proving: bool = True

    def unfolded(self, expr: Expr) -> Iterator[Expr]:
        """The expression, then with one more definition inserted at a time, the latest first, down to the inputs.

        Equality mostly shows after a step or two, long before everything is written out.
        """
        yield expr
        names = {entry.name for entry in expr.atoms(Entry)}
        for equation in reversed(self.program.equations):
            if equation.name in names:
                # The bound indices of an inserted right side are fresh, so nothing can be captured.
                uses = {e: equation.at(e.indices) for e in expr.atoms(Entry) if e.name == equation.name}
                expr = expr.xreplace(uses)
                names |= {entry.name for entry in equation.reads}
                yield expr

    @cached_property
    def sizes(self) -> Sizes:
        """Small, pairwise different sizes, so that no two dimensions are confused."""
        dims = sorted(
            {i.dim for array in self.program.arrays.values() for i in array.indices if isinstance(i.dim, Symbol)},
            key=str,
        )
        return {dim: 2 + position for position, dim in enumerate(reversed(dims))}

    @cached_property
    def exact_values(self) -> tuple[Values, ...]:
        return tuple(self.values(EXACT, self.sizes, seed) for seed in range(_TRIES))

    @cached_property
    def real_values(self) -> tuple[Values, ...]:
        return tuple(self.values(REAL, self.sizes, seed) for seed in range(_TRIES))

    def values(self, arithmetic: Arithmetic, sizes: Sizes, seed: int) -> Values:
        """Values of all the program's arrays for random inputs."""
        return run(self.program, random_inputs(self.program, sizes, arithmetic, seed), sizes, arithmetic)

    def decide(self, left: Expr, right: Expr, axes: tuple[Index, ...]) -> Decision:
        """Whether two expressions over the same free indices are equal."""
        if self._differ(left, right, axes, REAL, self.real_values):
            return Decision(False, "exact")
        if not self.proving:
            return Decision(True, "none")
        if self._proved(left - right, axes):
            return Decision(True, "symbolic")
        if not self._differ(left, right, axes, EXACT, self.exact_values):
            return Decision(True, "exact")
        return Decision(None, "none")

    def _proved(self, difference: Expr, axes: tuple[Index, ...]) -> bool:
        return all(self._vanishes(case) for case in cases(difference, axes))

    def _vanishes(self, difference: Expr) -> bool:
        try:
            return any(normal(expr) == 0 for expr in self.unfolded(difference)) or any(
                vanishes_in_exponentials(expr) for expr in self.unfolded(difference)
            )
        except TooLargeError:
            return False

    def _differ(
        self, left: Expr, right: Expr, axes: tuple[Index, ...], arithmetic: Arithmetic, tries: tuple[Values, ...]
    ) -> bool:
        for values in tries:
            with np.errstate(all="ignore"):  # the logarithm of 0 differs from every number
                one, other = (evaluate(side, axes, values, self.sizes, arithmetic) for side in (left, right))
                if arithmetic is EXACT:
                    if np.any(one != other):
                        return True
                elif not np.all(np.abs(one - other) <= _NOISE * (1 + np.abs(one) + np.abs(other))):
                    return True
        return False


def cases(expr: Expr, axes: tuple[Index, ...]) -> Iterator[Expr]:
    """The expression once per combination of block labels of its free stacked indices."""
    outer = [index for index in axes if isinstance(index.dim, Integer)]
    for numbers in product(*(range(int(index.dim)) for index in outer)):
        yield substitute(expr, dict(zip(outer, map(Integer, numbers), strict=True)))
