"""The elementwise functions of the language.

Each is a SymPy function, so that ``sympy.diff`` differentiates it. Functions that SymPy lacks are given by
their definition alone; their derivative is computed from it and rewritten in terms of the function itself.
"""

from __future__ import annotations

from functools import cache

from sympy import Dummy, Expr, Function, cancel, diff, exp, factor_terms, solve, tanh

__all__ = ["FUNCTIONS", "Defined", "derivative", "is_opaque", "opaque", "sigmoid", "tanh"]

PRIME = "′"


class Defined(Function):  # type: ignore[misc]
    """A function known by its ``definition``, an expression in one exponential of its argument."""

    nargs = 1

    @classmethod
    def definition(cls, z: Expr) -> Expr:
        """The function of ``z`` in terms of functions that SymPy knows."""
        raise NotImplementedError

    def fdiff(self, argindex: int = 1) -> Expr:  # noqa: ARG002 (SymPy passes it by name)
        value, in_itself = derivative_in_itself(type(self))  # type: ignore[arg-type]
        return in_itself.xreplace({value: self})


@cache
def derivative_in_itself(function: type[Defined]) -> tuple[Dummy, Expr]:
    """(s, f′ as an expression in s = f(z)): the exponential is eliminated between f and f′."""
    z, s, e = Dummy("z"), Dummy("s"), Dummy("e")
    definition = function.definition(z)
    (exponential,) = definition.atoms(exp)
    (solution,) = solve(definition.xreplace({exponential: e}) - s, e)
    in_itself = diff(definition, z).xreplace({exponential: solution})
    return s, factor_terms(cancel(in_itself))


def derivative(function: type[Function], at: Expr) -> Expr:
    """f′(at), by ``sympy.diff``."""
    z, value = _derivative(function)  # type: ignore[arg-type]
    return value.xreplace({z: at})


@cache
def _derivative(function: type[Function]) -> tuple[Dummy, Expr]:
    z = Dummy("z")
    return z, diff(function(z), z)


@cache
def opaque(name: str, order: int = 0) -> type[Function]:
    """A function of which nothing is known but its derivatives, f′, f″ …, of which nothing is known either."""

    def fdiff(self: Function, argindex: int = 1) -> Expr:  # noqa: ARG001 (SymPy passes it by name)
        return opaque(name, order + 1)(*self.args)

    kind: type[Function] = type(name + PRIME * order, (Function,), {"nargs": 1, "fdiff": fdiff})
    return kind


def is_opaque(function: type[Function]) -> bool:
    """Whether nothing is known of a function."""
    return opaque(function.__name__) is function


class sigmoid(Defined):
    """σ(z) = 1 / (1 + exp(−z))."""

    @classmethod
    def definition(cls, z: Expr) -> Expr:
        return 1 / (1 + exp(-z))


FUNCTIONS: dict[str, type[Function]] = {"sigmoid": sigmoid, "tanh": tanh}
