"""Functions are differentiated from their definitions; nothing is typed in by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import Rational, Symbol, diff, exp, simplify, tanh

from derive.evaluate import REAL
from derive.functions import (
    FUNCTIONS,
    Defined,
    absolute,
    derivative,
    derivative_in_itself,
    maximum,
    minimum,
    relu,
    sigmoid,
    sign,
    softplus,
    sqrt,
    step,
)

z = Symbol("z", real=True)
p = Symbol("p", positive=True)


class Swished(Defined):
    """(1 + e^{−2z})⁻¹, a function that handgrad does not have, with a derivative of its own."""

    @classmethod
    def definition(cls, z):  # type: ignore[no-untyped-def]
        return 1 / (1 + exp(-2 * z))


def test_sigmoid_derivative_in_itself() -> None:
    """σ′ = σ(1 − σ), found by elimination: eq 7–9 of the notes rest on it."""
    _, s, found = derivative_in_itself(sigmoid)
    assert simplify(found - s * (1 - s)) == 0
    assert found.free_symbols == {s}


@pytest.mark.parametrize("function", [sigmoid, sqrt, softplus, Swished])
def test_derivative_agrees_with_the_definition(function: type[Defined]) -> None:
    """Were the elimination wrong, every gradient through the function would be."""
    (argument,), s, found = derivative_in_itself(function)  # type: ignore[arg-type]
    definition = function.definition(p)
    # SymPy's own form, without any of our functions.
    due = diff(definition.xreplace({sigmoid(p): sigmoid.definition(p)}), p)
    said = found.xreplace({s: definition, argument: p}).xreplace({sigmoid(p): sigmoid.definition(p)})
    assert simplify(said - due) == 0


def test_elimination_is_not_made_for_sigmoid_alone() -> None:
    """A factor from inside of the exponential survives: here f′ = 2 f (1 − f)."""
    _, s, found = derivative_in_itself(Swished)
    assert simplify(found - 2 * s * (1 - s)) == 0


@pytest.mark.parametrize("function", [relu, absolute, sign, step])
def test_kinks_have_the_usual_derivatives(function: type[Defined]) -> None:
    """relu′(0) = 0 and sign(0) = 0, what is flat has the derivative 0, and no second derivative has anything else."""
    due = {relu: step(z), absolute: sign(z)}.get(function, 0)
    assert diff(function(z), z) == due
    assert diff(function(z), z, 2) == 0
    assert REAL.apply(function.__name__, np.array([-2.0, 0.0, 3.0])).tolist() == {
        relu: [0, 0, 3], absolute: [2, 0, 3], sign: [-1, 0, 1], step: [0, 0, 1],
    }[function]  # fmt: skip


def test_equal_arguments_share_what_a_maximum_receives() -> None:
    """Broken if a tie gives all to one of them, to none, or twice."""
    y = Symbol("y", real=True)
    for function in (maximum, minimum):
        first, second = (diff(function(y, z), one) for one in (y, z))
        assert first + second == 1
        assert (first.subs(y, z).subs(sign(0), 0), second.subs(y, z).subs(sign(0), 0)) == (Rational(1, 2),) * 2
        assert diff(function(y, z), y, z) == 0
    assert diff(maximum(y, z), y).subs({y: 2, z: 1}).subs(sign(1), 1) == 1
    assert diff(minimum(y, z), y).subs({y: 2, z: 1}).subs(sign(1), 1) == 0


def test_sympy_differentiates_sigmoid_in_a_chain() -> None:
    """fdiff must take part in SymPy's chain rule and say the result with σ, not with exp."""
    found = diff(sigmoid(3 * z) ** 2, z)
    assert not found.has(exp)
    assert simplify(found - 6 * sigmoid(3 * z) ** 2 * (1 - sigmoid(3 * z))) == 0


def test_derivative_at_an_expression() -> None:
    """σ′(2z) is the derivative at 2z, without the inner 2: the notes write it for a local derivative."""
    assert simplify(derivative(sigmoid, 2 * z) - sigmoid(2 * z) * (1 - sigmoid(2 * z))) == 0
    assert simplify(derivative(tanh, z / 2) - (1 - tanh(z / 2) ** 2)) == 0


@pytest.mark.parametrize("at", [Rational(-3), Rational(0), Rational(2, 7)])
def test_table_functions_have_their_usual_values(at: Rational) -> None:
    """The names in the table mean the functions that everybody calls so."""
    assert abs(float(sigmoid.definition(at)) - 1 / (1 + float(exp(-at)))) < 1e-15
    assert FUNCTIONS["tanh"] is tanh
    assert all(name == function.__name__ for name, function in FUNCTIONS.items())
