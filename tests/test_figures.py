"""Planted errors in every correct set of notes, a sample of what ``python -m tests.figures`` judges in full."""

from __future__ import annotations

from functools import cache

import pytest

from tests.figures import Figures, measure
from tests.note_edits import mutants
from tests.note_sets import NoteSet
from tests.note_table import RIGHT

MOST_OF_EACH = 8
REWRITINGS = 5


@cache
def figures(notes: NoteSet) -> Figures:
    return measure(notes, MOST_OF_EACH, 0, REWRITINGS)


@pytest.mark.parametrize("notes", RIGHT, ids=lambda notes: notes.name)
def test_wrong_mutants_are_rejected(notes: NoteSet) -> None:
    """Broken if an error in notes of this kind is one that nobody would be told of."""
    found = figures(notes)
    assert found.wrong > 5 * len(notes.claims)
    assert found.wrong_accepted == []


@pytest.mark.parametrize("notes", RIGHT, ids=lambda notes: notes.name)
def test_rewritings_are_accepted(notes: NoteSet) -> None:
    """Broken if somebody who writes the same equation in another way is told that it is wrong."""
    found = figures(notes)
    assert found.rewritings == REWRITINGS * len(notes.claims)
    assert found.rewritings_rejected == []


def test_every_kind_of_mutant_is_made() -> None:
    """Broken if one of the slips that people make is never planted."""
    kinds = {mutant.what for notes in RIGHT for claim in notes.claims.values() for mutant in mutants(claim, notes)}
    assert kinds == {
        *("another symbol", "another step", "another left side", "another number", "another exponent"),
        *("another operator", "another function", "factor dropped", "term dropped", "exponent dropped", "sum dropped"),
        *("transposition dropped", "function dropped", "diag dropped", "squared", "transposed", "sign"),
        *("sum for product", "product for sum", "factors exchanged", "blocks exchanged"),
    }
