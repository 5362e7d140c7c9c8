"""A derived equation drawn: what a page shows of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from derive.calculus import COTANGENT
from derive.page.cards import Card, Flow
from derive.page.mathml import mathml
from derive.page.steps import Derived


@dataclass(frozen=True)
class Drawn:
    """What reaches a cotangent, drawn."""

    through: Markup | None
    terms: tuple[Markup, ...]


@dataclass(frozen=True)
class Row:
    """A derived equation, drawn, with the equations of notes that are about it and its place in the page."""

    lines: tuple[Markup, ...]
    shape: str
    steps: tuple[Drawn, ...] = ()
    cards: tuple[Card, ...] = ()
    anchor: str | None = None


def row(one: Derived, shown: Iterable[Card] = (), flow: Flow = "values", anchor: str | None = None) -> Row:
    """A derived equation drawn.

    Args:
        shown: equations of notes, of which those are kept that give the same.
        flow: whether it is a forward or a backward equation.
    """
    node = one.name if flow == "values" else one.name.removeprefix(COTANGENT)
    steps = tuple(
        Drawn(mathml(step.through) if step.through else None, tuple(map(mathml, step.terms))) for step in one.steps
    )
    about = tuple(card for card in shown if card.gives == node and card.flow == flow)
    return Row(tuple(map(mathml, one.lines)), one.shape, steps, about, anchor)
