"""Corrected notes: the text of a document with its wrong equations put right, each change marked by a comment."""

from __future__ import annotations

import re
from collections.abc import Sequence

from derive.verify.documents import Found

# What the reader of documents drops between the letters of a formula.
_BETWEEN = r"(?:[\s&~]|\\\\(?=\s)|\\q?quad\b)*"


def corrected_text(text: str, findings: Sequence[Found]) -> tuple[str, tuple[str, ...]]:
    """The corrected text, and the ids of wrong equations that were not found in it.

    The right side of a wrong equation is replaced where it stands. In a display a comment behind it, ``% was: …``,
    says what it was; an equation within a line of text has a comment of HTML behind it.
    """
    missed: list[str] = []
    wrong = [one for one in findings if one.finding == "wrong" and one.verdict.correction]
    # From the end, so that places further up stay where they are.
    for one in sorted(wrong, key=lambda found: -found.line):
        _, _, old = one.verdict.statement.written.partition(" = ")
        _, _, new = str(one.verdict.correction).partition(" = ")
        begin = _start_of_line(text, one.line)
        place = re.compile(_BETWEEN.join(re.escape(letter) for letter in old if not letter.isspace())).search(
            text, begin
        )
        if place is None or not new:
            missed.append(one.verdict.statement.id)
            continue
        text = text[: place.start()] + new + _with_comment(text[place.end() :], " ".join(place.group().split()))
    return text, tuple(reversed(missed))


def _start_of_line(text: str, line: int) -> int:
    position = 0
    for _ in range(line - 1):
        position = text.index("\n", position) + 1
    return position


def _with_comment(rest: str, old: str) -> str:
    """What follows a changed formula, with a comment of what it was."""
    within_a_line = re.match(r"[\s.,;]*\$(?!\$)", rest)
    if within_a_line:
        end = within_a_line.end()
        return f"{rest[:end]}<!-- was: {old} -->{rest[end:]}"
    return f" % was: {old}\n{rest.lstrip(' ')}"
