"""Array notation on top of index notation: ``x @ W + b`` and ``f * c_prev`` as one writes them on paper.

A ``Tensor`` is a scalar expression and the axes along which it is read. Cell files and the reader of
handwritten notes build their equations from the same operations, so both obey the same shape rules. An axis without
an index is one of length 1, which broadcasts: that of ``v[:, None]`` and of a mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from sympy import Expr, Integer, SympifyError, sympify

from derive.axis import ONE, Axis, Size, axis, shape_text
from derive.errors import ShapeError
from derive.index import Dim, Entry, Index, Joined, KroneckerDelta, Stack, substitute


def _size(axes: Sequence[Axis]) -> str:
    return str(axes[0].size) if axes else "nothing"


@dataclass(frozen=True, eq=False)
class Tensor:
    """A scalar expression read along axes; operations follow NumPy's rules for equal trailing axes."""

    expr: Expr
    axes: tuple[Axis, ...] = ()

    @property
    def shape(self) -> str:
        return shape_text(self.axes)

    @property
    def T(self) -> Tensor:
        """The transpose; a vector is its own."""
        return Tensor(self.expr, self.axes[::-1])

    def read_along(self, axes: Sequence[Axis]) -> Expr:
        """The expression with our trailing axes renamed to the last of the given ones.

        Raises:
            ShapeError: if a size differs or there are fewer given axes than ours.
        """
        given = axes[len(axes) - len(self.axes) :] if len(axes) >= len(self.axes) else ()
        pairs = list(zip(self.axes, given, strict=False))
        if len(given) != len(self.axes) or any(
            mine not in (ONE, other) and mine.size != other.size for mine, other in pairs
        ):
            raise ShapeError(f"shape {self.shape} does not fit {shape_text(axes)}")
        mapping = {
            old: new
            for mine, other in pairs
            if mine != ONE
            for old, new in zip(mine.indices, other.indices, strict=True)
        }
        return substitute(self.expr, mapping)

    def block(self, label: str) -> Tensor:
        """The block of a stacked axis that a label names: ``a.block("i")`` has shape (N, H)."""
        for position, one in enumerate(self.axes):
            if isinstance(one.size, Stack) and label in one.size.labels:
                outer, inner = one.indices
                number = Integer(one.size.labels.index(label))
                axes = list(self.axes)
                axes[position] = Axis((inner,), one.size.dim)
                return Tensor(substitute(self.expr, {outer: number}), tuple(axes))
        raise ShapeError(f"no axis of shape {self.shape} has a block {label!r}")

    def renamed(self, mapping: dict[Index, Index]) -> Expr:
        """The expression with indices renamed, nothing captured."""
        return substitute(self.expr, mapping)

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The parts of the last axis that is joined of some, in order; without one the tensor itself."""
        for position, one in reversed(list(enumerate(self.axes))):
            if isinstance(one.size, Joined):
                chosen, *inner = one.indices
                before, after = self.axes[:position], self.axes[position + 1 :]
                return tuple(
                    Tensor(substitute(self.expr, {chosen: Integer(k)}), (*before, Axis((index,), index.dim), *after))
                    for k, index in enumerate(inner)
                )
        return (self,)

    @property
    def squeezed(self) -> Tensor:
        """The tensor without its axes of length 1: a single column is a vector."""
        gone = {index: Integer(0) for a in self.axes if a.size == 1 for index in a.indices}
        return Tensor(substitute(self.expr, gone), tuple(a for a in self.axes if a.size != 1)) if gone else self

    def __getitem__(self, key: Any) -> Tensor:
        """New axes of length 1 as in NumPy: ``v[:, None]``; ``m[:, 0]`` is m without its axis of length 1."""
        items = key if isinstance(key, tuple) else (key,)
        left, axes = list(self.axes), []
        for item in items:
            if item is None:
                axes.append(ONE)
            elif not left:
                raise ShapeError(f"more axes are named than shape {self.shape} has")
            elif isinstance(item, slice) and item == slice(None):
                axes.append(left.pop(0))
            elif isinstance(item, int) and item == 0 and left[0] == ONE:
                left.pop(0)
            else:
                raise ShapeError(
                    f"the index {item!r} of shape {self.shape}: only : and None are, and 0 along an axis of length 1"
                )
        return Tensor(self.expr, (*axes, *left))

    def mean(self, over: Any = None) -> Tensor:
        """The mean along an axis, as ``reduced``."""
        number = Integer(1)
        for index in self._chosen_axis(over, "mean").indices:
            number *= index.dim
        return self.reduced(over) / Tensor(number)

    def reduced(self, over: Any = None) -> Tensor:
        """Σ along an axis, which then has length 1 and broadcasts.

        Args:
            over: the axis by its size, which no other axis has, or by its position; the last one by default.

        Raises:
            ShapeError: if there is no such axis, or more than one.
        """
        gone = self._chosen_axis(over, "sum")
        return Tensor(gone.total(self.expr), tuple(ONE if a is gone else a for a in self.axes))

    def largest(self, over: Any = None) -> Tensor:
        """The largest along an axis, as ``reduced``."""
        gone = self._chosen_axis(over, "maximum")
        return Tensor(gone.largest(self.expr), tuple(ONE if a is gone else a for a in self.axes))

    def _chosen_axis(self, over: Any, what: str) -> Axis:
        if over is None or isinstance(over, int):
            position = -1 if over is None else over
            if not -len(self.axes) <= position < len(self.axes):
                raise ShapeError(f"a {what} over axis {position} of shape {self.shape}")
            return self.axes[position]
        found = [a for a in self.axes if a.size == over]
        if len(found) != 1:
            raise ShapeError(f"a {what} over {over} of shape {self.shape}, which has {len(found)} axes of this size")
        return found[0]

    def sum(self, position: int) -> Tensor:
        """Σ along one axis, which is then gone."""
        gone = self.axes[position]
        kept = tuple(a for a in self.axes if a is not gone)
        return Tensor(gone.total(self.expr), kept)

    def __matmul__(self, other: Any) -> Tensor:
        other = as_tensor(other)
        if self._shares_batch(other):
            return self._product_of_each(other)
        if not self.axes or not other.axes or self.axes[-1].size != other.axes[0].size:
            raise ShapeError(
                f"matrix product of shapes {self.shape} and {other.shape}: the summed index would run over "
                f"{_size(self.axes[-1:])} on the left and over {_size(other.axes[:1])} on the right"
            )
        inner = self.axes[-1].fresh()
        left = self.read_along((*self.axes[:-1], inner))
        rest = tuple(a.fresh() for a in other.axes[1:])
        right = other.read_along((inner, *rest))
        return Tensor(inner.total(left * right), (*self.axes[:-1], *rest))

    def _shares_batch(self, other: Tensor) -> bool:
        """Whether a product is one of a matrix per row: C (N, H, K) times q (N, K), or q times C.T per row."""
        if max(len(self.axes), len(other.axes)) != 3 or min(len(self.axes), len(other.axes)) < 2:
            return False
        return (
            self.axes[-1].size != other.axes[0].size
            and self.axes[0].size == other.axes[0].size
            and self.axes[-1].size == other.axes[1].size
        )

    def _product_of_each(self, other: Tensor) -> Tensor:
        """Σ_k left[n, …, k] · right[n, k, …] for every n."""
        batch, inner = self.axes[0], self.axes[-1].fresh()
        left = self.read_along((*self.axes[:-1], inner))
        rest = tuple(a.fresh() for a in other.axes[2:])
        right = other.read_along((batch, inner, *rest))
        return Tensor(inner.total(left * right), (batch, *self.axes[1:-1], *rest))

    def __add__(self, other: Any) -> Tensor:
        return elementwise(lambda a, b: a + b, self, other)

    def __radd__(self, other: Any) -> Tensor:
        return elementwise(lambda a, b: b + a, self, other)

    def __sub__(self, other: Any) -> Tensor:
        return elementwise(lambda a, b: a - b, self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return elementwise(lambda a, b: b - a, self, other)

    def __mul__(self, other: Any) -> Tensor:
        return elementwise(lambda a, b: a * b, self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Tensor:
        return elementwise(lambda a, b: a * _reciprocal(b), self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return elementwise(lambda a, b: b * _reciprocal(a), self, other)

    def __pow__(self, exponent: Any) -> Tensor:
        if not isinstance(exponent, int):
            raise ShapeError(f"the exponent {exponent!r}: only whole numbers are")
        return Tensor(self.expr**exponent if exponent >= 0 else _reciprocal(self.expr) ** -exponent, self.axes)

    def __neg__(self) -> Tensor:
        return Tensor(-self.expr, self.axes)


def _reciprocal(expr: Expr) -> Expr:
    if expr == 0:
        raise ShapeError("division by zero")
    return 1 / expr


def as_tensor(value: Any) -> Tensor:
    """A tensor as it is; a number, or an expression in dimensions, as a tensor without axes."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, float):
        raise ShapeError(f"the float {value!r}: equations are exact, write it as a Fraction or a quotient of integers")
    try:
        number = sympify(value, strict=True)
    except SympifyError:
        number = None
    if number is None or any(isinstance(s, Index | Entry) or not s.is_positive for s in number.free_symbols):
        raise ShapeError(f"expected a tensor or a number, got {value!r}")
    return Tensor(number)


def elementwise(operation: Callable[..., Expr], *operands: Any) -> Tensor:
    """Apply a scalar operation entry by entry; a shorter operand broadcasts over leading axes.

    Raises:
        ShapeError: if the trailing sizes differ.
    """
    tensors = [as_tensor(operand) for operand in operands]
    given = {tensor.axes for tensor in tensors if tensor.axes}
    if len(given) == 1:  # along the same indices, of which none needs another name
        return Tensor(operation(*(tensor.expr for tensor in tensors)), given.pop())
    rank = max(len(tensor.axes) for tensor in tensors)
    axes = [ONE] * rank
    for tensor in tensors:
        for position, mine in enumerate(tensor.axes, start=rank - len(tensor.axes)):
            if axes[position] == ONE:
                axes[position] = mine.fresh()
            elif mine not in (ONE, axes[position]) and mine.size != axes[position].size:
                raise ShapeError(
                    f"elementwise operation on shapes {' and '.join(t.shape for t in tensors)}: one index would run "
                    f"over {mine.size} and over {axes[position].size}"
                )
    return Tensor(operation(*(tensor.read_along(axes) for tensor in tensors)), tuple(axes))


def entry(name: str, sizes: Sequence[Size | Dim]) -> Tensor:
    """The tensor of a named array."""
    axes = tuple(axis(size) for size in sizes)
    return Tensor(Entry(name, *(index for one in axes for index in one.indices)), axes)


def concatenate(blocks: Sequence[Tensor], labels: Sequence[str], position: int = -1) -> Tensor:
    """Blocks of equal shape stacked along an axis, by default the last, each under its label.

    Raises:
        ShapeError: if the shapes of the blocks differ or they have no axis.
    """
    first = blocks[0]
    if any([a.size for a in block.axes] != [a.size for a in first.axes] for block in blocks) or not first.axes:
        raise ShapeError("concatenation of shapes " + ", ".join(block.shape for block in blocks))
    place = position % len(first.axes)
    along = first.axes[place]
    if isinstance(along.size, Stack):
        raise ShapeError(f"concatenation of blocks of shape {first.shape} along an axis that is stacked already")
    stacked = axis(Stack(tuple(labels), along.size))
    chosen, inner = stacked.indices
    return _chosen(blocks, first.axes, place, stacked, (inner,) * len(blocks), chosen)


def join(parts: Sequence[Tensor], position: int) -> Tensor:
    """Tensors one behind the other along an axis, whose sizes may differ; the other axes are alike.

    Raises:
        ShapeError: if another axis differs, or a part has no such axis, or a stacked one there.
    """
    first = parts[0]
    if any(len(part.axes) != len(first.axes) or not -len(part.axes) <= position < len(part.axes) for part in parts):
        raise ShapeError("concatenation of shapes " + ", ".join(part.shape for part in parts))
    place = position % len(first.axes)
    dims = [part.axes[place].size for part in parts]
    if any(isinstance(dim, Stack | Joined) for dim in dims):
        raise ShapeError(f"concatenation of shapes {', '.join(p.shape for p in parts)} along a stacked axis")
    whole = axis(Joined(tuple(dims)))
    chosen, *inner = whole.indices
    return _chosen(parts, first.axes, place, whole, inner, chosen)


def _chosen(
    parts: Sequence[Tensor], axes: tuple[Axis, ...], place: int, whole: Axis, inner: Sequence[Index], chosen: Index
) -> Tensor:
    """One of the parts, along an axis whose first index chooses it."""
    before, after = (tuple(a.fresh() for a in some) for some in (axes[:place], axes[place + 1 :]))
    terms = [
        KroneckerDelta(chosen, number) * part.read_along((*before, Axis((index,), index.dim), *after))
        for number, (part, index) in enumerate(zip(parts, inner, strict=True))
    ]
    return Tensor(reduce(lambda a, b: a + b, terms), (*before, whole, *after))


def each_part(functions: Sequence[Callable[[Expr], Expr]], tensor: Tensor) -> Tensor:
    """A function of its own applied to each part of a stacked or joined axis.

    Raises:
        ShapeError: if no axis has as many parts.
    """
    for one in tensor.axes:
        chosen = one.indices[0]
        if len(one.indices) > 1 and chosen.dim == len(functions):
            cases = (substitute(tensor.expr, {chosen: Integer(k)}) for k in range(len(functions)))
            terms = (
                KroneckerDelta(chosen, k) * function(case)
                for k, (function, case) in enumerate(zip(functions, cases, strict=True))
            )
            return Tensor(reduce(lambda a, b: a + b, terms), tensor.axes)
    raise ShapeError(f"{len(functions)} functions of shape {tensor.shape}, which has no axis of so many parts")


def outer(left: Tensor, right: Tensor, many: Dim | None) -> Tensor:
    """left ⊗ right: the entries of one vector times those of the other, summed over the batch.

    Raises:
        ShapeError: if they are no vectors beside one batch axis, which may have length 1.
    """
    if len(left.axes) == len(right.axes) == 2:
        for position, (one, other) in {1: (left, right.T), 0: (left.T, right)}.items():
            if {left.axes[position].size, right.axes[position].size} in ({Integer(1)}, {many}):
                return one @ other
    raise ShapeError(f"the outer product of shapes {left.shape} and {right.shape}")


def diagonal(tensor: Tensor) -> Tensor:
    """diag(v), the square matrix with a vector's entries.

    Raises:
        ShapeError: if it is no single vector.
    """
    vector = tensor.squeezed
    if len(vector.axes) != 1:
        raise ShapeError(f"the diagonal matrix of shape {tensor.shape}")
    one = vector.axes[0].fresh()
    other = one.fresh()
    deltas = reduce(lambda a, b: a * b, (KroneckerDelta(i, j) for i, j in zip(one.indices, other.indices, strict=True)))
    return Tensor(vector.read_along((one,)) * deltas, (one, other))
