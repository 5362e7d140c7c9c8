"""Functions are differentiated from their definitions; nothing is typed in by hand."""

from __future__ import annotations

import pytest
from sympy import Rational, Symbol, diff, exp, simplify, tanh

from derive.functions import FUNCTIONS, Defined, derivative, derivative_in_itself, sigmoid

z = Symbol("z", real=True)
DEFINED = [function for function in FUNCTIONS.values() if issubclass(function, Defined)]


class Swished(Defined):
    """(1 + e^{−2z})⁻¹, a function that handgrad does not have, with a derivative of its own."""

    @classmethod
    def definition(cls, z):  # type: ignore[no-untyped-def]
        return 1 / (1 + exp(-2 * z))


def test_sigmoid_derivative_in_itself() -> None:
    """σ′ = σ(1 − σ), found by elimination: eq 7–9 of the notes rest on it."""
    s, found = derivative_in_itself(sigmoid)
    assert simplify(found - s * (1 - s)) == 0
    assert found.free_symbols == {s}


@pytest.mark.parametrize("function", [*DEFINED, Swished])
def test_derivative_agrees_with_the_definition(function: type[Defined]) -> None:
    """Were the elimination wrong, every gradient through the function would be."""
    s, found = derivative_in_itself(function)  # type: ignore[arg-type]
    definition = function.definition(z)
    assert simplify(found.xreplace({s: definition}) - diff(definition, z)) == 0


def test_elimination_is_not_made_for_sigmoid_alone() -> None:
    """A factor from inside of the exponential survives: here f′ = 2 f (1 − f)."""
    s, found = derivative_in_itself(Swished)
    assert simplify(found - 2 * s * (1 - s)) == 0


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
    assert set(FUNCTIONS) == {"sigmoid", "tanh"}
    assert FUNCTIONS["tanh"] is tanh
