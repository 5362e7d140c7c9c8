"""Jacobians in notes: ∂h/∂o with all its axes, multiplied along a chain, or as the factor beside its deltas."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from sympy import Expr, Mul, S

from derive.axis import Axis
from derive.calculus import contract
from derive.errors import NotesError, ShapeError
from derive.index import Entry, Index, KroneckerDelta
from derive.normal import normal_terms
from derive.program import Program
from derive.tensor import Tensor


@dataclass(frozen=True, eq=False)
class Jacobian(Tensor):
    """∂y/∂x: the axes of y, of which there are ``split``, then those of x."""

    split: int = 0

    @property
    def T(self) -> Jacobian:
        """Itself: a chain is multiplied along the axes of the numerator, however it is laid out."""
        return self

    @cached_property
    def coefficient(self) -> Tensor:
        """The common factor beside the Kronecker deltas, along its free indices.

        Raises:
            ShapeError: if its terms have different deltas, so that no single array can stand for it.
        """
        patterns = set()
        rest = S.Zero
        for term in normal_terms(self.expr):
            factors = [f for factor in term.factors for f in Mul.make_args(factor)]
            patterns.add(frozenset(f for f in factors if isinstance(f, KroneckerDelta)))
            plain = tuple(f for f in factors if not isinstance(f, KroneckerDelta))
            rest += replace(term, factors=plain).expr
        if len(patterns) > 1:
            raise ShapeError("the Jacobian is not one array times Kronecker deltas")
        order = [index for axis in self.axes for index in axis.indices]
        free = sorted((s for s in rest.free_symbols if isinstance(s, Index)), key=order.index)
        return Tensor(rest, tuple(Axis((index,), index.dim) for index in free))


def local_jacobian(numerator: Tensor, denominator: Tensor, program: Program) -> Jacobian:
    """∂numerator/∂denominator.

    A quantity that the equation of the numerator mentions is differentiated there and everything else held
    fixed; otherwise the definitions in between are inserted.

    Raises:
        NotesError: if the denominator is not an array or a block of one.
    """
    if not isinstance(denominator.expr, Entry):
        raise NotesError("a derivative is taken with respect to a symbol")
    kept = tuple(axis for axis in denominator.axes if set(axis.indices) & denominator.expr.free_symbols)
    wrt = tuple(axis.fresh() for axis in kept)
    entry = Tensor(denominator.expr, kept).read_along(wrt)
    value = _said_with(numerator.expr, denominator.expr.name, program)
    return Jacobian(value.diff(entry), (*numerator.axes, *wrt), len(numerator.axes))


def _said_with(expr: Expr, name: str, program: Program) -> Expr:
    """The expression with definitions inserted until it mentions an array."""
    while True:
        entries = expr.atoms(Entry)
        if any(entry.name == name for entry in entries):
            return expr
        known = {e: program.definitions[e.name].at(e.indices) for e in entries if e.name in program.definitions}
        if not known:
            return expr
        expr = expr.xreplace(known)


def contracted(one: Tensor, other: Tensor) -> Tensor:
    """A product along a chain: Σ over the axes of the numerator that meets a cotangent or another's denominator.

    Raises:
        ShapeError: if these axes differ.
    """
    if isinstance(one, Jacobian) and isinstance(other, Jacobian):
        left, right = (
            (one, other) if _sizes(one.axes[one.split :]) == _sizes(other.axes[: other.split]) else (other, one)
        )
        head, tail = left.axes[: left.split], right.axes[right.split :]
        expr = _met(left, left.axes[left.split :], right, right.axes[: right.split])
        return Jacobian(expr, (*head, *tail), left.split)
    jacobian, upstream = (one, other) if isinstance(one, Jacobian) else (other, one)
    if not isinstance(jacobian, Jacobian):
        raise ShapeError("no Jacobian in a product along a chain")
    head, tail = jacobian.axes[: jacobian.split], jacobian.axes[jacobian.split :]
    if _sizes(upstream.T.axes) == _sizes(head) != _sizes(upstream.axes):  # gradients are rows
        return Tensor(_met(upstream.T, upstream.T.axes, jacobian, head), tail[::-1])
    return Tensor(_met(upstream, upstream.axes, jacobian, head), tail)


def _sizes(axes: tuple[Axis, ...]) -> list[object]:
    return [axis.size for axis in axes]


def _met(left: Tensor, ours: tuple[Axis, ...], right: Tensor, theirs: tuple[Axis, ...]) -> Expr:
    """Σ of left · right over axes of the one that are axes of the other."""
    if _sizes(ours) != _sizes(theirs):
        raise ShapeError(f"a chain of shapes {left.shape} and {right.shape}")
    summed = tuple(axis.fresh() for axis in ours)
    one, other = left.renamed(_pairs(ours, summed)), right.renamed(_pairs(theirs, summed))
    return contract(one * other, tuple(index for axis in summed for index in axis.indices))


def _pairs(old: tuple[Axis, ...], new: tuple[Axis, ...]) -> dict[Index, Index]:
    """Each index of some axes and the one in its place."""
    both = (zip(one.indices, other.indices, strict=True) for one, other in zip(old, new, strict=True))
    return {before: after for pairs in both for before, after in pairs}
