"""The cell that notes define: their own forward equations as a program, shapes worked out from how symbols are used.

A symbol with a time is an array, one whose previous time is used and which the notes define is a state, one that
they do not define is an input; a symbol without a time that they do not define is a parameter, a matrix if it is
a capital. An axis that is a concatenation is split: W [h, x] has one parameter for h and one for x.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sympy import Function

from derive.axis import axis
from derive.equality import Ground
from derive.errors import HandgradError, NotesError
from derive.index import Entry, Joined, entries
from derive.notes.functions import KNOWN
from derive.notes.glossary import Forward, Roles, identifier
from derive.notes.meaning import Reader
from derive.notes.plain import symbol_text
from derive.notes.sizes import MANY, Convention, Sizes
from derive.notes.syntax import Applied, Concatenation, Symbol, split_time
from derive.program import Array, Equation, Program, Role, define
from derive.tensor import Tensor, each_part, elementwise, join

NET = "_net"  # i_net is what i is a function of


@dataclass(frozen=True)
class Inferred:
    """A cell, what the notes' symbols stand for in it, and how they write vectors.

    Attributes:
        labels: for each parameter that is split, the names of its parts.
    """

    cell: Program
    symbols: Mapping[str, Tensor]
    labels: Mapping[str, tuple[str, ...]]
    convention: Convention


def infer_cell(
    forward: tuple[Forward, ...],
    name: str,
    batch: bool,
    columns: bool | None = None,
    functions: Mapping[str, type[Function]] | None = None,
    entrywise: bool = False,
    numbers: bool = True,
    differentiated: Collection[str] = (),
) -> Inferred:
    """The cell that forward equations define, each behind those that it uses.

    Args:
        batch: whether a batch axis stands beside every vector.
        columns: whether vectors are columns; by default as the products tell.
        functions: the symbols that are functions.
        entrywise: whether small letters beside a vector multiply entry by entry.
        numbers: whether parameters that only ever stand beside others without a sign are numbers.
        differentiated: quantities of which the notes speak of a cotangent.

    Raises:
        NotesError: if their shapes fit together in no way.
    """
    roles = Roles(forward, entrywise, numbers)
    sizes = Sizes(roles, Convention(roles.columns if columns is None else columns, batch))
    for equation in forward:
        sizes.equation(equation)
    build = _Build(sizes, functions or KNOWN)
    build.inputs()
    for equation in forward:
        try:
            build.equation(equation)
        except HandgradError as error:
            raise NotesError(f"the forward equation {equation.text!r} does not fit: {error}") from None
    return build.result(name, differentiated)


@dataclass
class _Build:
    """Arrays and equations as they come, and the notes' symbols for them."""

    sizes: Sizes
    functions: Mapping[str, type[Function]]
    arrays: list[Array] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)
    symbols: dict[str, Tensor] = field(default_factory=dict)
    # Names of what other equations use under no name: no outputs, although no equation mentions them.
    views: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.dims = self.sizes.dims()
        self.roles = self.sizes.roles
        self.convention = self.sizes.convention

    def inputs(self) -> None:
        """The arrays that no equation defines, sequences first, then states, then parameters."""
        for name in self.roles.used:
            base, time = split_time(name)
            if base in self.roles.states and time == -1:
                tensor = self._input(f"{base}_prev", base, "state")
                self.symbols |= {f"{base}_t-1": tensor, f"{base}_prev": tensor}
            elif base in self.roles.defined or base in self.symbols:
                continue
            elif self.roles.is_sequence(name):
                tensor = self._input(base, base, "sequence")
                self.symbols |= {name: tensor} if time == -1 else {base: tensor, f"{base}_t": tensor, name: tensor}
            else:
                self.symbols[name] = self._parameter(name)
        order: dict[Role, int] = {"sequence": 0, "state": 1, "parameter": 2}
        self.arrays.sort(key=lambda array: order[array.role])

    def _input(self, name: str, base: str, role: Role) -> Tensor:
        sizes = tuple(self.sizes.size(size, self.dims) for size in self.sizes.known[base])
        return self._whole(name, sizes, self._labels(base), role, base)

    def _parameter(self, name: str) -> Tensor:
        """A matrix, or a vector that stands for every column or row of the batch."""
        known = self.sizes.known[split_time(name)[0]]
        sizes = tuple(self.sizes.size(size, self.dims) for size in known)
        if self.roles.is_matrix(name) or not sizes:
            return self._whole(name, sizes, self._labels(name), "parameter")
        own = [k for k, size in enumerate(known) if self.sizes.root(size) != MANY]
        labels = self._labels(name)
        vector = self._whole(name, tuple(sizes[k] for k in own), tuple(labels[k] for k in own), "parameter")
        many = axis(self.convention.many)
        return Tensor(vector.expr, (*vector.axes, many)) if self.convention.columns else vector

    def _labels(self, name: str) -> tuple[tuple[str, ...], ...]:
        """For each axis the names of its parts."""
        known = self.sizes.known[split_time(name)[0]]
        return tuple(self.sizes.labels.get(self.sizes.root(size), ()) for size in known)

    def _whole(
        self,
        name: str,
        sizes: tuple[object, ...],
        labels: tuple[tuple[str, ...], ...],
        role: Role,
        state: str | None = None,
    ) -> Tensor:
        """One array, or where an axis is joined one for each part."""
        for position, size in enumerate(sizes):
            if isinstance(size, Joined):
                parts = [
                    self._whole(f"{name}_{label}", (*sizes[:position], dim, *sizes[position + 1 :]), labels, role)
                    for dim, label in zip(size.dims, _distinct(labels[position]), strict=True)
                ]
                return join(parts, position)
        following = identifier(state) if role == "state" and state else None
        array = Array(identifier(name), sizes, role, following)
        self.arrays.append(array)
        return array.tensor

    def equation(self, forward: Forward) -> None:
        """Define what an equation defines, and beside it the argument of an outermost function."""
        right = forward.right
        (first, *_) = forward.names
        reader = self._reader()
        if first in self.symbols and f"{first}_t-1" not in self.symbols:
            return
        if isinstance(right, Applied) and isinstance(right.function, Symbol) and not isinstance(right.argument, Symbol):
            net = self._define(f"{first}{NET}", reader.meanings(right.argument)[0])
            self._name(first, elementwise(reader.functions[right.function.name], net))
            return
        if self._is_view(forward):
            value = reader.meanings(right)[0]
            values = value.parts if len(forward.names) > 1 else (value,)
            for name, part in zip(forward.names, values, strict=True):
                self.symbols |= {f"{name}{time}": part for time in ("", "_t")}
            self.views |= set(forward.names)
            return
        if isinstance(right, Applied) and isinstance(right.function, Concatenation):
            self.symbols["net"] = net = self._define("net", reader.meanings(right.argument)[0])
            kinds = [reader.functions[part.name] for part in right.function.parts if isinstance(part, Symbol)]
            value = each_part(kinds, net)
            parts = value.parts
        else:
            value = reader.meanings(right)[0]
            parts = value.parts if len(forward.names) > 1 else (value,)
        if len(parts) != len(forward.names):
            raise NotesError(f"{len(forward.names)} quantities of {len(parts)} parts")
        for name, part in zip(forward.names, parts, strict=True):
            self._name(name, part)
        if len(parts) > 1 and "net" not in self.symbols:
            whole = next(k for k, one in enumerate(value.axes) if isinstance(one.size, Joined))
            self.symbols["net"] = join([self.symbols[name] for name in forward.names], whole)

    def _is_view(self, forward: Forward) -> bool:
        """Whether an equation only names the blocks of a quantity, or collects some that no other equation uses so."""
        if len(forward.names) > 1:
            return isinstance(forward.right, Symbol)
        right, used = forward.right, {split_time(name)[0] for name in self.roles.used}
        symbols = isinstance(right, Concatenation) and all(isinstance(part, Symbol) for part in right.parts)
        return symbols and forward.names[0] not in used

    def _name(self, base: str, value: Tensor) -> None:
        tensor = self._define(base, value)
        self.symbols |= {f"{base}{time}": tensor for time in ("", "_t", "_next")}

    def _define(self, name: str, value: Tensor) -> Tensor:
        """An equation, or one for each part of a joined axis."""
        parts = value.parts
        if len(parts) == 1:
            array = Array(identifier(name), tuple(one.size for one in value.axes))
            self.equations.append(define(array, value))
            return array.tensor
        position = next(k for k, one in enumerate(value.axes) if isinstance(one.size, Joined))
        return join([self._define(f"{name}_{k + 1}", part) for k, part in enumerate(parts)], position)

    def _reader(self) -> Reader:
        plain = tuple(replace(array, role="parameter", next=None) for array in self.arrays)
        columns = self.convention.columns
        return Reader(Ground(Program("notes", plain, (), ())), self.symbols, self.functions, columns=columns)

    def result(self, name: str, differentiated: Collection[str]) -> Inferred:
        outputs = tuple(
            entry.name
            for base in self.roles.outputs(set(differentiated) - self.views)
            if base not in self.views
            for entry in entries(self.symbols[base].expr)
        )
        cell = Program(name, tuple(self.arrays), tuple(self.equations), outputs)
        parameters = (name for name in self.roles.used if self.roles.is_matrix(name))
        split = {
            name: next((list(_distinct(one)) for one in self._labels(name)[::-1] if one), []) for name in parameters
        }
        labels = {name: tuple(one) for name, one in split.items() if one}
        return Inferred(cell, self.symbols, labels, self.convention)


def _distinct(labels: Iterable[str]) -> Iterator[str]:
    """Names of parts, by number where two are alike or one is none."""
    found = list(labels)
    good = len(set(found)) == len(found) and all(found)
    return iter(found if good else [str(k + 1) for k in range(len(found))])


def with_nets(cell: Program) -> Program:
    """A cell in which what a gate's function is applied to is a quantity, as it is in a cell that notes define."""
    equations: list[Equation] = []
    for equation in cell.equations:
        value = equation.value
        if isinstance(value, Function) and len(value.args) == 1 and not isinstance(value.args[0], Entry):
            array = Array(f"{equation.name}{NET}", equation.array.sizes)
            equations.append(define(array, Tensor(value.args[0], equation.array.axes)))
            value = value.func(Entry(array.name, *equation.array.indices))
        equations.append(replace(equation, value=value))
    return replace(cell, equations=tuple(equations))


def check_complete(roles: Roles, unread: Mapping[str, str]) -> None:
    """Refuse to take for an input what an equation defines that is not understood.

    Args:
        unread: the left sides of equations that could not be read or used, and those equations.
    """
    for base in (split_time(used)[0] for used in roles.used):
        if base in unread and base not in roles.defined:
            raise NotesError(
                f"the cell needs {symbol_text(base)}, and its equation is not understood: {unread[base]!r}"
            )
