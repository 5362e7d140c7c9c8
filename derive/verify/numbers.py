"""The numbers that the notes give to a cell's cotangents, for the comments of generated code."""

from __future__ import annotations

from derive.errors import NotesError
from derive.index import Entry
from derive.notes import load_notes
from derive.notes.latex import parse_claim
from derive.program import Program
from derive.verify.check import reader_of
from derive.verify.judge import target


def equation_numbers(cell: Program) -> dict[str, str]:
    """``{"dc": "eq 2", "da_i": "eq 7", …}`` from the notes on a cell; empty if there are none."""
    try:
        notes = load_notes(cell.name)
    except NotesError:
        return {}
    reader = reader_of(notes)
    numbers: dict[str, str] = {}
    for statement in notes.statements:
        if not statement.numbered:
            continue
        kind, _, due = target(parse_claim(statement.written, reader.grammar), reader)
        if kind == "cotangent" and isinstance(due.expr, Entry):
            labels = reader.ground.program.arrays[due.expr.name].labels
            label = next((f"_{labels[int(i)]}" for i in due.expr.indices if i.is_number), "")
            numbers[due.expr.name + label] = statement.id
    return numbers
