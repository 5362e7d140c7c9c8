"""Gates under one sign: it means the gradient of each gate, or that of each gate's pre-activation.

What makes it mean another thing for one gate alone is more likely a mistake in that gate's equation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from derive.notes.adjoints import adjoint_of, mark_of
from derive.notes.ambiguous import bare_cotangents, is_labelled_by, labelled, marked_gates, split_label
from derive.notes.interpretation import NET, Interpretation, with_alias
from derive.notes.syntax import Claim, split_time, symbol_below
from derive.notes.vocabulary import Vocabulary

Held = tuple[bool, ...]  # whether each claim of a vocabulary holds


@dataclass(frozen=True, order=True)
class Marked:
    """The cotangent of a gate under a sign, and the symbol that it is if that is an alias: a_o in da_o, δ^o."""

    sign: str
    gate: str
    alias: str = ""

    @property
    def name(self) -> str:
        return self.alias or self.sign + self.gate

    def is_net(self, how: Interpretation) -> bool:
        """Whether it is read as the cotangent of what the gate's function is applied to."""
        alias = dict(how.aliases).get(self.alias)
        return alias == NET + self.gate if alias else (self.sign, self.gate) in how.nets

    def read(self, net: bool, how: Interpretation) -> Interpretation:
        """The interpretation in which it is read so."""
        if self.alias:
            return with_alias(self.alias, (NET if net else "") + self.gate, how)
        mark = frozenset({(self.sign, self.gate)})
        return replace(how, nets=how.nets | mark if net else how.nets - mark)

    def is_about(self, claim: Claim) -> bool:
        """Whether an equation says what it is."""
        if self.alias:
            return split_time(symbol_below(claim.left) or "")[0] == self.alias
        return mark_of(claim.left) == (self.sign, self.gate)

    def is_explained(self, claims: Iterable[Claim], held: Held) -> bool:
        """Whether there are equations that say what it is, and they hold."""
        own = [holds for claim, holds in zip(claims, held, strict=True) if self.is_about(claim)]
        return bool(own) and all(own)


def marked(vocabulary: Vocabulary, how: Interpretation) -> Iterator[Marked]:
    """The gates under every sign, as an interpretation has them."""
    aliased, aliases = labelled(vocabulary), dict(how.aliases)
    for sign, gate in sorted(marked_gates(vocabulary)):
        if sign + gate not in aliased:
            yield Marked(sign, gate)
    gates = dict.fromkeys(split_time(name)[0] for name in vocabulary.arguments)
    for base in sorted({*aliased, *bare_cotangents(vocabulary)}):
        for gate in (name for name in gates if is_labelled_by(base, name)):
            if aliases.get(base, adjoint_of(base)) in {gate, NET + gate}:
                yield Marked(f"{split_label(base)[0]}_", gate, base)


def as_others(vocabulary: Vocabulary, how: Interpretation, judge: Callable[[Interpretation], Held]) -> Interpretation:
    """A gate that nothing but its own equation reads otherwise than most under its sign, read as those."""
    held = judge(how)
    explained = [one for one in marked(vocabulary, how) if one.is_explained(vocabulary.claims, held)]
    net = {one: one.is_net(how) for one in explained}
    for one in explained:
        alike = [net[other] == net[one] for other in explained if other.sign == one.sign]
        if 2 * sum(alike) < len(alike):
            other = one.read(not net[one], how)
            verdicts = zip(vocabulary.claims, judge(how), judge(other), strict=True)
            lost = (claim for claim, before, now in verdicts if before and not now)
            how = other if all(map(one.is_about, lost)) else how
    return how


def told(vocabulary: Vocabulary, how: Interpretation, held: Held) -> frozenset[str]:
    """The names of those whose reading an equation of their own tells, or that of another gate under their sign."""
    found = list(marked(vocabulary, how))
    sure = {(one.sign, one.is_net(how)) for one in found if one.is_explained(vocabulary.claims, held)}
    return frozenset(one.name for one in found if (one.sign, one.is_net(how)) in sure)
