"""The normal form and the evaluator, against plain loops that know nothing of either."""

from __future__ import annotations

import random
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Integer, tanh

from derive.equality import cases
from derive.errors import HandgradError
from derive.evaluate import EXACT, REAL, evaluate
from derive.functions import sigmoid
from derive.index import Entry, Index, KroneckerDelta, Max, Sigma
from derive.normal import TooLargeError, normal
from tests.index_rewrites import changed, rewritten
from tests.index_trees import ARRAYS, FREE, SIZES, H, N, Tree, expression, has_function, index, trees, values

h, j, k, n, m = Index("h", H), Index("j", H), Index("k", H), Index("n", N), Index("m", N)
seeds = st.integers(0, 10**6)


def numbers(seed: int, rational: bool) -> dict[str, Any]:
    """Values for all arrays, none near 0, since some are divided by."""
    chance = random.Random(seed)
    arrays = {}
    for name, dims in ARRAYS.items():
        shape = tuple(SIZES[dim] for dim in dims)
        flat = [Fraction(chance.choice([-1, 1]) * chance.randint(30, 170), 97) for _ in range(int(np.prod(shape)))]
        arrays[name] = np.array(flat if rational else [float(one) for one in flat]).reshape(shape)
    return arrays


def equal(one: Tree, other: Tree) -> bool:
    """Whether two trees have the same values for several inputs, by plain loops."""
    pairs = ([np.array(values(tree, numbers(seed, False)), float) for tree in (one, other)] for seed in (1, 2, 3))
    return all(np.allclose(left, right, rtol=1e-8) for left, right in pairs)


@settings(max_examples=100, deadline=None)
@given(trees(), seeds)
def test_equivalent_rewritings_have_one_normal_form(tree: Tree, seed: int) -> None:
    """Were the normal form not one, equal equations would not be proved, and right notes left undecided."""
    other = rewritten(tree, random.Random(seed), times=8)
    assert equal(tree, other), "the rewriting itself is wrong"
    assert normal(expression(tree)) == normal(expression(other))


@settings(max_examples=100, deadline=None)
@given(trees(), seeds)
def test_different_expressions_have_different_normal_forms(tree: Tree, seed: int) -> None:
    """One normal form for two different expressions would be a proof of something wrong."""
    other = changed(tree, random.Random(seed))
    if not equal(tree, other):
        assert normal(expression(tree)) != normal(expression(other))


@settings(max_examples=40, deadline=None)
@given(trees(), trees())
def test_unrelated_expressions_have_different_normal_forms(one: Tree, other: Tree) -> None:
    """As above, for two expressions that have nothing to do with each other."""
    if not equal(one, other):
        assert normal(expression(one)) != normal(expression(other))


def evaluated(tree: Tree, arrays: Mapping[str, Any], arithmetic: Any) -> Any:
    sizes = {N: SIZES["N"], H: SIZES["H"]}
    axes = tuple(index(one) for one in FREE)
    found = evaluate(expression(tree), axes, arrays, sizes, arithmetic)
    return np.broadcast_to(found, (SIZES["N"], SIZES["H"])).ravel()


@settings(max_examples=100, deadline=None)
@given(trees(), seeds)
def test_evaluation_in_floating_point(tree: Tree, seed: int) -> None:
    """The numeric check of every verdict and each counterexample's numbers come from this evaluator."""
    arrays = numbers(seed, False)
    due = np.array(values(tree, arrays), float)
    np.testing.assert_allclose(evaluated(tree, arrays, REAL), due, rtol=1e-9, atol=1e-9)


@settings(max_examples=80, deadline=None)
@given(trees().filter(lambda tree: not has_function(tree)), seeds)
def test_exact_evaluation_is_exact(tree: Tree, seed: int) -> None:
    """“exact at small shapes” must not mean “up to rounding”: rationals are compared with ==."""
    arrays = numbers(seed, True)
    assert list(evaluated(tree, arrays, EXACT)) == values(tree, arrays)


@settings(max_examples=40, deadline=None)
@given(trees(), seeds)
def test_exact_evaluation_respects_equality(tree: Tree, seed: int) -> None:
    """An opaque function has one value per argument: equivalent expressions agree exactly."""
    other = rewritten(tree, random.Random(seed), times=3)
    arrays = numbers(seed, True)
    assert list(evaluated(tree, arrays, EXACT)) == list(evaluated(other, arrays, EXACT))


def test_sum_inside_a_function_is_not_captured() -> None:
    """Σ_h u[h] tanh(Σ_k W[h, k]) and Σ_h u[h] tanh(Σ_k W[k, k]) differ: the inner names must not be the outer's."""
    outer = Sigma(Entry("u", h) * tanh(Sigma(Entry("W", h, k), k)), h)
    wrong = Sigma(Entry("u", h) * tanh(Sigma(Entry("W", k, k), k)), h)
    assert normal(outer) != normal(wrong)
    assert normal(outer) == normal(Sigma(Entry("u", j) * tanh(Sigma(Entry("W", j, h), h)), j))


def test_maximum_inside_a_sum_is_not_captured() -> None:
    """Σ_h u[h] max_k W[h, k] and Σ_h u[h] max_k W[k, k] differ: the inner names must not be the outer's."""
    outer = Sigma(Entry("u", h) * Max(Entry("W", h, k), k), h)
    assert normal(outer) != normal(Sigma(Entry("u", h) * Max(Entry("W", k, k), k), h))
    assert normal(outer) == normal(Sigma(Entry("u", j) * Max(Entry("W", j, h), h), j))


def test_normal_form_is_stable() -> None:
    """normal(normal(e)) == normal(e), or comparing stored normal forms would go wrong."""
    expr = Sigma(Entry("u", h) * (Entry("v", h) + Sigma(Entry("W", h, k) ** 2, k)), h) ** 2
    assert normal(normal(expr)) == normal(expr)


IDENTITIES = {
    "idle index": (Sigma(Integer(1), h), H),
    "trace of a delta": (Sigma(KroneckerDelta(h, j), h, j), H),
    "delta picks": (Sigma(KroneckerDelta(h, j) * Entry("u", j), j), Entry("u", h)),
    "chain of deltas": (Sigma(KroneckerDelta(h, j) * KroneckerDelta(j, k) * Entry("u", k), j, k), Entry("u", h)),
    "free deltas rename": (KroneckerDelta(h, j) * Entry("u", h), KroneckerDelta(h, j) * Entry("u", j)),
    "labels are written out": (
        Sigma(Entry("t", Index("p", 2), h), Index("p", 2)),
        Entry("t", Integer(0), h) + Entry("t", Integer(1), h),
    ),
    "different labels never meet": (KroneckerDelta(Index("p", 2), 0) * KroneckerDelta(Index("p", 2), 1), Integer(0)),
    "content of a denominator": (
        1 / (2 * Entry("u", h) + 2 * Entry("v", h)),
        (Entry("u", h) + Entry("v", h)) ** -1 / 2,
    ),
    "a maximum along what cancels": (
        Entry("v", j) * Max((Entry("u", h) + 1) ** 2 - Entry("u", h) ** 2 - 2 * Entry("u", h) + Entry("v", j), h),
        Entry("v", j) ** 2 + Entry("v", j),
    ),
    "labels along which a maximum is taken": (
        Max(Entry("t", Index("p", 2), h), Index("p", 2)),
        Max(sum(KroneckerDelta(Index("q", 2), one) * Entry("t", Integer(one), h) for one in (0, 1)), Index("q", 2)),
    ),
    "a maximum along labels that cancel": (
        Max(
            (Entry("t", Index("p", 2), h) + 1) ** 2
            - Entry("t", Index("p", 2), h) * 2
            - Entry("t", Index("p", 2), h) ** 2
            + Entry("u", h),
            Index("p", 2),
        ),
        1 + Entry("u", h),
    ),
    "square of a sum keeps its sums apart": (
        Sigma(Entry("u", h), h) ** 2,
        Sigma(Entry("u", h) * Entry("u", j), h, j),
    ),
    "order of like sums": (
        Sigma(Entry("W", h, j) * Entry("W", j, h) * Entry("u", h), h, j),
        Sigma(Entry("W", j, h) * Entry("W", h, j) * Entry("u", j), h, j),
    ),
    "cancelled factor frees its index": (
        Sigma(Entry("u", h) / Sigma(KroneckerDelta(h, k) * Entry("u", k), k) * Entry("v", j), h),
        H * Entry("v", j),
    ),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities(name: str) -> None:
    """The rules by which deltas, labels and idle indices are used up, one by one."""
    one, other = IDENTITIES[name]
    assert normal(one) == normal(other)


def test_sum_of_squares_is_not_the_square_of_the_sum() -> None:
    """The counterpart of the identity above."""
    assert normal(Sigma(Entry("u", h) ** 2, h)) != normal(Sigma(Entry("u", h), h) ** 2)


def test_too_large_is_said_quickly() -> None:
    """(a + b + c)^30 has 10^14 terms: an error at once, not a machine out of memory."""
    with pytest.raises(TooLargeError):
        normal((Entry("u", h) + Entry("v", h) + 1) ** 30)


def test_division_by_zero_is_an_error_and_no_verdict() -> None:
    """inf and nan compare as neither equal nor different."""
    expr = 1 / (Entry("u", h) - Entry("v", h))
    same = np.ones(SIZES["H"])
    with pytest.raises(HandgradError, match="division by zero"):
        evaluate(expr, (h,), {"u": same, "v": same}, {H: SIZES["H"]}, REAL)


def test_evaluating_an_unknown_symbol_is_an_error() -> None:
    """A dimension without a size must not be taken for anything."""
    with pytest.raises(HandgradError, match="cannot evaluate N"):
        evaluate(N * Entry("u", h), (h,), {"u": np.ones(2)}, {H: 2}, REAL)


def test_opaque_functions_have_the_symmetries_that_sympy_uses() -> None:
    """SymPy turns tanh(−z) into −tanh(z): an opaque tanh that is not odd would make right equations undecided."""
    value = np.array([Fraction(3, 4), Fraction(-3, 4), Fraction(0)])
    found = list(evaluate(tanh(Entry("u", h)), (h,), {"u": value}, {H: 3}, EXACT))
    assert found[0] == -found[1] != 0
    assert found[2] == 0
    other = list(evaluate(sigmoid(Entry("u", h)), (h,), {"u": value}, {H: 3}, EXACT))
    assert len({abs(one) for one in [*found, *other]}) == 5


def test_sum_hides_an_index_of_the_same_name() -> None:
    """Σ_h u[h] where h is free outside means the same everywhere: in evaluation, normal form and case splitting."""
    expr = Entry("v", h) * Sigma(Entry("u", h), h)
    arrays = {"u": np.array([2.0, 3.0]), "v": np.array([1.0, 10.0])}
    assert list(evaluate(expr, (h,), arrays, {H: 2}, REAL)) == [5.0, 50.0]
    assert normal(expr) == normal(Entry("v", h) * Sigma(Entry("u", j), j))
    p = Index("p", 2)
    hidden = Entry("t", p, h) * Sigma(Entry("t", p, h), p)
    first, _ = cases(hidden, (p, h))
    assert normal(first) == normal(Entry("t", Integer(0), h) * (Entry("t", Integer(0), h) + Entry("t", Integer(1), h)))
