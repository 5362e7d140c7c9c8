"""Where two formulas differ: the parts to mark in what was written and in what it should be.

Compared are letters with all their scripts, so that c_t and c_{prev} differ as a whole; a part has every bracket
with its partner.
"""

from __future__ import annotations

from collections.abc import Sequence

from derive.notes.syntax import Span
from derive.notes.tokens import Token, tokens

_OPENERS = {"(": ")", "[": "]", "{": "}"}
_CLOSERS = {closer: opener for opener, closer in _OPENERS.items()}
_PREFIXES = {"\\partial", "\\delta", "d", "∂"}  # what makes a cotangent of the letter behind it
_SIGNS = {*_OPENERS, *_CLOSERS, *"+-=*,", "\\odot", "\\cdot", "\\circ", "\\times"}


def differing(written: str, corrected: str) -> tuple[Span | None, Span | None]:
    """The span in each formula that is left without what both begin and end with; None for one that has nothing."""
    one, other = _letters(tokens(written)), _letters(tokens(corrected))
    shorter = min(len(one), len(other))
    first, last = 0, 0
    while first < shorter and one[first].text == other[first].text:
        first += 1
    while last < shorter - first and one[-1 - last].text == other[-1 - last].text:
        last += 1
    parts = [one[first : len(one) - last], other[first : len(other) - last]]
    if last and any(part[-1].text in _PREFIXES for part in parts if part) and one[-last].text not in _SIGNS:
        last -= 1
    return _span(one, first, len(one) - last), _span(other, first, len(other) - last)


def _letters(found: Sequence[Token]) -> list[Token]:
    """Tokens, each with its subscripts and superscripts; braces are no part of what is said."""
    joined: list[Token] = []
    position = 0
    while position < len(found):
        end = _end_of_scripts(found, position + 1)
        text = "".join(token.text for token in found[position:end]).translate(_NO_BRACES) if end > position + 1 else ""
        joined.append(Token(text or found[position].text, (found[position].span[0], found[end - 1].span[1])))
        position = end
    return joined


_NO_BRACES = str.maketrans("", "", "{}")


def _end_of_scripts(found: Sequence[Token], position: int) -> int:
    while position + 1 < len(found) and found[position].text in {"_", "^"}:
        position, depth = position + 1, 0
        while position < len(found):
            depth += {"{": 1, "}": -1}.get(found[position].text, 0)
            position += 1
            if depth <= 0:
                break
    return position


def _span(found: Sequence[Token], first: int, end: int) -> Span | None:
    """The span of some tokens and of what closes the brackets that they open, or opens those that they close."""
    if first >= end:
        return None
    level, lowest = 0, 0
    for token in found[first:end]:
        level += _step(token)
        lowest = min(lowest, level)
    missing, left_open = -lowest, level - lowest
    while missing and first:
        first -= 1
        missing -= _step(found[first])
    while left_open and end < len(found):
        left_open += _step(found[end])
        end += 1
    if first and found[first].text == "(" and found[first - 1].text.startswith("\\") and _is_name(found[first - 1]):
        first -= 1  # a function is marked with its argument
    return found[first].span[0], found[end - 1].span[1]


def _step(token: Token) -> int:
    """1 for a bracket that opens, −1 for one that closes, with scripts or without."""
    return (token.text[:1] in _OPENERS) - (token.text[:1] in _CLOSERS)


def _is_name(token: Token) -> bool:
    return token.text not in _SIGNS
