"""A form as a NumPy expression, for code that allocates its results: ``c = f * c_prev + i * g``."""

from __future__ import annotations

from collections.abc import Callable

from sympy import Rational

from derive.matrix import Form, is_constant
from derive.show import Names

NATIVE = {"exp", "log", "sqrt", "tanh"}  # NumPy has them; of the others modules have a function with an underscore

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
    quotient = form.op == "power" and int(str(form.value)) < 0
    return f"({text})" if (2 if quotient else _PRECEDENCE.get(form.op, 9)) < outer else text


def _add(form: Form, names: Names) -> str:
    parts = [expression(form.args[0], names)]
    for term in form.args[1:]:
        if term.op == "negate":
            parts.append(f" - {_inside(term.args[0], names, 2)}")
        else:
            parts.append(f" + {expression(term, names)}")
    return "".join(parts)


def _multiply(form: Form, names: Names) -> str:
    divisors = [one.args[0] for one in form.args if one.op == "power" and one.value == -1]
    factors = [one for one in form.args if not (one.op == "power" and one.value == -1)]
    # @ and * bind alike in Python, so a product among factors keeps its brackets.
    parts = [f"({expression(one, names)})" if one.op == "matmul" else _inside(one, names, 2) for one in factors]
    return "".join([" * ".join(parts) or "1", *(f" / {_inside(one, names, 3)}" for one in divisors)])


def _call(form: Form, names: Names) -> str:
    name = str(form.value)
    text = f"{'np.' if name in NATIVE else '_'}{name}({', '.join(expression(one, names) for one in form.args)})"
    # A NumPy scalar would make a float32 array beside it float64, a Python number does not.
    return f"float({text})" if is_constant(form) else text


def _power(form: Form, names: Names) -> str:
    exponent = int(str(form.value))
    if exponent < 0:
        (base,) = form.args
        divisor = base if exponent == -1 else Form("power", form.args, form.groups, -exponent)
        return f"1 / {_inside(divisor, names, 3)}"
    return f"{_inside(form.args[0], names, 4)}**{exponent}"


def _total(form: Form, names: Names) -> str:
    return f"{_inside(form.args[0], names, 9)}.sum(axis={axes_text(form.positions)})"


def axes_text(axes: tuple[int, ...]) -> str:
    """The argument of a function that reduces one axis or several."""
    return str(axes[0] if len(axes) == 1 else axes)


def _stack(form: Form, names: Names) -> str:
    blocks = ", ".join(expression(one, names) for one in form.args)
    return f"np.concatenate([{blocks}], axis={form.positions[0]})"


_PRINTERS: dict[str, Callable[[Form, Names], str]] = {
    "array": lambda form, names: names(str(form.value), form.label),
    "number": lambda form, names: number(form),
    "dim": lambda form, names: str(form.value),
    "call": _call,
    "power": _power,
    "negate": lambda form, names: f"-{_inside(form.args[0], names, 3)}",
    "add": _add,
    "multiply": _multiply,
    "matmul": lambda form, names: " @ ".join(_inside(one, names, 3) for one in form.args),
    "transpose": lambda form, names: transposed(_inside(form.args[0], names, 9), form),
    "expand": lambda form, names: expanded(_inside(form.args[0], names, 9), form),
    "total": _total,
    "largest": lambda form, names: f"_largest({expression(form.args[0], names)}, axis={axes_text(form.positions)})",
    "einsum": lambda form, names: (
        f'np.einsum("{form.value}", {", ".join(expression(one, names) for one in form.args)})'
    ),
    "stack": _stack,
}
