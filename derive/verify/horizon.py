"""How far a claim looks: whether it is about one step, the one after as well, or the last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from derive.errors import HandgradError, NotesError
from derive.notes.adjoints import is_step_loss
from derive.notes.meaning import Reader
from derive.notes.shift import mentions_next, mentions_previous, one_step_later
from derive.notes.syntax import Claim, Quotient, Symbol, split_time, walk
from derive.verify.judge import Judgement, is_gradient, judge, target


def holds(claim: Claim, reader: Reader) -> bool | None:
    """Whether a claim holds, looking as far as it does.

    Raises:
        NotesError: if it is not understood.
    """
    return settled(placed(claim), reader)[1].holds


def placed(claim: Claim) -> Claim:
    """The claim, one step later if it tells the loss of step t − 1 apart: then it is on all that reaches that step."""
    parts = (part for side in (claim.left, claim.right) for part in walk(side) if isinstance(part, Quotient))
    losses = {split_time(part.numerator.of.name)[1] for part in parts if is_step_loss(part)}  # type: ignore[attr-defined]
    if -1 not in losses:
        return claim
    return replace(claim, left=one_step_later(claim.left), right=one_step_later(claim.right))


def settled(claim: Claim, reader: Reader) -> tuple[Reader, Judgement]:
    """The reader under which a claim holds, or else the first one that understands it, and what it says.

    Raises:
        HandgradError: of the first reader, if none understands it.
    """
    found: list[tuple[Reader, Judgement]] = []
    failed: HandgradError | None = None
    for one in _readers(claim, reader):
        try:
            judgement = judge(claim, one)
        except HandgradError as error:
            failed = failed or error
            continue
        if judgement.holds:
            return one, judgement
        found.append((one, judgement))
    if not found and failed:
        raise failed
    return found[0]


def _readers(claim: Claim, reader: Reader) -> Iterator[Reader]:
    """Readers that look far enough, the likelier one first."""
    if reader.last and any(name.endswith("_T") for name in symbol_names(claim)):
        yield reader.last
    elif reader.ahead is None or not _beyond(claim, reader):
        yield reader
    elif not _is_on_a_gradient(claim, reader.ahead):
        yield reader.ahead
    else:
        # Σ_t δ_{t+1} h_t is Σ_t δ_t h_{t−1}; what stays at step t when t + 1 is mentioned is one step's share.
        if not mentions_previous(claim.right) or not reader.share:
            yield reader
        if reader.share:
            yield reader.share()


def _is_on_a_gradient(claim: Claim, reader: Reader) -> bool:
    try:
        kind, _, due = target(claim, reader)
    except NotesError:  # it is reported when the claim is judged
        return False
    return is_gradient(kind, due, reader)


def _beyond(claim: Claim, reader: Reader) -> bool:
    """Whether a claim mentions the next step, or what only a reader that knows it can tell."""
    if mentions_next(claim.left) or mentions_next(claim.right):
        return True
    ahead = reader.ahead or reader
    further = {*ahead.symbols, *ahead.adjoints} - {*reader.symbols, *reader.adjoints, *reader.defined}
    step_losses = any(
        isinstance(part, Quotient) and is_step_loss(part) for side in (claim.left, claim.right) for part in walk(side)
    )
    return bool(symbol_names(claim) & further) or (step_losses and bool(ahead.direct))


def symbol_names(claim: Claim) -> set[str]:
    """Every symbol of a claim."""
    return {part.name for side in (claim.left, claim.right) for part in walk(side) if isinstance(part, Symbol)}
