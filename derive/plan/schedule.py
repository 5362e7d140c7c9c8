"""The time plan of a cell: every equation before, in or after the loop over t, by dependency alone.

Forward: what does not depend on the state is hoisted before the loop, term by term, so that x·W_x is one
product for all t; what no state needs runs after it. Backward: every cotangent is a sum of coefficient times
cotangent; the coefficients depend on the tape alone and need no loop, the recurrence is what is left, and
cotangents that no earlier step needs are deferred until after the loop, where sums over t and n are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from sympy import Add

from derive.calculus import COTANGENT, vjp
from derive.errors import CellError
from derive.index import Entry, Sigma
from derive.plan.coefficients import split_coefficients
from derive.plan.lift import lift, lift_backward
from derive.program import Array, Equation, Program


@dataclass(frozen=True, eq=False)
class Schedule:
    """The phases of a sequence's forward and backward pass.

    Attributes:
        cell: the cell as declared.
        step: its forward equations with intermediate values named, and their derivatives.
        hoisted: forward, before the loop, for all t; the first terms of an equation that the loop completes.
        loop: forward, in the loop; an equation whose array is hoisted adds to it.
        after: forward, after the loop, for all t.
        coefficients: backward, from the tape alone, for any number of steps at once.
        recurrence: backward, in the loop, last step first.
        deferred: backward, after the loop, for all t; those of parameters are summed over t.
    """

    cell: Program
    step: Program
    hoisted: tuple[Equation, ...]
    loop: tuple[Equation, ...]
    after: tuple[Equation, ...]
    coefficients: tuple[Equation, ...]
    recurrence: tuple[Equation, ...]
    deferred: tuple[Equation, ...]

    @cached_property
    def batch(self) -> str:
        """The name of the batch dimension, the first of every sequence and state."""
        return batch_of(self.cell)

    def timed(self, array: Array) -> bool:
        """Whether an array has a value for every step; such arrays begin with the batch dimension, no others do."""
        return bool(array.sizes) and str(array.sizes[0]) == self.batch

    @cached_property
    def tape(self) -> tuple[Array, ...]:
        """The forward arrays that the backward pass reads."""
        used = names_in((*self.coefficients, *self.recurrence, *self.deferred))
        # A previous state is read from the history of its next values.
        used |= {state.next for state in self.cell.having("state") if state.next and state.name in used}
        forward = [e.array for e in (*self.hoisted, *self.loop, *self.after)]
        return tuple(dict.fromkeys(array for array in forward if array.name in used))

    @cached_property
    def arrays(self) -> Mapping[str, Array]:
        """All arrays of all phases, by name."""
        extra = {e.name: e.array for e in (*self.coefficients, *self.recurrence, *self.deferred)}
        return {**self.step.arrays, **extra}


def batch_of(cell: Program) -> str:
    """The dimension that every sequence and state begins with.

    Raises:
        CellError: if they begin with different ones.
    """
    arrays = (*cell.having("sequence"), *cell.having("state"))
    first = dict.fromkeys(str(array.sizes[0]) if array.sizes else "nothing" for array in arrays)
    if len(first) != 1:
        raise CellError(
            f"cell {cell.name}: its sequences and states should begin with one batch dimension, "
            f"they begin with {', '.join(first) or 'none'}"
        )
    return next(iter(first))


@lru_cache
@lru_cache  # NumPy and CUDA are printed from the same plan
def schedule(cell: Program) -> Schedule:
    """Plan a cell.

    Raises:
        CellError: if it has no batch dimension.
    """
    batch_of(cell)
    named = lift(cell)
    step = vjp(named)
    forward, backward = lift_backward(step, len(named.equations))
    named, step = replace(named, equations=forward), replace(step, equations=(*forward, *backward))
    carried = {COTANGENT + state.name for state in cell.having("state")}
    needed = ancestors(carried, backward)
    inside = tuple(e for e in backward if e.name in needed)
    coefficients, recurrence = split_coefficients(inside, carried, step)
    # What the loop folded away is still there for those that come after it, for all t at once.
    outside = ancestors(step.outputs, tuple(e for e in backward if e.name not in {r.name for r in recurrence}))
    deferred = tuple(e for e in backward if e.name in outside - {r.name for r in recurrence})
    # What neither a result nor the backward pass needs is not computed.
    following = {state.next for state in cell.having("state") if state.next}
    read = names_in((*coefficients, *recurrence, *deferred))
    used = ancestors({*cell.outputs, *following, *read}, named.equations)
    hoisted, loop, after = (tuple(e for e in phase if e.name in used) for phase in _forward(named))
    return Schedule(cell, step, hoisted, loop, after, coefficients, recurrence, deferred)


def _forward(cell: Program) -> tuple[tuple[Equation, ...], tuple[Equation, ...], tuple[Equation, ...]]:
    states = {state.name for state in cell.having("state")}
    following = {state.next for state in cell.having("state") if state.next}
    dependent = descendants(states, cell.equations)
    needed = ancestors(following, cell.equations)
    hoisted: list[Equation] = []
    loop: list[Equation] = []
    after: list[Equation] = []
    for equation in cell.equations:
        if equation.name not in dependent:
            hoisted.append(equation)
            continue
        early, late = _split_terms(equation, dependent | states)
        if early is not None:
            hoisted.append(early)
        (loop if equation.name in needed else after).append(late)
    return tuple(hoisted), tuple(loop), tuple(after)


def _split_terms(equation: Equation, dependent: set[str]) -> tuple[Equation | None, Equation]:
    """The products that wait for no state, and the rest; a mere bias is added in the loop, where it is at hand."""
    terms = Add.make_args(equation.value)
    early = [t for t in terms if t.has(Sigma) and not any(e.name in dependent for e in t.atoms(Entry))]
    if not early:
        return None, equation
    late = [term for term in terms if term not in early]
    return Equation(equation.array, Add(*early)), Equation(equation.array, Add(*late))


def descendants(names: Iterable[str], equations: Iterable[Equation]) -> set[str]:
    """The equations that depend on any of the names, directly or not."""
    reached = set(names)
    found = set()
    for equation in equations:
        if any(entry.name in reached for entry in equation.reads):
            reached.add(equation.name)
            found.add(equation.name)
    return found


def ancestors(names: Iterable[str], equations: Iterable[Equation]) -> set[str]:
    """The equations that any of the names depends on, directly or not, themselves included."""
    needed = set(names)
    for equation in reversed(tuple(equations)):
        if equation.name in needed:
            needed |= {entry.name for entry in equation.reads}
    return needed


def names_in(equations: Iterable[Equation]) -> set[str]:
    """The arrays that right sides mention."""
    return {entry.name for equation in equations for entry in equation.reads}
