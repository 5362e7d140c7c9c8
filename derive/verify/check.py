"""Judging a whole set of notes: one verdict per claim, and one on the equations composed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter

from sympy import factor_terms

from derive.calculus import COTANGENT, vjp
from derive.cells import CELLS
from derive.equality import Ground, Method
from derive.errors import HandgradError, NotesError
from derive.index import Entry
from derive.matrix import form_of, natural_groups
from derive.notes import Notes, Statement
from derive.notes.latex import parse_claim, symbol_name
from derive.notes.meaning import Reader
from derive.notes.plain import plain
from derive.notes.syntax import Claim
from derive.show import form_text, latex_name, latex_style
from derive.tensor import Tensor
from derive.verify.compose import Composition, compose
from derive.verify.counterexample import Counterexample, counterexample
from derive.verify.judge import (
    Judgement,
    bare,
    definition,
    judge,
    mentions_next,
    per_step,
    target,
    without_deltas,
)
from derive.verify.repair import functions, repair


@dataclass(frozen=True)
class Verdict:
    """What was found of one claim.

    Attributes:
        text: the claim as plain text, for a terminal.
        holds_as_written, holds_as_read: None where it was not understood or could not be decided.
        derived: what the derivation has, in LaTeX and the notes' symbols.
        difference: if it does not hold as written, a sentence that names the term.
        correction: the corrected claim in the notes' own LaTeX.
        gives, uses: the array or block that it is about, and those that its right side mentions.
    """

    statement: Statement
    text: str
    holds_as_written: bool | None
    holds_as_read: bool | None
    method: Method
    derived: str
    difference: str | None
    correction: str | None
    counterexample: Counterexample | None
    remarks: tuple[str, ...]
    seconds: float
    gives: str | None = None
    uses: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Report:
    """All verdicts on a set of notes."""

    notes: Notes
    verdicts: tuple[Verdict, ...]
    composition: Composition

    @property
    def holds(self) -> bool:
        """Whether every numbered equation holds as read, and all of them together."""
        numbered = [v for v in self.verdicts if v.statement.numbered]
        return all(v.holds_as_read for v in numbered) and self.composition.holds


def check_notes(notes: Notes, progress: Callable[[Statement], None] = lambda _: None) -> Report:
    """Derive the cell's backward equations and judge every statement of the notes against them.

    Raises:
        NotesError: if the notes' cell or one of their symbols is unknown.
    """
    verdicts, reader = judge_statements(notes.statements, reader_of(notes), progress)
    return Report(notes, verdicts, compose(list(_stated(notes, reader)), reader.ground))


def judge_statements(
    statements: Iterable[Statement], reader: Reader, progress: Callable[[Statement], None] = lambda _: None
) -> tuple[tuple[Verdict, ...], Reader]:
    """A verdict on every statement, and the reader with what the statements define."""
    verdicts = []
    for statement in statements:
        progress(statement)
        verdict, reader = _verdict(statement, reader)
        verdicts.append(verdict)
    return tuple(verdicts), reader


def reader_of(notes: Notes) -> Reader:
    """A reader of formulas in the notes' symbols, on the derived program of their cell.

    Raises:
        NotesError: if the cell is not known, or the spelling of a symbol is none.
    """
    if notes.cell not in CELLS:
        raise NotesError(f"the notes are on the cell {notes.cell!r}; known cells: {', '.join(CELLS)}")
    ground = Ground(vjp(CELLS[notes.cell]))
    symbols = {symbol_name(latex): str(target) for latex, target in notes.symbols.items()}
    return Reader(ground, symbols)


def _verdict(statement: Statement, reader: Reader) -> tuple[Verdict, Reader]:
    """The verdict on one statement, and the reader with what it defines; what is not understood is said so."""
    start = perf_counter()
    try:
        return _understood(statement, reader, start)
    except HandgradError as error:
        return Verdict(
            statement=statement,
            text=statement.written,
            holds_as_written=None,
            holds_as_read=None,
            method="none",
            derived="",
            difference=f"not understood: {error}",
            correction=None,
            counterexample=None,
            remarks=(),
            seconds=perf_counter() - start,
        ), reader


def _understood(statement: Statement, reader: Reader, start: float) -> tuple[Verdict, Reader]:
    names = functions(reader)
    claim = parse_claim(statement.written, names)
    if statement.defines:
        reader = replace(reader, defined={**reader.defined, statement.defines: reader.meanings(claim.right)[0]})
    reader, kept = _looking_far_enough(claim, reader), reader
    written = judge(claim, reader)
    meant = parse_claim(statement.reading, names) if statement.reading else claim
    read = judge(meant, reader) if statement.reading else written
    difference, correction, example = None, None, None
    if written.holds is False:
        edit = repair(claim, reader)
        difference = edit.sentence if edit else _without_edit(written, reader)
        correction = edit.text if edit else _derived(claim, written, reader)
        example = counterexample(written, reader)
    verdict = Verdict(
        statement=statement,
        text=f"{plain(claim.left)} = {plain(claim.right)}",
        holds_as_written=written.holds,
        holds_as_read=read.holds,
        method=read.method,
        derived=_derived(meant, read, reader),
        difference=difference,
        correction=correction,
        counterexample=example,
        remarks=written.remarks,
        seconds=perf_counter() - start,
        gives=next(iter(_mentioned(written.due)), None) if isinstance(written.due.expr, Entry) else None,
        uses=_mentioned(written.stated) if written.stated else frozenset(),
    )
    return verdict, kept


def _looking_far_enough(claim: Claim, reader: Reader) -> Reader:
    """The reader that knows step t + 1 for a claim that mentions it; a parameter's gradient is one step's."""
    if reader.ahead is None or not (mentions_next(claim.left) or mentions_next(claim.right)):
        return reader
    kind, _, due = target(claim, reader.ahead)
    return reader if per_step(claim, kind, due, reader.ahead) is not claim else reader.ahead


def _mentioned(tensor: Tensor) -> frozenset[str]:
    """The arrays in an expression, a block with its number: ``da[2]``."""
    numbers = ((e.name, [int(i) for i in e.indices if i.is_number]) for e in tensor.expr.atoms(Entry))
    return frozenset(f"{name}{block}" if block else name for name, block in numbers)


def _without_edit(judgement: Judgement, reader: Reader) -> str:
    """What to say where no single edit repairs the claim."""
    if judgement.shapes:
        return judgement.shapes[0]
    return f"the right side should be {_right_side(judgement, reader)}"


def _derived(claim: Claim, judgement: Judgement, reader: Reader) -> str:
    span = bare(claim.left).span
    left = claim.text[span[0] : span[1]]
    return f"{left} = {_right_side(judgement, reader)}"


def _right_side(judgement: Judgement, reader: Reader) -> str:
    """The derived right side in LaTeX, in the notes' symbols."""
    program = judgement.ground.program
    if judgement.kind == "jacobian":
        expr = factor_terms(without_deltas(judgement.due)[0].expr)
        groups = natural_groups(expr, program)
    else:
        tensor = definition(judgement.due, judgement.ground)
        expr, groups = tensor.expr, tuple(axis.indices for axis in tensor.axes)
    return form_text(form_of(expr, groups, program), latex_style(_notes_names(reader, judgement)))


def _notes_names(reader: Reader, judgement: Judgement) -> Callable[[str, str | None], str]:
    def names(name: str, label: str | None) -> str:
        if judgement.kind == "rule":
            return latex_name(name, label)
        target = f"{name}.{label}" if label else name
        if symbol := reader.spelled(target):
            return latex_name(symbol)
        symbol = reader.spelled(target.removeprefix(COTANGENT)) if target.startswith(COTANGENT) else None
        return rf"\partial {latex_name(symbol)}" if symbol else latex_name(name, label)

    return names


def _stated(notes: Notes, reader: Reader) -> Iterator[tuple[Tensor, Tensor]]:
    """The numbered equations as read, as (cotangent, right side)."""
    for statement in notes.statements:
        if statement.numbered:
            try:
                judgement = judge(parse_claim(statement.reading or statement.written, functions(reader)), reader)
            except HandgradError:
                continue
            if judgement.kind == "cotangent" and judgement.stated and isinstance(judgement.due.expr, Entry):
                yield judgement.due, judgement.stated
