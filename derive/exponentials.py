"""Identities between σ, tanh, cosh and exp: all are rational in one exponential, where equality is decided."""

from __future__ import annotations

from sympy import Dummy, Expr, Function, Integer, cancel, cosh, exp, sinh, tanh, together

from derive.functions import Defined
from derive.index import Bound, Entry

_MOST_OPERATIONS = 200  # beyond it a common denominator is no way to decide anything


def vanishes_in_exponentials(expr: Expr) -> bool:
    """Whether an expression without Σ and max is zero as a rational function of its entries and their exponentials.

    False where it cannot be told: a sum, a maximum, a function of another kind, an exponent that is no multiple of one
    other.
    """
    functions = expr.atoms(Function)
    kinds = {type(function) for function in functions}
    if not _worth_it(kinds) or expr.has(Bound) or expr.count_ops() > _MOST_OPERATIONS:
        return False
    plain = expr.replace(lambda e: isinstance(e, Function), _in_exponentials)
    bases: dict[Expr, Dummy] = {}

    def power(exponent: Expr) -> Expr:
        factor, rest = exponent.as_coeff_Mul()
        if not isinstance(factor, Integer):
            return exp(exponent)
        return bases.setdefault(rest, Dummy("e", positive=True)) ** factor

    rational = plain.replace(exp, power)
    entries = {entry: Dummy("x") for entry in rational.atoms(Entry)}
    rational = rational.xreplace(entries)
    return not rational.atoms(Function) and cancel(together(rational)) == 0


def _worth_it(kinds: set[type]) -> bool:
    """Whether different functions, or one whose argument's sign matters, could be related by an identity."""
    return bool(kinds) and all(issubclass(kind, Defined) or kind in {tanh, cosh, sinh, exp} for kind in kinds)


def _in_exponentials(function: Expr) -> Expr:
    if isinstance(function, Defined):
        return function.definition(function.args[0])
    return function.rewrite(exp) if isinstance(function, tanh | cosh | sinh) else function
