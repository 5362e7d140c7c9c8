"""Choosing among the readings that a notation leaves open: the one under which most of the equations hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from derive.errors import HandgradError
from derive.index import Entry
from derive.notes.document import Document
from derive.notes.glossary import adjoint_of
from derive.notes.interpretation import NET, Interpretation
from derive.notes.meaning import Reader
from derive.notes.settings import Settings
from derive.notes.syntax import Claim, Differential, Node, Quotient, Symbol, split_time, walk
from derive.notes.vocabularies import vocabularies
from derive.notes.vocabulary import Vocabulary, bare_cotangents
from derive.verify.horizon import holds, symbol_names

Change = Callable[[Interpretation], Interpretation]
Judge = Callable[[Interpretation], tuple[bool, ...]]


@dataclass(frozen=True)
class Reading:
    """The reader under which most of a document's equations hold, how it reads, and the plainest one.

    Attributes:
        guessed: symbols whose meaning is told by nothing but the equations that hold with it, without their times.
    """

    reader: Reader
    sentence: str | None
    plainest: Reader
    guessed: frozenset[str]


def choose_reading(document: Document, settings: Settings) -> Reading:
    """How a document is best read.

    Raises:
        HandgradError: if there is no cell to read it against.
    """
    candidates: list[tuple[int, Reader, str | None, frozenset[str]]] = []
    first: Reader | None = None
    for vocabulary in vocabularies(document, settings):
        how, held = best(vocabulary, partial(_judged, replace(vocabulary, proving=False), {}))
        sentences = [vocabulary.sentence] if vocabulary.sentence else []
        sentences += how.sentences(defined_symbols(vocabulary))
        first = first or replace(vocabulary, proving=False).reader(Interpretation())
        candidates.append((held, vocabulary.reader(how), "; ".join(sentences) or None, _guessed(vocabulary, how)))
        if held == len(vocabulary.claims):
            break
    assert first is not None  # the first vocabulary is always there, or an error has said why not
    _, reader, sentence, guessed = max(candidates, key=lambda one: one[0])
    return Reading(reader, sentence, first, guessed)


def _guessed(vocabulary: Vocabulary, how: Interpretation) -> frozenset[str]:
    """Names of cotangents that do not say of what, what comes from outside, and gates' differentials."""
    names = {*(name for name, _ in how.aliases), *vocabulary.sources, *how.nets}
    return frozenset(split_time(name)[0] for name in names)


def _judged(vocabulary: Vocabulary, known: dict[Any, bool], how: Interpretation) -> tuple[bool, ...]:
    """Whether each claim holds; what is known of one under the same meaning of its symbols is not asked again."""
    reader = vocabulary.reader(how)
    found = []
    for number, claim in enumerate(vocabulary.claims):
        key = (number, *(_meaning(name, reader) for name in sorted(symbol_names(claim))))
        if key not in known:
            known[key] = _holds(claim, reader)
        found.append(known[key])
    return tuple(found)


def _meaning(name: str, reader: Reader) -> tuple[Any, ...]:
    """What a symbol and its differential stand for, to every reader."""
    readers = [one for one in (reader, reader.ahead, reader.last) if one]
    tensors = (table.get(name) for one in readers for table in (one.symbols, one.adjoints))
    # Two steps without a direct loss are another program under the same names.
    programs = tuple(one.ground.program.inputs for one in readers)
    return (*(tensor.expr if tensor else None for tensor in tensors), programs)


def _holds(claim: Claim, reader: Reader) -> bool:
    try:
        return holds(claim, reader) is True
    except HandgradError:
        return False


def best(vocabulary: Vocabulary, judge: Judge) -> tuple[Interpretation, int]:
    """The interpretation under which most equations hold, of equals the plainest, and how many those are.

    Args:
        judge: whether each of the vocabulary's claims holds.
    """
    chosen, held = Interpretation(), judge(Interpretation())
    for alternatives in (_aliases, _nets, _others, _nets, _single_nets):
        for change in alternatives(vocabulary):
            if all(held):
                return chosen, sum(held)
            candidate = change(chosen)
            if candidate != chosen:
                now = judge(candidate)
                if sum(now) > sum(held) and _explains(vocabulary, candidate.nets ^ chosen.nets, now):
                    chosen, held = candidate, now
    likely = _by_analogy(vocabulary, chosen)
    return max((likely, sum(judge(likely))), (chosen, sum(held)), key=lambda one: one[1])


def _by_analogy(vocabulary: Vocabulary, how: Interpretation) -> Interpretation:
    """Names of cotangents that no equation explains, because the one for them is wrong: as others of their letter.

    A differential of what is no quantity, the a_o in da_o, is otherwise taken for that of what o is a function of.
    """
    gates, known = _gates(vocabulary), dict(how.aliases)
    for base in bare_cotangents(vocabulary):
        letter = base.rpartition("_")[0]
        others = {of.startswith(NET) for name, of in known.items() if name.rpartition("_")[0] == letter}
        named = [name for name in gates if _is_labelled_by(base, name)]
        is_net = others == {True} or (not others and base not in vocabulary.undifferentiated and bool(letter))
        if base not in known and len(named) == 1 and is_net:
            how = _with_alias(base, NET + named[0], how)
    return how


def _explains(vocabulary: Vocabulary, gates: frozenset[str], held: tuple[bool, ...]) -> bool:
    """Whether another reading of one gate's differential makes the equation for it right, and not others by chance."""
    if len(gates) != 1:
        return True
    own = [holds for claim, holds in zip(vocabulary.claims, held, strict=True) if _about(claim.left) in gates]
    return bool(own) and all(own)


def defined_symbols(vocabulary: Vocabulary) -> set[str]:
    """Names of cotangents that some equation is about, and symbols marked next that stand without a ∂."""
    plain = {name for name in vocabulary.undifferentiated if name.endswith("_next")}
    return plain | {about for claim in vocabulary.claims if (about := _about(claim.left, whole=True))}


def _about(left: Node, whole: bool = False) -> str | None:
    """The quantity whose differential a left side is; or, the whole symbol, a name of a cotangent."""
    match left:
        case Differential(of=Symbol(name=name)):
            return split_time(name)[0]
        case Symbol(name=name):
            return split_time(name if whole else adjoint_of(name) or "")[0]
    return None


def _aliases(vocabulary: Vocabulary) -> Iterator[Change]:
    """A cotangent that does not say of what may be that of any quantity of the step, or of a function's argument."""
    quantities = dict.fromkeys(split_time(name)[0] for name in vocabulary.symbols if _is_of_the_step(name, vocabulary))
    for base in bare_cotangents(vocabulary):
        named = [name for name in quantities if _is_labelled_by(base, name)]
        for of in (NET + name for name in _gates(vocabulary) if not named or name in named):
            yield partial(_with_alias, base, of)
        for of in named or quantities:
            yield partial(_with_alias, base, of)


def _is_labelled_by(base: str, quantity: str) -> bool:
    """Whether a name of a cotangent says of what by its label: δ^c of c or c̃, da_o of o."""
    letter, _, label = base.rpartition("_")
    plain = re.sub(r"\\(?:tilde|bar|hat|dot)\{(.*?)\}", r"\1", quantity)
    return bool(letter) and label in {plain, plain.rpartition("_")[2]}


def _with_alias(base: str, of: str, now: Interpretation) -> Interpretation:
    return replace(now, aliases=(*(one for one in now.aliases if one[0] != base), (base, of)))


def _gates(vocabulary: Vocabulary) -> list[str]:
    """The quantities that are a function's value."""
    return list(dict.fromkeys(split_time(name)[0] for name in vocabulary.arguments))


def _is_of_the_step(name: str, vocabulary: Vocabulary) -> bool:
    tensor = vocabulary.symbols[name]
    arrays = vocabulary.cell.arrays
    return all(arrays[entry.name].role == "derived" for entry in tensor.expr.atoms(Entry))


def _nets(vocabulary: Vocabulary) -> Iterator[Change]:
    """A gate's differential may be the cotangent of what its function is applied to."""
    gates = frozenset(_gates(vocabulary)) & _differentiated(vocabulary)
    yield lambda now: replace(now, nets=now.nets | gates)


def _single_nets(vocabulary: Vocabulary) -> Iterator[Change]:
    for gate in sorted(frozenset(_gates(vocabulary)) & _differentiated(vocabulary)):
        yield lambda now, gate=gate: replace(now, nets=now.nets ^ {gate})  # type: ignore[misc]


def _differentiated(vocabulary: Vocabulary) -> frozenset[str]:
    """Quantities whose cotangent is written with a letter rather than as a fraction."""
    named = {split_time(of)[0] for of in vocabulary.adjoint_names}
    fractions: set[int] = set()
    for claim in vocabulary.claims:
        for side in (claim.left, claim.right):
            for node in walk(side):
                if isinstance(node, Quotient):
                    fractions |= {id(part) for part in walk(node)}
                elif isinstance(node, Differential) and isinstance(node.of, Symbol) and id(node) not in fractions:
                    named.add(split_time(node.of.name)[0])
    return frozenset(named)


def _others(vocabulary: Vocabulary) -> Iterator[Change]:
    for name in vocabulary.names:
        base = name.removesuffix("_next")
        if base != name and base in vocabulary.symbols:
            yield lambda now, base=base: replace(now, total_next=now.total_next | {base})  # type: ignore[misc]
    if vocabulary.through_time:
        yield lambda now: replace(now, direct=False)
