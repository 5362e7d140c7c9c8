"""A loop from the last step to the first, turned by one step: what crosses from step to step is read where it arrives.

∂h_prev = ∂a · W_hᵀ ends step t + 1 and ∂c, ∂a begin step t. Between them nobody has to wait, between ∂a and
∂h_prev all do; so the loop is cut there: a turn is first the sums of step t + 1, then the pointwise work of
step t. At the last step there is nothing to sum, and after the first step the sums of step 0 remain.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace

from sympy import Add, Expr, S

from derive.calculus import COTANGENT, SEED
from derive.index import Entry
from derive.plan.schedule import Schedule
from derive.plan.sums import Sum, name_sums
from derive.program import Array, Equation

AFTER = "_after"  # da_after is da of step t + 1
GIVEN = "_given"  # dh_given is the cotangent of h[t] that comes from outside


@dataclass(frozen=True)
class Handed:
    """What goes from step t + 1 to step t.

    Attributes:
        result: what a step ends with, ``dc_prev``.
        seed: what the step before begins with, ``d_next_c``.
        given: what comes from outside at every step, if anything does.
    """

    result: Array
    seed: Array
    given: Array | None


@dataclass(frozen=True)
class Arrival(Handed):
    """How it gets there.

    Attributes:
        late: the sums that are left to the next turn.
        carried: whether anything is handed on in memory.
    """

    late: tuple[Sum, ...]
    carried: bool


@dataclass(frozen=True)
class Rotation:
    """One turn of the backward loop, and what is left after the last.

    Attributes:
        turn: sums and equations in order; arrays named …_after are those of step t + 1.
        after: the names of the arrays that a turn reads at step t + 1.
        rest: the results, those of the initial states, that the last turn leaves unfinished.
    """

    turn: tuple[Equation | Sum, ...]
    arrivals: tuple[Arrival, ...]
    after: tuple[str, ...]
    rest: tuple[Equation | Sum, ...]


def handed(plan: Schedule) -> tuple[Handed, ...]:
    """The cotangents of states."""
    return tuple(_cotangent(state, str(state.next), plan) for state in plan.cell.having("state"))


def _cotangent(state: Array, following: str, plan: Schedule) -> Handed:
    array = replace(state, name=COTANGENT + state.name, role="cotangent", next=None)
    given = replace(array, name=COTANGENT + following + GIVEN) if following in plan.cell.outputs else None
    return Handed(array, replace(array, name=SEED + following), given)


def rotate(
    equations: Iterable[Equation], crossings: Sequence[Handed], wanted: Container[str], timed: Callable[[str], bool]
) -> Rotation:
    """A loop as turns.

    Args:
        equations: one step.
        crossings: what it hands on.
        wanted: which of this is a result after the last step.
        timed: whether an array has a value for every step.
    """
    body = name_sums(equations)
    arrivals = tuple(_arrival(one, body, timed) for one in crossings)
    late = {total.name for one in arrivals for total in one.late}
    produced = {one.name for one in body}
    after = dict.fromkeys(
        entry.name for one in arrivals for total in one.late for entry in total.reads if entry.name in produced
    )
    arriving = [item for one in arrivals for item in _arriving(one, after)]
    inner = [_early(one, arrivals) for one in body if one.name not in late]
    turn = (*arriving, *(one for one in inner if one is not None))
    rest = (item for one in arrivals if one.result.name in wanted for item in _rest(one))
    return Rotation(turn, arrivals, tuple(after), tuple(rest))


def _arrival(one: Handed, body: Sequence[Equation | Sum], timed: Callable[[str], bool]) -> Arrival:
    equation = next(other for other in body if other.name == one.result.name)
    assert isinstance(equation, Equation)
    # What the step itself reads has to be complete before its end.
    needed = any(entry.name == equation.name for other in body for entry in other.reads)
    sums = [] if needed else [other for other in body if isinstance(other, Sum)]
    late = tuple(other for other in sums if _is_late(other, equation, body, timed))
    rest = equation.value - _total(late)
    return Arrival(one.result, one.seed, one.given, late, rest != S.Zero or one.given is None)


def _is_late(one: Sum, equation: Equation, body: Iterable[Equation | Sum], timed: Callable[[str], bool]) -> bool:
    """Whether a sum over what the loop computes is a term of an equation and serves nothing else.

    What else it reads has to be the same at all steps, or it would be read a step too early.
    """
    produced = {other.name for other in body if isinstance(other, Equation)}
    if any(timed(e.name) for e in one.reads if e.name not in produced):
        return False
    if _entry(one.array) not in Add.make_args(equation.value):
        return False
    inner = {entry.name for entry in one.reads} & produced
    users = [other.name for other in body if one.name in {entry.name for entry in other.reads}]
    return bool(inner) and users == [equation.name] and one.array.indices == equation.array.indices


def _entry(array: Array) -> Expr:
    return Entry(array.name, *array.indices)


def _total(sums: Iterable[Sum]) -> Expr:
    return Add(*(_entry(one.array) for one in sums))


def _arriving(one: Arrival, after: Container[str]) -> list[Equation | Sum]:
    """What reaches step t: the sums of step t + 1, what was handed on, what is given."""
    terms: list[Expr] = []
    found: list[Equation | Sum] = []
    for total in one.late:
        later = {e: Entry(e.name + AFTER, *e.indices) for e in total.reads if e.name in after}
        array = Array(total.name + AFTER, total.array.sizes)
        found.append(replace(total, array=array, body=total.body.xreplace(later)))
        terms.append(_entry(array))
    if one.carried:
        terms.append(Entry(one.result.name + AFTER, *one.result.indices))
    if one.given:
        terms.append(_entry(one.given))
    found.append(Equation(one.seed, Add(*terms)))
    return found


def _early(one: Equation | Sum, arrivals: Iterable[Arrival]) -> Equation | Sum | None:
    """An equation of the loop; of what is handed on what is not left to the next turn, if anything is."""
    arrival = next((a for a in arrivals if a.result.name == one.name), None)
    if arrival is None or isinstance(one, Sum):
        return one
    return Equation(one.array, one.value - _total(arrival.late)) if arrival.carried else None


def _rest(one: Arrival) -> list[Equation | Sum]:
    """What the first step's late sums add to the result."""
    if not one.late:
        return []
    carried: Expr = Entry(one.result.name + AFTER, *one.result.indices) if one.carried else S.Zero
    return [*one.late, Equation(one.result, _total(one.late) + carried)]
