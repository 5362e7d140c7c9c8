"""Tangents, Hessian products and double backward of whole sequences, for every cell."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cuda_cells import HARD
from tests.example_cells import ALL
from tests.modules import SMALL, arguments, cotangents_for, module, relative_error
from tests.ragged import LENGTHS, OWN, numpy_module_of, problem
from tests.second_order import Arrays, check, directions, gradient, names, pairing, tangents
from tests.test_random_cells import MORE, TOLERANCE, imported, made
from tests.test_random_cells import arguments as random_arguments

CELL_NAMES = sorted(ALL)
SEEDS = range(12)


def given(name: str, sizes: dict[str, int] = SMALL) -> tuple[Arrays, Arrays]:
    """Arguments and cotangents."""
    args = [np.asarray(0.5 * one) for one in arguments(name, sizes)]
    return args, cotangents_for(module(name).forward(*args))


@pytest.mark.parametrize("name", CELL_NAMES)
def test_against_complex_steps(name: str) -> None:
    """Broken if a tangent is wrong, or one that is left out is not the same as zeros."""
    # Sums of some ten products in float64; 1e-11 leaves four digits for them.
    check(module(name), *given(name), 1e-11, name)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CELL_NAMES)
def test_sequences_of_different_lengths(name: str, reverse: bool) -> None:
    """Broken if a tangent leaks out of the padding, or one of a last state comes in anywhere but at its end."""
    args, _ = given(name, {**SMALL, "N": 4})
    order = {"lengths": [2, 0, 4, 3], "reverse": reverse}
    check(module(name), args, cotangents_for(module(name).forward(*args)), 1e-11, name, **order)


@pytest.mark.parametrize("name", sorted(OWN))
def test_states_that_wait_for_no_other_step(name: str) -> None:
    """Broken if a state that is computed before the loop is lost to a sequence that has ended."""
    args, cotangents = problem(name)
    check(numpy_module_of(name), args, cotangents, 1e-11, name, lengths=LENGTHS, reverse=True)


@pytest.mark.parametrize("seed", [*SEEDS, *(pytest.param(seed, marks=pytest.mark.full) for seed in MORE[:60])])
def test_random_cells(seed: int) -> None:
    """Broken if a plan counts on the shape of the cells it was written for; prints the cell."""
    cell, made_from = made(seed)
    args = random_arguments(cell)
    check(made_from, args, cotangents_for(made_from.forward(*args)), 10 * TOLERANCE, cell.source)


@pytest.mark.parametrize("name", sorted(HARD))
def test_hard_cells(name: str) -> None:
    """Broken if constants get an axis over steps, or what is begun before the loop is lost after it."""
    cell_sizes = {"N": 3, "D": 2, "H": 4, "P": 5, "K": 6}
    from tests.random_cells import RandomCell

    cell = RandomCell(HARD[name], name, cell_sizes)
    made_from = imported(cell.program)
    args = random_arguments(cell)
    check(made_from, args, cotangents_for(made_from.forward(*args)), 10 * TOLERANCE, name)


@pytest.mark.parametrize("name", CELL_NAMES)
def test_hessian_is_symmetric(name: str) -> None:
    """uᵀHv = vᵀHu at odd sizes: broken if a term of second order is lost on one side only."""
    made_from = module(name)
    args, cotangents = given(name, {"T": 6, "N": 3, "D": 4, "H": 5})
    cache = made_from.forward(*args)[-1]
    u, v = directions(args, 8), directions(args, 9)
    uhv = pairing(u, list(made_from.hvp(*cotangents, cache, **tangents(made_from, v))))
    vhu = pairing(v, list(made_from.hvp(*cotangents, cache, **tangents(made_from, u))))
    terms = [
        abs(pairing([a], [b]))
        for a, b in zip(u, made_from.hvp(*cotangents, cache, **tangents(made_from, v)), strict=True)
    ]
    assert abs(uhv - vhu) <= 1e-11 * max(sum(terms), 1e-3)


@pytest.mark.parametrize("name", CELL_NAMES)
def test_dot_products_of_jvp_and_backward(name: str) -> None:
    """⟨J v, w⟩ = ⟨v, Jᵀ w⟩ by the two generated functions, at odd sizes."""
    made_from = module(name)
    args, cotangents = given(name, {"T": 5, "N": 3, "D": 4, "H": 7})
    v = directions(args, 10)
    left = pairing(list(made_from.jvp(*args, **tangents(made_from, v))), cotangents)
    terms = [pairing([one], [g]) for one, g in zip(v, gradient(made_from, args, cotangents), strict=True)]
    assert abs(left - sum(terms)) <= 1e-12 * sum(map(abs, terms))


@pytest.mark.parametrize("name", CELL_NAMES)
def test_chunks_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if a chunk of steps reads or leaves what belongs to another."""
    made_from = module(name)
    args, cotangents = given(name, {"T": 7, "N": 2, "D": 3, "H": 2})
    v = tangents(made_from, directions(args, 11))
    results = []
    for chunk in (1 << 19, 1, 40):
        monkeypatch.setattr(made_from, "_SWEEP", chunk)
        cache = made_from.forward(*args)[-1]
        results.append([*made_from.jvp(*args, **v), *made_from.hvp(*cotangents, cache, **v)])
    for other in results[1:]:
        for value, due in zip(other, results[0], strict=True):
            assert relative_error(value, due) <= 1e-13  # products over other numbers of rows round otherwise


@pytest.mark.parametrize("empty", ["T", "N"])
@pytest.mark.parametrize("name", CELL_NAMES)
def test_empty_sequences_and_batches(name: str, empty: str) -> None:
    """Without steps tangents of states pass through, and without sequences gradients of parameters are zero."""
    made_from = module(name)
    args, cotangents = given(name, {**SMALL, empty: 0})
    cache = made_from.forward(*args)[-1]
    v = tangents(made_from, directions(args, 12))
    moved, second = made_from.jvp(*args, **v), made_from.hvp(*cotangents, cache, **v)
    assert all(one.shape == w.shape for one, w in zip(moved, cotangents, strict=True))
    assert all(np.all(one == 0) for one in second)
    if empty == "T":
        last = {field.replace("_dot", "0_dot"): one for field, one in moved._asdict().items()}
        assert all(np.array_equal(one, v[field]) for field, one in last.items() if field in v and one.size)


def test_float32_stays_float32() -> None:
    """Broken if a constant or a zero of float64 slips into a sweep."""
    made_from = module("lstm")
    args = [one.astype(np.float32) for one in given("lstm")[0]]
    cotangents = cotangents_for(made_from.forward(*args))
    cache = made_from.forward(*args)[-1]
    v = {name: one.astype(np.float32) for name, one in tangents(made_from, directions(args, 13)).items()}
    made_from.backward(*cotangents, cache)
    double = made_from.backward_backward(cache, ddx=v["x_dot"])
    for one in (*made_from.jvp(*args, **v), *made_from.hvp(*cotangents, cache, **v), *double):
        assert one.dtype == np.float32


def test_errors_name_the_argument() -> None:
    """Broken if a wrong tangent gives numbers, or a message that does not say which argument it was."""
    made_from = module("lstm")
    args, cotangents = given("lstm")
    cache = made_from.forward(*args)[-1]
    with pytest.raises(ValueError, match=r"W_x_dot has shape \(2, 3\), expected \(D, 4H\) = \(3, 8\)"):
        made_from.jvp(*args, W_x_dot=np.zeros((2, 3)))
    with pytest.raises(TypeError, match="dc_dot has dtype float32, but the cache has float64"):
        made_from.hvp(*cotangents, cache, dc_dot=np.zeros((2, 2), np.float32))
    with pytest.raises(RuntimeError, match="backward has not been called with this cache"):
        made_from.backward_backward(cache)
    workspace = made_from.Workspace(*SMALL.values(), np.float64)
    cache = made_from.forward(*args, workspace=workspace)[-1]
    made_from.backward(*cotangents, cache)
    made_from.forward(*args, workspace=workspace)
    for call in (lambda: made_from.hvp(*cotangents, cache), lambda: made_from.backward_backward(cache)):
        with pytest.raises(RuntimeError, match="the cache is overwritten"):
            call()


def test_names_are_those_of_the_arguments() -> None:
    """The fields that users write: broken if an order or a name changes."""
    made_from = module("lstm")
    assert names(made_from) == ["x", "h0", "c0", "W_x", "W_h", "b"]
    assert made_from.Tangents._fields == ("h_dot", "c_dot")
    assert made_from.DoubleGradients._fields == ("ddh", "ddc", "dx", "dh0", "dc0", "dW_x", "dW_h", "db")
