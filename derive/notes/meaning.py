"""What a formula of the notes means: its syntax tree as tensors over a program's arrays.

``⊙`` is elementwise; ``·`` and juxtaposition are elementwise or the matrix product, whichever the shapes
allow, and where both fit both are returned: reading a formula gives the list of its possible meanings.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from itertools import islice, product

from sympy import Expr, Rational

from derive.calculus import COTANGENT, SEED
from derive.equality import Ground
from derive.errors import NotesError, ShapeError
from derive.functions import FUNCTIONS, derivative
from derive.index import Entry, Stack
from derive.notes.syntax import (
    Applied,
    Concatenation,
    Differential,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Shaped,
    Sum,
    SumOver,
    Symbol,
    Transpose,
    walk,
)
from derive.tensor import Tensor, concatenate, elementwise

LOSSES = {"L", "E", "J", "C", "\\ell", "loss", "Loss"}
MOST_MEANINGS = 64

# A thunk, so that one that does not fit is one alternative fewer and not the end.
Attempt = Callable[[], Tensor]


def _that_fit(attempts: Iterable[Attempt]) -> list[Tensor]:
    """The attempts that succeed.

    Raises:
        ShapeError: of the last, if none does.
    """
    found: list[Tensor] = []
    failed = ShapeError("no meaning")
    for attempt in islice(attempts, MOST_MEANINGS):
        try:
            found.append(attempt())
        except ShapeError as error:
            failed = error
    if not found:
        raise failed
    return found


def _products(left: Iterable[Tensor], sign: str, right: Sequence[Tensor]) -> Iterator[Attempt]:
    """Every product of one on the left and one on the right: elementwise, and but for ⊙ the matrix product."""
    for one, other in product(left, right):
        yield partial(operator.mul, one, other)
        if sign != "⊙":
            yield partial(operator.matmul, one, other)


@dataclass(frozen=True)
class Reader:
    """Reads formulas against a derived program.

    Attributes:
        ground: the forward program with its cotangents.
        symbols: the notes' symbols and the arrays (``"a"``), blocks (``"a.i"``) or functions they stand for.
        defined: symbols that the notes define themselves.
        ahead: a reader on two steps of the cell, for formulas that mention step t + 1.
        variable: in a rule such as dσ = σ(1 − σ), the variable that every function is taken of.
    """

    ground: Ground
    symbols: Mapping[str, str]
    defined: Mapping[str, Tensor] = field(default_factory=dict)
    variable: Tensor | None = None
    ahead: Reader | None = None

    def meanings(self, node: Node) -> list[Tensor]:
        """Every tensor that the formula can mean.

        Raises:
            ShapeError: if its shapes fit together in no way.
            NotesError: for a symbol that is not declared.
        """
        return _that_fit(self._attempts(node))

    def function(self, node: Node) -> str | None:
        """The function that a symbol names, if it names one."""
        target = self.symbols.get(node.name) if isinstance(node, Symbol) else None
        return target if target in FUNCTIONS else None

    def spelled(self, target: str) -> str | None:
        """The notes' first symbol for an array or block, if they have one."""
        return next((name for name, meant in self.symbols.items() if meant == target), None)

    def is_loss(self, numerator: Node) -> bool:
        """Whether a fraction's numerator is ∂L for a loss L: a usual letter that stands for nothing else."""
        match numerator:
            case Differential(of=Symbol(name=name)):
                letter = name.partition("_")[0]
                return letter in LOSSES and name not in self.symbols and name not in self.defined
        return False

    def quantity(self, name: str) -> Tensor:
        """The tensor of a symbol."""
        if name in self.defined:
            return self.defined[name]
        if name not in self.symbols:
            raise NotesError(f"the symbol {name!r} is not declared")
        target = self.symbols[name]
        if target in FUNCTIONS:
            if self.variable is None:
                raise NotesError(f"the function {name} stands without an argument")
            return elementwise(FUNCTIONS[target], self.variable)
        return self._array(target)

    def cotangent(self, symbol: Symbol) -> Tensor:
        """The tensor of ∂loss/∂symbol."""
        target = self.symbols.get(symbol.name)
        if target is None or target in FUNCTIONS:
            raise NotesError(f"the cotangent of {symbol.name!r} is not part of the derivation")
        name, dot, label = target.partition(".")
        arrays = self.ground.program.arrays
        for candidate in (COTANGENT + name, SEED + name):
            if candidate in arrays:
                return self._array(f"{candidate}{dot}{label}")
        raise NotesError(f"{name} has no cotangent in the derivation")

    def _array(self, target: str) -> Tensor:
        name, _, label = target.partition(".")
        if name not in self.ground.program.arrays:
            raise NotesError(f"the cell {self.ground.program.name} has no array {name!r}")
        tensor = self.ground.program.arrays[name].tensor
        return tensor.block(label) if label else tensor

    def _attempts(self, node: Node) -> Iterator[Attempt]:
        match node:
            case Number(value=value):
                yield lambda: Tensor(Rational(value.numerator, value.denominator))
            case Symbol(name=name):
                yield lambda: self.quantity(name)
            case Differential(of=Symbol() as symbol):
                yield lambda: self.cotangent(symbol)
            case Shaped(of=inner):
                yield from self._attempts(inner)
            case Negative(of=inner):
                yield from self._each(lambda one: -one, inner)
            case Transpose(of=inner):
                yield from self._each(lambda one: one.T, inner)
            case Power(base=base, exponent=exponent):
                yield from self._each(lambda one: one**exponent, base)
            case Sum(terms=terms):
                yield from self._each(lambda *parts: reduce(lambda a, b: a + b, parts), *terms)
            case Product():
                yield from self._product(node)
            case SumOver(index=index, body=body):
                yield from self._each(lambda one: self._summed(one, index), body)
            case Concatenation(parts=parts):
                yield from self._each(lambda *blocks: self._concatenated(blocks), *parts)
            case Applied():
                yield from self._applied(node)
            case Quotient():
                yield from self._quotient(node)
            case _:
                raise NotesError(f"no meaning is known for {type(node).__name__}")

    def _each(self, operation: Callable[..., Tensor], *nodes: Node) -> Iterator[Attempt]:
        for operands in product(*(self.meanings(node) for node in nodes)):
            yield lambda operands=operands: operation(*operands)  # type: ignore[misc]

    def _product(self, node: Product) -> Iterator[Attempt]:
        """From left to right: all products of the last factor with any meaning of those before it."""
        first, *rest = node.factors
        before = self.meanings(first)
        for sign, factor in zip(node.operators[:-1], rest[:-1], strict=True):
            before = _that_fit(_products(before, sign, self.meanings(factor)))
        yield from _products(before, node.operators[-1], self.meanings(rest[-1]))

    def _applied(self, node: Applied) -> Iterator[Attempt]:
        name = self.function(node.function.of if isinstance(node.function, Differential) else node.function)
        if name is None:
            raise NotesError("only a function can be applied")
        function = FUNCTIONS[name]
        if self.variable is not None and any(part == node.function for part in walk(node.argument)):
            # σ(1 − σ) with σ standing for its own value: a product, written like an application.
            bare = elementwise(function, self.variable)
            yield from self._each(lambda one: bare * one, node.argument)
        elif isinstance(node.function, Differential):
            yield from self._each(lambda one: elementwise(partial(derivative, function), one), node.argument)
        else:
            yield from self._each(lambda one: elementwise(function, one), node.argument)

    def _quotient(self, node: Quotient) -> Iterator[Attempt]:
        above, below = node.numerator, node.denominator
        if self.is_loss(above) and isinstance(below, Differential) and isinstance(below.of, Symbol):
            symbol = below.of
            yield lambda: self.cotangent(symbol)
        elif isinstance(above, Differential) and isinstance(below, Differential):
            yield lambda: self.jacobian(above.of, below.of)
        else:
            yield from self._each(lambda one, other: one / other, above, below)

    def jacobian(self, above: Node, below: Node) -> Tensor:
        """∂above/∂below in full: the axes of the one, then those of the other.

        A quantity that the equation of ``above`` mentions is differentiated there and everything else held
        fixed; otherwise the definitions in between are inserted.
        """
        (numerator,), (denominator,) = self.meanings(above), self.meanings(below)
        if not isinstance(denominator.expr, Entry):
            raise NotesError("a derivative is taken with respect to a symbol")
        wrt = tuple(axis.fresh() for axis in denominator.axes)
        entry = denominator.read_along(wrt)
        value = self._said_with(numerator, denominator.expr.name)
        return Tensor(value.diff(entry), (*numerator.axes, *wrt))

    def _said_with(self, tensor: Tensor, name: str) -> Expr:
        """The tensor's expression with definitions inserted until it mentions an array."""
        expr = tensor.expr
        definitions = self.ground.program.definitions
        while True:
            entries = expr.atoms(Entry)
            if any(entry.name == name for entry in entries):
                return expr
            known = {e: definitions[e.name].at(e.indices) for e in entries if e.name in definitions}
            if not known:
                return expr
            expr = expr.xreplace(known)

    def _summed(self, tensor: Tensor, index: str) -> Tensor:
        for position, axis in enumerate(tensor.axes):
            if str(axis.size) in {index, index.upper()}:
                return tensor.sum(position)
        raise ShapeError(f"the sum over {index} of shape {tensor.shape}, which has no such axis")

    def _concatenated(self, blocks: tuple[Tensor, ...]) -> Tensor:
        """Blocks under the labels of the stack that has as many of the same size."""
        if not blocks[0].axes:
            raise ShapeError("concatenation of numbers")
        for array in self.ground.program.arrays.values():
            for size in array.sizes:
                if isinstance(size, Stack) and len(size.labels) == len(blocks) and size.dim == blocks[0].axes[-1].size:
                    return concatenate(blocks, size.labels)
        raise ShapeError(f"no stacked axis has {len(blocks)} blocks of shape {blocks[0].shape}")
