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


def _inside(form: Form, leaf: Leaf, outer: int) -> str:
    text = scalar(form, leaf)
    return f"({text})" if _PRECEDENCE.get(form.op, 9) < outer else text


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
    return f"power<{exponent}>({text})"


_PRINTERS: dict[str, Callable[[Form, Leaf], str]] = {
    "array": lambda form, leaf: leaf(form),
    "number": lambda form, leaf: number(form.value),
    "dim": lambda form, leaf: f"Real({form.value})",
    "call": lambda form, leaf: f"{form.value}({scalar(form.args[0], leaf)})",
    "power": _power,
    "negate": lambda form, leaf: f"-{_inside(form.args[0], leaf, 4)}",
    "add": _add,
    "multiply": lambda form, leaf: " * ".join(_inside(one, leaf, 2) for one in form.args),
    # Along an axis that it lacks, and whichever the order of its axes, an array has the same entry.
    "expand": lambda form, leaf: scalar(form.args[0], leaf),
    "transpose": lambda form, leaf: scalar(form.args[0], leaf),
}
