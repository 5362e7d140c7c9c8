"""Index notation: dimensions, indices that run over them, sums and maxima over indices.

An array entry is ``Entry("x", n, d)``, printed x[n, d]. A missing index broadcasts, an index bound by
``Sigma`` contracts. Dimensions are symbols (``N``, ``D``, ``H``), so every equation holds for all sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, TypeAlias

from sympy import Basic, Expr, Integer, Mul, S, Symbol, sympify

from derive.errors import CellError
from derive.functions import step

Dim: TypeAlias = Symbol | Integer


def dims(names: str) -> tuple[Symbol, ...]:
    """Symbolic sizes, e.g. ``N, D, H = dims("N D H")``."""
    return tuple(Symbol(name, integer=True, positive=True) for name in names.split())


@dataclass(frozen=True)
class Stack:
    """An axis made of labelled blocks of one size: the notes' 4H is ``Stack("igfo", H)``.

    In index notation it is two indices, one over the labels and one inside the block.
    """

    labels: tuple[str, ...]
    dim: Symbol

    def __str__(self) -> str:
        return f"{len(self.labels)}{self.dim}"


def stack(labels: str, dim: Symbol) -> Stack:
    """A stacked axis whose blocks are named by one letter each.

    Raises:
        CellError: if two have the same letter, or one has T, which is the transpose.
    """
    if len(set(labels)) != len(labels) or not labels.isidentifier() or "T" in labels:
        raise CellError(f"stack({labels!r}, {dim}): blocks are named by different letters, and none by T")
    return Stack(tuple(labels), dim)


@dataclass(frozen=True)
class Joined:
    """An axis made of parts of any sizes: that of [h, x] is ``Joined((H, D))``.

    In index notation it is one index that chooses the part, and one inside of each.
    """

    dims: tuple[Dim, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.dims))


class Index(Symbol):  # type: ignore[misc]
    """A named index that knows the dimension it runs over: 0 … dim − 1."""

    __slots__ = ("dim",)
    dim: Dim

    def __new__(cls, name: str, dim: Dim | int) -> Index:
        index: Index = Symbol.__xnew__(cls, name, integer=True)
        index.dim = sympify(dim)
        return index

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.name, self.dim), {}

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.dim)

    # Indices are compared more often than anything else, and SymPy compares all that a symbol may be.
    __hash__ = Symbol.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Index and self.name == other.name and self.dim == other.dim)


_serial = count()


def fresh(dim: Dim) -> Index:
    """An index that occurs nowhere else; equations are tidied before anybody sees its name."""
    return Index(f"{dim}#{next(_serial)}", dim)


class Real(Expr):  # type: ignore[misc]
    """A real number of which no more is known. SymPy keeps asking, and is told at once that there is no answer."""

    is_commutative = True
    is_real = True  # or SymPy expands arguments of tanh in search of imaginary parts, for minutes
    is_zero = is_nonzero = is_extended_nonzero = None
    is_positive = is_extended_positive = is_nonnegative = is_extended_nonnegative = None
    is_negative = is_extended_negative = is_nonpositive = is_extended_nonpositive = None
    is_integer = is_noninteger = is_rational = is_irrational = is_algebraic = is_transcendental = None


class KroneckerDelta(Real):
    """1 where two indices are equal, else 0.

    SymPy's own asks the assumptions about their difference, which takes most of the time of a derivation; two of our
    indices are equal if they are the same, and known to differ if they are different numbers.
    """

    def __new__(cls, one: Expr, other: Expr) -> Expr:
        one, other = sympify(one), sympify(other)
        if one == other:
            return S.One
        if isinstance(one, Integer) and isinstance(other, Integer):
            return S.Zero
        return Basic.__new__(cls, *sorted((one, other), key=_delta_order))

    def _eval_derivative(self, wrt: Basic) -> Expr:  # noqa: ARG002 (SymPy passes it)
        return S.Zero

    def _eval_power(self, exponent: Expr) -> Expr | None:
        return self if exponent.is_positive else None


def _delta_order(index: Expr) -> tuple[bool, str]:
    """Numbers stand first."""
    return not isinstance(index, Integer), str(index)


class Entry(Real):
    """One entry of a named array: the array's name and one index per dimension (none for a scalar).

    ``sympy.diff`` with respect to an entry of the same array gives Kronecker deltas of the indices.
    """

    is_symbol = True
    _diff_wrt = True

    def __new__(cls, name: str | Symbol, *indices: Index | Integer) -> Entry:
        label = name if isinstance(name, Symbol) else Symbol(name)
        entry: Entry = Basic.__new__(cls, label, *indices)
        return entry

    @property
    def name(self) -> str:
        return str(self.args[0].name)

    @property
    def indices(self) -> tuple[Index | Integer, ...]:
        return tuple(self.args[1:])

    @property
    def free_symbols(self) -> set[Basic]:
        return {part for part in self.args if isinstance(part, Symbol)}

    def _eval_derivative(self, wrt: Basic) -> Expr:
        if not isinstance(wrt, Entry) or wrt.name != self.name:
            return S.Zero
        pairs = zip(self.indices, wrt.indices, strict=True)
        return Mul(*(KroneckerDelta(mine, other) for mine, other in pairs))

    def _sympystr(self, printer: Any) -> str:
        return f"{self.name}[{', '.join(map(printer._print, self.indices))}]"


class Bound(Real):
    """What an expression, ``body``, is over one or more indices, each over its whole dimension.

    SymPy's ``Sum`` carries limits that its simplifiers inspect; ours are implied by the index.
    """

    @property
    def body(self) -> Expr:
        return self.args[0]

    @property
    def indices(self) -> tuple[Index, ...]:
        return tuple(self.args[1:])

    @property
    def free_symbols(self) -> set[Basic]:
        return set(self.body.free_symbols) - set(self.indices)

    @property
    def bound_symbols(self) -> list[Basic]:
        return list(self.indices)


class Sigma(Bound):
    """Σ of ``body``."""

    def __new__(cls, body: Expr, *indices: Index) -> Expr:
        body = sympify(body)
        if not indices or body is S.Zero:
            return body
        return Basic.__new__(cls, body, *indices)

    def _eval_derivative(self, wrt: Basic) -> Expr:
        return Sigma(self.body.diff(wrt), *self.indices)

    def _sympystr(self, printer: Any) -> str:
        return f"Σ_{{{','.join(map(str, self.indices))}}} {printer._print(self.body)}"


class Max(Bound):
    """The largest that ``body`` gets; along an index that it does not depend on there is nothing to choose."""

    def __new__(cls, body: Expr, *indices: Index) -> Expr:
        body = sympify(body)
        over = [index for index in indices if index in body.free_symbols]
        return Basic.__new__(cls, body, *over) if over else body

    @property
    def definition(self) -> Expr:
        """The mean of those that the largest does not exceed: equal ones share what it receives."""
        attained = 1 - step(self - self.body)
        return Sigma(attained * self.body, *self.indices) / Sigma(attained, *self.indices)

    def _eval_derivative(self, wrt: Basic) -> Expr:
        return self.definition.diff(wrt)

    def _sympystr(self, printer: Any) -> str:
        return f"max_{{{','.join(map(str, self.indices))}}} {printer._print(self.body)}"


@lru_cache(maxsize=1 << 16)
def as_text(expr: Expr) -> str:
    """An expression as SymPy prints it, for an order that does not change from run to run."""
    return str(expr)


@lru_cache(maxsize=1 << 14)  # plans ask for the same ones over and over
def entries(expr: Expr) -> tuple[Entry, ...]:
    """All array entries in an expression, in a stable order."""
    return tuple(sorted(expr.atoms(Entry), key=as_text))


def free_indices(expr: Expr) -> list[Index]:
    """The indices of an expression that no Σ and no maximum binds, in a stable order."""
    found = [s for s in expr.free_symbols if isinstance(s, Index)]
    return sorted(found, key=lambda index: index.name)


def rename_bound(expr: Expr) -> Expr:
    """The same expression with every bound index fresh, so that nothing can be captured."""
    if not expr.has(Bound):
        return expr
    if isinstance(expr, Bound):
        names = {index: fresh(index.dim) for index in expr.indices}
        return expr.func(rename_bound(expr.body).xreplace(names), *names.values())
    return expr.func(*map(rename_bound, expr.args))


def substitute(expr: Expr, mapping: dict[Any, Any]) -> Expr:
    """Capture-free substitution of indices or symbols."""
    return rename_bound(expr).xreplace(mapping)
