"""The writer's own commands: ``\\newcommand{\\had}{\\odot}`` and those with arguments, expanded in formulas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from derive.errors import NotesError
from derive.notes.tokens import LONGEST

_NEW = re.compile(
    r"\\(?:re)?newcommand\*?\s*\{?\s*(\\[A-Za-z]+)\s*\}?\s*(?:\[(\d)\])?\s*(?=\{)"
    r"|\\def\s*(\\[A-Za-z]+)\s*(?=\{)"
    r"|\\(DeclareMathOperator)\*?\s*\{?\s*(\\[A-Za-z]+)\s*\}?\s*(?=\{)"
)
_MOST_PASSES = 8  # commands of commands of commands


@dataclass(frozen=True)
class Macro:
    """A command: the number of its arguments and its text, in which #1 is the first."""

    arguments: int
    text: str


def read_macros(text: str) -> dict[str, Macro]:
    """The commands that a document defines."""
    found: dict[str, Macro] = {}
    for match in _NEW.finditer(text):
        body, _ = _group(text, match.end())
        if body is None:
            continue
        if match[4]:
            found[match[5]] = Macro(0, rf"\operatorname{{{body}}}")
        else:
            found[match[1] or match[3]] = Macro(int(match[2] or 0), body)
    return found


def expanded(text: str, macros: Mapping[str, Macro]) -> str:
    """A formula with the commands replaced by what they stand for; lines stay lines.

    Raises:
        NotesError: if it grows beyond what anybody writes.
    """
    if not macros:
        return text
    pattern = re.compile("|".join(re.escape(name) + r"(?![A-Za-z])" for name in macros))
    for _ in range(_MOST_PASSES):
        once = _once(text, pattern, macros)
        if once == text:
            return text
        if len(once) > len(text) + LONGEST:
            raise NotesError(f"the commands in {text[:40]!r} … expand to more than a formula")
        text = once
    return text


def _once(text: str, pattern: re.Pattern[str], macros: Mapping[str, Macro]) -> str:
    parts, position = [], 0
    while match := pattern.search(text, position):
        parts.append(text[position : match.start()])
        macro, position = macros[match.group()], match.end()
        body = macro.text
        for number in range(1, macro.arguments + 1):
            argument, end = _group(text, position)
            if argument is None:
                break
            body, position = body.replace(f"#{number}", argument), end
        parts.append(body)
    return "".join([*parts, text[position:]])


def _group(text: str, position: int) -> tuple[str | None, int]:
    """The braced group at a position, without its braces, or one character; and where it ends."""
    while position < len(text) and text[position].isspace():
        position += 1
    if position >= len(text):
        return None, position
    if text[position] != "{":
        return text[position], position + 1
    depth = 0
    for end in range(position, min(len(text), position + LONGEST)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[position + 1 : end], end + 1
    return None, position
