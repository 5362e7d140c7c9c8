"""A formula as plain text for a terminal: ∂i_t, tanh²(c_t), (1 − i_t) ⊙ f_t."""

from __future__ import annotations

import re

from derive.notes.syntax import (
    Applied,
    Concatenation,
    Differential,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Shaped,
    Slice,
    Sum,
    SumOver,
    Symbol,
    Transpose,
)

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_GREEK_NAMES = """
    alpha beta gamma delta epsilon varepsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi varphi chi psi
    omega Gamma Delta Theta Sigma Phi Psi Omega
"""
GREEK = dict(zip(_GREEK_NAMES.split(), "αβγδεεζηθκλμνξπρστφφχψωΓΔΘΣΦΨΩ", strict=True))


ACCENT_SIGNS = {
    **{"tilde": "\u0303", "bar": "\u0304", "hat": "\u0302", "dot": "\u0307", "check": "\u030c", "breve": "\u0306"},
    **{"overrightarrow": "\u20d7", "overleftarrow": "\u20d6"},
}
ACCENTED = rf"\\({'|'.join(ACCENT_SIGNS)})"


def symbol_text(name: str) -> str:
    """``\\sigma`` → σ, ``h_t`` as it is."""
    accented = re.sub(ACCENTED + r"\{(\w)\}", lambda match: match[2] + ACCENT_SIGNS[match[1]], name)
    return re.sub(r"\\([A-Za-z]+)", lambda match: GREEK.get(match[1], match[1]), accented)


def plain(node: Node) -> str:
    """The formula on one line."""
    match node:
        case Number(value=value):
            return str(value)
        case Symbol(name=name):
            return symbol_text(name)
        case Differential(of=of):
            return f"∂{plain(of)}"
        case Shaped(of=of):
            return plain(of)
        case Applied(function=function, argument=argument):
            return f"{plain(function)}({plain(argument)})"
        case Power(base=Applied(function=function, argument=argument), exponent=exponent):
            return f"{plain(function)}{_raised(exponent)}({plain(argument)})"
        case Power(base=base, exponent=exponent):
            return f"{_atom(base)}{_raised(exponent)}"
        case Transpose(of=of):
            return f"{_atom(of)}ᵀ"
        case Negative(of=of):
            return f"−{_factor(of)}"
        case Sum(terms=terms):
            rest = (f" − {plain(t.of)}" if isinstance(t, Negative) else f" + {plain(t)}" for t in terms[1:])
            return plain(terms[0]) + "".join(rest)
        case Product(factors=factors, operators=operators):
            pairs = zip(operators, factors[1:], strict=True)
            first, rest = _among(factors[0]), (f" {operator or '·'} {_among(factor)}" for operator, factor in pairs)
            return first + "".join(rest)
        case Quotient(numerator=above, denominator=below):
            return f"{_atom(above)}/{_atom(below)}"
        case SumOver(index=index, body=body):
            return f"Σ_{index} {_factor(body)}" if index else f"Σ {_factor(body)}"
        case Concatenation(parts=parts):
            return f"[{', '.join(map(plain, parts))}]"
        case Slice(of=of, start=start, stop=stop):
            return f"{_atom(of)}[{_bound(start)}:{_bound(stop)}]"
    raise TypeError(f"no plain text for {type(node).__name__}")


def _bound(bound: tuple[int, str] | None) -> str:
    return "" if bound is None else f"{bound[0] if bound[0] > 1 else ''}{symbol_text(bound[1])}"


def _raised(exponent: int) -> str:
    return str(exponent).translate(_SUPERSCRIPTS)


def _among(node: Node) -> str:
    """A factor of a product; one that is a product itself was in brackets."""
    return f"({plain(node)})" if isinstance(node, Product) else _factor(node)


def _factor(node: Node) -> str:
    return f"({plain(node)})" if isinstance(node, Sum | Negative) else plain(node)


def _atom(node: Node) -> str:
    return f"({plain(node)})" if isinstance(node, Sum | Negative | Product | Quotient) else plain(node)
