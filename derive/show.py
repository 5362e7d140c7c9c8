"""Printing equations in matrix notation, as LaTeX or as Unicode text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sympy import Rational

from derive.functions import PRIME
from derive.matrix import Form, Quantities, matrix_form
from derive.program import Equation

Names = Callable[[str, str | None], str]
"""Spells an array (by name) or one of its blocks (by name and label)."""


@dataclass(frozen=True)
class Style:
    """The signs of a notation."""

    names: Names
    function: Callable[[str], str]
    elementwise: str
    matrix: str
    minus: str
    transpose: Callable[[str], str]
    power: Callable[[str, int], str]
    total: Callable[[str, str], str]


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PRECEDENCE = {"add": 1, "negate": 1, "multiply": 2, "matmul": 3, "total": 2, "einsum": 2}


def unicode_name(name: str, label: str | None = None) -> str:
    return f"{name}_{label}" if label else name


def latex_name(name: str, label: str | None = None) -> str:
    """``dh_prev`` → ``dh_{prev}``; a block's label joins the subscript."""
    letter, _, script = name.partition("_")
    script = ", ".join(part for part in (script.replace("_", "-"), label) if part)
    return f"{letter}_{{{script}}}" if script else letter


UNICODE = Style(
    names=unicode_name,
    function=lambda name: {"sigmoid": "σ"}.get(name, name),
    elementwise=" ⊙ ",
    matrix=" · ",
    minus="−",
    transpose=lambda text: f"{text}ᵀ",
    power=lambda text, exponent: text + str(exponent).translate(_SUPERSCRIPTS),
    total=lambda index, text: f"Σ_{index} {text}",
)


def _latex_function(name: str) -> str:
    """σ, tanh, φ′; a function that notes leave open has its LaTeX for a name."""
    plain = name.rstrip(PRIME)
    primes = "'" * (len(name) - len(plain))
    if plain == "sigmoid":
        return rf"\sigma{primes}"
    own = plain if plain.startswith("\\") or len(plain) == 1 else None
    return (own or {"tanh": r"\tanh", "exp": r"\exp"}.get(plain, rf"\operatorname{{{plain}}}")) + primes


def latex_style(names: Names = latex_name) -> Style:
    return Style(
        names=names,
        function=_latex_function,
        elementwise=r" \odot ",
        matrix=r" \cdot ",
        minus="-",
        transpose=lambda text: f"{text}^T",
        power=lambda text, exponent: f"{text}^{{{exponent}}}",
        total=lambda index, text: rf"\sum_{{{index}}} {text}",
    )


def equation_text(equation: Equation, program: Quantities, style: Style) -> str:
    """``name = right side``."""
    return f"{style.names(equation.name, None)} = {form_text(matrix_form(equation, program), style)}"


def form_text(form: Form, style: Style) -> str:
    """A form in a style.

    Raises:
        KeyError: for an operation that no notation has.
    """
    return _PRINTERS[form.op](form, style)


def _inside(form: Form, style: Style, outer: int) -> str:
    text = form_text(form, style)
    return f"({text})" if _PRECEDENCE.get(form.op, 9) < outer else text


def _add(form: Form, style: Style) -> str:
    parts = [form_text(form.args[0], style)]
    for term in form.args[1:]:
        if term.op == "negate":
            parts.append(f" {style.minus} {_inside(term.args[0], style, 2)}")
        else:
            parts.append(f" + {form_text(term, style)}")
    return "".join(parts)


def _call(form: Form, style: Style) -> str:
    return f"{style.function(str(form.value))}({form_text(form.args[0], style)})"


def _power(form: Form, style: Style) -> str:
    (base,) = form.args
    exponent = int(str(form.value))
    if base.op == "call":
        name = style.power(style.function(str(base.value)), exponent)
        return f"{name}({form_text(base.args[0], style)})"
    return style.power(_inside(base, style, 4), exponent)


def _number(form: Form, style: Style) -> str:
    value = Rational(form.value)
    return str(value).replace("-", style.minus)


def _total(form: Form, style: Style) -> str:
    (inner,) = form.args
    gone = [g for position, g in enumerate(inner.groups) if position in form.positions and g[-1].dim != 1]
    if not gone:
        return form_text(inner, style)
    index = ", ".join(str(group[-1].dim).lower() for group in gone)
    return style.total(index, _inside(inner, style, 2))


_PRINTERS: dict[str, Callable[[Form, Style], str]] = {
    "array": lambda form, style: style.names(str(form.value), form.label),
    "number": _number,
    "dim": lambda form, style: str(form.value),
    "call": _call,
    "power": _power,
    "negate": lambda form, style: f"{style.minus}{_inside(form.args[0], style, 2)}",
    "add": _add,
    "multiply": lambda form, style: style.elementwise.join(_inside(one, style, 2) for one in form.args),
    "matmul": lambda form, style: style.matrix.join(_inside(one, style, 3) for one in form.args),
    "transpose": lambda form, style: style.transpose(_inside(form.args[0], style, 4)),
    "expand": lambda form, style: form_text(form.args[0], style),
    "total": _total,
    "einsum": lambda form, style: style.elementwise.join(_inside(one, style, 2) for one in form.args),
    "stack": lambda form, style: f"[{', '.join(form_text(one, style) for one in form.args)}]",
}
