"""Formulas written with indices, Σ_j w_ij h_j, as formulas of vectors and matrices: W h.

A letter is an index where a sum over it runs through the second letter of a matrix. A vector has one index, a matrix
two; a product is entry by entry where indices are alike, a matrix product where one is summed over, and an outer
product where the left side has both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from derive.errors import NotesError
from derive.notes.plain import plain
from derive.notes.syntax import (
    Applied,
    Claim,
    Differential,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    SumOver,
    Symbol,
    Transpose,
    rebuilt,
    walk,
)

_LETTERS = frozenset("ijklmnpq")


def index_letters(claims: Iterable[Claim]) -> frozenset[str]:
    """The letters that a set of notes uses as indices; none if no sum runs over a matrix's index.

    Without any sum they are those that stand twice in a product, where that says that they are summed over.
    """
    claims = list(claims)
    return _summed_letters(claims) or _repeated_letters(claims)


def _summed_letters(claims: Iterable[Claim]) -> frozenset[str]:
    """The indices of matrices through which sums run."""
    found: set[str] = set()
    for claim in claims:
        for side in (claim.left, claim.right):
            for node in walk(side):
                if isinstance(node, SumOver) and node.index in _LETTERS:
                    inside = [split_indices(p.name, _LETTERS)[1] for p in walk(node.body) if isinstance(p, Symbol)]
                    matrices = [own for own in inside if len(own) == 2 and node.index in own and own[0] != own[1]]
                    if matrices and (node.index,) in inside:
                        found |= {letter for own in matrices for letter in own}
    return frozenset(found)


def _repeated_letters(claims: Iterable[Claim]) -> frozenset[str]:
    """The indices i and j of a_i = W_ij x_j."""
    found: set[str] = set()
    for claim in claims:
        _, left = split_indices(claim.left.name if isinstance(claim.left, Symbol) else "", _LETTERS)
        for node in walk(claim.right):
            factors = node.factors if isinstance(node, Product) else ()
            inside = [split_indices(one.name, _LETTERS)[1] for one in factors if isinstance(one, Symbol)]
            for one, other in pairwise(inside):
                if len(one) == 2 and one[0] != one[1] and (one[:1], one[1:]) == (left, other):
                    found |= set(one)
    return frozenset(found)


def split_indices(name: str, letters: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """A symbol's name without its indices, and these: ``w_ij`` → (w, (i, j)), ``h_j_t-1`` → (h_t-1, (j,))."""
    letter, *labels = name.split("_")
    own = [label for label in labels if label and set(label) <= set(letters)]
    kept = [label for label in labels if label not in own]
    return "_".join([letter, *kept]), tuple("".join(own))


def without_indices(claim: Claim, letters: frozenset[str]) -> Claim:
    """A claim in indices as one of vectors and matrices.

    Raises:
        NotesError: if it cannot be said so.
    """
    if not letters or not any(_indices(side, letters) for side in (claim.left, claim.right)):
        return claim
    words = _Indexed(letters)
    out = words.of(claim.left)
    return replace(claim, left=words.read(claim.left, out), right=words.read(claim.right, out))


def _indices(node: Node, letters: frozenset[str]) -> set[str]:
    return {one for p in walk(node) if isinstance(p, Symbol) for one in split_indices(p.name, letters)[1]}


class _Indexed:
    """Reads formulas whose symbols carry some letters as indices."""

    def __init__(self, letters: frozenset[str]) -> None:
        self.letters = letters

    def of(self, node: Node) -> tuple[str, ...]:
        """The free indices of a formula, in the order in which they appear."""
        match node:
            case Symbol(name=name):
                return split_indices(name, self.letters)[1]
            case SumOver(index=index, body=body):
                return tuple(one for one in self.of(body) if one != index)
        parts = (one for child in _children(node) for one in self.of(child))
        return tuple(dict.fromkeys(parts))

    def read(self, node: Node, out: tuple[str, ...]) -> Node:
        """The formula as one whose axes are some indices."""
        match node:
            case Number():
                return node
            case Symbol() | Differential(of=Symbol()) | Quotient(denominator=Differential(of=Symbol())):
                return self._symbol(node, out)
            case Sum() | Negative():
                return rebuilt(node, lambda child: self.read(child, out))
            case Power(base=base) if len(out) < 2:
                return replace(node, base=self.read(base, out))
            case Applied(argument=argument) if len(out) < 2:
                return replace(node, argument=self.read(argument, out))
            case SumOver(index=index) if index not in self.letters:
                return replace(node, body=self.read(node.body, out))
            case SumOver() | Product():
                return self._product(node, tuple(self._factors(node)), out)
        raise NotesError(f"{plain(node)} has indices that are not understood")

    def _symbol(self, node: Node, out: tuple[str, ...]) -> Node:
        own = self.of(node)
        bare = self._bare(node)
        if own in {(), out}:
            return bare
        if own[::-1] == out:
            return Transpose(node.span, bare)
        raise NotesError(f"{plain(node)} stands where {', '.join(out) or 'no index'} is free")

    def _bare(self, node: Node) -> Node:
        if isinstance(node, Symbol):
            return replace(node, name=split_indices(node.name, self.letters)[0])
        return rebuilt(node, self._bare)

    def _factors(self, node: Node) -> Iterator[Node]:
        """The factors of a product, those of sums within it among them: their indices are summed over anyway."""
        match node:
            case SumOver(index=index, body=body) if index in self.letters:
                yield from self._factors(body)
            case Product(factors=factors):
                for factor in factors:
                    yield from self._factors(factor)
            case _:
                yield node

    def _product(self, node: Node, factors: Sequence[Node], out: tuple[str, ...]) -> Node:
        """Factors multiplied, summed over all indices that are not in ``out``."""
        if len(out) == 2:
            near = self._reachable(factors, out[0], out[1])
            far = [factor for factor in factors if not any(factor is one for one in near)]
            left, right = self._product(node, near, out[:1]), self._product(node, far, out[1:])
            return Product(node.span, (left, Transpose(node.span, right)), ("",))
        if len(out) != 1:
            raise NotesError(f"{plain(node)} has indices that are not understood")
        (free,) = out
        parts: list[Node] = []
        tied = [factor for factor in factors if set(self.of(factor)) - {free}]
        alike = [self.read(factor, out) for factor in factors if not any(factor is one for one in tied)]
        while tied:
            matrix = next((factor for factor in tied if len(self.of(factor)) == 2 and free in self.of(factor)), None)
            if matrix is None:
                raise NotesError(f"{plain(tied[0])} has an index that nothing ties to {free}")
            (other,) = (one for one in self.of(matrix) if one != free)
            beyond = [one for one in self._reachable(tied, other, free) if one is not matrix]
            turned = self.read(matrix, (free, other))
            parts.append(Product(node.span, (turned, self._product(node, beyond, (other,))), ("",)))
            tied = [factor for factor in tied if factor is not matrix and not any(factor is one for one in beyond)]
        found = (*alike, *parts)
        if not found:
            raise NotesError(f"{plain(node)} leaves {free} to nothing")
        return found[0] if len(found) == 1 else Product(node.span, found, ("⊙",) * (len(found) - 1))

    def _reachable(self, factors: Sequence[Node], start: str, barrier: str) -> list[Node]:
        """The factors that hang together with an index, without passing another one."""
        known: set[str] = {start}
        found: list[Node] = []
        while more := [f for f in factors if set(self.of(f)) & known and not any(f is one for one in found)]:
            found += more
            known |= {one for factor in more for one in self.of(factor)} - {barrier}
        return found


def _children(node: Node) -> tuple[Node, ...]:
    """The parts of a formula that carry its indices; the numerator of ∂L/∂h carries none."""
    match node:
        case Sum(terms=terms):
            return terms
        case Product(factors=factors):
            return factors
        case Quotient(denominator=Differential() as below):
            return (below,)
        case Differential(of=of) | Negative(of=of) | Power(base=of) | Applied(argument=of) | Transpose(of=of):
            return (of,)
    return ()
