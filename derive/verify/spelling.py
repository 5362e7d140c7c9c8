"""How a page spells the arrays of a program: in the notes' own symbols, in LaTeX."""

from __future__ import annotations

from derive.calculus import COTANGENT, SEED
from derive.notes.meaning import Reader
from derive.show import Names, latex_name


def symbol_latex(symbol: str) -> str:
    """A symbol's canonical name in LaTeX: ``h_t-1`` → ``h_{t-1}``, ``a_i_t`` → ``a_{i,t}``."""
    letter, _, script = symbol.partition("_")
    return f"{letter}_{{{script.replace('_', ',')}}}" if script else letter


def spelled_by(reader: Reader) -> Names:
    """The notes' symbols; a cotangent of which they have none is ∂ of its array."""

    def names(name: str, label: str | None) -> str:
        if symbol := reader.spelled(f"{name}.{label}" if label else name):
            return symbol_latex(symbol)
        array = reader.ground.program.arrays.get(name)
        if array and array.role == "cotangent" and not name.startswith(SEED):
            return rf"\partial {names(name.removeprefix(COTANGENT), label)}"
        whole = reader.spelled(name)
        if whole and label:
            return symbol_latex(f"{whole}_{label}")
        return symbol_latex(whole) if whole else latex_name(name, label)

    return names
