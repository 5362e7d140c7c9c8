"""What a notation leaves open, and in which way it is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from derive.notes.plain import symbol_text

NET = "net "  # before a quantity's name: what the function is applied to whose value it is


@dataclass(frozen=True)
class Interpretation:
    """What a notation leaves open.

    Attributes:
        nets: quantities whose differential is the cotangent of what their function is applied to.
        aliases: names of cotangents that do not say of what, and of what they are, e.g. δ of a; with “net ” before
            it, of what its function is applied to.
        total_next: quantities h whose dh_next is all that reaches h, rather than what reaches it from the next step.
        direct: whether the loss reads every step's outputs, rather than the last one's alone.
    """

    nets: frozenset[str] = frozenset()
    aliases: tuple[tuple[str, str], ...] = ()
    total_next: frozenset[str] = frozenset()
    direct: bool = True

    def sentences(self, defined: Collection[str] = ()) -> Iterator[str]:
        """What each choice that is not the first one says.

        Args:
            defined: symbols that the notes themselves say the meaning of.
        """
        if self.nets:
            gates = ", ".join(map(symbol_text, sorted(self.nets)))
            yield f"the differential of {gates} is the cotangent of its function's argument"
        for name, of in (alias for alias in self.aliases if alias[0] not in defined):
            argument = of.removeprefix(NET)
            inside = "" if of == argument else "what the function is applied to in "
            yield f"{symbol_text(name)} is the cotangent of {inside}{symbol_text(argument)}"
        for name in sorted(self.total_next - {one.removesuffix("_next") for one in defined}):
            yield f"the differential of {symbol_text(name)} marked next is all that reaches {symbol_text(name)}"
        if not self.direct:
            yield "the loss reads the last step alone"
