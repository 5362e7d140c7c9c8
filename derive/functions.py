"""The elementwise functions of the language.

Each is a SymPy function, so that ``sympy.diff`` differentiates it. Functions that SymPy lacks, or rewrites unasked,
are given by their definition alone; their derivative is computed from it and rewritten in terms of the function itself.
Whatever has a kink is defined by ``step``, whose derivative is 0 everywhere: so relu′(0) = 0, sign(0) = 0, equal
arguments of a maximum share its cotangent, and second derivatives at kinks are 0.
"""

from __future__ import annotations

from functools import cache

from sympy import Basic, Dummy, Expr, Function, Rational, S, cancel, diff, exp, factor_terms, log, solve, tanh

__all__ = [
    "FUNCTIONS",
    "Defined",
    "absolute",
    "derivative",
    "derivative_in_itself",
    "exp",
    "is_opaque",
    "log",
    "maximum",
    "minimum",
    "opaque",
    "relu",
    "sigmoid",
    "sign",
    "softplus",
    "sqrt",
    "step",
    "tanh",
]

PRIME = "′"


class Defined(Function):  # type: ignore[misc]
    """A function known by its ``definition``, an expression in functions that have derivatives."""

    nargs = 1
    is_real = True

    @classmethod
    def definition(cls, *arguments: Expr) -> Expr:
        """The function in terms of others."""
        raise NotImplementedError

    def fdiff(self, argindex: int = 1) -> Expr:
        arguments, value, found = derivative_in_itself(type(self), argindex)  # type: ignore[arg-type]
        return found.xreplace({value: self, **dict(zip(arguments, self.args, strict=True))})


@cache
def derivative_in_itself(function: type[Defined], argindex: int = 1) -> tuple[tuple[Dummy, ...], Dummy, Expr]:
    """(arguments, s, the partial derivative as an expression in them and in s, the function's value).

    An exponential is eliminated between the function and its derivative: σ′ = s (1 − s). Where there is none, the
    definition is replaced wherever it occurs: (√z)′ = 1 / (2 s).
    """
    arguments = tuple(Dummy(f"z_{k}", real=True) for k in range(arity(function)))
    s, e = Dummy("s", real=True), Dummy("e")
    definition = function.definition(*arguments)
    found = diff(definition, arguments[argindex - 1])
    exponentials = definition.atoms(exp)
    if not exponentials:
        return arguments, s, factor_terms(found.subs(definition, s))
    (exponential,) = exponentials
    (solution,) = solve(definition.xreplace({exponential: e}) - s, e)
    return arguments, s, factor_terms(cancel(found.xreplace({exponential: solution})))


def arity(function: type[Function]) -> int:
    """How many arguments a function has; SymPy's logarithm may have a base too."""
    return min(int(number) for number in function.nargs)


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


class step(Function):  # type: ignore[misc]
    """1 where z > 0, else 0. It is flat, and by convention it has the derivative 0 at its jump too."""

    nargs = 1
    is_real = True

    def _eval_derivative(self, wrt: Basic) -> Expr:  # noqa: ARG002 (SymPy passes it)
        return S.Zero  # not by the chain rule: a maximum over an axis may be inside, whose derivative has it


class sign(Defined):
    """1, 0 or −1, as z is positive, zero or negative."""

    @classmethod
    def definition(cls, z: Expr) -> Expr:
        return step(z) - step(-z)


class absolute(Defined):
    """|z|."""

    @classmethod
    def definition(cls, z: Expr) -> Expr:
        return z * sign(z)


class relu(Defined):
    """max(z, 0)."""

    @classmethod
    def definition(cls, z: Expr) -> Expr:
        return z * step(z)


class maximum(Defined):
    """The larger of two; equal ones share what it receives."""

    nargs = 2

    @classmethod
    def definition(cls, y: Expr, z: Expr) -> Expr:
        return (y + z + absolute(y - z)) / 2


class minimum(Defined):
    """The smaller of two; equal ones share what it receives."""

    nargs = 2

    @classmethod
    def definition(cls, y: Expr, z: Expr) -> Expr:
        return (y + z - absolute(y - z)) / 2


class sqrt(Defined):
    """√z. SymPy's own is a power, which it merges with others and no equation could name."""

    @classmethod
    def definition(cls, z: Expr) -> Expr:
        return z ** Rational(1, 2)


class softplus(Defined):
    """log(1 + exp(z)), in the form whose derivative is σ(z)."""

    @classmethod
    def definition(cls, z: Expr) -> Expr:
        return z - log(sigmoid(z))


FUNCTIONS: dict[str, type[Function]] = {
    function.__name__: function
    for function in (sigmoid, tanh, exp, log, sqrt, softplus, relu, absolute, sign, step, maximum, minimum)
}
