"""One equation of the notes as a page shows it: plain data for the template, in the notes' own words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup

from derive.calculus import COTANGENT, SEED
from derive.errors import NotesError
from derive.index import entries
from derive.notes.latex import parse_claim
from derive.notes.meaning import Reader
from derive.notes.places import symbol_latex
from derive.notes.plain import symbol_text
from derive.notes.syntax import Claim, Node, Quotient, Symbol, walk
from derive.page.mathml import mathml, source
from derive.verify.check import Verdict
from derive.verify.difference import differing
from derive.verify.documents import Found
from derive.verify.judge import bare

Flow = Literal["values", "gradients"]


@dataclass(frozen=True)
class Finding:
    """What a verdict comes to, worst first: its name in the style sheet, its sign, and its words."""

    name: str
    sign: str
    says: str

    @property
    def gravity(self) -> int:
        return list(FINDINGS.values()).index(self)


FINDINGS = {
    finding.name: finding
    for finding in (
        Finding("wrong", "✗", "wrong"),
        Finding("not_understood", "?", "not understood"),
        Finding("undecided", "~", "undecided"),
        Finding("holds_under_reading", "≈", "holds as read"),
        Finding("holds", "✓", "holds"),
    )
}

_DECIDED = {
    ("symbolic", True): "Symbolic: both sides have the same normal form, which is a proof for all sizes.",
    ("exact", True): "Exact: both sides agree in rational numbers at small sizes, functions’ values left opaque.",
    ("exact", False): "The two sides differ, as numbers at small sizes show.",
}


@dataclass(frozen=True)
class Formula:
    """A formula drawn, and the LaTeX to copy."""

    drawn: Markup
    latex: str


@dataclass(frozen=True)
class Value:
    """A line of a counterexample."""

    name: Markup
    value: str


@dataclass(frozen=True)
class Example:
    inputs: tuple[Value, ...]
    written: str
    derived: str


@dataclass(frozen=True)
class Reading:
    """What an equation is taken to mean where it cannot be meant literally."""

    drawn: Markup
    reason: str
    finding: Finding


@dataclass(frozen=True)
class Card:
    """An equation and all that was found of it.

    Attributes:
        anchor: its place in the page, safe in a link; the id is the notes' own and may be anything.
        transcribed: the LaTeX as it stands in the notes.
        about: the arrays of the program that it speaks of.
        gives: the array whose value, or whose cotangent, it states, if it is an equation for one;
            of a stack perhaps one block.
        under: the reading under which it holds, where it does not under the plainest.
        along: the array and the one computed from it, if it is a derivative of the one by the other.
    """

    anchor: str
    id: str
    place: str
    is_main: bool
    finding: Finding
    drawn: Markup
    transcribed: Markup
    difference: str | None
    correction: Formula | None
    reading: Reading | None
    example: Example | None
    remarks: tuple[str, ...]
    inherits: tuple[tuple[str, str], ...]
    under: str | None
    derived: Markup | None
    decided: str
    about: frozenset[str]
    gives: str | None
    block: int | None
    flow: Flow
    along: tuple[str, str] | None


def cards(shown: Iterable[Verdict | Found], reader: Reader) -> tuple[Card, ...]:
    """A card for every verdict, in order."""
    placed = [(f"equation-{k}", one) for k, one in enumerate(shown, 1)]
    anchors = {_verdict(one).statement.id: anchor for anchor, one in reversed(placed)}
    return tuple(_card(anchor, one, reader, anchors) for anchor, one in placed)


def _verdict(one: Verdict | Found) -> Verdict:
    return one.verdict if isinstance(one, Found) else one


def _card(anchor: str, one: Verdict | Found, reader: Reader, anchors: dict[str, str]) -> Card:
    """The one place where a verdict is taken apart for the page."""
    verdict, statement = _verdict(one), _verdict(one).statement
    finding = FINDINGS[_finding(one)]
    claim = _parsed(statement.written, reader)
    written, left = (claim.text, bare(claim.left)) if claim else (statement.written, None)
    here, there = differing(written, verdict.correction) if verdict.correction else (None, None)
    gives, flow = _gives(verdict, reader)
    return Card(
        anchor=anchor,
        id=statement.id,
        place=f"line {one.line}" if isinstance(one, Found) and statement.id != f"line {one.line}" else "",
        is_main=isinstance(one, Found) or statement.numbered,
        finding=finding,
        drawn=mathml(written, here),
        transcribed=source(statement.latex),
        difference=verdict.difference,
        correction=Formula(mathml(verdict.correction, there), verdict.correction) if verdict.correction else None,
        reading=_reading(verdict, reader),
        example=_example(verdict),
        remarks=verdict.remarks,
        under=one.under if isinstance(one, Found) and one.finding == "holds_under_reading" else None,
        inherits=tuple((anchors[id_], id_) for id_ in one.inherits) if isinstance(one, Found) else (),
        derived=mathml(verdict.derived) if verdict.derived else None,
        decided=_DECIDED.get((verdict.method, verdict.holds_as_read is True), "Not decided."),
        about=frozenset({gives}) if gives else frozenset(_arrays(left, reader) if left else ()),
        gives=gives,
        block=_block(verdict),
        flow=flow,
        along=_along(left, reader) if left and not gives else None,
    )


def _finding(one: Verdict | Found) -> str:
    """The finding of an equation as it is written; notes of one's own have no lines, but the same findings."""
    return (one if isinstance(one, Found) else Found(one, 0, ())).finding


def _parsed(written: str, reader: Reader) -> Claim | None:
    """The formula without the rows of shapes around it, if it can be read."""
    try:
        return parse_claim(written, reader.grammar)
    except NotesError:
        return None


def _reading(verdict: Verdict, reader: Reader) -> Reading | None:
    statement = verdict.statement
    if statement.reading is None:
        return None
    holds = {True: "holds", False: "wrong", None: "undecided"}[verdict.holds_as_read]
    claim = _parsed(statement.reading, reader)
    drawn = mathml(claim.text if claim else statement.reading)
    return Reading(drawn, statement.reason or "", FINDINGS[holds])


# -- numbers ----------------------------------------------------------------------------------------------------------


def _example(verdict: Verdict) -> Example | None:
    example = verdict.counterexample
    if example is None:
        return None
    inputs = tuple(Value(_name(name), number_text(value)) for name, value in example.inputs.items())
    return Example(inputs, number_text(example.written), number_text(example.derived))


def _name(name: str) -> Markup:
    """``∂c_t`` as a formula."""
    symbol = name.removeprefix("∂")
    drawn = mathml(rf"\partial {symbol_latex(symbol)}" if symbol != name else symbol_latex(symbol))
    return drawn if drawn.startswith("<math") else source(symbol_text(name))


def number_text(value: Any) -> str:
    """A number, or nested lists of numbers, with minus signs."""
    if isinstance(value, list):
        return f"[{', '.join(map(number_text, value))}]"
    return f"{value:g}".replace("-", "−")


# -- what an equation is about ----------------------------------------------------------------------------------------


def _gives(verdict: Verdict, reader: Reader) -> tuple[str | None, Flow]:
    """The array whose value or cotangent is stated."""
    name = str(verdict.gives).partition("[")[0]
    array = reader.ground.program.arrays.get(name)
    return _node(name, reader), "values" if array and array.role != "cotangent" else "gradients"


def _node(name: str, reader: Reader) -> str | None:
    """Where an array stands in the graph: a cotangent at its array, but one from outside has a place of its own."""
    arrays = reader.ground.program.arrays
    at_itself = name in arrays and (arrays[name].role != "cotangent" or name.startswith(SEED))
    node = name if at_itself else name.removeprefix(COTANGENT)
    return node if node in arrays else None


def _block(verdict: Verdict) -> int | None:
    """The 2 of ``da[2]``."""
    number = str(verdict.gives).partition("[")[2].rstrip("]")
    return int(number) if number.isdigit() else None


def _arrays(node: Node, reader: Reader) -> list[str]:
    """The arrays whose symbols stand in a formula."""
    tensors = (reader.symbols.get(one.name) for one in walk(node) if isinstance(one, Symbol))
    names = (entry.name for tensor in tensors if tensor for entry in entries(tensor.expr))
    return [place for name in names if (place := _node(name, reader))]


def _along(left: Node, reader: Reader) -> tuple[str, str] | None:
    match left:
        case Quotient(numerator=above, denominator=below):
            ends = _arrays(below, reader), _arrays(above, reader)
            return (ends[0][0], ends[1][0]) if all(ends) else None
    return None
