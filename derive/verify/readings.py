"""Choosing among the readings that a notation leaves open: the one under which most of the equations hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from derive.index import Entry
from derive.notes.glossary import adjoint_of
from derive.notes.interpret import Vocabulary, bare_cotangents
from derive.notes.interpretation import NET, Interpretation
from derive.notes.syntax import Differential, Node, Quotient, Symbol, split_time, walk

Change = Callable[[Interpretation], Interpretation]
Judge = Callable[[Interpretation], tuple[bool, ...]]


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
    return chosen, sum(held)


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
        for of in (*(NET + name for name in _gates(vocabulary)), *quantities):
            yield partial(_with_alias, base, of)


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
