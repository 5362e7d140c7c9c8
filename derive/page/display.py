"""Equations for the eye: fractions, roots and signs as a printed page sets them.

What `derive.show` prints can be read back, as notes; this is only looked at.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from sympy import Rational

from derive.matrix import Form, is_constant
from derive.show import Names, Style, bare, divisor, form_text, in_brackets, latex_name, latex_style, printed

_SIGNS = {"sqrt": (r"\sqrt{", "}"), "absolute": (r"\left| ", r" \right|")}  # functions that are written around
_SUMS = {"total", "einsum"}
_LONGEST_LETTERS = 2  # x, da: longer ones are words, and upright


def display_name(name: str, label: str | None = None) -> str:
    """``dh_prev`` → ``dh_{prev}``, ``tanh_c`` → ``\\mathrm{tanh}_{c}``: a word is not a product of letters."""
    letters = name.partition("_")[0]
    text = latex_name(name, label)
    return rf"\mathrm{{{letters}}}{text[len(letters) :]}" if len(letters) > _LONGEST_LETTERS else text


def display_style(names: Names = display_name) -> Style:
    """LaTeX of which equations are drawn."""
    printers = {"number": _number, "multiply": _multiply, "power": _power, "add": _add, "call": _call}
    return replace(latex_style(names), printers=printers)


def _number(form: Form, _: Style) -> str:
    return _with_sign(Rational(form.value), "", "")


def _multiply(form: Form, style: Style) -> str:
    """A sign, a number, a fraction if anything is divided by: −(2 a ⊙ b) / (3 c)."""
    parts = [bare(one) for one in form.args]
    number = reduce(lambda a, b: a * b, (Rational(one.value) for one in parts if one.op == "number"), Rational(1))
    below = [under for one in parts if (under := divisor(one)) is not None]
    above = [one for one in parts if one.op != "number" and divisor(one) is None]
    upper = _product(above, style, is_whole=bool(below) and abs(number.p) == 1)
    return _with_sign(number, upper, _product(below, style, is_whole=number.q == 1))


def _product(factors: list[Form], style: Style, is_whole: bool) -> str:
    """Factors, of which those that are numbers are set beside the rest: √H a ⊙ b.

    Args:
        is_whole: whether a fraction's line separates it from everything else, so that one alone needs no brackets.
    """
    if is_whole and len(factors) == 1:
        return form_text(factors[0], style)
    sizes = r"\, ".join(form_text(one, style) for one in factors if is_constant(one))
    arrays = [one for one in factors if not is_constant(one)]
    outer = {one: 3 if len(arrays) > 1 and one.op in _SUMS else 2 for one in arrays}
    text = style.elementwise.join(in_brackets(one, style, outer[one]) for one in arrays)
    return _beside(sizes, text) if sizes else text


def _with_sign(number: Rational, above: str, below: str) -> str:
    """``number · above / below``, of which parts may be empty."""
    sign = "-" if number < 0 else ""
    over, under = str(abs(number.p)), str(number.q)
    if below:
        return rf"{sign}\frac{{{_beside(over, above)}}}{{{_beside(under, below)}}}"
    return sign + _beside(over if under == "1" else rf"\frac{{{over}}}{{{under}}}", above)


def _beside(number: str, text: str) -> str:
    """A number times something; one is not written."""
    return text if text and number == "1" else rf"{number}\, {text}" if text else number


def _power(form: Form, style: Style) -> str:
    under = divisor(form)
    if under is not None:
        return _with_sign(Rational(1), "", form_text(under, style))
    (base,) = form.args
    if base.op == "call" and base.value in _SIGNS:
        return style.power(form_text(base, style), int(str(form.value)))
    return printed(form, style)


def _add(form: Form, style: Style) -> str:
    first, *others = (form_text(one, style) for one in form.args)
    return first + "".join(f" - {text[1:]}" if text.startswith("-") else f" + {text}" for text in others)


def _call(form: Form, style: Style) -> str:
    inside = ", ".join(form_text(one, style) for one in form.args)
    before, after = _SIGNS.get(str(form.value), (f"{style.function(str(form.value))}(", ")"))
    return f"{before}{inside}{after}"
