"""A program: named equations in index notation, each defined once and used only below.

Forward equations, backward equations and everything derived from them are programs, so that ``vjp`` and
``jvp`` map programs to programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from keyword import iskeyword
from typing import Literal

from sympy import Expr, Integer

from derive.axis import ONE, Axis, Size
from derive.errors import CellError
from derive.index import Bound, Dim, Entry, Index, Stack, entries, free_indices, rename_bound
from derive.tensor import Tensor

Role = Literal["sequence", "state", "parameter", "cotangent", "tangent", "derived"]


@dataclass(frozen=True)
class Array:
    """A named quantity: its shape, what it is to the cell, and for a state the name of its next value."""

    name: str
    sizes: tuple[Size, ...]
    role: Role = "derived"
    next: str | None = None

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """The axes with their standing indices: n, d, h …, γ over the blocks of a stack."""
        taken: list[Index] = []
        axes = []
        for size in self.sizes:
            parts = [Integer(len(size.labels)), size.dim] if isinstance(size, Stack) else [size]
            indices = []
            for dim in parts:
                indices.append(standing_index(dim, taken))
                taken.append(indices[-1])
            axes.append(Axis(tuple(indices), size))
        return tuple(axes)

    @property
    def indices(self) -> tuple[Index, ...]:
        return tuple(index for axis in self.axes for index in axis.indices)

    @property
    def tensor(self) -> Tensor:
        return Tensor(Entry(self.name, *self.indices), self.axes)

    @property
    def labels(self) -> tuple[str, ...]:
        """The block labels of the stacked axis, if there is one."""
        return next((size.labels for size in self.sizes if isinstance(size, Stack)), ())


@dataclass(frozen=True)
class Equation:
    """``array[indices] = value`` for all indices of the array."""

    array: Array
    value: Expr

    @property
    def name(self) -> str:
        return self.array.name

    @property
    def tensor(self) -> Tensor:
        return Tensor(self.value, self.array.axes)

    @cached_property
    def reads(self) -> tuple[Entry, ...]:
        """The entries on the right side, in a stable order."""
        return entries(self.value)

    def at(self, indices: Iterable[Index | Integer]) -> Expr:
        """The right side at other indices, its own bound indices fresh."""
        return rename_bound(self.value).xreplace(dict(zip(self.array.indices, indices, strict=True)))


@dataclass(frozen=True)
class Program:
    """Inputs, equations in order, and the names that are results; checked when it is made."""

    name: str
    inputs: tuple[Array, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[str, ...]
    doc: str = ""

    def __post_init__(self) -> None:
        check(self)

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, object]:
        """Without the hash: that of a string is another in every process."""
        return {name: value for name, value in self.__dict__.items() if name != "_hash"}

    @cached_property
    def _hash(self) -> int:
        """What is remembered of a program is looked up by it, over and over."""
        return hash((self.name, self.inputs, self.equations, self.outputs, self.doc))

    @cached_property
    def arrays(self) -> Mapping[str, Array]:
        """Every input and every defined array, by name."""
        return {array.name: array for array in (*self.inputs, *(e.array for e in self.equations))}

    @cached_property
    def definitions(self) -> Mapping[str, Equation]:
        return {equation.name: equation for equation in self.equations}

    def having(self, role: Role) -> tuple[Array, ...]:
        """The inputs of one role, in order."""
        return tuple(array for array in self.inputs if array.role == role)


def standing_index(dim: Dim, taken: Iterable[Index]) -> Index:
    """The first index name for a dimension that is not taken: h, h′, h″ … over H, γ over block labels."""
    names = {index.name for index in taken}
    letter = "γ" if isinstance(dim, Integer) else str(dim).lower()
    while letter in names:
        letter += "′"
    return Index(letter, dim)


def tidy(value: Expr, taken: Iterable[Index]) -> Expr:
    """The expression with every bound index under its standing name."""
    # Bound indices are made fresh first, or a new name could be captured further inside.
    return _named(rename_bound(value), [*taken, *free_indices(value)])


def _named(value: Expr, taken: Sequence[Index]) -> Expr:
    if not value.has(Bound):
        return value
    if isinstance(value, Bound):
        names: dict[Index, Index] = {}
        for index in value.indices:
            names[index] = standing_index(index.dim, [*taken, *names.values()])
        return value.func(_named(value.body.xreplace(names), [*taken, *names.values()]), *names.values())
    return value.func(*(_named(part, taken) for part in value.args))


def define(array: Array, tensor: Tensor) -> Equation:
    """The equation ``array = tensor``; an array has no axes of length 1 along which nothing varies.

    Raises:
        ShapeError: if the shapes differ.
    """
    value = Tensor(tensor.expr, tuple(a for a in tensor.axes if a != ONE)).read_along(array.axes)
    return Equation(array, tidy(value, array.indices))


def check(program: Program) -> None:
    """Raise a CellError that names the program, the equation and the thing that is wrong in it."""
    where = f"cell {program.name}"
    known: dict[str, Array] = {}
    defined = {equation.name for equation in program.equations}
    dims = {index.dim for array in program.inputs for index in array.indices}
    for array in program.inputs:
        _check_name(where, array.name, known)
        known[array.name] = array
    for equation in program.equations:
        place = f"{where}, equation {equation.name}"
        _check_name(place, equation.name, known)
        for entry in equation.reads:
            if entry.name not in known:
                later = entry.name in defined
                raise CellError(
                    f"{place}: {entry.name} is used before it is defined"
                    if later
                    else f"{place}: unknown symbol {entry.name!r}"
                )
            _check_indices(place, entry, known[entry.name])
        loose = [i.name for i in free_indices(equation.value) if i not in equation.array.indices]
        if loose:
            left = equation.array.tensor.expr
            raise CellError(f"{place}: index {loose[0]} is on the right, not on the left ({left}), and not summed")
        strange = {s for s in equation.value.free_symbols - dims if s.is_positive}
        if strange:
            raise CellError(f"{place}: {min(map(str, strange))} is no dimension of an input")
        known[equation.name] = equation.array
    for name in program.outputs:
        if name not in known:
            raise CellError(f"{where}: output {name!r} is never defined")
    for state in program.having("state"):
        _check_state(where, state, known)


def _check_name(place: str, name: str, known: Mapping[str, Array]) -> None:
    if not name.isidentifier() or iskeyword(name):
        kind = "a Python keyword" if iskeyword(name) else "not an identifier"
        raise CellError(f"{place}: the name {name!r} is {kind}")
    if name in known:
        raise CellError(f"{place}: {name} is defined twice")


def _check_indices(place: str, entry: Entry, array: Array) -> None:
    if len(entry.indices) != len(array.indices):
        wanted = len(array.indices)
        raise CellError(f"{place}: {entry}: {array.name} has {wanted} indices, {len(entry.indices)} are given")
    for given, own in zip(entry.indices, array.indices, strict=True):
        if isinstance(given, Integer):
            if not (isinstance(own.dim, Integer) and 0 <= given < own.dim):
                raise CellError(f"{place}: {entry}: {given} is outside of 0 … {own.dim} − 1")
        elif given.dim != own.dim:
            raise CellError(
                f"{place}: {entry}: index {given} runs over {given.dim}, but {array.name} has {own.dim} there"
            )


def _check_state(where: str, state: Array, known: Mapping[str, Array]) -> None:
    if state.next is None or state.next not in known:
        raise CellError(f"{where}: state {state.name} has no next value: {state.next!r} is never defined")
    after = known[state.next]
    if after.sizes != state.sizes:
        raise CellError(
            f"{where}: state {state.name} has shape {state.tensor.shape}, its next value {after.name} "
            f"has {after.tensor.shape}"
        )
