"""Planted errors in every correct set of notes, and rewritings that are none: a sample, drawn from a seed.

What a mutant says is evaluated by PyTorch and autograd (tests/note_sets.py), without derive's parser. ``python -m
tests.figures`` judges them all.
"""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: strangers' notes, whose truths it decides, did not run")

from tests.figures import SETS, Figures, measure
from tests.note_sets import NoteSet
from tests.note_table import ELMAN, GRU


def check_none_misjudged(found: Figures) -> None:
    assert (found.wrong_accepted, found.right_rejected, found.rewritings_rejected) == ([], [], [])


@pytest.mark.parametrize("notes", SETS, ids=lambda notes: notes.name)
def test_sample(notes: NoteSet) -> None:
    """Broken if a changed token is not noticed, or an equation that is only written in another way is rejected."""
    found = measure(notes, each=4, named=0, rewritten=1)
    assert found.wrong > 20
    check_none_misjudged(found)


def test_sample_named() -> None:
    """Broken if the sentence about a mistake is about another place than where it was made."""
    found = [measure(notes, each=1, named=8, rewritten=0) for notes in (ELMAN, GRU)]
    judged, unnamed = sum(one.judged for one in found), [text for one in found for text in one.unnamed]
    assert judged > 10
    assert len(unnamed) <= 0.1 * judged, unnamed


@pytest.mark.exhaustive
def test_more() -> None:
    """Broken if the figures that the report on mutants is to reach are not: all, none, and nine of ten."""
    found = [measure(notes, each=30, named=15, rewritten=6) for notes in SETS]
    for one in found:
        check_none_misjudged(one)
    assert sum(one.rewritings for one in found) >= 300
    judged, unnamed = sum(one.judged for one in found), [text for one in found for text in one.unnamed]
    assert len(unnamed) <= 0.1 * judged, unnamed
