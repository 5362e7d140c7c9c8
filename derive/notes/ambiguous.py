"""Cotangents whose notation leaves open of what they are: δ_t says nothing, δ_f may be that of f or of its argument."""

from __future__ import annotations

import re

from derive.notes.adjoints import BARE_LETTERS, FRACTION, Mark, differentiated, mark_of, marks
from derive.notes.interpretation import Interpretation
from derive.notes.latex import LOSSES
from derive.notes.plain import ACCENTED
from derive.notes.syntax import Symbol, split_time
from derive.notes.vocabulary import Vocabulary


def bare_cotangents(vocabulary: Vocabulary) -> tuple[str, ...]:
    """Names of cotangents that do not say of what: δ_t, δ^o_t, the a in da, λ_t, that no forward equation defines."""
    reader = vocabulary.reader(Interpretation())
    later = reader.ahead or reader
    known = {*reader.symbols, *later.symbols, *reader.adjoints, *later.adjoints, *reader.functions}
    bases = [split_time(name)[0] for name in vocabulary.names if name not in known or labelled_delta(name)]
    differentiated = {split_time(name)[0] for name in vocabulary.names if name not in vocabulary.undifferentiated}
    about = {split_time(c.left.name)[0] for c in vocabulary.claims if isinstance(c.left, Symbol)}
    return tuple(
        dict.fromkeys(
            base
            for base in bases
            if (base.startswith(BARE_LETTERS) or base in differentiated or base in about)
            and base not in vocabulary.named
            and base.partition("_")[0] not in LOSSES
            and not (base.endswith(("_n", "_i", "_k")) and base[:-2] in differentiated)
        )
    )


def labelled_delta(name: str) -> bool:
    """Whether a symbol is δ^o_t, which some take for the cotangent of o and others for that of its argument."""
    base, time = split_time(name)
    return base.startswith("\\delta_") and time is not None


def labelled(vocabulary: Vocabulary) -> frozenset[str]:
    """Names δ^o of cotangents, without their times, that may be that of o or of its argument."""
    return frozenset(split_time(name)[0] for name in vocabulary.names if labelled_delta(name))


def marked_gates(vocabulary: Vocabulary) -> frozenset[Mark]:
    """Functions' values whose cotangent is marked by a sign or a name."""
    gates = {split_time(name)[0] for name in vocabulary.arguments}
    own = {mark_of(Symbol((0, 0), name)) for name in vocabulary.symbols}
    found = {mark for claim in vocabulary.claims for side in (claim.left, claim.right) for mark in marks(side)}
    return frozenset((sign, name) for sign, name in found - own if name in gates and sign != FRACTION)


def explicit(vocabulary: Vocabulary) -> frozenset[Mark]:
    """Marks that the notes say the meaning of: δ_f = ∂L/∂f."""
    pairs = ((mark_of(claim.left), differentiated(claim.right)) for claim in vocabulary.claims)
    return frozenset(mark for mark, of in pairs if mark is not None and mark[1] == of)


def told_apart(vocabulary: Vocabulary) -> frozenset[Mark]:
    """Gates under a sign that has an equation by another one, δ_f = ∂L/∂f ⊙ …: these are two things."""
    found: set[Mark] = set()
    for claim in vocabulary.claims:
        if mark := mark_of(claim.left):
            sign, gate = mark
            found |= {mark} if any(of == gate and other != sign for other, of in marks(claim.right)) else set()
    return (marked_gates(vocabulary) & found) - explicit(vocabulary)


def is_labelled_by(base: str, quantity: str) -> bool:
    """Whether a name of a cotangent says of what by its label: δ^c of c or c̃, da_o of o, δô of o."""
    letter, label = split_label(base)
    plain = re.sub(ACCENTED + r"\{(.*?)\}", r"\2", quantity)
    return bool(letter) and base != quantity and label in {plain, plain.rpartition("_")[2]}


def split_label(base: str) -> tuple[str, str]:
    """A symbol's letter, or its accent, and what stands below that: a_o → (a, o), ô → (hat, o)."""
    if accented := re.fullmatch(ACCENTED + r"\{(.*)\}", base):
        return accented[1], accented[2]
    letter, _, label = base.rpartition("_")
    return letter, label
