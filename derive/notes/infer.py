"""The cell that notes define: their own forward equations as a program, shapes worked out from how symbols are used.

A symbol with a time is an array, one whose previous time is used and which the notes define is a state, one that
they do not define is an input; a symbol without a time that they do not define is a parameter, a matrix if it is
a capital. Sizes follow by unification: the sides of a sum are alike, the inner sizes of a product are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, pairwise

from sympy import Integer
from sympy import Symbol as Size

from derive.equality import Ground
from derive.errors import HandgradError, NotesError
from derive.index import Entry
from derive.notes.meaning import Reader
from derive.notes.plain import symbol_text
from derive.notes.syntax import (
    Applied,
    Claim,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Sum,
    Symbol,
    split_time,
    walk,
)
from derive.program import Array, Equation, Program, define
from derive.tensor import Axis, Tensor, axis

FUNCTION_NAMES = {
    "\\sigma": "sigmoid", "sigmoid": "sigmoid", "\\operatorname{sigmoid}": "sigmoid", "\\tanh": "tanh", "tanh": "tanh",
}  # fmt: skip


@dataclass(frozen=True)
class Inferred:
    """A cell, what the notes' symbols stand for in it, and parameters that stand for every column."""

    cell: Program
    symbols: Mapping[str, str]
    broadcast: Mapping[str, Tensor]


@dataclass(frozen=True)
class Convention:
    """How the notes write: vectors as columns (W x) or rows (x W), and whether a batch axis stands beside them."""

    columns: bool
    batch: bool

    def vector(self, size: object) -> tuple[object, ...]:
        many = Size("N", integer=True, positive=True) if self.batch else Integer(1)
        return (size, many) if self.columns else (many, size)


def identifier(name: str) -> str:
    """A symbol's name as a Python identifier: ``\\tilde{c}`` → c_tilde, ``\\Gamma_u`` → Gamma_u."""
    accented = re.sub(r"\\(tilde|bar|hat|dot)\{([^{}]*)\}", r"\2_\1", name)
    return re.sub(r"\W+", "_", accented.replace("\\", "")).strip("_")


def forward_claims(claims: Iterable[Claim]) -> list[tuple[str, Claim]]:
    """(symbol, claim) for the first equation of every quantity that is no cotangent, update or function."""
    found: dict[str, Claim] = {}
    for claim in claims:
        if isinstance(claim.left, Symbol) and claim.left.name not in FUNCTION_NAMES and _is_forward(claim.right):
            base, time = split_time(claim.left.name)
            if time in {None, 0} and base not in {split_time(name)[0] for name in found}:
                found[claim.left.name] = claim
    return list(found.items())


def _check_complete(roles: _Roles, claims: Sequence[Claim], unread: Mapping[str, str]) -> None:
    """Refuse to take for an input what an equation defines that is not understood."""
    unusable = [c for c in claims if isinstance(c.left, Symbol) and not _is_forward(c.right)]
    unknown = {split_time(symbol)[0]: latex for symbol, latex in unread.items()}
    unknown |= {split_time(c.left.name)[0]: c.text for c in unusable if isinstance(c.left, Symbol)}
    for base in (split_time(used)[0] for used in roles.used):
        if base in unknown and base not in roles.defined:
            name = symbol_text(base)
            raise NotesError(f"the cell needs {name}, and its equation is not understood: {unknown[base]!r}")


def in_order(forward: Sequence[tuple[str, Claim]]) -> list[tuple[str, Claim]]:
    """Forward equations with each behind those that it uses.

    Raises:
        NotesError: if equations use each other in a circle.
    """
    left = {split_time(symbol)[0]: (symbol, claim) for symbol, claim in forward}
    ordered: list[tuple[str, Claim]] = []
    while left:
        ready = [base for base, (_, claim) in left.items() if not _now(claim.right) & left.keys()]
        if not ready:
            raise NotesError(f"the equations of {', '.join(map(symbol_text, left))} use each other in a circle")
        ordered += [left.pop(base) for base in ready]
    return ordered


def _now(node: Node) -> set[str]:
    """The quantities of this step that a formula uses."""
    times = (split_time(part.name) for part in walk(node) if isinstance(part, Symbol))
    return {base for base, time in times if time in {None, 0}}


def _is_forward(node: Node) -> bool:
    kinds = (Symbol, Number, Sum, Product, Negative, Power, Applied)
    return all(isinstance(part, kinds) for part in walk(node))


def infer_cell(
    claims: Sequence[Claim],
    name: str,
    batch: bool,
    columns: bool | None = None,
    unread: Mapping[str, str] | None = None,
) -> Inferred:
    """The cell that the forward equations among the claims define.

    Args:
        claims: the notes' equations, forward and other.
        batch: whether a batch axis stands beside every vector.
        columns: whether vectors are columns; by default as the products tell.
        unread: the left sides of equations that could not be read, and those equations.

    Raises:
        NotesError: if there is no forward equation, one that the cell needs could not be read, or their shapes
            fit together in no way.
    """
    forward = in_order(forward_claims(claims))
    if not forward:
        raise NotesError("the notes have no forward equations, and their front matter names no cell: “cell: lstm”")
    roles = _Roles(forward)
    _check_complete(roles, claims, unread or {})
    convention = Convention(roles.columns if columns is None else columns, batch)
    sizes = _Sizes(roles, convention)
    for symbol, claim in forward:
        sizes.unify(sizes.of(Symbol((0, 0), symbol)), sizes.of(claim.right))
    return _built(forward, roles, sizes, convention, name)


@dataclass(frozen=True)
class _Roles:
    """What each symbol of the forward equations is to the cell."""

    forward: Sequence[tuple[str, Claim]]

    @property
    def defined(self) -> list[str]:
        return [split_time(symbol)[0] for symbol, _ in self.forward]

    @property
    def used(self) -> list[str]:
        """All symbols of the right sides but functions, in order of appearance."""
        nodes = (node for _, claim in self.forward for node in walk(claim.right) if isinstance(node, Symbol))
        return list(dict.fromkeys(node.name for node in nodes if node.name not in FUNCTION_NAMES))

    @property
    def states(self) -> list[str]:
        return list(dict.fromkeys(b for b, t in map(split_time, self.used) if t == -1 and b in self.defined))

    def is_matrix(self, name: str) -> bool:
        """A parameter that is a capital: W, U_f, Θ."""
        base, time = split_time(name)
        letter = symbol_text(re.sub(r"\\(?:tilde|bar|hat|dot)", "", base)).lstrip("\\{")[:1]
        return time is None and base not in self.defined and letter.isupper()

    def is_sequence(self, name: str) -> bool:
        base, time = split_time(name)
        if base in self.defined:
            return False
        return time is not None or name in {side for pair in self.products for side in pair if not self.is_matrix(side)}

    @property
    def products(self) -> list[tuple[str, str]]:
        """Neighbouring factors of which one is a matrix and the other is not."""
        pairs = []
        for _, claim in self.forward:
            for node in walk(claim.right):
                if isinstance(node, Product):
                    named = [f.name if isinstance(f, Symbol) else "" for f in node.factors]
                    pairs += [p for p in pairwise(named) if self.is_matrix(p[0]) != self.is_matrix(p[1])]
        return pairs

    @property
    def columns(self) -> bool:
        """Whether matrices stand before what they multiply, W x, more often than behind."""
        before = sum(self.is_matrix(one) for one, _ in self.products)
        return before > len(self.products) - before


@dataclass
class _Sizes:
    """Sizes of symbols by unification: a size is a number, numbers that must be equal are joined."""

    roles: _Roles
    convention: Convention
    joined: dict[int, int] = field(default_factory=dict)
    known: dict[str, list[int]] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=lambda: count(1))

    MANY = 0  # the batch

    def root(self, size: int) -> int:
        while size in self.joined:
            size = self.joined[size]
        return size

    def join(self, one: int, other: int) -> None:
        one, other = self.root(one), self.root(other)
        if one != other:
            self.joined[max(one, other)] = min(one, other)

    def symbol(self, name: str) -> list[int]:
        base = split_time(name)[0]
        if base not in self.known:
            size = next(self.numbers)
            if self.roles.is_matrix(name):
                self.known[base] = [size, next(self.numbers)]
            else:
                self.known[base] = [size, self.MANY] if self.convention.columns else [self.MANY, size]
        return self.known[base]

    def unify(self, one: list[int], other: list[int]) -> list[int]:
        for a, b in zip(one[::-1], other[::-1], strict=False):
            self.join(a, b)
        return max(one, other, key=len)

    def of(self, node: Node) -> list[int]:
        match node:
            case Number():
                return []
            case Symbol(name=name):
                return self.symbol(name)
            case Negative(of=inner) | Power(base=inner) | Applied(argument=inner):
                return self.of(inner)
            case Sum(terms=terms):
                whole: list[int] = []
                for term in terms:
                    whole = self.unify(whole, self.of(term))
                return whole
            case Product(factors=factors, operators=operators):
                result = self.of(factors[0])
                for sign, factor in zip(operators, factors[1:], strict=True):
                    result = self._product(result, sign, self.of(factor))
                return result
        raise NotesError(f"no shape is known for {type(node).__name__}")

    def _product(self, left: list[int], sign: str, right: list[int]) -> list[int]:
        matrix = sign != "⊙" and len(left) == len(right) == 2 and (self.MANY in left) != (self.MANY in right)
        if not matrix:
            return self.unify(left, right)
        self.join(left[1], right[0])
        return [left[0], right[1]]


def _built(
    forward: Sequence[tuple[str, Claim]], roles: _Roles, sizes: _Sizes, convention: Convention, name: str
) -> Inferred:
    dims = _named(roles, sizes)
    inputs, symbols, broadcast = _inputs(roles, sizes, convention, dims)
    plain = tuple(replace(array, role="parameter", next=None) for array in inputs)
    reader = Reader(Ground(Program(name, plain, (), ())), {**FUNCTION_NAMES, **symbols}, broadcast)
    equations: list[Equation] = []
    for symbol, claim in forward:
        base = split_time(symbol)[0]
        try:
            (tensor, *_) = reader.meanings(claim.right)
            array = Array(identifier(base), convention.vector(dims[sizes.root(_own(sizes.known[base]))]))
            equations.append(define(array, tensor))
        except HandgradError as error:
            raise NotesError(f"the forward equation {claim.text!r} does not fit: {error}") from None
        symbols |= {base: array.name, f"{base}_t": array.name}
        reader = replace(reader, defined={**reader.defined, base: array.tensor, f"{base}_t": array.tensor})
    states = {array.next for array in inputs if array.next}
    last = [e.name for e in equations if e.name in states] or [equations[-1].name]
    output = "h" if "h" in {e.name for e in equations} else last[-1]
    cell = Program(name, tuple(inputs), tuple(equations), (output,))
    return Inferred(cell, {**FUNCTION_NAMES, **symbols}, broadcast)


def _own(sizes: Sequence[int]) -> int:
    """A vector's own size beside the batch."""
    return next(size for size in sizes if size != _Sizes.MANY)


def _named(roles: _Roles, sizes: _Sizes) -> dict[int, Size]:
    """A dimension per independent size: H for the states', D for the inputs', K, K2 … for others."""
    dims: dict[int, Size] = {}
    letters = (f"K{k}" if k > 1 else "K" for k in count(1))
    states = [b for b in sizes.known if b in roles.states]
    inputs = [b for b in sizes.known if b not in roles.defined]
    for base, letter in [*((b, "H") for b in states), *((b, "D") for b in inputs), *((b, "") for b in sizes.known)]:
        for size in sizes.known[base]:
            root = sizes.root(size)
            if root != _Sizes.MANY and root not in dims:
                taken = {str(dim) for dim in dims.values()}
                name = letter if letter and letter not in taken else next(letters)
                dims[root] = Size(name, integer=True, positive=True)
    return dims


def _inputs(
    roles: _Roles, sizes: _Sizes, convention: Convention, dims: Mapping[int, Size]
) -> tuple[list[Array], dict[str, str], dict[str, Tensor]]:
    """The input arrays, the symbols for them, and the tensors of vectors that stand for every column."""
    arrays: dict[str, Array] = {}
    symbols: dict[str, str] = {}
    broadcast: dict[str, Tensor] = {}
    for name in roles.used:
        base, time = split_time(name)
        shape = [dims.get(sizes.root(size)) for size in sizes.known[base]]
        own = dims[sizes.root(_own(sizes.known[base]))] if not roles.is_matrix(name) else None
        if base in roles.states and time == -1:
            arrays[base] = Array(f"{identifier(base)}_prev", convention.vector(own), "state", identifier(base))
            symbols |= {f"{base}_t-1": arrays[base].name, f"{base}_prev": arrays[base].name}
        elif base in roles.defined:
            continue
        elif roles.is_sequence(name):
            arrays[base] = Array(identifier(base), convention.vector(own), "sequence")
            symbols |= {name: arrays[base].name, f"{base}_t": arrays[base].name}
        else:
            arrays[base] = Array(identifier(name), tuple(shape) if own is None else (own,), "parameter")
            symbols[name] = arrays[base].name
            if own is not None and convention.columns:
                column = axis(own)
                tensor = Tensor(Entry(arrays[base].name, *column.indices), (column, _many(convention)))
                broadcast[name] = tensor
    order = {"sequence": 0, "state": 1, "parameter": 2}
    return sorted(arrays.values(), key=lambda array: order[array.role]), symbols, broadcast


def _many(convention: Convention) -> Axis:
    return axis(convention.vector(Integer(2))[1])
