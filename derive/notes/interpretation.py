"""What a notation leaves open, and in which way it is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from derive.notes.adjoints import Mark, mark_text
from derive.notes.meaning import Layout
from derive.notes.plain import symbol_text

NET = "net "  # before a quantity's name: what the function is applied to whose value it is


@dataclass(frozen=True)
class Interpretation:
    """What a notation leaves open.

    Attributes:
        nets: gates under a sign by which their cotangent is that of what their function is applied to: δ_f of a_f.
        aliases: names of cotangents that do not say of what, and of what they are, e.g. δ of a; with “net ” before
            it, of what its function is applied to.
        total_next: quantities h whose dh_next is all that reaches h, rather than what reaches it from the next step.
        direct: whether the loss reads every step's outputs, rather than the last one's alone.
        layout: how the gradients of columns are laid out.
        own: whether names that equations define, and that are no cotangent's, stand for what these say.
    """

    nets: frozenset[Mark] = frozenset()
    aliases: tuple[tuple[str, str], ...] = ()
    total_next: frozenset[str] = frozenset()
    direct: bool = True
    layout: Layout = "columns"
    own: bool = False

    def sentences(self, arguments: Mapping[str, str], defined: Collection[str] = ()) -> Iterator[str]:
        """What each choice that is not the first one says.

        Args:
            arguments: the names of what gates' functions are applied to, by the gate: a_f for f.
            defined: symbols that the notes themselves say the meaning of.
        """
        for sign in sorted({sign for sign, _ in self.nets}):
            yield _on_nets(sorted(mark for mark in self.nets if mark[0] == sign), arguments)
        for name, of in (alias for alias in self.aliases if alias[0] not in defined):
            argument = of.removeprefix(NET)
            inside = "" if of == argument else "what the function is applied to in "
            yield f"{symbol_text(name)} is the cotangent of {inside}{symbol_text(argument)}"
        for name in sorted(self.total_next - {one.removesuffix("_next") for one in defined}):
            yield f"the differential of {symbol_text(name)} marked next is all that reaches {symbol_text(name)}"
        if not self.direct:
            yield "the loss reads the last step alone"
        if self.layout != "columns":
            yield "gradients are rows" + (", those of matrices transposed" if self.layout == "transposed" else "")


def with_alias(base: str, of: str, now: Interpretation) -> Interpretation:
    """The interpretation with a name of a cotangent as that of something."""
    return replace(now, aliases=(*(one for one in now.aliases if one[0] != base), (base, of)))


def _on_nets(nets: list[Mark], arguments: Mapping[str, str]) -> str:
    """δ_f is read as the gradient of a_f, f's pre-activation."""
    marks = ", ".join(map(mark_text, nets))
    gates = ", ".join(symbol_text(gate) for _, gate in nets)
    named = [symbol_text(arguments[gate]) for _, gate in nets if gate in arguments]
    names = ", ".join(named) + ", " if len(named) == len(nets) else ""
    if len(nets) == 1:
        return f"{marks} is read as the gradient of {names}{gates}'s pre-activation"
    return f"{marks} are read as the gradients of {names}the pre-activations of {gates}"
