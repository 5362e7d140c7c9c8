"""Planted errors: every single-token mutant of the 15 equations, and rewritings that are none.

Whether a mutant still says the truth is decided by NumPy on a hand-written LSTM step (tests/formulas.py), not by
the verifier, and the formulas are printed and evaluated without its parser.
"""

from __future__ import annotations

import numpy as np
import pytest

from derive.errors import NotesError
from derive.notes import load_notes
from derive.notes.latex import parse_claim
from derive.notes.plain import plain
from derive.verify.check import reader_of
from derive.verify.judge import judge
from tests.formula_edits import mutants, rewritings
from tests.formulas import EQUATIONS, QUANTITIES, SIZES, STEPS, Claim, backward, claim_latex, forward, holds

NOTES = load_notes("lstm")
READER = reader_of(NOTES)
GRAMMAR = READER.grammar
REWRITINGS = 30  # of each equation


def accepted(claim: Claim) -> bool:
    """The verifier's verdict; what it does not understand it does not accept."""
    try:
        return judge(parse_claim(claim_latex(claim), GRAMMAR), READER).holds is True
    except NotesError:
        return False


def test_step_is_right() -> None:
    """The standard itself: the hand-written backward step against complex-step derivatives of the forward one."""
    values = {name: array for (name, cotangent), array in STEPS[0].items() if not cotangent}
    due = backward(values)
    for name in ("x_t", "h_{prev}", "c_{prev}", "w_x", "w_h", "b"):
        for place in [(0,) * due[name].ndim, (-1,) * due[name].ndim]:
            moved = {k: v.astype(complex) for k, v in values.items()}
            moved[name][place] += 1e-30j
            after = forward(moved)
            change = (after["h_t"] * values["d_{next-h}"] + after["c_t"] * values["d_{next-c}"]).imag.sum() / 1e-30
            assert abs(change - due[name][place]) <= 1e-12 * max(1, np.abs(due[name]).max())


def test_lengths_are_told_apart() -> None:
    """With equal lengths, or one of 1, a missing transpose could broadcast and pass."""
    lengths = {*SIZES.values(), 4 * SIZES["H"]}
    assert len(lengths) == 4
    assert min(lengths) > 1


@pytest.mark.parametrize("number", EQUATIONS)
def test_equations_are_the_notes_readings(number: int) -> None:
    """What is mutated here is what the notes say: same formula, shapes aside, and it holds."""
    statement = next(s for s in NOTES.statements if s.id == f"eq {number}")
    read = parse_claim(statement.reading or statement.written, GRAMMAR)
    ours = parse_claim(claim_latex(EQUATIONS[number]), GRAMMAR)
    assert [plain(side) for side in (ours.left, ours.right)] == [plain(side) for side in (read.left, read.right)]
    assert holds(EQUATIONS[number])
    assert accepted(EQUATIONS[number])


@pytest.mark.parametrize("number", EQUATIONS)
def test_mutants(number: int) -> None:
    """A mutant that is wrong and accepted is an error in notes that nobody would be told of."""
    found = {mutant: holds(mutant) for mutant in mutants(EQUATIONS[number])}
    assert sum(not right for right in found.values()) > 60
    wrongly_accepted = [claim_latex(m) for m, right in found.items() if not right and accepted(m)]
    wrongly_rejected = [claim_latex(m) for m, right in found.items() if right and not accepted(m)]
    assert (wrongly_accepted, wrongly_rejected) == ([], [])


def test_every_kind_of_mutant_is_made() -> None:
    """Each kind of slip that the paper invites to; one that is never planted is never caught."""
    kinds = {what for claim in EQUATIONS.values() for what in mutants(claim).values()}
    assert kinds == {
        *("factor dropped", "term dropped", "square dropped", "transpose dropped", "sum dropped", "function dropped"),
        *("another symbol of the same shape", "another symbol of the other shape", "another function"),
        *("another number", "another power", "sign", "⊙ for ·", "· for ⊙", "⊙ for  ", "factors exchanged"),
        *("squared", "transposed"),
    }


@pytest.mark.parametrize("number", EQUATIONS)
def test_rewritings_are_accepted(number: int) -> None:
    """Somebody who writes the same equation in another way must not be told that it is wrong."""
    found = rewritings(EQUATIONS[number], REWRITINGS, seed=number)
    assert len(found) >= REWRITINGS - 10
    assert [claim_latex(claim) for claim in found if not holds(claim)] == [], "the rewriting itself is wrong"
    assert [claim_latex(claim) for claim in found if not accepted(claim)] == []


def test_symbols_are_the_notes_symbols() -> None:
    """A mutant with a symbol that the notes do not have would be rejected for that alone."""
    declared = {name for name, target in NOTES.symbols.items() if target not in {"sigmoid", "tanh"}}
    assert set(QUANTITIES) == declared
