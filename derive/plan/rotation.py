"""The backward loop turned by one step, so that what crosses from step to step is read where it arrives.

∂h_prev = ∂a · W_hᵀ ends step t + 1 and ∂c, ∂a begin step t. Between them nobody has to wait, between ∂a and
∂h_prev all do; so the loop is cut there: a turn is first the sums of step t + 1, then the pointwise work of
step t. At the last step there is nothing to sum, and after the first step the sums of step 0 remain.
"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Add, Expr, S

from derive.calculus import COTANGENT, SEED
from derive.index import Entry
from derive.plan.schedule import Schedule
from derive.plan.stages import reads
from derive.plan.sums import Sum, name_sums
from derive.program import Array, Equation

AFTER = "_after"  # da_after is da of step t + 1
GIVEN = "_given"  # dh_given is the cotangent of h[t] that comes from outside


@dataclass(frozen=True)
class Arrival:
    """How the cotangent of a state comes from one step to the one before.

    Attributes:
        previous, following: the state's names, ``c_prev`` and ``c``.
        late: the sum that is left to the next turn.
        carried: whether anything is handed on in memory.
        given: whether something comes from outside at every step.
    """

    previous: Array
    following: str
    late: Sum | None
    carried: bool
    given: bool

    @property
    def seed(self) -> str:
        return SEED + self.following

    @property
    def result(self) -> str:
        return COTANGENT + self.previous.name


@dataclass(frozen=True)
class Rotation:
    """One turn of the backward loop, and what is left after the last.

    Attributes:
        turn: sums and equations in order; arrays named …_after are those of step t + 1.
        after: the names of the arrays that a turn reads at step t + 1.
        rest: the cotangents of the initial states that the last turn leaves unfinished.
    """

    turn: tuple[Equation | Sum, ...]
    arrivals: tuple[Arrival, ...]
    after: tuple[str, ...]
    rest: tuple[Equation | Sum, ...]


def rotate(plan: Schedule) -> Rotation:
    """The recurrence of a plan as turns."""
    body = name_sums(plan.recurrence)
    arrivals = tuple(_arrival(state, body, plan) for state in plan.cell.having("state"))
    late = {one.late.name for one in arrivals if one.late}
    produced = {one.name for one in body}
    after = dict.fromkeys(
        entry.name for one in arrivals if one.late for entry in reads(one.late) if entry.name in produced
    )
    arriving = [item for one in arrivals for item in _arriving(one, after)]
    inner = [_early(one, arrivals) for one in body if one.name not in late]
    turn = (*arriving, *(one for one in inner if one is not None))
    return Rotation(turn, arrivals, tuple(after), tuple(item for one in arrivals for item in _rest(one)))


def _arrival(state: Array, body: list[Equation | Sum], plan: Schedule) -> Arrival:
    assert state.next is not None
    result = COTANGENT + state.name
    equation = next(one for one in body if one.name == result)
    assert isinstance(equation, Equation)
    sums = [one for one in body if isinstance(one, Sum)]
    late = next((one for one in sums if _is_late(one, equation, body, plan)), None)
    rest = equation.value - _entry(late.array) if late else equation.value
    given = state.next in plan.cell.outputs
    return Arrival(state, state.next, late, rest != S.Zero or not given, given)


def _is_late(one: Sum, equation: Equation, body: list[Equation | Sum], plan: Schedule) -> bool:
    """Whether a sum over cotangents of the loop is a term of an equation and serves nothing else.

    What else it reads has to be the same at all steps, or it would be read a step too early.
    """
    produced = {e.name for e in plan.recurrence}
    if any(plan.timed(plan.arrays[e.name]) for e in reads(one) if e.name not in produced):
        return False
    if _entry(one.array) not in Add.make_args(equation.value):
        return False
    inner = {entry.name for entry in reads(one)} & produced
    users = [other.name for other in body if one.name in {entry.name for entry in reads(other)}]
    return bool(inner) and users == [equation.name] and one.array.indices == equation.array.indices


def _entry(array: Array) -> Expr:
    return Entry(array.name, *array.indices)


def _arriving(one: Arrival, after: dict[str, None]) -> list[Equation | Sum]:
    """What reaches a state at step t: the sum of step t + 1, what was handed on, what is given."""
    terms: list[Expr] = []
    found: list[Equation | Sum] = []
    if one.late:
        later = {e: Entry(e.name + AFTER, *e.indices) for e in reads(one.late) if e.name in after}
        array = Array(one.late.name + AFTER, one.late.array.sizes)
        found.append(Sum(array, one.late.body.xreplace(later), one.late.over))
        terms.append(_entry(array))
    indices = one.previous.indices
    if one.carried:
        terms.append(Entry(one.result + AFTER, *indices))
    if one.given:
        terms.append(Entry(COTANGENT + one.following + GIVEN, *indices))
    found.append(Equation(Array(one.seed, one.previous.sizes, "cotangent"), Add(*terms)))
    return found


def _early(one: Equation | Sum, arrivals: tuple[Arrival, ...]) -> Equation | Sum | None:
    """An equation of the loop; of a previous state's cotangent what is not left to the next turn, if anything is."""
    arrival = next((a for a in arrivals if a.result == one.name), None)
    if arrival is None or isinstance(one, Sum):
        return one
    if not arrival.carried:
        return None
    return Equation(one.array, one.value - _entry(arrival.late.array)) if arrival.late else one


def _rest(one: Arrival) -> list[Equation | Sum]:
    """What the first step's late sum adds to the cotangent of the initial state."""
    if not one.late:
        return []
    handed: Expr = Entry(one.result + AFTER, *one.previous.indices) if one.carried else S.Zero
    array = Array(one.result, one.previous.sizes, "cotangent")
    return [one.late, Equation(array, _entry(one.late.array) + handed)]
