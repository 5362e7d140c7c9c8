"""Checking a document: somebody's Markdown or LaTeX, against the cell that it defines or one that handgrad knows.

The front matter may name the cell, and what symbols stand for that are not spelled as the cell spells them. Without
a cell, the document's own forward equations are it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from derive.errors import HandgradError, NotesError, SettingError
from derive.notes import Statement
from derive.notes.document import Document, Passage
from derive.notes.latex import parse_claim
from derive.notes.meaning import Reader
from derive.notes.plain import symbol_text
from derive.notes.settings import checked
from derive.notes.syntax import split_time
from derive.verify.check import Verdict, judge_statement, not_understood
from derive.verify.horizon import holds, symbol_names
from derive.verify.readings import Reading, choose_reading

_TELLING = {"cotangent", "jacobian", "identity"}  # kinds of equations that hold only if their symbols are read right

Finding = Literal["holds", "holds_under_reading", "wrong", "not_understood", "undecided"]


@dataclass(frozen=True)
class Found:
    """A verdict with its place, and the wrong equations that it builds on.

    Attributes:
        under: the reading under which it holds, where it does not under the plainest.
    """

    verdict: Verdict
    line: int
    inherits: tuple[str, ...]
    under: str | None = None

    @property
    def finding(self) -> Finding:
        if self.verdict.holds_as_written is not None:
            if self.verdict.holds_as_written:
                return "holds_under_reading" if self.under else "holds"
            return "wrong"
        understood = self.verdict.difference is None
        return "undecided" if understood else "not_understood"


@dataclass(frozen=True)
class Examination:
    """What was found of a document's equations, and the reader that read them; None if there is no cell."""

    findings: tuple[Found, ...]
    reader: Reader | None


def examine(document: Document, progress: Callable[[Statement], None] = lambda _: None) -> Examination:
    """Judge every equation of a document, in order, under the reading of its symbols by which most of them hold.

    Raises:
        NotesError: for a wrong setting in the front matter, or a document without equations.
    """
    settings = checked(document)
    if not document.passages:
        raise NotesError("there are no equations in it: nothing was checked")
    statements = tuple(_statements(document.passages))
    try:
        reading = choose_reading(document, settings)
    except SettingError:
        raise
    except HandgradError as error:
        lost = (not_understood(statement, error) for statement in statements)
        found = tuple(Found(v, passage.line, ()) for v, passage in zip(lost, document.passages, strict=True))
        return Examination(found, None)
    verdicts = tuple(judge_statement(statement, reading.reader, progress) for statement in statements)
    verdicts = _doubted(_with_swaps(verdicts, reading.reader), reading)
    findings = []
    for passage, verdict in zip(document.passages, verdicts, strict=True):
        under = reading.sentence if reading.sentence and not _text_holds(passage.latex, reading.plainest) else None
        findings.append(Found(verdict, passage.line, _inherits(verdict, verdicts), under))
    return Examination(tuple(findings), reading.reader)


def _text_holds(text: str, reader: Reader) -> bool:
    try:
        return holds(parse_claim(text, reader.grammar), reader) is True
    except HandgradError:
        return False


def _statements(passages: Iterable[Passage]) -> Iterator[Statement]:
    """Passages as statements; an id that is given twice gets a count."""
    seen: dict[str, int] = {}
    for passage in passages:
        seen[passage.id] = seen.get(passage.id, 0) + 1
        count = seen[passage.id]
        yield Statement(passage.id if count == 1 else f"{passage.id}/{count}", passage.latex, passage.latex)


def _with_swaps(verdicts: Sequence[Verdict], reader: Reader) -> tuple[Verdict, ...]:
    """The verdicts, where two wrong equations have each other's right side saying so."""
    found = list(verdicts)
    wrong = [k for k, verdict in enumerate(found) if verdict.holds_as_written is False]
    for one, other in combinations(wrong, 2):
        left, right = (found[k].statement.written.partition(" = ") for k in (one, other))
        exchanged = (f"{left[0]} = {right[2]}", f"{right[0]} = {left[2]}")
        if all(_text_holds(text, reader) for text in exchanged):
            for k, partner, text in ((one, other, exchanged[0]), (other, one, exchanged[1])):
                said = f"its right side and that of {found[partner].statement.id} are swapped"
                found[k] = replace(found[k], difference=said, correction=text)
    return tuple(found)


def _doubted(verdicts: Sequence[Verdict], reading: Reading) -> tuple[Verdict, ...]:
    """The verdicts, not understood where a symbol may be at fault rather than what is said.

    An equation that no single edit mends is wrong only if its symbols were guessed right: if each stands in another
    equation that is true of more than the reading itself.
    """
    sure = {name for one in verdicts if one.holds_as_written and one.kind in _TELLING for name in _bases(one, reading)}
    found = []
    for one in verdicts:
        own = _bases(one, reading) if one.unmended else frozenset()
        doubtful = own - sure if one.misfit else (own & reading.guessed) - sure
        if one.unmended and doubtful and one.kind in _TELLING:
            symbols = ", ".join(sorted(map(symbol_text, doubtful)))
            reason = f"it cannot be told what {symbols} stands for ({one.difference})"
            one = not_understood(one.statement, NotesError(reason), one.seconds)
        found.append(one)
    return tuple(found)


def _bases(verdict: Verdict, reading: Reading) -> frozenset[str]:
    """The symbols of an equation, without their times."""
    claim = parse_claim(verdict.statement.written, reading.reader.grammar)
    functions = reading.reader.functions
    return frozenset(split_time(name)[0] for name in symbol_names(claim) if name not in functions)


def _inherits(verdict: Verdict, verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """The wrong equations whose left side an equation uses; an array and its blocks count for each other."""
    wrong = [v for v in verdicts if v.holds_as_written is False and v is not verdict]
    return tuple(v.statement.id for v in wrong if any(_overlap(one, two) for one in v.states for two in verdict.uses))


def _overlap(one: str, other: str) -> bool:
    """Whether two of ``da``, ``da[0]``, ``da[1]`` have an entry in common."""
    return one == other or one.startswith(f"{other}[") or other.startswith(f"{one}[")
