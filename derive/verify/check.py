"""Judging a whole set of notes: one verdict per claim, and one on the equations composed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from time import perf_counter

from sympy import Add, Expr, factor_terms

from derive.calculus import vjp
from derive.cells import CELLS
from derive.equality import Ground, Method
from derive.errors import HandgradError, NotesError
from derive.functions import FUNCTIONS
from derive.index import Entry, Joined, Stack
from derive.matrix import form_of, natural_groups
from derive.notes import Notes, Statement
from derive.notes.latex import parse_claim
from derive.notes.meaning import Reader
from derive.notes.places import place, view
from derive.notes.plain import plain
from derive.notes.standard import many
from derive.notes.symbols import Grammar, symbol_name
from derive.notes.syntax import Claim, Differential, Node, Quotient, Symbol, walk
from derive.program import Program
from derive.show import Names, form_text, latex_name, latex_style
from derive.tensor import Tensor
from derive.verify.compose import Composition, compose
from derive.verify.counterexample import Counterexample, counterexample
from derive.verify.horizon import placed, settled
from derive.verify.judge import Judgement, Kind, bare, coefficient, definition, judge
from derive.verify.repair import repair
from derive.verify.spelling import spelled_by


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
        states: all that it is about, if its left side is made of several.
        kind: what kind of claim it is.
        unmended: whether it is wrong, and no single edit mends it; ``misfit`` if already its shapes fit in no way.
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
    states: frozenset[str] = frozenset()
    kind: Kind | None = None
    unmended: bool = False
    misfit: bool = False


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
    program = vjp(CELLS[notes.cell])
    targets = {symbol_name(latex): str(target) for latex, target in notes.symbols.items()}
    functions = {name: FUNCTIONS[target] for name, target in targets.items() if target in FUNCTIONS}
    symbols = {name: view(program, target) for name, target in targets.items() if target not in FUNCTIONS}
    grammar = Grammar(frozenset(functions))
    return Reader(Ground(program), symbols, functions, many=many(program), grammar=grammar)


def _verdict(statement: Statement, reader: Reader) -> tuple[Verdict, Reader]:
    """The verdict on one statement, and the reader with what it defines; what is not understood is said so."""
    start = perf_counter()
    try:
        return _understood(statement, reader, start)
    except HandgradError as error:
        return not_understood(statement, error, perf_counter() - start), reader


def not_understood(statement: Statement, error: HandgradError, seconds: float = 0.0) -> Verdict:
    """The verdict on a statement of which nothing can be said, and why."""
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
        seconds=seconds,
    )


def judge_statement(
    statement: Statement, reader: Reader, progress: Callable[[Statement], None] = lambda _: None
) -> Verdict:
    """A verdict on one statement."""
    progress(statement)
    return _verdict(statement, reader)[0]


def _understood(statement: Statement, reader: Reader, start: float) -> tuple[Verdict, Reader]:
    claim = parse_claim(statement.written, reader.grammar)
    if statement.defines:
        reader = replace(reader, defined={**reader.defined, statement.defines: reader.meanings(claim.right)[0]})
    text = f"{plain(claim.left)} = {plain(claim.right)}"
    claim, kept = placed(claim), reader
    reader, written = settled(claim, reader)
    meant = parse_claim(statement.reading, reader.grammar) if statement.reading else claim
    read = judge(meant, reader) if statement.reading else written
    difference, correction, example, edit = None, None, None, None
    if written.holds is False:
        edit = repair(claim, reader, _terms(written, reader))
        difference = edit.sentence if edit else _without_edit(written, reader)
        correction = edit.text if edit else _derived(claim, written, reader)
        example = counterexample(written, reader)
    verdict = Verdict(
        statement=statement,
        text=text,
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
        uses=_mentioned(written.stated) if written.stated else _named(claim.right, reader),
        states=_mentioned(written.due) if written.kind in {"forward", "cotangent"} else frozenset(),
        kind=written.kind,
        unmended=written.holds is False and edit is None,
        misfit=written.holds is False and edit is None and not written.fits,
    )
    return verdict, kept


def _mentioned(tensor: Tensor) -> frozenset[str]:
    """The arrays in an expression, a block with its number: ``da[2]``."""
    return frozenset(place(entry) for entry in tensor.expr.atoms(Entry))


def _named(node: Node, reader: Reader) -> frozenset[str]:
    """The arrays that the symbols of a formula stand for which as a whole has no meaning."""
    found: set[str] = set()
    for part in walk(node):
        if isinstance(part, Symbol | Differential | Quotient):
            with suppress(HandgradError):
                found |= _mentioned(reader.meanings(part)[0])
    return frozenset(found)


def _without_edit(judgement: Judgement, reader: Reader) -> str:
    """What to say where no single edit repairs the claim."""
    if judgement.shapes:
        return judgement.shapes[0]
    return f"the right side should be {_right_side(judgement, reader)}"


def _derived(claim: Claim, judgement: Judgement, reader: Reader) -> str:
    if judgement.kind == "definition":
        return claim.text
    span = bare(claim.left).span
    left = claim.text[span[0] : span[1]]
    return f"{left} = {_right_side(judgement, reader)}"


def _right_side(judgement: Judgement, reader: Reader) -> str:
    """The derived right side in LaTeX, in the notes' symbols."""
    names = latex_name if judgement.kind == "rule" else spelled_by(reader)
    program = judgement.ground.program
    if judgement.kind == "jacobian":
        expr = factor_terms(coefficient(judgement.due).expr)
        return form_text(form_of(expr, natural_groups(expr, program), program), latex_style(names))
    tensor = judgement.due if judgement.kind in {"update", "identity"} else definition(judgement.due, judgement.ground)
    spelled = _spelled_out(tensor, judgement, reader)
    if reader.is_turned(judgement.due):
        return rf"({_tensor_text(spelled.T, program, names)})^\top"
    return _tensor_text(spelled, program, names)


def _terms(judgement: Judgement, reader: Reader) -> tuple[str, ...]:
    """The terms of the derived right side in LaTeX, if it is a sum in one piece."""
    if judgement.kind in {"rule", "jacobian", "update", "identity"} or reader.is_turned(judgement.due):
        return ()
    tensor = _spelled_out(definition(judgement.due, judgement.ground), judgement, reader)
    if any(isinstance(axis.size, Joined | Stack) for axis in tensor.axes):
        return ()
    names, program = spelled_by(reader), judgement.ground.program
    return tuple(_tensor_text(Tensor(term, tensor.axes), program, names) for term in Add.make_args(tensor.expr))


def _tensor_text(tensor: Tensor, program: Program, names: Names) -> str:
    """A tensor in LaTeX, a joined axis as a row or a column of its parts."""
    parts = tensor.parts
    if len(parts) == 1:
        groups = tuple(axis.indices for axis in tensor.axes)
        return form_text(form_of(tensor.expr, groups, program), latex_style(names))
    texts = [_tensor_text(part, program, names) for part in parts]
    if isinstance(tensor.axes[-1].size, Joined):
        return f"[{', '.join(texts)}]"
    column = r" \\ ".join(texts)
    return rf"\begin{{bmatrix}} {column} \end{{bmatrix}}"


def _spelled_out(tensor: Tensor, judgement: Judgement, reader: Reader) -> Tensor:
    """A tensor without the quantities that only the derivation has a name for: what a gate is a function of."""
    definitions = judgement.ground.program.definitions
    while True:
        unnamed: dict[Expr, Expr] = {
            entry: definitions[entry.name].at(entry.indices)
            for entry in tensor.expr.atoms(Entry)
            if entry.name in definitions and place(entry) not in reader.spellings
        }
        if not unnamed:
            return tensor
        tensor = Tensor(tensor.expr.xreplace(unnamed), tensor.axes)


def _stated(notes: Notes, reader: Reader) -> Iterator[tuple[Tensor, Tensor]]:
    """The numbered equations as read, as (cotangent, right side)."""
    for statement in notes.statements:
        if statement.numbered:
            try:
                judgement = judge(parse_claim(statement.reading or statement.written, reader.grammar), reader)
            except HandgradError:
                continue
            if judgement.kind == "cotangent" and judgement.stated and isinstance(judgement.due.expr, Entry):
                yield judgement.due, judgement.stated
