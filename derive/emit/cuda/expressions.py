"""A pointwise form as a C++ expression: ``f * c_prev + i * g``."""

from __future__ import annotations

from collections.abc import Callable

from sympy import Rational

from derive.matrix import Form

Leaf = Callable[[Form], str]
"""Spells an array's entry."""

_PRECEDENCE = {"add": 1, "negate": 3, "multiply": 2}


def scalar(form: Form, leaf: Leaf) -> str:
    """The value of a form at one point."""
    return _PRINTERS[form.op](form, leaf)


def number(value: object) -> str:
    """An exact rational that takes the type of what stands beside it; integers convert exactly, so no doubles."""
    exact = Rational(value)
    whole, divisor = int(exact.p), int(exact.q)
    if divisor != 1:
        return f"(Real({whole}) / {divisor})"
    return str(whole) if abs(whole) < 2**24 else f"Real({whole})"


def _plain(form: Form) -> Form:
    """What a form is at one point: along an axis that it lacks, and in any order of its axes, the entry is the same."""
    while form.op in {"expand", "transpose"}:
        (form,) = form.args
    return form


def _inside(form: Form, leaf: Leaf, outer: int) -> str:
    form = _plain(form)
    text = scalar(form, leaf)
    quotient = form.op == "power" and form.value == -1
    return f"({text})" if (2 if quotient else _PRECEDENCE.get(form.op, 9)) < outer else text


def _add(form: Form, leaf: Leaf) -> str:
    parts = [scalar(form.args[0], leaf)]
    for term in form.args[1:]:
        if term.op == "negate":
            parts.append(f" - {_inside(term.args[0], leaf, 2)}")
        else:
            parts.append(f" + {scalar(term, leaf)}")
    return "".join(parts)


def _power(form: Form, leaf: Leaf) -> str:
    (base,) = form.args
    exponent = int(str(form.value))
    text = scalar(base, leaf)
    if exponent == 2 and base.op == "array":
        return f"({text} * {text})"
    if exponent == -1:
        return f"1 / {_inside(base, leaf, 3)}"
    return f"power<{exponent}>({text})"


def _call(form: Form, leaf: Leaf) -> str:
    # The function of an integer would be one in double precision.
    arguments = [f"Real({scalar(one, leaf)})" if one.op == "number" else scalar(one, leaf) for one in form.args]
    return f"{form.value}({', '.join(arguments)})"


def _multiply(form: Form, leaf: Leaf) -> str:
    divisors = [one.args[0] for factor in form.args if (one := _plain(factor)).op == "power" and one.value == -1]
    factors = [one for factor in form.args if not ((one := _plain(factor)).op == "power" and one.value == -1)]
    text = " * ".join(_inside(one, leaf, 2) for one in factors) or "1"
    return "".join([text, *(f" / {_inside(one, leaf, 3)}" for one in divisors)])


_PRINTERS: dict[str, Callable[[Form, Leaf], str]] = {
    "array": lambda form, leaf: leaf(form),
    "number": lambda form, leaf: number(form.value),
    "dim": lambda form, leaf: f"Real({form.value})",
    "call": _call,
    "power": _power,
    "negate": lambda form, leaf: f"-{_inside(form.args[0], leaf, 4)}",
    "add": _add,
    "multiply": _multiply,
    "expand": lambda form, leaf: scalar(_plain(form), leaf),
    "transpose": lambda form, leaf: scalar(_plain(form), leaf),
}
