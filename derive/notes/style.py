"""How a set of notes writes its symbols and cotangents, so that what is suggested looks like it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from derive.notes.adjoints import FRACTION, is_loss
from derive.notes.symbols import Grammar
from derive.notes.syntax import Claim, Differential, Node, Quotient, Symbol, walk


@dataclass(frozen=True)
class Style:
    """Spellings in LaTeX.

    Attributes:
        spelled: the shortest that is written for each symbol; none where symbols carry indices.
        cotangent: how cotangents are mostly written: ``d{}``, ``\\delta {}``, ``\\frac{\\partial L}{\\partial {}}``.
        sign: the sign of that.
    """

    spelled: Mapping[str, str]
    cotangent: str
    sign: str


def style_of(claims: Sequence[Claim], grammar: Grammar) -> Style:
    """The style of some claims."""
    return Style({} if grammar.indices else _spelled(claims), *_cotangent(claims))


def _nodes(claims: Sequence[Claim]) -> Iterator[tuple[Node, str]]:
    """Every part of the claims, and the text that it stands in."""
    for claim in claims:
        for side in (claim.left, claim.right):
            yield from ((node, claim.text) for node in walk(side))


def _spelled(claims: Sequence[Claim]) -> dict[str, str]:
    found: dict[str, str] = {}
    for node, whole in _nodes(claims):
        text = whole[slice(*node.span)]
        if isinstance(node, Symbol) and text and len(text) <= len(found.get(node.name, text)):
            found[node.name] = text
    return found


def _cotangent(claims: Sequence[Claim]) -> tuple[str, str]:
    """The usual form of a cotangent, and its sign."""
    usual = (r"\partial {}", "\\partial")
    forms: Counter[tuple[str, str]] = Counter()
    for node, text in _nodes(claims):
        if isinstance(node, Quotient) and is_loss(node.numerator):
            start, end = node.numerator.span
            forms[rf"\frac{{{text[start:end]}}}{{\partial {{}}}}", FRACTION] += 1
        elif isinstance(node, Differential) and isinstance(node.of, Symbol) and node.span[0] < node.of.span[0]:
            mark = text[node.span[0] : node.of.span[0]].strip()
            before = mark + ("" if mark == "d" else " ")
            forms[r"\nabla_{{}} L" if node.sign == "\\nabla" else before + "{}", node.sign] += 1
    forms.subtract({usual: sum(forms.values())})  # the ∂ of a fraction is no form of its own
    return max(forms, key=forms.__getitem__) if forms and max(forms.values()) > 0 else usual
