"""A form as a NumPy expression, for code that allocates its results: ``c = f * c_prev + i * g``."""

from __future__ import annotations

from collections.abc import Callable

from sympy import Rational

from derive.matrix import Form
from derive.show import Names

FUNCTIONS = {"sigmoid": "_sigmoid", "tanh": "np.tanh"}

_PRECEDENCE = {"add": 1, "negate": 1, "multiply": 2, "matmul": 2, "power": 3}


def expression(form: Form, names: Names) -> str:
    """The form as Python; ``names`` spells an array or one of its blocks."""
    return _PRINTERS[form.op](form, names)


def number(form: Form) -> str:
    """An exact rational as Python that keeps the dtype of the arrays beside it."""
    value = Rational(form.value)
    return str(value.p) if value.q == 1 else f"({value.p} / {value.q})"


def expanded(text: str, form: Form) -> str:
    """An array with new axes of length 1, counted from the end: ``m[..., None]``, whatever stands in front."""
    places = ["None" if k in form.positions else ":" for k in range(len(form.groups))]
    return f"{text}[..., {', '.join(places[places.index('None') :])}]"


def transposed(text: str, form: Form) -> str:
    return f"{text}.T" if len(form.positions) == 2 else f"{text}.transpose{form.positions}"


def _inside(form: Form, names: Names, outer: int) -> str:
    text = expression(form, names)
    return f"({text})" if _PRECEDENCE.get(form.op, 9) < outer else text


def _add(form: Form, names: Names) -> str:
    parts = [expression(form.args[0], names)]
    for term in form.args[1:]:
        if term.op == "negate":
            parts.append(f" - {_inside(term.args[0], names, 2)}")
        else:
            parts.append(f" + {expression(term, names)}")
    return "".join(parts)


def _multiply(form: Form, names: Names) -> str:
    parts = [_inside(one, names, 2) for one in form.args]
    # @ and * bind alike in Python, so a product among factors keeps its brackets.
    parts = [f"({text})" if one.op == "matmul" else text for one, text in zip(form.args, parts, strict=True)]
    return " * ".join(parts)


def _call(form: Form, names: Names) -> str:
    return f"{FUNCTIONS[str(form.value)]}({expression(form.args[0], names)})"


def _total(form: Form, names: Names) -> str:
    axes = form.positions[0] if len(form.positions) == 1 else form.positions
    return f"{_inside(form.args[0], names, 9)}.sum(axis={axes})"


def _stack(form: Form, names: Names) -> str:
    blocks = ", ".join(expression(one, names) for one in form.args)
    return f"np.concatenate([{blocks}], axis={form.positions[0]})"


_PRINTERS: dict[str, Callable[[Form, Names], str]] = {
    "array": lambda form, names: names(str(form.value), form.label),
    "number": lambda form, names: number(form),
    "dim": lambda form, names: str(form.value),
    "call": _call,
    "power": lambda form, names: f"{_inside(form.args[0], names, 4)}**{form.value}",
    "negate": lambda form, names: f"-{_inside(form.args[0], names, 3)}",
    "add": _add,
    "multiply": _multiply,
    "matmul": lambda form, names: " @ ".join(_inside(one, names, 3) for one in form.args),
    "transpose": lambda form, names: transposed(_inside(form.args[0], names, 9), form),
    "expand": lambda form, names: expanded(_inside(form.args[0], names, 9), form),
    "total": _total,
    "einsum": lambda form, names: (
        f'np.einsum("{form.value}", {", ".join(expression(one, names) for one in form.args)})'
    ),
    "stack": _stack,
}
