"""The equations in a document: Markdown or LaTeX in, passages of mathematics with their places out.

Prose, code and comments are passed over. A display may hold several equations (rows of an ``aligned``), a row may
go on in the next, and a chain ``a = b = c`` is two equations; each comes with its line and its printed number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import yaml

from derive.errors import NotesError
from derive.notes.macros import Macro, expanded, read_macros
from derive.notes.tokens import LONGEST

LARGEST = 2_000_000  # characters; a document is read by people

_ENVIRONMENTS = "equation|align|aligned|alignat|gather|gathered|multline|eqnarray|displaymath|math|split"
_COMMENT = re.compile(r"(?<!\\)%[^\n]*")
# What opens something that is passed over, and what opens mathematics; each is closed by a plain string.
_OPENERS = re.compile(
    r"(?P<fence>^(?:```+|~~~+))|(?P<ticks>`+)|(?P<html><!--)"
    r"|\\begin\{(?P<verbatim>(?:verbatim|lstlisting|minted)\*?)\}"
    rf"|\\begin\{{(?P<environment>(?:{_ENVIRONMENTS})\*?)\}}"
    r"|(?P<escaped>\\[\\$])|(?P<dollars>\$\$)|(?P<dollar>\$)|(?P<bracket>\\\[)|(?P<parenthesis>\\\()",
    re.MULTILINE,
)
_PLAIN_CLOSERS = {"html": "-->", "dollars": "$$", "dollar": "$", "bracket": "\\]", "parenthesis": "\\)"}
_MATHEMATICS = {"environment", "dollars", "dollar", "bracket", "parenthesis"}
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_NUMBERS = (
    (re.compile(r"\\tag\*?\s*\{([^{}]*)\}"), "{}"),
    (re.compile(r"\\eqno\s*\(([^()]*)\)"), "{}"),
    (re.compile(r"(?:\\q?quad|\\hfill|\\;|~)+\s*\((\d+[a-z]?)\)\s*$"), "{}"),
    (re.compile(r"\\?#\s*(?:\\text\{)?\s*eq\.?\s*(\d+[a-z]?)\s*\}?"), "eq {}"),
)
_NUMBER_ABOVE = re.compile(r"(?:^|\n)[ \t]*\\?#+[ \t]*eq\.?[ \t]*(\d+[a-z]?)[ \t]*\n\s*$")
_NUMBER_BEHIND = re.compile(r"[ \t]*\\?#+[ \t]*eq\.?[ \t]*(\d+[a-z]?)")
_DROPPED = re.compile(
    rf"\\(?:begin|end)\{{(?:{_ENVIRONMENTS})\*?\}}(?:\{{\d+\}})?|\\(?:label|ref|eqref)\{{[^{{}}]*\}}"
    r"|\\(?:nonumber|notag|displaystyle|textstyle|limits|therefore|bullet)\b"
)
_ADDED = re.compile(r"\\mathrel\s*\{\s*\+\s*(?:=\s*\}|\}\s*=)")
_LEAD = re.compile(rf"(?:\s|&|{_DROPPED.pattern})*")
# What stands between two equations on one row.
_BETWEEN = re.compile(
    r"(?:(?<!\\)[,;.]\s*)?(?:\\q?quad|\\hspace\*?\{[^{}]*\}|\\hfill|\\enspace)+|(?<!\\)[,;]\s|\\\\(?:\[[^\]]*\])?"
)
_WORDS = re.compile(
    r"\\(?:text|mbox|textrm|textit|intertext|mathrm)"
    r"\{\s*(?:[^{}]*\s[^{}]*|where|with|and|for|if|as|or|so|thus|since|then|hence|using)\s*\}"
)
_EQUALS = {"=", ":=", "\\equiv", "\\triangleq", "\\coloneqq", "\\leftarrow", "\\gets", "←", "\\doteq"}
_RELATION = re.compile(r"\s*(?:=|:=|\\equiv|\\leftarrow|\\gets|[+\-*/]|\\odot|\\cdot|\\times|\\circ)")
_GOES_ON = re.compile(r"(?:\s|\\q?quad\b|\{\s*\})*(?:[+\-*/]|\\odot|\\cdot|\\times|\\circ)")


@dataclass(frozen=True)
class Passage:
    """One equation as it is written.

    Attributes:
        latex: ``left = right``, alignment and number removed.
        line: where it begins in the file, from 1.
        number: its printed number, ``8`` for a tag, ``eq 8`` for “# eq 8”.
    """

    latex: str
    line: int
    number: str | None = None

    @property
    def id(self) -> str:
        return self.number or f"line {self.line}"


@dataclass(frozen=True)
class Document:
    """A document's equations, its front matter, and all of its text."""

    settings: dict[str, Any]
    passages: tuple[Passage, ...]
    text: str = ""


def read_document(text: str, is_tex: bool = False) -> Document:
    """Find the equations of a document.

    Args:
        text: Markdown, or LaTeX source if ``is_tex`` (then ``%`` begins a comment).

    Raises:
        NotesError: for front matter that is not a YAML mapping, or a text that is no document.
    """
    if len(text) > LARGEST or "\0" in text:
        raise NotesError("this is no text of a size that people write")
    settings, text = _front_matter(text)
    if is_tex:
        text = _COMMENT.sub(lambda match: " " * len(match.group()), text)
    macros = read_macros(text)
    return Document(settings, tuple(_passages(text, macros)), text)


def _front_matter(text: str) -> tuple[dict[str, Any], str]:
    """The settings and the text with them blanked out, so that lines keep their numbers."""
    match = _FRONT_MATTER.match(text)
    if not match:
        return {}, text
    try:
        settings = yaml.safe_load(match[1]) or {}
    except yaml.YAMLError as error:
        raise NotesError(f"the front matter is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(settings, dict):
        raise NotesError(f"the front matter should be a mapping, not {type(settings).__name__}")
    return settings, _blank(match.group()) + text[match.end() :]


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _passages(text: str, macros: Mapping[str, Macro]) -> Iterator[Passage]:
    """One pass over the text, from opener to opener, so that time is linear in its length whatever is in it."""
    position, unclosed = 0, set()
    line, counted = 1, 0
    while opener := _OPENERS.search(text, position):
        kind = str(opener.lastgroup)
        position = opener.end()
        closer = _closer(kind, opener)
        if closer is None or closer in unclosed:
            continue
        end = _find(text, closer, position, kind)
        if end < 0:
            # What is not closed anywhere below need not be looked for again.
            unclosed.add(closer)
        if end < 0 or (kind == "dollar" and "\n\n" in text[position:end]):
            continue
        if kind in _MATHEMATICS:
            line, counted = line + text.count("\n", counted, position), position
            body = _COMMENT.sub(lambda match: " " * len(match.group()), text[position:end])
            if kind != "dollar" or "=" in body:
                number = _beside(text, opener.start(), end + len(closer))
                yield from _equations(expanded(body, macros), line, number)
        position = end + len(closer)


def _closer(kind: str, opener: re.Match[str]) -> str | None:
    """What closes what was opened; nothing for an escaped sign."""
    if kind == "fence":
        return f"\n{opener.group()}"
    if kind == "ticks":
        return opener.group()
    if kind in {"verbatim", "environment"}:
        return f"\\end{{{opener[kind]}}}"
    return _PLAIN_CLOSERS.get(kind)


def _find(text: str, closer: str, position: int, kind: str) -> int:
    """Where the closer stands, escaped signs passed over."""
    end = text.find(closer, position)
    while kind in {"dollar", "dollars"} and end > 0 and text[end - 1] == "\\":
        end = text.find(closer, end + 1)
    return end


def _beside(text: str, start: int, end: int) -> str | None:
    """The number of a display that stands on the line above it, or behind it: “#eq 8”."""
    above = _NUMBER_ABOVE.search(text[max(0, start - 80) : start])
    found = above or _NUMBER_BEHIND.match(text, end)
    return f"eq {found[1]}" if found else None


def _equations(body: str, line: int, outside: str | None) -> Iterator[Passage]:
    """The equations of a display: its rows, continued rows joined, chains taken apart.

    Args:
        outside: a number that stands beside the display.
    """
    left = ""
    for row, number, start in _joined(_rows(body, line)):
        for equation in _apart(row):
            sides = [_trimmed(side) for side in split_sides(equation)]
            if len(sides) == 1 or _is_setting(sides):
                # Words and lone symbols in a display claim nothing; anything that looks like a formula is kept.
                continue
            if not sides[0]:
                sides[0] = left
            for one, other in pairwise(sides):
                yield Passage(f"{one} = {other}", start, number or outside)
            left = sides[-1]


def _trimmed(side: str) -> str:
    """A side without the spacing and punctuation around it."""
    return re.sub(r"^(?:\s|\\q?quad\b)+|(?:[\s.,;]|\\q?quad\b|\\[,;!]$)+$", "", side)


def _apart(row: str) -> list[str]:
    """The equations that stand beside each other on a row; a part without an equals sign goes with the one before."""
    found: list[str] = []
    depth, begin = 0, 0
    marks = [*_BETWEEN.finditer(row)] if "=" in row else []
    for match in marks:
        opened = row[begin : match.start()]
        depth = _depth(opened)
        rest = row[match.end() :]
        if depth == 0 and len(split_sides(opened)) > 1 and len(split_sides(rest)) > 1:
            found.append(opened)
            begin = match.end()
    return [*found, row[begin:]]


def _depth(text: str) -> int:
    """How many brackets and environments are open at the end of a text."""
    opened = re.findall(r"\\begin|\\langle|(?<!\\)[({\[]", text)
    closed = re.findall(r"\\end|\\rangle|(?<!\\)[)}\]]", text)
    return len(opened) - len(closed)


def _is_setting(sides: list[str]) -> bool:
    """Whether a row gives a value rather than a formula: t = 1, …, T, h_0 = 0."""
    symbol, value = sides[0], sides[-1]
    if re.fullmatch(r"(?:\\delta|d|\\partial)\s*\(?\\cdot\)?", symbol):  # δ(·) = ∂L/∂(·) is a way of writing
        return True
    return (
        len(sides) == 2
        and re.fullmatch(r"\\?[A-Za-z][\w{}\\^+()-]*", symbol) is not None
        and (
            re.fullmatch(r"(?:\\mathbf\{)?[\d.,\s]+\}?|[\w{}+-]+\s*,\s*[\w{}+-]*,?\s*\\[lc]?dots.*", value) is not None
        )
    )


def _rows(body: str, line: int) -> Iterator[tuple[str, str | None, int]]:
    """(row, its number, its line); rows end at ``\\\\`` outside of matrices."""
    position = 0
    for row in _split_rows(body):
        number, clean = None, row
        if len(row) > LONGEST:  # the parser refuses it by its length
            yield row.strip(), None, line + body.count("\n", 0, position)
            continue
        for pattern, form in _NUMBERS:
            if found := pattern.search(clean):
                number = form.format(found[1].strip())
                clean = clean[: found.start()] + clean[found.end() :]
        clean = _WORDS.sub(" ", _without_alignment(_DROPPED.sub(" ", _ADDED.sub("+=", clean))))
        lead = _LEAD.match(row)
        start = line + body.count("\n", 0, position + (lead.end() if lead else 0))
        position += len(row) + 2
        if clean.strip():
            yield " ".join(clean.split()), number, start


def _without_alignment(row: str) -> str:
    """The row without the & of its environment, a space between columns that begin anew; those of a matrix stay."""
    depth = 0
    kept: list[str] = []
    parts = re.split(r"(\\begin\{|\\end\{|(?<!\\)&)", row)
    for part, after in zip(parts, [*parts[1:], ""], strict=True):
        depth += {"\\begin{": 1, "\\end{": -1}.get(part, 0)
        joined = _RELATION.match(after) or (kept and kept[-1].rstrip().endswith("="))
        column = " " if joined or not "".join(kept).strip() else " \\quad "
        kept.append(column if part == "&" and depth == 0 else part)
    return "".join(kept)


def _split_rows(body: str) -> list[str]:
    rows, depth, begin = [], 0, 0
    for match in re.finditer(r"\\begin\{(\w*matrix|cases|array)\}|\\end\{(\w*matrix|cases|array)\}|\\\\", body):
        if match[1]:
            depth += 1
        elif match[2]:
            depth -= 1
        elif depth == 0:
            rows.append(body[begin : match.start()])
            begin = match.end()
    return [*rows, body[begin:]]


def _joined(rows: Iterator[tuple[str, str | None, int]]) -> Iterator[tuple[str, str | None, int]]:
    """Rows that begin with an operator go on from the row before."""
    held: tuple[str, str | None, int] | None = None
    for row, number, line in rows:
        if held and _GOES_ON.match(row):
            held = f"{held[0]} {row}", held[1] or number, held[2]
            continue
        if held:
            yield held
        held = row, number, line
    if held:
        yield held


def split_sides(row: str) -> list[str]:
    """The sides of a row, split at the equals signs outside of braces and brackets."""
    sides, depth, begin = [], 0, 0
    for match in re.finditer(r"\\[{}]|\\[A-Za-z]+|:=|[{}()\[\]=←]", row):
        token = match.group()
        if token in {"{", "(", "["}:
            depth += 1
        elif token in {"}", ")", "]"}:
            depth -= 1
        elif token in _EQUALS and depth == 0:
            sides.append(row[begin : match.start()])
            begin = match.end()
    return [*sides, row[begin:]]
