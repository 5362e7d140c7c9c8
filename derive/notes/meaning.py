"""What a formula of the notes means: its syntax tree as tensors over a program's arrays.

``⊙`` is elementwise; ``·`` and juxtaposition are elementwise or the matrix product, whichever the shapes
allow, and where both fit both are returned: reading a formula gives the list of its possible meanings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial, reduce
from itertools import chain, product
from typing import Literal

from sympy import Expr, Function, Integer, Rational

from derive.axis import axis
from derive.calculus import COTANGENT, SEED
from derive.equality import Ground
from derive.errors import NotesError, ShapeError
from derive.functions import derivative
from derive.index import Dim, Entry
from derive.notes.adjoints import FRACTION, is_loss
from derive.notes.attempts import Attempt, fail, products, that_fit
from derive.notes.blocks import sliced, stacked
from derive.notes.functions import KNOWN
from derive.notes.jacobian import Jacobian, local_jacobian
from derive.notes.places import place, symbol_latex
from derive.notes.symbols import Grammar
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
    Slice,
    Sum,
    SumOver,
    Symbol,
    Transpose,
    juxtaposed_first,
    rebuilt,
    split_time,
    walk,
)
from derive.tensor import Tensor, diagonal, each_part, elementwise, join

# Gradients of columns are columns like them; or rows, as Jacobians have it, perhaps with those of matrices transposed.
Layout = Literal["columns", "rows", "transposed"]


@dataclass(frozen=True)
class Reader:
    """Reads formulas against a derived program.

    Attributes:
        ground: the forward program with its cotangents.
        symbols: the notes' symbols and what each stands for, mostly an array or a block of one.
        functions: the symbols that are functions.
        adjoints: symbols whose differential is something else than the cotangent of what they stand for.
        nets: by sign and symbol, what a sign before a gate is where that is the cotangent of its function's argument.
        defined: symbols that the notes define themselves.
        ahead: a reader on two steps of the cell, for formulas that mention step t + 1.
        share: gives a reader on two steps to which a parameter's cotangent is what step t alone gives to it.
        about: symbols whose cotangents equations of the notes are about.
        last: a reader on the last step, for formulas that mention step T.
        variable: in a rule such as dσ = σ(1 − σ), the variable that every function is taken of.
        direct: where the notes tell the loss of one step from the whole, what ∂L_t/∂ of a symbol is.
        many: the dimension of the batch, if there is one.
        columns: whether vectors are columns.
        layout: how the gradients of these are laid out.
        summed: whether the notes write gradients of parameters as sums over the steps.
        grammar: what the parser of the notes has to know.
        familiar: the symbols that the notes use; all of them if it is empty.
        spelled: how the notes write symbols, in LaTeX.
        cotangent_form: how they write the cotangent of {}.
        cotangent_sign: the sign of that.
    """

    ground: Ground
    symbols: Mapping[str, Tensor]
    functions: Mapping[str, type[Function]] = field(default_factory=lambda: KNOWN)
    adjoints: Mapping[str, Tensor] = field(default_factory=dict)
    nets: Mapping[tuple[str, str], Tensor] = field(default_factory=dict)
    defined: Mapping[str, Tensor] = field(default_factory=dict)
    ahead: Reader | None = None
    share: Callable[[], Reader] | None = None
    about: frozenset[str] = frozenset()
    last: Reader | None = None
    variable: Tensor | None = None
    direct: Mapping[str, Tensor] = field(default_factory=dict)
    many: Dim | None = None
    columns: bool = False
    layout: Layout = "columns"
    summed: bool = False
    grammar: Grammar = field(default_factory=lambda: Grammar(frozenset(KNOWN)))
    familiar: frozenset[str] = frozenset()
    spelled: Mapping[str, str] = field(default_factory=dict)
    cotangent_form: str = r"\partial {}"
    cotangent_sign: str = FRACTION
    # What has been read already; the corrections that are tried differ from each other in little.
    _read: dict[Node, list[Tensor]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def symbol_latex(self, name: str) -> str:
        """A symbol as the notes write it."""
        return self.spelled.get(name) or symbol_latex(name)

    def cotangent_latex(self, latex: str) -> str:
        """The cotangent of a symbol as the notes write it."""
        return self.cotangent_form.replace("{}", f"{{{latex}}}" if "_{}" in self.cotangent_form else latex)

    def meanings(self, node: Node) -> list[Tensor]:
        """Every tensor that the formula can mean.

        Raises:
            ShapeError: if its shapes fit together in no way.
            NotesError: for a symbol that is not declared.
        """
        if node not in self._read:
            self._read[node] = self._meanings(node)
        return self._read[node]

    def _meanings(self, node: Node) -> list[Tensor]:
        return that_fit(self._attempts(node))

    def function(self, node: Node) -> type[Function] | None:
        """The function that a symbol names, if it names one."""
        return self.functions.get(node.name) if isinstance(node, Symbol) else None

    @cached_property
    def spellings(self) -> Mapping[str, tuple[str, str]]:
        """What the notes write for each array or block that they have a symbol for, by its place: ("∂", "c_t")."""
        found: dict[str, tuple[str, str]] = {}
        for name, tensor in (*self.symbols.items(), *self.defined.items()):
            if isinstance(tensor.expr, Entry):
                found.setdefault(place(tensor.expr), ("", name))
        for name in (*self.symbols, *self.adjoints):
            try:
                tensor = self.cotangent(Symbol((0, 0), name), self.cotangent_sign)
            except NotesError:
                continue
            if isinstance(tensor.expr, Entry):
                found.setdefault(place(tensor.expr), ("∂", name))
        return found

    def is_loss(self, numerator: Node) -> bool:
        """Whether a fraction's numerator is ∂L for a loss L: a usual letter that stands for nothing that varies."""
        if not is_loss(numerator):
            return False
        (name,) = (part.name for part in walk(numerator) if isinstance(part, Symbol))
        constant = name in self.symbols and self._is_parameter(self.symbols[name])
        return name not in self.defined and (name not in self.symbols or constant)

    def quantity(self, name: str) -> Tensor:
        """The tensor of a symbol."""
        if name in self.defined:
            return self.defined[name]
        if name in self.symbols:
            return self._laid_out(self.symbols[name])
        if name not in self.functions:
            raise NotesError(f"the symbol {name!r} is not declared")
        if self.variable is None:
            raise NotesError(f"the function {name} stands without an argument")
        return elementwise(self.functions[name], self.variable)

    def cotangent(self, symbol: Symbol, sign: str = FRACTION) -> Tensor:
        """The tensor of ∂loss/∂symbol: what the symbol stands for, with the cotangent of each array in its place.

        Args:
            sign: that by which it is marked, which may mean that of what the symbol is a function of.
        """
        if (sign, symbol.name) in self.nets:
            return self._laid_out(self.nets[sign, symbol.name])
        if symbol.name in self.adjoints:
            return self._laid_out(self.adjoints[symbol.name])
        if symbol.name not in self.symbols or self.function(symbol):
            raise NotesError(f"the cotangent of {symbol.name!r} is not part of the derivation")
        tensor = self.symbols[symbol.name]
        swapped = {entry: Entry(self._cotangent_name(entry.name), *entry.indices) for entry in tensor.expr.atoms(Entry)}
        # A bias stands for every column of a batch, its gradient does not; beside single vectors it is one of them.
        axes = tuple(one for one in tensor.axes if set(one.indices) & tensor.expr.free_symbols)
        vector = self.many is None and len(axes) == 1 and self._is_parameter(tensor)
        single = (axis(Integer(1)),) if vector else ()
        found = Tensor(tensor.expr.xreplace(swapped), (*axes, *single) if self.columns else (*single, *axes))
        return self._laid_out(found)

    def _laid_out(self, tensor: Tensor) -> Tensor:
        """A tensor that stands for a symbol, as the notes lay it out."""
        return tensor.T if self.is_turned(tensor) else tensor

    def is_turned(self, tensor: Tensor) -> bool:
        """Whether a tensor is a gradient that is laid out otherwise than what it is of."""
        vector = any(one.size == 1 for one in tensor.axes)
        return self.layout != "columns" and (vector or self.layout == "transposed") and self.is_gradient(tensor)

    def is_gradient(self, tensor: Tensor) -> bool:
        """Whether a tensor is made of cotangents alone."""
        return set(self._are_cotangents(tensor)) == {True}

    def mentions_gradient(self, tensor: Tensor) -> bool:
        """Whether a cotangent is in a tensor."""
        return any(self._are_cotangents(tensor))

    def _are_cotangents(self, tensor: Tensor) -> list[bool]:
        """Of each array in a tensor, whether it is a cotangent."""
        arrays, names = self.ground.program.arrays, {entry.name for entry in tensor.expr.atoms(Entry)}
        return [name in arrays and arrays[name].role == "cotangent" for name in names]

    def _is_parameter(self, tensor: Tensor) -> bool:
        arrays = self.ground.program.arrays
        return all(arrays[entry.name].role == "parameter" for entry in tensor.expr.atoms(Entry))

    def _cotangent_name(self, name: str) -> str:
        found = [mark + name for mark in (COTANGENT, SEED) if mark + name in self.ground.program.arrays]
        if not found:
            raise NotesError(f"{name} has no cotangent in the derivation")
        return found[0]

    def _attempts(self, node: Node) -> Iterator[Attempt]:
        match node:
            case Number(value=value):
                yield lambda: Tensor(Rational(value.numerator, value.denominator))
            case Symbol(name=name):
                yield lambda: self.quantity(name)
            case Differential(of=Symbol() as symbol, sign=sign):
                yield lambda: self.cotangent(symbol, sign)
            case Shaped(of=inner):
                yield from self._attempts(inner)
            case Negative(of=inner):
                yield from self._each(lambda one: -one, inner)
            case Transpose(of=inner):
                yield from self._each(lambda one: one.T, inner)
                if self.columns and isinstance(inner, Concatenation):  # [a, b]ᵀ of columns is the column of both
                    yield from self._attempts(inner)
            case Power(base=base, exponent=exponent):
                yield from self._each(lambda one: one**exponent, base)
            case Sum(terms=terms):
                yield from self._each(lambda *parts: reduce(lambda a, b: a + b, parts), *terms)
            case Product():
                yield from self._product(node)
            case SumOver(index=index, body=body):
                yield from self._each(lambda one: self._summed(one, index), self._without_index(body, index))
            case Concatenation(parts=parts):
                yield from self._concatenation(parts)
            case Slice():
                yield from self._each(partial(sliced, bounds=node), node.of)
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
        """From left to right, and with what is juxtaposed multiplied first: h * W x as h * (W x)."""
        yield from self._from_the_left(node)
        bound = juxtaposed_first(node)
        if bound is not node:
            yield from self._from_the_left(bound)

    def _from_the_left(self, node: Product) -> Iterator[Attempt]:
        """All products of the last factor with any meaning of those before it."""
        first, *rest = node.factors
        before = self.meanings(first)
        for sign, factor in zip(node.operators[:-1], rest[:-1], strict=True):
            try:
                before = that_fit(products(before, sign, self.meanings(factor), self.many))
            except ShapeError as error:
                yield partial(fail, error)
                return
        yield from products(before, node.operators[-1], self.meanings(rest[-1]), self.many)

    def _applied(self, node: Applied) -> Iterator[Attempt]:
        function = node.function
        if isinstance(function, Concatenation):
            kinds = [self._known(part) for part in function.parts]
            yield from self._each(lambda one: each_part(kinds, one), node.argument)
        elif isinstance(function, Symbol) and function.name == "diag":
            yield from self._each(diagonal, node.argument)
        elif isinstance(function, Differential):
            kind = self._known(function.of)
            yield from self._each(partial(elementwise, partial(self._derivative, kind)), node.argument)
        elif self.variable is not None and any(part == function for part in walk(node.argument)):
            # σ(1 − σ) with σ standing for its own value: a product, written like an application.
            bare = elementwise(self._known(function), self.variable)
            yield from self._each(lambda one: bare * one, node.argument)
        else:
            yield from self._each(partial(elementwise, self._known(function)), node.argument)

    def _derivative(self, kind: type[Function], at: Expr) -> Expr:
        """f′(at); relu′ of a relu's value is that of its argument, since both are positive or neither is."""
        if kind.__name__.lower() == "relu":
            definition = self.ground.program.definitions.get(at.name) if isinstance(at, Entry) else None
            value = definition.at(at.indices) if definition else at
            at = value.args[0] if isinstance(value, kind) else at
        return derivative(kind, at)

    def _known(self, node: Node) -> type[Function]:
        kind = self.function(node)
        if kind is None:
            name = node.name if isinstance(node, Symbol) else type(node).__name__
            raise NotesError(f"only a function can be applied, and {name!r} is none")
        return kind

    def _quotient(self, node: Quotient) -> Iterator[Attempt]:
        above, below = node.numerator, node.denominator
        if self.is_loss(above) and isinstance(below, Differential) and isinstance(below.of, Symbol):
            symbol = below.of
            step = isinstance(above, Differential) and isinstance(above.of, Symbol) and split_time(above.of.name)[1]
            if self.direct and step is not None and symbol.name in self.direct:
                yield lambda: self._laid_out(self.direct[symbol.name])
            else:
                yield lambda: self.cotangent(symbol)
        elif self.is_loss(above) and isinstance(below, Differential):
            yield from self._each(self._cotangent_of, below.of)
        elif isinstance(above, Differential) and isinstance(below, Differential):
            yield lambda: self.jacobian(above.of, below.of)
            yield lambda: self.jacobian(above.of, below.of).coefficient
        else:
            yield from self._each(lambda one, other: one / other, above, below)

    def jacobian(self, above: Node, below: Node) -> Jacobian:
        """∂above/∂below in full."""
        (numerator,), (denominator,) = self.meanings(above), self.meanings(below)
        return local_jacobian(numerator, denominator, self.ground.program)

    def _cotangent_of(self, value: Tensor) -> Tensor:
        """∂L/∂(W x + b), the cotangent of the quantity that is defined so.

        Raises:
            ShapeError: if there is none.
        """
        program = self.ground.program
        for equation in program.equations:
            fits = [a.size for a in equation.array.axes] == [a.size for a in value.axes]
            if fits and equation.array.role == "derived" and COTANGENT + equation.name in program.arrays:
                axes = tuple(index for axis in equation.array.axes for index in axis.indices)
                if self.ground.decide(equation.value, value.read_along(equation.array.axes), axes).equal:
                    return program.arrays[COTANGENT + equation.name].tensor
        raise ShapeError("the derivative by a formula that defines no quantity of the cell")

    def _summed(self, tensor: Tensor, index: str) -> Tensor:
        """Σ over the axis that the index names; a letter that names none runs over the batch."""
        named = (k for k, axis in enumerate(tensor.axes) if str(axis.size) in {index, index.upper()})
        taken = {"t", *(str(dim).lower() for dim in self.ground.sizes)}
        batch = (k for k, axis in enumerate(tensor.axes) if axis.size == self.many and index not in taken)
        position = next(chain(named, batch), None)
        if position is None:
            raise ShapeError(f"the sum over {index or 'no index'} of shape {tensor.shape}, which has no such axis")
        return tensor.sum(position)

    def _without_index(self, body: Node, index: str) -> Node:
        """The body of a sum with the index left out where it is a symbol's label: Σ_n a_n is that of a's rows."""
        match body:
            case Symbol(name=name):
                base, _ = split_time(name)
                bare = base.removesuffix(f"_{index}") + name.removeprefix(base)
                own = {base, name} & {*self.symbols, *self.adjoints}
                known = not own and bare in {*self.symbols, *self.adjoints}
                return replace(body, name=bare) if index and known else body
        return rebuilt(body, lambda child: self._without_index(child, index))

    def _concatenation(self, parts: Sequence[Node]) -> Iterator[Attempt]:
        """Blocks under the labels of a stack that has as many of the same size, or joined along an axis."""
        for blocks in product(*(self.meanings(part) for part in parts)):
            yield partial(stacked, blocks, self.ground.program)
            for position in (0, -1) if self.columns else (-1, 0):
                yield partial(join, blocks, position)
