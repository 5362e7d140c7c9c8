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
from derive.notes.syntax import Claim, Differential, Node, Quotient, Sum, children, walk
from derive.verify.edit import Edit
from derive.verify.edits import edits
from derive.verify.judge import bare, judge
from derive.verify.samples import sampled

MOST_EDITS = 6_000  # long equations with many symbols have more; those tried first are the likelier ones
MOST_NODES = 120_000  # of all formulas that are tried together


def repair(claim: Claim, reader: Reader, terms: Sequence[str] = ()) -> Edit | None:
    """The cheapest single edit after which the claim holds, if one is found among ``MOST_EDITS``, fewer of a long one.

    Args:
        terms: the terms of what is due, in LaTeX.
    """
    quick = sampled(reader)
    most = min(MOST_EDITS, MOST_NODES // sum(1 for _ in walk(claim.right)))
    for edit in islice(sorted(edits(claim, reader, terms), key=lambda edit: edit.cost), most):
        try:
            if edit.right is not None and not judge(replace(claim, right=edit.right()), quick).holds:
                continue
            edited = parse_claim(edit.text, reader.grammar)
            if not _circular(edited) and judge(edited, quick).holds and judge(edited, reader).holds:
                return edit
        except HandgradError:
            continue
    return None


def _circular(claim: Claim) -> bool:
    """Whether the left side explains itself: ∂i = ∂i holds and repairs nothing; what is added to is no explanation."""
    left = bare(claim.left)
    itself = left.denominator if isinstance(left, Quotient) else left
    terms = claim.right.terms if isinstance(claim.right, Sum) else (claim.right,)
    others = [term for term in terms if term != itself] if len(terms) > 1 else terms
    return any(_occurs(itself, term) for term in others)


def _occurs(what: Node, node: Node) -> bool:
    """Whether a formula stands in another one; W stands not in dW."""
    if node == what:
        return True
    return not isinstance(node, Differential) and any(_occurs(what, child) for child in children(node))
