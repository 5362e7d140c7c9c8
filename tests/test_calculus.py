"""Reverse mode: symbolically on the LSTM, and against autograd and PyTorch on it and on random programs."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Expr, Function, Integer, exp, tanh

from derive.calculus import jvp, prefixed, suffixed, vjp
from derive.cell import Cell, dims, parameter, sequence, state
from derive.cell import tanh as tanh_of
from derive.cells import CELLS
from derive.equality import Decision, Ground
from derive.errors import CellError
from derive.evaluate import REAL, random_inputs, run
from derive.functions import sigmoid
from derive.index import Entry, Index, KroneckerDelta, Sigma
from derive.program import Program
from tests.random_programs import INPUTS, SIZES, Twin, random_twin, random_values, split_shape

LSTM = CELLS["lstm"]
BACKWARD = vjp(LSTM)
SECOND = vjp(BACKWARD)
N, D, H = dims("N D H")
n, d, h, j, p = Index("n", N), Index("d", D), Index("h", H), Index("j", H), Index("p", 4)
LSTM_SIZES = {N: 2, D: 3, H: 4}


def the(name: str) -> Entry:
    return Entry(name, n, h)


i, g, f, o, c, c_prev = map(the, ["i", "g", "f", "o", "c", "c_prev"])
da_nph = Entry("da", n, p, h)
BLOCKS = {"i": 0, "g": 1, "f": 2, "o": 3}


def block(label: str) -> Entry:
    return Entry("da", n, Integer(BLOCKS[label]), h)


# Equations 1 to 15 as they should be, in index notation, with the indices of each left side.
EQUATIONS: dict[int, tuple[Expr, Expr, tuple[Index, ...]]] = {
    1: (the("do"), the("d_next_h") * tanh(c), (n, h)),
    2: (the("dc"), the("d_next_h") * o * (1 - tanh(c) ** 2) + the("d_next_c"), (n, h)),
    3: (the("di"), the("dc") * g, (n, h)),
    4: (the("dg"), the("dc") * i, (n, h)),
    5: (the("df"), the("dc") * c_prev, (n, h)),
    6: (the("dc_prev"), the("dc") * f, (n, h)),
    7: (block("i"), the("di") * i * (1 - i), (n, h)),
    8: (block("f"), the("df") * f * (1 - f), (n, h)),
    9: (block("o"), the("do") * o * (1 - o), (n, h)),
    10: (block("g"), the("dg") * (1 - g**2), (n, h)),
    11: (Entry("dx", n, d), Sigma(da_nph * Entry("W_x", d, p, h), p, h), (n, d)),
    12: (Entry("dW_x", d, p, h), Sigma(Entry("x", n, d) * da_nph, n), (d, p, h)),
    13: (Entry("dW_h", j, p, h), Sigma(Entry("h_prev", n, j) * da_nph, n), (j, p, h)),
    14: (Entry("dh_prev", n, j), Sigma(da_nph * Entry("W_h", j, p, h), p, h), (n, j)),
    15: (Entry("db", p, h), Sigma(da_nph, n), (p, h)),
}


@pytest.mark.parametrize("number", EQUATIONS)
def test_lstm_cotangents_symbolically(number: int) -> None:
    """The derivation itself: if one of these fails, notes are judged by a wrong standard."""
    left, right, axes = EQUATIONS[number]
    assert Ground(BACKWARD).decide(left, right, axes) == Decision(True, "symbolic")


def test_lstm_results_are_named_as_the_generated_module_needs_them() -> None:
    """dx, dh_prev, dc_prev, dW_x, dW_h, db in the order of the inputs, seeds behind the inputs."""
    assert BACKWARD.outputs == ("dx", "dh_prev", "dc_prev", "dW_x", "dW_h", "db")
    assert [a.name for a in BACKWARD.inputs[len(LSTM.inputs) :]] == ["d_next_h", "d_next_c"]
    assert BACKWARD.equations[: len(LSTM.equations)] == LSTM.equations


def test_vjp_of_the_lstm_takes_less_than_a_second() -> None:
    """DESIGN promises it; a mistake in the normal form or in saying makes it minutes."""
    start = time.process_time()
    vjp(LSTM)
    assert time.process_time() - start < 1


def functions_in(program: Program, first: int) -> set[Expr]:
    values = [equation.value for equation in program.equations[first:]]
    return {call for value in values for call in value.atoms(Function) if not isinstance(call, KroneckerDelta)}


@pytest.mark.parametrize("program", [BACKWARD, SECOND], ids=["first", "second"])
def test_results_are_said_with_forward_outputs(program: Program) -> None:
    """i(1 − i) and not exp: the code is fast and comparable to notes only then. tanh(c) has no name of its own."""
    assert functions_in(program, len(LSTM.equations)) == {tanh(c)}
    assert not any(equation.value.has(exp, sigmoid) for equation in program.equations[len(LSTM.equations) :])


class RNN(Cell):
    """The whole cell in one equation: a function of sums, in which indices are easily captured."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W, U, b = parameter(D, H), parameter(H, H), parameter(H)
    h = tanh_of(x @ W + h_prev @ U + b)
    outputs = "h"


def test_function_of_a_sum_is_said_in_every_cotangent() -> None:
    """dU must use h[n, h′] as well, although there the sum inside of tanh is over other letters."""
    program = vjp(RNN.program)
    assert functions_in(program, 1) == set()
    u = program.definitions["dU"]
    one, other = u.array.indices
    due = Sigma((1 - Entry("h", n, other) ** 2) * Entry("d_next_h", n, other) * Entry("h_prev", n, one), n)
    assert Ground(program).decide(u.value, due, (one, other)) == Decision(True, "symbolic")


# -- against autograd ----------------------------------------------------------------------------------------------


# A derivative that is constantly zero is one, but autograd warns of it.
independent = pytest.mark.filterwarnings("ignore:Output seems independent of input")


def loss_of(twin: Twin, seeds: dict[str, Any], outputs: tuple[str, ...]) -> Any:
    def loss(inputs: dict[str, Any]) -> Any:
        values = twin.values(inputs)
        return sum(anp.sum(values[name] * seeds[f"d_next_{name}"]) for name in outputs)

    return loss


def assert_close(found: Any, due: Any) -> None:
    due = np.asarray(due, float).reshape(found.shape)
    assert np.max(np.abs(found - due), initial=0) <= 1e-11 * max(np.max(np.abs(due), initial=0), 1e-3)


def run_flat(program: Program, values: dict[str, Any]) -> dict[str, np.ndarray]:
    split = {name: np.reshape(value, split_shape(program.arrays[name])) for name, value in values.items()}
    return run(program, split, SIZES, REAL)


@independent
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_random_programs_against_autograd(seed: int) -> None:
    """The LSTM has no function of a product, no square matrix, no quotient: other cells will."""
    twin = random_twin(seed)
    generator = np.random.default_rng(seed)
    backward = vjp(twin.program)
    inputs = {array.name: random_values(array, generator) for array in twin.program.inputs}
    seeds = {array.name: random_values(array, generator) for array in backward.having("cotangent")}
    due = grad(loss_of(twin, seeds, twin.program.outputs))(inputs)
    found = run_flat(backward, {**inputs, **seeds})
    for name in INPUTS:
        assert_close(found[f"d{name}"] if f"d{name}" in found else found[f"d_next_{name}"], due[name])


@independent
@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6))
def test_vjp_of_vjp_of_random_programs_against_autograd(seed: int) -> None:
    """Second derivatives of anything, not of the LSTM alone."""
    twin = random_twin(seed)
    generator = np.random.default_rng(seed)
    backward = vjp(twin.program, wrt=["W"])
    second = vjp(backward, wrt=["x", "V", "u"], cotangent=prefixed("b_"), seed=prefixed("b_next_"))
    given_ = {array.name: random_values(array, generator) for array in second.inputs}
    seeds = {name: given_[name] for name in given_ if name.startswith("d_next_")}
    inputs = {name: given_[name] for name in INPUTS}

    first = grad(loss_of(twin, seeds, twin.program.outputs))
    due = grad(lambda inputs: anp.sum(first(inputs)["W"] * given_["b_next_dW"]))(inputs)
    found = run_flat(second, given_)
    for name in ("x", "V", "u"):
        assert_close(found[f"b_{name}"], due[name])


# -- second derivatives of the LSTM --------------------------------------------------------------------------------


def lstm_values(seed: int) -> dict[str, np.ndarray]:
    return random_inputs(SECOND, LSTM_SIZES, REAL, seed)


COMPLEX = replace(
    REAL,
    dtype=complex,
    apply=lambda name, values: 1 / (1 + np.exp(-values)) if name == "sigmoid" else np.tanh(values),
)


def test_lstm_double_backward_by_complex_step() -> None:
    """vjp of vjp against the complex derivative of vjp, in every input and both seeds, to 1e-12."""
    values = lstm_values(3)
    found = run(SECOND, values, LSTM_SIZES, REAL)
    outputs = [a.name.removeprefix("dd_next_") for a in SECOND.inputs if a.name.startswith("dd_next_")]
    assert set(outputs) == {*BACKWARD.outputs, "h", "c"}
    generator = np.random.default_rng(0)
    for array in BACKWARD.inputs:
        direction = generator.normal(size=values[array.name].shape)
        moved = {a.name: values[a.name].astype(complex) for a in BACKWARD.inputs}
        moved[array.name] = moved[array.name] + 1e-30j * direction
        after = run(BACKWARD, moved, LSTM_SIZES, COMPLEX)
        due = sum(np.sum(after[name].imag / 1e-30 * values[f"dd_next_{name}"]) for name in outputs)
        cotangent = found[SECOND.outputs[[a.name for a in BACKWARD.inputs].index(array.name)]]
        assert abs(np.sum(cotangent * direction) - due) <= 1e-12 * np.sum(np.abs(cotangent * direction))


def torch_step(torch: Any, v: dict[str, Any]) -> tuple[Any, Any]:
    """The LSTM step in PyTorch, written down independently; W of shape (…, 4, H)."""
    rows, columns = LSTM_SIZES[H], 4 * LSTM_SIZES[H]
    a = v["x"] @ v["W_x"].reshape(-1, columns) + v["h_prev"] @ v["W_h"].reshape(-1, columns) + v["b"].reshape(columns)
    i, g, f, o = (a[:, k * rows : (k + 1) * rows] for k in range(4))
    c = torch.sigmoid(f) * v["c_prev"] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def test_lstm_double_backward_against_torch() -> None:
    """An oracle that shares not a line with us."""
    torch = pytest.importorskip("torch", reason="NOT CHECKED: double backward against PyTorch, which is not installed")
    values = lstm_values(5)
    v = {name: torch.tensor(np.array(value), dtype=torch.float64, requires_grad=True) for name, value in values.items()}
    wrt = [a.name for a in LSTM.inputs]
    h, c = torch_step(torch, v)
    first = torch.autograd.grad([h, c], [v[k] for k in wrt], [v["d_next_h"], v["d_next_c"]], create_graph=True)
    results = dict(zip(BACKWARD.outputs, first, strict=True)) | {"h": h, "c": c}
    total = sum((result * v[f"dd_next_{name}"]).sum() for name, result in results.items())
    due = torch.autograd.grad(total, [v[a.name] for a in BACKWARD.inputs])
    found = run(SECOND, values, LSTM_SIZES, REAL)
    for name, result in results.items():
        assert_close(found[name], result.detach().numpy())
    for name, result in zip(SECOND.outputs, due, strict=True):
        assert_close(found[name], result.numpy())


# -- what one can ask for ------------------------------------------------------------------------------------------


def test_only_what_is_asked_for() -> None:
    """wrt chooses the results, in its own order, intermediate arrays included."""
    program = vjp(LSTM, wrt=["b", "i", "x"])
    assert program.outputs == ("db", "di", "dx")
    assert program.definitions["di"] == BACKWARD.definitions["di"]


def test_unused_input_has_cotangent_zero() -> None:
    """An input that reaches no output has a derivative: 0, of its shape."""

    class Idle(Cell):
        x = sequence(N, D)
        y = sequence(N, D)
        z = 2 * x
        k = 3 * y
        outputs = "z"

    program = vjp(Idle.program, wrt=["y", "k"])
    assert {name: program.definitions[name].value for name in program.outputs} == {"dy": Integer(0), "dk": Integer(0)}


def test_output_used_further_adds_its_seed() -> None:
    """c is an output of the step and feeds h: both contributions count."""
    assert BACKWARD.definitions["dc"].value.has(the("d_next_c"))
    alone = vjp(LSTM, outputs=["h"])
    assert not any(a.name == "d_next_c" for a in alone.inputs)


@pytest.mark.parametrize("what", [{"wrt": ["q"]}, {"outputs": ["q"]}])
def test_unknown_names_are_refused(what: dict[str, Any]) -> None:
    """A mistyped name must not give an empty program."""
    with pytest.raises(CellError, match="cell lstm: vjp of 'q'"):
        vjp(LSTM, **what)


def test_names_that_are_taken_are_refused() -> None:
    """Two arrays of one name would silently be one."""
    with pytest.raises(CellError, match="defined twice"):
        vjp(LSTM, cotangent=prefixed(""))


# -- forward mode --------------------------------------------------------------------------------------------------


def test_tangents_of_the_lstm_are_named_and_said_like_its_equations() -> None:
    """x_dot … in the order of the inputs; i_dot = a_dot_i ⊙ i ⊙ (1 − i) and not with exp."""
    program = jvp(LSTM)
    assert program.outputs == ("h_dot", "c_dot")
    assert [a.name for a in program.inputs[len(LSTM.inputs) :]] == [f"{a.name}_dot" for a in LSTM.inputs]
    assert program.equations[: len(LSTM.equations)] == LSTM.equations
    assert functions_in(program, len(LSTM.equations)) == {tanh(c)}
    a_dot = Entry("a_dot", n, Integer(BLOCKS["i"]), h)
    assert Ground(program).decide(the("i_dot"), a_dot * i * (1 - i), (n, h)) == Decision(True, "symbolic")


def test_only_what_moves_has_tangents() -> None:
    """Broken if tangents that are zero by themselves get equations, or results without one are forgotten."""
    program = jvp(LSTM, wrt=["c_prev"], outputs=["i", "h"])
    assert [e.name for e in program.equations[len(LSTM.equations) :]] == ["i_dot", "c_dot", "h_dot"]
    assert program.definitions["i_dot"].value == 0
    assert program.outputs == ("i_dot", "h_dot")


def test_names_of_tangents_are_new() -> None:
    """A jvp of a jvp has tangents of tangents, and names of one's own stay as they are."""
    twice = jvp(jvp(LSTM, wrt=["x"]), wrt=["x", "x_dot"], outputs=["h_dot"])
    assert twice.outputs == ("h_dot_dot_dot",)
    assert jvp(LSTM, tangent=suffixed("_t")).outputs == ("h_t", "c_t")
    with pytest.raises(CellError, match="jvp of 'y', which is not one of its arrays"):
        jvp(LSTM, wrt=["y"])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_random_programs_push_forward_what_they_pull_back(seed: int) -> None:
    """⟨J v, w⟩ = ⟨v, Jᵀ w⟩, with J from jvp and Jᵀ from vjp: two derivations that share the local derivatives only."""
    twin = random_twin(seed)
    generator = np.random.default_rng(seed)
    forward, backward = jvp(twin.program), vjp(twin.program)
    inputs = {array.name: random_values(array, generator) for array in twin.program.inputs}
    seeds = {array.name: random_values(array, generator) for array in backward.having("cotangent")}
    moved = {array.name: random_values(array, generator) for array in forward.having("tangent")}
    pushed, pulled = run_flat(forward, {**inputs, **moved}), run_flat(backward, {**inputs, **seeds})
    left = [
        np.sum(pushed[f"{y}_dot"] * np.reshape(seeds[f"d_next_{y}"], pushed[f"{y}_dot"].shape))
        for y in twin.program.outputs
    ]
    given_to = dict(zip([a.name for a in twin.program.inputs], backward.outputs, strict=True))
    right = [
        np.sum(np.reshape(moved[f"{x}_dot"], np.shape(found)) * found)
        for x, cotangent in given_to.items()
        for found in [pulled[cotangent] if cotangent in pulled else np.asarray(seeds[cotangent])]
    ]
    assert abs(sum(left) - sum(right)) <= 1e-11 * max(sum(map(abs, [*left, *right])), 1e-3)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_hessians_of_random_programs_both_ways(seed: int) -> None:
    """The tangent of the gradient, and the gradient of ⟨gradient, v⟩: jvp ∘ vjp and vjp ∘ vjp, equal by symmetry."""
    twin = random_twin(seed)
    generator = np.random.default_rng(seed)
    backward = vjp(twin.program)
    names = [array.name for array in twin.program.inputs]
    over_forward = jvp(backward, wrt=names, outputs=backward.outputs)
    over_reverse = vjp(
        backward, wrt=names, outputs=backward.outputs, cotangent=prefixed("bar_"), seed=prefixed("given_")
    )
    values = {array.name: random_values(array, generator) for array in backward.inputs}
    v = {name: random_values(array, generator) for name, array in zip(names, twin.program.inputs, strict=True)}
    forward = run_flat(over_forward, {**values, **{f"{name}_dot": one for name, one in v.items()}})
    seeds = {f"given_{cotangent}": v[name] for name, cotangent in zip(names, backward.outputs, strict=True)}
    reverse = run_flat(over_reverse, {**values, **seeds})
    for one, other in zip(over_forward.outputs, over_reverse.outputs, strict=True):
        assert_close(forward[one], reverse[other])
