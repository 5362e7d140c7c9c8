"""Arrays and blocks by name, and the LaTeX of the symbols that stand for them."""

from __future__ import annotations

from sympy import Integer

from derive.errors import NotesError, ShapeError
from derive.index import Entry
from derive.program import Program
from derive.tensor import Tensor


def view(program: Program, target: str) -> Tensor:
    """The array or block that a target names: ``a``, and ``a.i`` or ``a_i``.

    Raises:
        NotesError: if the program has no such array or block.
    """
    name, _, label = target.partition(".")
    if target not in program.arrays and target.rpartition("_")[0] in program.arrays:
        name, _, label = target.rpartition("_")
    if name not in program.arrays:
        raise NotesError(f"the cell {program.name} has no array {name!r}")
    tensor = program.arrays[name].tensor
    try:
        return tensor.block(label) if label else tensor
    except ShapeError as error:
        raise NotesError(f"{target}: {error}") from None


def symbol_latex(name: str) -> str:
    """A canonical name as LaTeX again: ``h_prev`` → ``h_{prev}``."""
    letter, underscore, script = name.partition("_")
    return f"{letter}_{{{script.replace('_', ',')}}}" if underscore else letter


def place(entry: Entry) -> str:
    """What an entry is one of: ``a``, or ``a[2]`` for the block of that number."""
    blocks = [int(index) for index in entry.indices if isinstance(index, Integer)]
    return f"{entry.name}{blocks}" if blocks else entry.name
