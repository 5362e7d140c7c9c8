"""How good the checking of notes is, in figures: ``python -m tests.figures [--each N] [--named N]``.

Every correct set of notes under tests/notes is read once; then each of its backward equations is mutated and rewritten,
and every result is judged. Whether a mutant still says the truth, and that a rewriting does, is decided by autograd.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from derive.errors import HandgradError
from derive.notes import Statement
from derive.notes.document import read_document
from derive.notes.latex import parse_claim
from derive.notes.meaning import Reader
from derive.notes.plain import plain
from derive.notes.settings import checked
from derive.verify.check import judge_statement
from derive.verify.horizon import holds
from derive.verify.readings import choose_reading
from tests.note_cells import FURTHER_RIGHT
from tests.note_deltas import DELTAS
from tests.note_edits import Mutant, mutants, rewritings
from tests.note_formulas import Claim, Formula
from tests.note_sets import NoteSet
from tests.note_table import RIGHT

SETS = (*RIGHT, *FURTHER_RIGHT, DELTAS)
Progressing = Callable[[str], None]


@dataclass
class Figures:
    """What came out for one set of notes; formulas in LaTeX.

    Attributes:
        wrong_accepted: mutants that are wrong and were accepted.
        right_rejected: mutants that happen to say the truth and were not accepted.
        rewritings_rejected: rewritings that were not accepted.
        unnamed: wrong mutants in whose sentence the changed token does not occur.
    """

    name: str
    wrong: int = 0
    wrong_accepted: list[str] = field(default_factory=list)
    right: int = 0
    right_rejected: list[str] = field(default_factory=list)
    rewritings: int = 0
    rewritings_rejected: list[str] = field(default_factory=list)
    judged: int = 0
    unnamed: list[str] = field(default_factory=list)


@cache
def reader_of(notes: NoteSet) -> Reader:
    """The reader of a document, as ``handgrad check`` has it."""
    document = read_document(notes.path.read_text(encoding="utf-8"), is_tex=notes.name.endswith(".tex"))
    return choose_reading(document, checked(document)).reader


def accepted(claim: Claim, notes: NoteSet, reader: Reader) -> bool:
    """Whether a claim is said to hold; what is not understood is not accepted."""
    try:
        return holds(parse_claim(notes.spelling.claim(claim), reader.grammar), reader) is True
    except HandgradError:
        return False


def names(mutant: Mutant, notes: NoteSet, reader: Reader) -> tuple[bool, str]:
    """Whether the sentence on a mutant names what was changed, and the sentence."""
    text = notes.spelling.claim(mutant.claim)
    verdict = judge_statement(Statement("mutant", text, text), reader)
    sentence = verdict.difference or ""
    return any(token in sentence for token in map(_plain(notes, reader), mutant.tokens) if token), sentence


def _plain(notes: NoteSet, reader: Reader) -> Callable[[Formula], str]:
    def text(formula: Formula) -> str:
        try:
            return plain(parse_claim(f"x = {notes.spelling.latex(formula)}", reader.grammar).right)
        except HandgradError:
            return ""

    return text


def measure(
    notes: NoteSet,
    each: int | None = None,
    named: int | None = None,
    rewritten: int = 10,
    progress: Progressing = lambda _: None,
) -> Figures:
    """Judge the mutants and rewritings of one set of notes.

    Args:
        each: how many mutants of each equation, drawn at random; all by default.
        named: of how many wrong mutants the sentence is looked at; of all by default.
        rewritten: how many rewritings of each equation.
    """
    reader, chance, figures, wrong = reader_of(notes), random.Random(notes.name), Figures(notes.name), []
    for number, claim in notes.claims.items():
        progress(f"{notes.name} {number}")
        for mutant in _sample(mutants(claim, notes), each, chance):
            latex, right = notes.spelling.claim(mutant.claim), notes.holds(mutant.claim)
            held = accepted(mutant.claim, notes, reader)
            if right:
                figures.right += 1
                figures.right_rejected += [latex] * (not held)
            else:
                figures.wrong += 1
                figures.wrong_accepted += [latex] * held
                wrong.append(mutant)
        for rewriting in rewritings(claim, notes, rewritten, seed=len(number)):
            figures.rewritings += 1
            figures.rewritings_rejected += [notes.spelling.claim(rewriting)] * (not accepted(rewriting, notes, reader))
    for mutant in _sample(wrong, named, chance):
        progress(f"{notes.name} named")
        is_named, sentence = names(mutant, notes, reader)
        figures.judged += 1
        figures.unnamed += [f"{mutant.what}: {notes.spelling.claim(mutant.claim)}: {sentence}"] * (not is_named)
    return figures


def _sample(mutated: list[Mutant], number: int | None, chance: random.Random) -> list[Mutant]:
    return mutated if number is None or len(mutated) <= number else chance.sample(mutated, number)


def table(found: Iterable[Figures]) -> Table:
    """The figures, a row for each set of notes."""
    made = Table("notes", "wrong mutants", "accepted", "right mutants", "rejected", "rewritings", "rejected", "named")
    for one in found:
        named = f"{1 - len(one.unnamed) / one.judged:.1%} of {one.judged}" if one.judged else "–"
        numbers = (one.wrong, len(one.wrong_accepted), one.right, len(one.right_rejected))
        made.add_row(one.name, *map(str, (*numbers, one.rewritings, len(one.rewritings_rejected))), named)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="Print how many mutants and rewritings of the notes are judged right.")
    parser.add_argument("--each", type=int, help="mutants of each equation; all by default")
    parser.add_argument("--named", type=int, default=60, help="mutants of each set whose sentence is looked at")
    parser.add_argument("--rewritten", type=int, default=10, help="rewritings of each equation")
    parser.add_argument("--list", action="store_true", help="list what was judged wrongly")
    parser.add_argument("notes", nargs="*", help="names of sets; all by default")
    given = parser.parse_args()
    if unknown := sorted(set(given.notes) - {notes.name for notes in SETS}):
        parser.error(f"there are no notes {unknown[0]!r}; there are {', '.join(notes.name for notes in SETS)}")
    chosen = [notes for notes in SETS if not given.notes or notes.name in given.notes]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=sum(len(notes.claims) + given.named for notes in chosen))
        for notes in chosen:

            def step(what: str) -> None:
                bar.update(task, description=what, advance=1)

            found.append(measure(notes, given.each, given.named, given.rewritten, step))
    console = Console()
    console.print(table(found))
    for one in found if given.list else ():
        for title in ("wrong_accepted", "right_rejected", "rewritings_rejected", "unnamed"):
            for latex in getattr(one, title):
                console.print(f"{one.name} {title}: {latex}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
