"""Finding what is wrong in a claim: the smallest edit of its text after which it holds.

Each candidate is an edit of the LaTeX itself that is parsed and judged again, so a suggested correction is
in the writer's own notation, ready to paste, and known to be right. Most candidates are wrong and are told by numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from derive.errors import HandgradError
from derive.notes.latex import parse_claim
from derive.notes.meaning import Reader
from derive.notes.syntax import Claim, Quotient, walk
from derive.verify.edits import Edit, edits
from derive.verify.judge import bare, judge
from derive.verify.samples import sampled

MOST_EDITS = 6_000  # long equations with many symbols have more; those tried first are the likelier ones


def repair(claim: Claim, reader: Reader, terms: Sequence[str] = ()) -> Edit | None:
    """The cheapest single edit after which the claim holds, if one is found among ``MOST_EDITS``.

    Args:
        terms: the terms of what is due, in LaTeX.
    """
    quick = sampled(reader)
    for edit in islice(sorted(edits(claim, reader, terms), key=lambda edit: edit.cost), MOST_EDITS):
        try:
            if edit.right is not None and not _holds(replace(claim, right=edit.right), quick):
                continue
            edited = parse_claim(edit.text, reader.grammar)
            if _holds(edited, quick) and judge(edited, reader).holds:
                return edit
        except HandgradError:
            continue
    return None


def _holds(claim: Claim, reader: Reader) -> bool:
    return not _circular(claim) and judge(claim, reader).holds is True


def _circular(claim: Claim) -> bool:
    """Whether the left side explains itself: ∂i = ∂i holds and repairs nothing."""
    left = bare(claim.left)
    itself = left.denominator if isinstance(left, Quotient) else left
    return itself in walk(claim.right)
