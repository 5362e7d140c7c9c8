"""What stands for a quantity in a derived program: its cotangent, what reaches it, its value one step on."""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Add

from derive.calculus import COTANGENT, SEED
from derive.index import Entry
from derive.program import Program
from derive.tensor import Tensor
from derive.unroll import NEXT, SHARE


def cotangent(tensor: Tensor, program: Program) -> Tensor | None:
    """The cotangent of a quantity, if the program has it."""
    return marked(tensor, COTANGENT, program) or marked(tensor, SEED, program)


def incoming(tensor: Tensor, program: Program) -> Tensor | None:
    """What reaches a quantity from outside of the step, if anything does."""
    return marked(tensor, SEED, program)


def marked(tensor: Tensor, mark: str, program: Program) -> Tensor | None:
    """A quantity's cotangent, or what reaches it from outside, if the program has it."""
    return _swapped(tensor, {entry: mark + entry.name for entry in tensor.expr.atoms(Entry)}, program)


def one_step_on(tensor: Tensor, program: Program) -> Tensor | None:
    """A quantity one step later, if the program has it."""
    return _swapped(tensor, {entry: entry.name + NEXT for entry in tensor.expr.atoms(Entry)}, program)


def shared(tensor: Tensor, program: Program) -> Tensor | None:
    """What step t alone gives to a parameter's cotangent; None for what is no parameter."""
    names = {entry: COTANGENT + entry.name + SHARE for entry in tensor.expr.atoms(Entry)}
    found = _swapped(tensor, names, program)
    if found is None:
        return None
    return Tensor(found.expr, tuple(axis for axis in found.axes if set(axis.indices) & found.expr.free_symbols))


def _swapped(tensor: Tensor, names: Mapping[Entry, str], program: Program) -> Tensor | None:
    """The tensor with other arrays in the place of its own."""
    if not names or any(name not in program.arrays for name in names.values()):
        return None
    swapped = {entry: Entry(name, *entry.indices) for entry, name in names.items()}
    return Tensor(tensor.expr.xreplace(swapped), tensor.axes)


def arriving(tensor: Tensor, program: Program) -> Tensor | None:
    """What reaches a quantity from the step after: the terms of its cotangent that mention that step."""
    entry = tensor.expr
    equation = program.definitions.get(COTANGENT + entry.name) if isinstance(entry, Entry) else None
    if equation is None or program.arrays[entry.name].role != "derived":
        return None
    terms = Add.make_args(equation.at(entry.indices))
    later = (term for term in terms if any(part.name.endswith(NEXT) for part in term.atoms(Entry)))
    return Tensor(Add(*later), tensor.axes)


def is_seed(tensor: Tensor) -> bool:
    return any(entry.name.startswith(SEED) for entry in tensor.expr.atoms(Entry))


def is_in(tensor: Tensor, program: Program) -> bool:
    return all(entry.name in program.arrays for entry in tensor.expr.atoms(Entry))
