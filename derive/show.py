"""Printing equations in matrix notation, as LaTeX or as Unicode text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sympy import Rational

from derive.functions import PRIME
from derive.index import Index
from derive.matrix import Form, Quantities, matrix_form
from derive.program import Equation

Names = Callable[[str, str | None], str]
"""Spells an array (by name) or one of its blocks (by name and label)."""
Printer = Callable[[Form, "Style"], str]


@dataclass(frozen=True)
class Style:
    """The signs of a notation.

    Attributes:
        printers: for operations that it does not print as the others do.
    """

    names: Names
    function: Callable[[str], str]
    elementwise: str
    matrix: str
    minus: str
    transpose: Callable[[str], str]
    power: Callable[[str, int], str]
    total: Callable[[str, str], str]
    largest: Callable[[str, str], str]
    printers: Mapping[str, Printer] = field(default_factory=dict)


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PRECEDENCE = {"add": 1, "negate": 1, "multiply": 2, "matmul": 3, "total": 2, "einsum": 2}


_USUAL = {"absolute": "abs", "maximum": "max", "minimum": "min"}


def unicode_name(name: str, label: str | None = None) -> str:
    return f"{name}_{label}" if label else name


def latex_name(name: str, label: str | None = None) -> str:
    """``dh_prev`` → ``dh_{prev}``; a block's label joins the subscript."""
    letter, _, script = name.partition("_")
    script = ", ".join(part for part in (script.replace("_", "-"), label) if part)
    return f"{letter}_{{{script}}}" if script else letter


UNICODE = Style(
    names=unicode_name,
    function=lambda name: {"sigmoid": "σ", **_USUAL}.get(name, name),
    elementwise=" ⊙ ",
    matrix=" · ",
    minus="−",
    transpose=lambda text: f"{text}ᵀ",
    power=lambda text, exponent: text + str(exponent).translate(_SUPERSCRIPTS),
    total=lambda index, text: f"Σ_{index} {text}",
    largest=lambda index, text: f"max_{index}({text})",
)


def _latex_function(name: str) -> str:
    """σ, tanh, φ′; a function that notes leave open has its LaTeX for a name."""
    plain = name.rstrip(PRIME)
    primes = "'" * (len(name) - len(plain))
    if plain == "sigmoid":
        return rf"\sigma{primes}"
    own = plain if plain.startswith("\\") or len(plain) == 1 else None
    usual = {name: f"\\{name}" for name in ("tanh", "exp", "log", "max", "min")}
    plain = _USUAL.get(plain, plain)
    return (own or usual.get(plain, rf"\operatorname{{{plain}}}")) + primes


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
        largest=lambda index, text: rf"\max_{{{index}}}({text})",
    )


def equation_text(equation: Equation, program: Quantities, style: Style) -> str:
    """``name = right side``."""
    return f"{style.names(equation.name, None)} = {form_text(matrix_form(equation, program), style)}"


def form_text(form: Form, style: Style) -> str:
    """A form in a style.

    Raises:
        KeyError: for an operation that no notation has.
    """
    return style.printers.get(form.op, printed)(form, style)


def printed(form: Form, style: Style) -> str:
    """An operation as notations print it that have no printer of their own for it."""
    return _PRINTERS[form.op](form, style)


def bare(form: Form) -> Form:
    """A form without new axes, which print as what is inside."""
    while form.op == "expand":
        (form,) = form.args
    return form


def in_brackets(form: Form, style: Style, outer: int) -> str:
    """An operand, in brackets where it binds less than what it stands in."""
    form = bare(form)
    text = form_text(form, style)
    quotient = form.op == "power" and int(str(form.value)) < 0
    return f"({text})" if (2 if quotient else _PRECEDENCE.get(form.op, 9)) < outer else text


def _multiply(form: Form, style: Style) -> str:
    """Factors with a negative exponent are divisors: o ⊙ c / n."""
    divisors = [one for factor in form.args if (one := divisor(factor)) is not None]
    factors = [factor for factor in form.args if divisor(factor) is None]
    text = style.elementwise.join(in_brackets(one, style, 2) for one in factors) or "1"
    return "".join([text, *(f" / {in_brackets(one, style, 3)}" for one in divisors)])


def divisor(form: Form) -> Form | None:
    """b² where a form is b⁻²."""
    form = bare(form)
    if form.op != "power" or int(str(form.value)) > 0:
        return None
    return form.args[0] if form.value == -1 else replace(form, value=-int(str(form.value)))


def _add(form: Form, style: Style) -> str:
    parts = [form_text(form.args[0], style)]
    for term in form.args[1:]:
        if term.op == "negate":
            parts.append(f" {style.minus} {in_brackets(term.args[0], style, 2)}")
        else:
            parts.append(f" + {form_text(term, style)}")
    return "".join(parts)


def _call(form: Form, style: Style) -> str:
    return f"{style.function(str(form.value))}({', '.join(form_text(one, style) for one in form.args)})"


def _power(form: Form, style: Style) -> str:
    under = divisor(form)
    if under is not None:
        return f"1 / {in_brackets(under, style, 3)}"
    (base,) = form.args
    exponent = int(str(form.value))
    if base.op == "call":
        name = style.power(style.function(str(base.value)), exponent)
        return f"{name}({', '.join(form_text(one, style) for one in base.args)})"
    return style.power(in_brackets(base, style, 4), exponent)


def _number(form: Form, style: Style) -> str:
    value = Rational(form.value)
    return str(value).replace("-", style.minus)


def _total(form: Form, style: Style) -> str:
    (inner,) = form.args
    index = _gone(form)
    return style.total(index, in_brackets(inner, style, 2)) if index else form_text(inner, style)


def _largest(form: Form, style: Style) -> str:
    (inner,) = form.args
    return style.largest(_gone(form), form_text(inner, style))


def _gone(form: Form) -> str:
    """The indices of the axes that a sum or a maximum is over; along one of length 1 there is nothing to write."""
    (inner,) = form.args
    gone = [g for position, g in enumerate(inner.groups) if position in form.positions and g[-1].dim != 1]
    return ", ".join(_letter(group[-1]) for group in gone)


def _einsum(form: Form, style: Style) -> str:
    """Σ over what the factors have and the result has not: Σ_h C ⊙ q."""
    kept = set(form.groups)
    gone = dict.fromkeys(group for part in form.args for group in part.groups if group not in kept)
    text = style.elementwise.join(in_brackets(one, style, 2) for one in form.args)
    return style.total(", ".join(_letter(group[-1]) for group in gone), text)


def _letter(index: Index) -> str:
    """An index by its standing name, or by its dimension where it has none yet."""
    return str(index.dim).lower() if "#" in index.name else str(index.name)


_PRINTERS: dict[str, Printer] = {
    "array": lambda form, style: style.names(str(form.value), form.label),
    "number": _number,
    "dim": lambda form, style: str(form.value),
    "call": _call,
    "power": _power,
    "negate": lambda form, style: f"{style.minus}{in_brackets(form.args[0], style, 2)}",
    "add": _add,
    "multiply": _multiply,
    "matmul": lambda form, style: style.matrix.join(in_brackets(one, style, 3) for one in form.args),
    "transpose": lambda form, style: style.transpose(in_brackets(form.args[0], style, 4)),
    "expand": lambda form, style: form_text(form.args[0], style),
    "total": _total,
    "largest": _largest,
    "einsum": _einsum,
    "stack": lambda form, style: f"[{', '.join(form_text(one, style) for one in form.args)}]",
}
