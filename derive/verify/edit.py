"""A change of a claim's text, and how text is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from derive.notes.syntax import Node, Span


@dataclass(frozen=True)
class Edit:
    """A change of the text and the sentence that says what it puts right; cheaper ones are tried first.

    Attributes:
        right: gives the right side after it, for the edits of which there are many: it saves parsing them.
    """

    cost: int
    text: str
    sentence: str
    right: Callable[[], Node] | None = None


def replaced(text: str, span: Span, new: str) -> str:
    """The text with a span replaced; brackets that belong to the span, as in tanh(x), stay."""
    old = text[span[0] : span[1]]
    if old[:1] + old[-1:] in {"()", "[]"} and new[:1] != old[:1]:
        new = old[0] + new + old[-1]
    return text[: span[0]] + new + text[span[1] :]


def raised_text(text: str, span: Span, mark: str) -> str:
    """The text with a superscript put on a span, in brackets if it has one already."""
    own = text[slice(*span)]
    bracketed = "^" in own and own[:1] + own[-1:] != "()"
    return text[: span[0]] + (f"({own}){mark}" if bracketed else own + mark) + text[span[1] :]
