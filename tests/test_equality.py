"""Deciding equality in a program: proofs, exact evaluation, and what remains undecided."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Expr, Integer, Rational

from derive.calculus import vjp
from derive.cell import Cell, parameter, sigmoid, tanh
from derive.cells import CELLS
from derive.equality import Decision, Ground
from derive.functions import sigmoid as sigma
from derive.index import Entry, Index, Sigma
from derive.program import Array, Program
from tests.index_rewrites import changed, rewritten
from tests.index_trees import ARRAYS, FREE, H, N, Tree, expression, index, trees
from tests.test_normal import equal

STACK = Index("p", 2)
h, n = Index("h", H), Index("n", N)


class Ratios(Cell):
    """A small program with definitions to look through."""

    u = parameter(H)
    v = parameter(H)
    r = u / (u + v)
    s = sigmoid(u)
    t = tanh(v)
    y = r * s


GROUND = Ground(Ratios.program)


def plain_program() -> Program:
    """The arrays of the random trees, without the stacked one."""
    sizes = {"N": N, "H": H}
    arrays = [Array(name, tuple(sizes[d] for d in dims)) for name, dims in ARRAYS.items() if "2" not in dims]
    return Program("plain", tuple(arrays), (), ())


PLAIN = Ground(plain_program())
without_stack = trees(2).filter(lambda tree: "'t'" not in str(tree))
AXES = tuple(index(one) for one in FREE)


@settings(max_examples=60, deadline=None)
@given(without_stack, st.integers(0, 10**6))
def test_equivalent_expressions_are_decided_equal(tree: Tree, seed: int) -> None:
    """A right equation must be called right, however it is written."""
    other = rewritten(tree, random.Random(seed), times=6)
    decision = PLAIN.decide(expression(tree), expression(other), AXES)
    assert decision.equal is True


@settings(max_examples=100, deadline=None)
@given(without_stack, st.integers(0, 10**6))
def test_different_expressions_are_decided_different(tree: Tree, seed: int) -> None:
    """A wrong equation must be called wrong: never right, and not undecided either."""
    other = changed(tree, random.Random(seed))
    same = equal(tree, other)
    assert PLAIN.decide(expression(tree), expression(other), AXES).equal is same


u, v, r, s, t, y = (Entry(name, h) for name in "uvrsty")
EQUAL: dict[str, tuple[Expr, Expr, str]] = {
    "as it stands": (r * s, s * r, "symbolic"),
    "through one definition": (y, r * s, "symbolic"),
    "through two definitions": (y, sigma(u) * r, "symbolic"),
    "from the definition back": (sigma(u), s, "symbolic"),
    "under a sum": (Sigma(y, h), Sigma(r * s, h), "symbolic"),
    "a common denominator": (r + v / (u + v), Integer(1), "exact"),
    "a quotient written in two ways": (1 - r, v / (u + v), "exact"),
}


@pytest.mark.parametrize("case", EQUAL)
def test_how_equality_is_decided(case: str) -> None:
    """The verdict says how it was decided; “symbolic” is a proof and must not be claimed lightly."""
    left, right, method = EQUAL[case]
    axes = () if isinstance(left, Sigma) else (h,)
    assert GROUND.decide(left, right, axes) == Decision(True, method)  # type: ignore[arg-type]


def test_identity_between_functions_is_proved_in_exponentials() -> None:
    """σ(2z) = (1 + tanh z)/2: functions that are rational in one exponential are compared as such."""
    assert GROUND.decide(sigma(2 * v), (1 + t) / 2, (h,)) == Decision(True, "symbolic")


def test_identity_between_functions_under_a_sum_is_left_undecided() -> None:
    """Where no proof is known there is no verdict, and certainly not “wrong”."""
    left, right = Sigma(r * sigma(2 * v), h), Sigma(r * (1 + t) / 2, h)
    assert GROUND.decide(left, right, ()) == Decision(None, "none")


@pytest.mark.parametrize("off", [Rational(1, 10**6), Rational(1, 10**8)])
def test_small_differences_count(off: Rational) -> None:
    """A wrong small coefficient is still wrong; only rounding is forgiven."""
    assert GROUND.decide(y, y * (1 + off), (h,)) == Decision(False, "exact")


def test_blocks_are_compared_one_by_one() -> None:
    """Stacked cotangents with two blocks exchanged differ, although each block is there."""
    ground = Ground(vjp(CELLS["lstm"]))
    array = ground.program.arrays["da"]
    entry = Entry("da", *array.indices)
    value = ground.program.definitions["da"].value
    assert ground.decide(entry, value, array.indices) == Decision(True, "symbolic")
    gate = array.indices[1]
    exchanged = value.xreplace({Entry("di", *array.indices[::2]): Entry("df", *array.indices[::2])})
    assert gate in exchanged.free_symbols
    assert ground.decide(entry, exchanged, array.indices) == Decision(False, "exact")


def test_sizes_tell_all_dimensions_apart() -> None:
    """With N = H a missing transpose could pass at small shapes."""
    sizes = Ground(CELLS["lstm"]).sizes
    assert len(set(sizes.values())) == len(sizes) == 3
    assert min(sizes.values()) >= 2
