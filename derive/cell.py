"""The cell language: a class body whose assignments are the forward equations.

    class RNN(Cell):
        x = sequence(N, D)
        h_prev = state(N, H)
        W_x, W_h, b = parameter(D, H), parameter(H, H), parameter(H)

        h = tanh(x @ W_x + h_prev @ W_h + b)
        outputs = ("h",)

``@`` is the matrix product, ``*`` is elementwise, ``a.i`` is the block i of a stacked axis, ``v[:, None]`` has a new
axis of length 1, as in NumPy; a dimension is a number too. The body only records what is written; it gets its meaning
when it is complete, so that every error can name its equation. ``RNN.program`` is the result.
"""

from __future__ import annotations

import builtins
import operator
import re
import sys
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, ClassVar

from derive.axis import ONE, Size
from derive.errors import CellError, ShapeError
from derive.functions import FUNCTIONS, arity
from derive.index import dims, stack
from derive.program import Array, Equation, Program, Role, define
from derive.tensor import Tensor, as_tensor, elementwise

__all__ = [
    "Cell",
    "Formula",
    "absolute",
    "dims",
    "exp",
    "log",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "parameter",
    "relu",
    "sequence",
    "sigmoid",
    "sign",
    "softplus",
    "sqrt",
    "stack",
    "state",
    "step",
    "sum",
    "tanh",
]

Names = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Formula:
    """A right side as it was written; ``meaning`` gives its tensor once the names in it are known."""

    meaning: Callable[[Names], Tensor]

    def __getattr__(self, label: str) -> Formula:
        if label.startswith("_"):  # Python's and SymPy's own questions
            raise AttributeError(label)
        return Formula(lambda names: self.meaning(names).block(label))

    @property
    def T(self) -> Formula:
        return Formula(lambda names: self.meaning(names).T)

    def __matmul__(self, other: Any) -> Formula:
        return _binary(operator.matmul, self, other)

    def __add__(self, other: Any) -> Formula:
        return _binary(operator.add, self, other)

    def __radd__(self, other: Any) -> Formula:
        return _binary(operator.add, other, self)

    def __sub__(self, other: Any) -> Formula:
        return _binary(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Formula:
        return _binary(operator.sub, other, self)

    def __mul__(self, other: Any) -> Formula:
        return _binary(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Formula:
        return _binary(operator.mul, other, self)

    def __truediv__(self, other: Any) -> Formula:
        return _binary(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Formula:
        return _binary(operator.truediv, other, self)

    def __pow__(self, exponent: Any) -> Formula:
        return Formula(lambda names: self.meaning(names) ** exponent)

    def __neg__(self) -> Formula:
        return Formula(lambda names: -self.meaning(names))

    def __getitem__(self, key: Any) -> Formula:
        return Formula(lambda names: self.meaning(names)[key])

    def __iter__(self) -> Iterator[Formula]:
        raise CellError("a quantity is no list; sums and maxima over an axis are derive.cell.sum, max and min")

    def __call__(self, *_: Any) -> Formula:
        """What is written like a function and is none is found out with the rest of the equation."""

        def refuse(names: Names) -> Tensor:
            self.meaning(names)
            raise ShapeError(f"a quantity is applied like a function; the functions are {', '.join(FUNCTIONS)}")

        return Formula(refuse)

    def __bool__(self) -> bool:
        raise CellError("a formula has no truth value: the equations of a cell hold always, without if, and, or")


def _meaning(operand: Any, names: Names) -> Any:
    return operand.meaning(names) if isinstance(operand, Formula) else operand


def _binary(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Formula:
    return Formula(lambda names: operation(_meaning(left, names), _meaning(right, names)))


def _function(name: str) -> Callable[..., Formula]:
    function = FUNCTIONS[name]

    def apply(*operands: Any) -> Formula:
        if len(operands) != arity(function):
            raise CellError(f"{name} is a function of {arity(function)}, {len(operands)} are given")
        return Formula(lambda names: elementwise(function, *(_meaning(operand, names) for operand in operands)))

    return apply


sigmoid = _function("sigmoid")
tanh = _function("tanh")
exp = _function("exp")
log = _function("log")
sqrt = _function("sqrt")
softplus = _function("softplus")
relu = _function("relu")
absolute = _function("absolute")
sign = _function("sign")
step = _function("step")
maximum = _function("maximum")
minimum = _function("minimum")


def sum(operand: Any, over: Size | int | None = None) -> Formula:
    """Σ over an axis, the last one or that of a size or a position; the axis stays, with length 1."""
    return Formula(lambda names: as_tensor(_meaning(operand, names)).reduced(over))


def mean(operand: Any, over: Size | int | None = None) -> Formula:
    """The mean over an axis, the last one or that of a size or a position; the axis stays, with length 1."""
    return Formula(lambda names: as_tensor(_meaning(operand, names)).mean(over))


def max(operand: Any, over: Size | int | None = None) -> Formula:
    """The largest over an axis, the last one or that of a size or a position; the axis stays, with length 1."""
    _check_axis("max", over)
    return Formula(lambda names: as_tensor(_meaning(operand, names)).largest(over))


def min(operand: Any, over: Size | int | None = None) -> Formula:
    """The smallest over an axis, the last one or that of a size or a position; the axis stays, with length 1."""
    _check_axis("min", over)
    return Formula(lambda names: -(-as_tensor(_meaning(operand, names))).largest(over))


def _check_axis(name: str, over: Any) -> None:
    if isinstance(over, Formula):
        raise CellError(f"{name} is over an axis, which is given by a size or a position; that of two is {name}imum")


@dataclass(frozen=True)
class Declaration:
    """An input of the cell that has not got its name yet."""

    role: Role
    sizes: tuple[Size, ...]


# To a type checker a declared name is what it is used as in the body below, anything with operators.
def sequence(*sizes: Size) -> Any:
    """An input with a new value at every time step."""
    return Declaration("sequence", sizes)


def state(*sizes: Size) -> Any:
    """The previous value of a state; ``c_prev`` is followed by the equation named ``c``."""
    return Declaration("state", sizes)


def parameter(*sizes: Size) -> Any:
    """An input that is the same at every time step."""
    return Declaration("parameter", sizes)


class Body(dict[str, Any]):
    """The namespace of a cell's class body: records declarations and equations in order."""

    def __init__(self, cell: str, outside: Mapping[str, Any]) -> None:
        super().__init__()
        self.cell = cell
        self.outside = outside
        self.recorded: list[tuple[str, Declaration | Formula]] = []
        self.outputs: tuple[str, ...] = ()

    def __missing__(self, name: str) -> Formula:
        # A name of the code around or of Python itself is looked up there; any other is an array of the cell.
        if name in self.outside or hasattr(builtins, name) or name.startswith("__"):
            raise KeyError(name)
        return self._reference(name)

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setitem__(name, value)
        elif name == "outputs":
            self.outputs = (value,) if isinstance(value, str) else value
            if not (isinstance(value, str | tuple | list) and all(isinstance(one, str) for one in self.outputs)):
                raise CellError(f"cell {self.cell}: outputs are names in quotes, as in outputs = ('h',)")
        elif isinstance(value, Declaration | Formula):
            self.recorded.append((name, value))
            super().__setitem__(name, self._reference(name))
        else:
            raise CellError(
                f"cell {self.cell}, equation {name}: expected a formula or a declaration, got {type(value).__name__}"
            )

    @staticmethod
    def _reference(name: str) -> Formula:
        return Formula(operator.itemgetter(name))

    def program(self) -> Program:
        """The recorded body as a program.

        Raises:
            CellError: naming the cell, the equation and what is wrong in it.
        """
        inputs: list[Array] = []
        equations: list[Equation] = []
        names: dict[str, Tensor] = {}
        for name, value in self.recorded:
            place = f"cell {self.cell}, equation {name}"
            if name in names:
                raise CellError(f"{place}: {name} is defined twice")
            if isinstance(value, Declaration):
                array = self._declare(name, value)
                inputs.append(array)
                names[name] = array.tensor
            else:
                tensor = self._evaluate(place, value, names)
                array = Array(name, tuple(axis.size for axis in tensor.axes if axis != ONE))
                equations.append(define(array, tensor))
                axes = iter(array.axes)
                names[name] = Tensor(array.tensor.expr, tuple(a if a == ONE else next(axes) for a in tensor.axes))
        return Program(
            self.cell, tuple(inputs), tuple(equations), tuple(self.outputs), cleandoc(self.get("__doc__") or "")
        )

    def _declare(self, name: str, declaration: Declaration) -> Array:
        following = None
        for size in declaration.sizes:
            if not isinstance(size, Size):
                raise CellError(f"cell {self.cell}: the size {size!r} of {name} is neither from dims(...) nor a stack")
        if declaration.role == "state":
            following, suffix, _ = name.rpartition("_prev")
            if not suffix:
                raise CellError(f"cell {self.cell}: the state {name!r} should be named after its next value: s_prev")
        return Array(name, declaration.sizes, declaration.role, following)

    def _evaluate(self, place: str, formula: Formula, names: Names) -> Tensor:
        try:
            return formula.meaning(names)
        except ShapeError as error:
            raise CellError(f"{place}: {error}") from None
        except KeyError as error:
            (unknown,) = error.args
            later = any(name == unknown for name, _ in self.recorded)
            reason = f"{unknown} is used before it is defined" if later else f"unknown symbol {unknown!r}"
            raise CellError(f"{place}: {reason}") from None


def snake_case(name: str) -> str:
    """LSTM → lstm, GRUResetAfter → gru_reset_after."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class CellType(type):
    """Gives a cell's class body its recording namespace and turns it into a program."""

    @classmethod
    def __prepare__(cls, name: str, bases: tuple[type, ...], /, **_: Any) -> Body:
        around = sys._getframe(1)
        return Body(snake_case(name), ChainMap(around.f_locals, around.f_globals))

    def __new__(mcs, name: str, bases: tuple[type, ...], body: Body, /) -> CellType:
        plain = {key: value for key, value in body.items() if key.startswith("__")}
        if bases:
            plain["program"] = body.program()
        return super().__new__(mcs, name, bases, plain)


class Cell(metaclass=CellType):
    """Base of every cell; see the module's docstring."""

    program: ClassVar[Program]
