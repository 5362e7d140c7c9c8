"""How the quantities of a cell that handgrad ships are usually spelled: x_t, h_{t-1} or h_{prev}, c_t, W_x, b_i."""

from __future__ import annotations

from collections.abc import Iterator

from derive.axis import axis
from derive.calculus import SEED
from derive.index import Entry
from derive.notes.places import view
from derive.notes.symbols import symbol_name
from derive.program import Program
from derive.tensor import Tensor


def standard_symbols(program: Program, columns: bool = False) -> dict[str, Tensor]:
    """The spellings of all arrays of a derived program and their blocks, cotangents excepted.

    Args:
        columns: whether vectors are columns: everything is read transposed, and a bias stands for every column.
    """
    return {symbol_name(latex): oriented(program, target, columns) for latex, target in _spellings(program)}


def oriented(program: Program, target: str, columns: bool) -> Tensor:
    """An array or block as the notes lay it out.

    Raises:
        NotesError: if the program has none of that name.
    """
    tensor = view(program, target)
    if not columns:
        return tensor
    if len(tensor.axes) == 1 and all(program.arrays[e.name].role == "parameter" for e in tensor.expr.atoms(Entry)):
        return Tensor(tensor.expr, (*tensor.axes, axis(many(program))))
    return tensor.T


def many(program: Program) -> object:
    """The dimension of the batch: the first of a sequence or state."""
    return next(array.sizes[0] for role in ("sequence", "state") for array in program.having(role))


def _spellings(program: Program) -> Iterator[tuple[str, str]]:
    """(LaTeX, array or block) for every spelling."""
    for array in program.arrays.values():
        plain = _latex(array.name)
        if array.role == "cotangent":
            if array.name.startswith(SEED):
                yield f"d_{{next-{array.name.removeprefix(SEED)}}}", array.name
            continue
        if array.role == "state":
            before = _latex(str(array.next))
            yield f"{before}_{{t-1}}", array.name
            yield f"{before}_{{prev}}", array.name
            yield f"{before}_{{next}}", str(array.next)
            continue
        yield plain, array.name
        if array.role != "parameter":
            yield _with_script(plain, "t"), array.name
        for label in array.labels:
            yield _with_script(plain, label), f"{array.name}.{label}"
            if array.role != "parameter":
                yield _with_script(_with_script(plain, label), "t"), f"{array.name}.{label}"
            elif plain.endswith("}"):  # W_{xf} and W_{fx}, of what is from x to f
                letter, _, own = plain.removesuffix("}").partition("_{")
                yield f"{letter}_{{{own}{label}}}", f"{array.name}.{label}"
                yield f"{letter}_{{{label}{own}}}", f"{array.name}.{label}"


def _latex(name: str) -> str:
    letter, _, script = name.partition("_")
    return f"{letter}_{{{script.replace('_', ',')}}}" if script else letter


def _with_script(symbol: str, script: str) -> str:
    return f"{symbol[:-1]},{script}}}" if symbol.endswith("}") else f"{symbol}_{{{script}}}"
