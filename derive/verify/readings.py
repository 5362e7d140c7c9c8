"""Choosing among the readings that a notation leaves open: the one under which most of the equations hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from operator import ge
from typing import Any

from derive.errors import HandgradError
from derive.index import Entry
from derive.notes.adjoints import Mark
from derive.notes.ambiguous import (
    bare_cotangents,
    explicit,
    is_labelled_by,
    labelled,
    marked_gates,
    split_label,
    told_apart,
)
from derive.notes.document import Document
from derive.notes.interpretation import NET, Interpretation, with_alias
from derive.notes.meaning import Reader
from derive.notes.settings import Settings
from derive.notes.syntax import Claim, split_time, symbol_below
from derive.notes.vocabularies import vocabularies
from derive.notes.vocabulary import Vocabulary
from derive.verify.horizon import holds, symbol_names
from derive.verify.signs import Held, Marked, as_others, marked, told

Change = Callable[[Interpretation], Interpretation]
Judge = Callable[[Interpretation], Held]


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
        judge = partial(_judged, replace(vocabulary, proving=False), {})
        how = best(vocabulary, judge)
        held = judge(how)
        sentences = [vocabulary.sentence] if vocabulary.sentence else []
        sentences += how.sentences(vocabulary.argument_names, defined_symbols(vocabulary))
        first = first or replace(vocabulary, proving=False).reader(Interpretation())
        guessed = _guessed(vocabulary, how, held)
        candidates.append((sum(held), vocabulary.reader(how), "; ".join(sentences) or None, guessed))
        if all(held):
            break
    assert first is not None  # the first vocabulary is always there, or an error has said why not
    _, reader, sentence, guessed = max(candidates, key=lambda one: one[0])
    return Reading(reader, sentence, first, guessed)


def _guessed(vocabulary: Vocabulary, how: Interpretation, held: Held) -> frozenset[str]:
    """Names of cotangents that do not say of what, what comes from outside, and gates' differentials."""
    sure = told(vocabulary, how, held)
    nets = (gate for sign, gate in how.nets if sign + gate not in sure)
    names = {*(name for name, _ in how.aliases if name not in sure), *vocabulary.sources, *nets}
    return frozenset(split_time(name)[0] for name in names)


def _judged(vocabulary: Vocabulary, known: dict[Any, bool], how: Interpretation) -> Held:
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
    nets = tuple((sign, net.expr) for one in readers for (sign, gate), net in one.nets.items() if gate == name)
    defined = tuple(one.defined[name].expr if name in one.defined else None for one in readers)
    # Two steps without a direct loss are another program under the same names.
    programs = tuple(one.ground.program.inputs for one in readers)
    return (*(tensor.expr if tensor else None for tensor in tensors), nets, programs, reader.layout, defined)


def _holds(claim: Claim, reader: Reader) -> bool:
    try:
        return holds(claim, reader) is True
    except HandgradError:
        return False


def best(vocabulary: Vocabulary, judge: Judge) -> Interpretation:
    """The interpretation under which most equations hold, of equals the plainest.

    Args:
        judge: whether each of the vocabulary's claims holds.
    """
    chosen = _explaining_most(vocabulary, judge)
    likely = _by_analogy(vocabulary, chosen)
    chosen = max(likely, chosen, key=lambda how: sum(judge(how)))
    chosen = as_others(vocabulary, chosen, judge)
    return replace(chosen, own=bool(vocabulary.own))


def _explaining_most(vocabulary: Vocabulary, judge: Judge) -> Interpretation:
    """The interpretation under which most equations hold, one choice after the other."""
    chosen, apart = Interpretation(), told_apart(vocabulary)
    for one in marked(vocabulary, chosen):
        chosen = one.read(True, chosen) if (one.sign, one.gate) in apart else chosen
    chosen = max(chosen, Interpretation(), key=lambda how: sum(judge(how)))
    held = judge(chosen)
    for alternatives in (_layouts, _aliases, _nets, _others, _nets, _single_nets):
        for change in alternatives(vocabulary):
            if all(held):
                return chosen
            candidate = change(chosen)
            if candidate != chosen:
                now = judge(candidate)
                if _is_better(vocabulary, (chosen, held), (candidate, now)):
                    chosen, held = candidate, now
    return chosen


def _by_analogy(vocabulary: Vocabulary, how: Interpretation) -> Interpretation:
    """Names of cotangents that no equation explains, because the one for them is wrong: as others of their letter.

    A differential of what is no quantity, the a_o in da_o, is otherwise taken for that of what o is a function of.
    """
    gates, known = _gates(vocabulary), dict(how.aliases)
    for base in bare_cotangents(vocabulary):
        letter, _ = split_label(base)
        others = {of.startswith(NET) for name, of in known.items() if split_label(name)[0] == letter}
        named = [name for name in gates if is_labelled_by(base, name)]
        unlike = base in vocabulary.undifferentiated or not letter or letter[0].isupper()  # dW is that of a matrix
        is_net = others == {True} or (not others and not unlike)
        if base not in known and len(named) == 1 and is_net:
            how = with_alias(base, NET + named[0], how)
    return how


def _is_better(vocabulary: Vocabulary, old: tuple[Interpretation, Held], new: tuple[Interpretation, Held]) -> bool:
    """Whether more equations hold under a new reading, and not by chance.

    One equation alone does not tell that gradients are rows, it may lack a transpose; nor how one gate's cotangent is
    read, unless it is the equation for it.
    """
    (before, held), (after, now) = old, new
    more = sum(now) - sum(held)
    if after.layout != before.layout:
        return more > (before.layout == "columns")
    changed = after.nets ^ before.nets
    explained = len(changed) != 1 or all(Marked(*mark).is_explained(vocabulary.claims, now) for mark in changed)
    return more > 0 if explained else more > 1 and all(map(ge, now, held))


def defined_symbols(vocabulary: Vocabulary) -> set[str]:
    """Names of cotangents that some equation is about, and symbols marked next that stand without a ∂."""
    plain = {name for name in vocabulary.undifferentiated if name.endswith("_next")}
    return plain | {split_time(below)[0] for claim in vocabulary.claims if (below := symbol_below(claim.left))}


def _aliases(vocabulary: Vocabulary) -> Iterator[Change]:
    """A cotangent that does not say of what may be that of any quantity of the step, or of a function's argument."""
    quantities = dict.fromkeys(split_time(name)[0] for name in vocabulary.symbols if _is_of_the_step(name, vocabulary))
    for base in bare_cotangents(vocabulary):
        named = [name for name in quantities if is_labelled_by(base, name)]
        for of in (NET + name for name in _gates(vocabulary) if not named or name in named):
            yield partial(with_alias, base, of)
        for of in named or quantities:
            yield partial(with_alias, base, of)


def _gates(vocabulary: Vocabulary) -> list[str]:
    """The quantities that are a function's value."""
    return list(dict.fromkeys(split_time(name)[0] for name in vocabulary.arguments))


def _is_of_the_step(name: str, vocabulary: Vocabulary) -> bool:
    tensor = vocabulary.symbols[name]
    arrays = vocabulary.cell.arrays
    return all(arrays[entry.name].role == "derived" for entry in tensor.expr.atoms(Entry))


def _layouts(vocabulary: Vocabulary) -> Iterator[Change]:
    """Beside single columns gradients may be rows."""
    if vocabulary.columns and vocabulary.many is None:
        yield lambda now: replace(now, layout="rows")
        yield lambda now: replace(now, layout="transposed")


def _nets(vocabulary: Vocabulary) -> Iterator[Change]:
    """A gate's cotangent under one sign, or under all, may be that of what its function is applied to."""
    marks = _open_marks(vocabulary)
    for sign in sorted({sign for sign, _ in marks}):
        own = frozenset(mark for mark in marks if mark[0] == sign)
        yield lambda now, own=own: replace(now, nets=now.nets | own)  # type: ignore[misc]
    yield lambda now: replace(now, nets=now.nets | marks)


def _single_nets(vocabulary: Vocabulary) -> Iterator[Change]:
    for mark in sorted(_open_marks(vocabulary)):
        yield lambda now, mark=mark: replace(now, nets=now.nets ^ {mark})  # type: ignore[misc]


def _open_marks(vocabulary: Vocabulary) -> frozenset[Mark]:
    """Marks of gates that the notes do not say the meaning of, and that no alias stands for."""
    aliased = labelled(vocabulary)
    marks = marked_gates(vocabulary) - explicit(vocabulary)
    return frozenset((sign, gate) for sign, gate in marks if sign + gate not in aliased)


def _others(vocabulary: Vocabulary) -> Iterator[Change]:
    for name in vocabulary.names:
        base = name.removesuffix("_next")
        if base != name and base in vocabulary.symbols:
            yield lambda now, base=base: replace(now, total_next=now.total_next | {base})  # type: ignore[misc]
    if vocabulary.through_time:
        yield lambda now: replace(now, direct=False)
