"""The time plan: what runs before, in and after the loop, for the LSTM and for cells that lack its shape."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import pytest

from derive.cell import Cell, parameter, sequence, state, tanh
from derive.errors import CellError
from derive.index import Entry, KroneckerDelta, Sigma, dims
from derive.plan.coefficients import operations
from derive.plan.schedule import Schedule, names_in, schedule
from derive.plan.steps import check_steps
from derive.program import Array, Equation, Program, define
from derive.tensor import Tensor
from tests.cuda_cells import HARD
from tests.example_cells import ALL

CELL_NAMES = sorted(ALL)
N, D, H = dims("N D H")
X = Array("x", (N, D), "sequence").tensor


def names(equations: tuple[Equation, ...]) -> list[str]:
    return [equation.name for equation in equations]


def test_the_lstm_as_the_design_has_it() -> None:
    """Broken if x·W_x is not hoisted, if dx, dW_x, dW_h, db are not deferred, or the loop keeps what needs no loop."""
    plan = schedule(ALL["lstm"])
    assert names(plan.hoisted) == ["a"]
    assert names(plan.loop) == ["a", "i", "g", "f", "o", "c", "tanh_c", "h"]
    assert plan.after == ()
    assert names(plan.coefficients) == ["J_c", "J_a"]
    assert names(plan.recurrence) == ["dc", "da", "dh_prev", "dc_prev"]
    assert names(plan.deferred) == ["dx", "dW_x", "dW_h", "db"]
    assert {array.name for array in plan.tape} == {"i", "g", "f", "o", "c", "tanh_c", "h"}


def test_what_nobody_needs_is_not_computed() -> None:
    """Broken if an equation that reaches no result and that the backward pass does not read costs a product."""
    plan = schedule(HARD["attend"])
    assert "s" in HARD["attend"].arrays
    assert "s" not in names((*plan.hoisted, *plan.loop, *plan.after))


def test_coefficients_are_said_with_known_products() -> None:
    """o ⊙ (1 − tanh²(c)) is o − h ⊙ tanh(c): broken if the backward pass computes o ⊙ tanh(c) again."""
    plan = schedule(ALL["lstm"])
    (coefficient,) = [e for e in plan.coefficients if e.name == "J_c"]
    assert operations(coefficient.value) == 2
    assert names_in((coefficient,)) == {"o", "h", "tanh_c"}


@pytest.mark.parametrize("name", CELL_NAMES)
def test_phases_depend_only_on_what_is_there(name: str) -> None:
    """Broken if an equation is placed before something that it reads."""
    plan = schedule(ALL[name])
    states = {array.name for array in plan.cell.having("state")}
    outside = {array.name for array in plan.step.inputs}
    hoisted = set(names(plan.hoisted))
    _in_order(plan.hoisted, outside - states)
    _in_order(plan.loop, outside | hoisted)
    forward = hoisted | set(names(plan.loop))
    _in_order(plan.after, outside | forward)
    forward |= set(names(plan.after))
    _in_order(plan.coefficients, outside | forward)
    _in_order(plan.recurrence, outside | forward | set(names(plan.coefficients)))
    _in_order(plan.deferred, outside | forward | set(names(plan.recurrence)))


def _in_order(equations: tuple[Equation, ...], known: set[str]) -> None:
    known = set(known)
    for equation in equations:
        missing = names_in((equation,)) - known - {equation.name}
        assert not missing, f"{equation.name} reads {missing} too early"
        known.add(equation.name)


@pytest.mark.parametrize("name", CELL_NAMES)
def test_coefficients_need_the_tape_alone(name: str) -> None:
    """Broken if a coefficient reads a cotangent, or a parameter's gradient is summed inside of the loop."""
    plan = schedule(ALL[name])
    cotangents = {a.name for a in plan.step.arrays.values() if a.role == "cotangent"}
    assert not names_in(plan.coefficients) & cotangents
    parameters = {f"d{array.name}" for array in plan.cell.having("parameter")}
    assert parameters <= set(names(plan.deferred))


@pytest.mark.parametrize("name", CELL_NAMES)
def test_the_recurrence_has_one_product_per_term(name: str) -> None:
    """Broken if elementwise work that needs no loop is left in it: a term is coefficient ⊙ cotangent, or a Σ."""
    for equation in schedule(ALL[name]).recurrence:
        for term in equation.value.as_ordered_terms() if equation.value.is_Add else [equation.value]:
            if term.has(Sigma):
                continue
            factors = [f for f in term.as_ordered_factors() if not isinstance(f, KroneckerDelta)]
            assert all(isinstance(f, Entry) or not f.has(Entry) for f in factors)
            assert sum(isinstance(f, Entry) for f in factors) <= 2


def test_cells_without_sequence_products_plan_too() -> None:
    """Broken if the planner assumes a hoisted product, a stacked axis or a state that is an output."""
    plan: Schedule = schedule(ALL["readout"])
    assert names(plan.hoisted) == ["h_sum", "sigmoid_h_sum"]
    assert names(plan.loop) == ["h"]
    assert names(plan.after) == ["y_sum", "y"]


def test_sequences_and_states_begin_with_one_batch_dimension() -> None:
    """Broken if a state without the batch axis is planned as if it had one: sums over the batch would be wrong."""
    n, h = dims("N H")
    x, s = Array("x", (n, h), "sequence"), Array("s", (h,))
    cell = Program("odd", (x, Array("s_prev", (h,), "state", "s")), (define(s, x.tensor.sum(0)),), ("s",))
    with pytest.raises(CellError, match="cell odd: its sequences and states should begin with one batch dimension"):
        schedule(cell)


def _cell(output: Tensor, *parameters: Array) -> Program:
    """A cell with one equation besides that of its state."""
    x, s = Array("x", (N, D), "sequence"), Array("s", (N, H))
    previous = Array("s_prev", (N, H), "state", "s")
    y = Array("y", tuple(axis.size for axis in output.axes))
    return Program("odd", (x, previous, *parameters), (define(s, previous.tensor * 2), define(y, output)), ("s",))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (X.T @ X, r"equation y: a sum over the batch dimension N would mix sequences"),
        (X.T, r"equation y: it has shape \(D, N\); the batch dimension N can only come first"),
        (X * Tensor(N), r"equation y: the batch dimension N as a number would mix sequences"),
        (X @ X.T, r"equation y: it has shape \(N, N\); the batch dimension N can only come first"),
    ],
)
def test_sequences_of_a_batch_stay_apart(output: Tensor, message: str) -> None:
    """Broken if a sum over the rows of all steps is generated where one over those of a step is meant."""
    with pytest.raises(CellError, match=message):
        check_steps(schedule(_cell(output)))


def test_parameters_and_results_have_their_axes() -> None:
    """Broken if a parameter along the batch, or a result that no step changes, is given an axis over steps."""
    w, v = Array("w", (N, D), "parameter"), Array("v", (D,), "parameter")
    with pytest.raises(CellError, match="parameter w: it has the batch dimension N"):
        check_steps(schedule(_cell(X + w.tensor, w)))
    constant = replace(_cell(v.tensor * 2, v), outputs=("y",))
    with pytest.raises(CellError, match="the result y does not begin with the batch dimension N"):
        check_steps(schedule(constant))
    given = replace(_cell(X * 2), outputs=("x",))
    with pytest.raises(CellError, match="the result x should be an equation, not an input"):
        check_steps(schedule(given))


def test_a_nest_of_quotients_is_planned_at_once() -> None:
    """Broken if looking for a cheaper form of a coefficient multiplies out its powers, which takes forever."""

    class Nest(Cell):
        x = sequence(N, H)
        h_prev = state(N, H)

        h = tanh(x + 1 / (2 + (3 + (3 + h_prev**2) ** -2) ** -2) ** 2)
        outputs = ("h",)

    start = process_time()
    schedule(Nest.program)
    assert process_time() - start < 10


def test_coefficients_have_names_of_their_own() -> None:
    """Broken if the second coefficient of ∂a is called as the only one of ∂a_2, and one is written over the other."""

    class Numbered(Cell):
        x = sequence(N, H)
        h_prev = state(N, H)
        P = parameter(H, H)
        Q = parameter(H, H)
        U = parameter(H, H)
        V = parameter(H, H)

        a = h_prev @ P
        a_2 = h_prev @ Q
        h = tanh(x + a**2 @ U + a**3 @ V + a_2**2 @ U)
        outputs = ("h",)

    names = [equation.name for equation in schedule(Numbered.program).coefficients]
    assert {"J_a", "J_a_2", "J_a_3"} <= {*names}
    assert len({*names}) == len(names)
