"""Sizes of symbols by unification: the sides of a sum are alike, the inner sizes of a product are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from sympy import Integer
from sympy import Symbol as Dim

from derive.errors import NotesError
from derive.index import Joined
from derive.notes.glossary import Forward, Roles, identifier
from derive.notes.plain import plain
from derive.notes.syntax import (
    Applied,
    Concatenation,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Slice,
    Sum,
    Symbol,
    Transpose,
    juxtaposed_first,
    split_time,
    walk,
)

MANY = 0  # the size of the batch


@dataclass(frozen=True)
class Convention:
    """How the notes write: vectors as columns (W x) or rows (x W), and whether a batch axis stands beside them."""

    columns: bool
    batch: bool

    @property
    def many(self) -> Dim | Integer:
        return Dim("N", integer=True, positive=True) if self.batch else Integer(1)

    def vector(self, size: object) -> tuple[object, ...]:
        return (size, self.many) if self.columns else (self.many, size)


@dataclass
class Sizes:
    """A size is a number; numbers that must be equal are joined, some consist of parts."""

    roles: Roles
    convention: Convention
    joined: dict[int, int] = field(default_factory=dict)
    parts: dict[int, tuple[int, ...]] = field(default_factory=dict)
    labels: dict[int, tuple[str, ...]] = field(default_factory=dict)
    known: dict[str, list[int]] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=lambda: count(1))

    def equation(self, forward: Forward) -> None:
        """Learn from a forward equation.

        Raises:
            NotesError: if its sizes can't be.
        """
        right = self.of(forward.right)
        if len(forward.names) == 1:
            self.unify(self.symbol(forward.names[0]), right)
            return
        own = [self.own(self.symbol(name)) for name in forward.names]
        self.join(self.own(right), self.composite(own, forward.names))

    def root(self, size: int) -> int:
        while size in self.joined:
            size = self.joined[size]
        return size

    def join(self, one: int, other: int) -> None:
        one, other = sorted((self.root(one), self.root(other)))
        if one == other:
            return
        if one == MANY:
            raise NotesError("a matrix meets the batch where it should meet a vector's own axis")
        ours, theirs = self.parts.get(one), self.parts.pop(other, None)
        self.joined[other] = one
        if ours and theirs:
            if len(ours) != len(theirs):
                raise NotesError(f"an axis of {len(ours)} parts meets one of {len(theirs)}")
            for a, b in zip(ours, theirs, strict=True):
                self.join(a, b)
        elif theirs:
            self.parts[one] = theirs
            self.labels[one] = self.labels[other]

    def composite(self, sizes: Iterable[int], names: Iterable[str]) -> int:
        """A new size that consists of others."""
        size = next(self.numbers)
        self.parts[size] = tuple(sizes)
        self.labels[size] = tuple(names)
        return size

    def own(self, sizes: list[int]) -> int:
        """A vector's own size beside the batch."""
        return next((size for size in sizes if self.root(size) != MANY), MANY)

    def symbol(self, name: str) -> list[int]:
        base = split_time(name)[0]
        if base not in self.known:
            size = next(self.numbers)
            if self.roles.is_matrix(name):
                self.known[base] = [size, next(self.numbers)]
            elif self.roles.is_number(name):
                self.known[base] = []
            else:
                self.known[base] = [size, MANY] if self.convention.columns else [MANY, size]
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
            case Negative(of=inner) | Power(base=inner):
                return self.of(inner)
            case Transpose(of=inner):
                return self.of(inner)[::-1]
            case Applied(function=function, argument=argument):
                sizes = self.of(argument)
                if isinstance(function, Concatenation):
                    own = [next(self.numbers) for _ in function.parts]
                    self.join(self.own(sizes), self.composite(own, map(str, range(len(own)))))
                return sizes
            case Quotient(numerator=above, denominator=below):
                return self.unify(self.of(above), self.of(below))
            case Sum(terms=terms):
                whole: list[int] = []
                for term in terms:
                    whole = self.unify(whole, self.of(term))
                return whole
            case Product():
                bound = juxtaposed_first(node)
                result = self.of(bound.factors[0])
                for sign, factor in zip(bound.operators, bound.factors[1:], strict=True):
                    result = self._product(result, sign, self.of(factor))
                return result
            case Concatenation(parts=parts):
                joined = self.composite([self.own(self.of(part)) for part in parts], map(_part_name, parts))
                return [joined, MANY] if self.convention.columns else [MANY, joined]
            case Slice():
                return self._slice(node)
        raise NotesError(f"no shape is known for {type(node).__name__}")

    def _product(self, left: list[int], sign: str, right: list[int]) -> list[int]:
        matrix = sign != "⊙" and len(left) == len(right) == 2 and (MANY in left) != (MANY in right)
        if not matrix:
            return self.unify(left, right)
        self.join(left[1], right[0])
        return [left[0], right[1]]

    def _slice(self, node: Slice) -> list[int]:
        """One of the parts of a stacked vector; how many there are the highest bound tells."""
        sizes = self.of(node.of)
        own = self.own(sizes)
        if self.root(own) not in self.parts and isinstance(node.of, Symbol):
            number = self._blocks(split_time(node.of.name)[0])
            blocks = [next(self.numbers)] * number
            self.join(own, self.composite(blocks, map(str, range(1, number + 1))))
        parts = self.parts.get(self.root(own))
        position = node.start[0] if node.start else 0
        if parts is None or position >= len(parts):
            raise NotesError(f"the slice {plain(node)} of what is not stacked")
        return [parts[position] if self.root(size) != MANY else MANY for size in sizes]

    def _blocks(self, base: str) -> int:
        """How many blocks the slices of a quantity name."""
        slices = (node for forward in self.roles.forward for node in walk(forward.right) if isinstance(node, Slice))
        own = (node for node in slices if isinstance(node.of, Symbol) and split_time(node.of.name)[0] == base)
        return max(node.stop[0] if node.stop else (node.start[0] if node.start else 0) + 1 for node in own)

    def dims(self) -> Mapping[int, Dim]:
        """A dimension per independent size: H for the states', D for the inputs', K, K2 … for others."""
        found: dict[int, Dim] = {}
        letters = (f"K{k}" if k > 1 else "K" for k in count(1))
        states = [(base, "H") for base in self.known if base in self.roles.states]
        inputs = [(base, "D") for base in self.known if base not in self.roles.defined]
        for base, letter in [*states, *inputs, *((base, "") for base in self.known)]:
            for root in (leaf for size in self.known[base] for leaf in self.leaves(size)):
                if root != MANY and root not in found:
                    taken = {str(dim) for dim in found.values()}
                    name = letter if letter and letter not in taken else next(letters)
                    found[root] = Dim(name, integer=True, positive=True)
        return found

    def leaves(self, size: int) -> list[int]:
        root = self.root(size)
        if root not in self.parts:
            return [root]
        return [leaf for part in self.parts[root] for leaf in self.leaves(part)]

    def size(self, size: int, dims: Mapping[int, Dim]) -> Dim | Integer | Joined:
        """A size as a tensor's axis has it.

        Raises:
            NotesError: if parts of it have parts themselves.
        """
        root = self.root(size)
        if root == MANY:
            return self.convention.many
        if root not in self.parts:
            return dims[root]
        parts = [self.size(part, dims) for part in self.parts[root]]
        if any(isinstance(part, Joined) for part in parts):
            raise NotesError("a concatenation of concatenations")
        return Joined(tuple(parts))


def _part_name(node: Node) -> str:
    """What a part of a concatenation is called: h for h_{t-1}."""
    return identifier(split_time(node.name)[0] if isinstance(node, Symbol) else plain(node))
