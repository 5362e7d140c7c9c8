"""Blocks of an axis: cut out by a slice, or put together by a concatenation."""

from __future__ import annotations

from derive.errors import ShapeError
from derive.index import Joined, Stack
from derive.notes.syntax import Slice
from derive.program import Program
from derive.tensor import Tensor, concatenate


def stacked(blocks: tuple[Tensor, ...], program: Program) -> Tensor:
    """Blocks under the labels of a stacked axis that has as many of their size.

    Raises:
        ShapeError: if there is none.
    """
    if not blocks[0].axes:
        raise ShapeError("concatenation of numbers")
    for array in program.arrays.values():
        for size in array.sizes:
            if isinstance(size, Stack) and len(size.labels) == len(blocks):
                for position in range(len(blocks[0].axes) - 1, -1, -1):
                    if blocks[0].axes[position].size == size.dim:
                        return concatenate(blocks, size.labels, position)
    raise ShapeError(f"no stacked axis has {len(blocks)} blocks of shape {blocks[0].shape}")


def sliced(tensor: Tensor, bounds: Slice) -> Tensor:
    """The block that a slice cuts out of a stacked or joined axis.

    Raises:
        ShapeError: if it is none.
    """
    start = bounds.start[0] if bounds.start else 0
    for one in tensor.axes:
        size = one.size
        if isinstance(size, Stack | Joined):
            number = len(size.labels if isinstance(size, Stack) else size.dims)
            stop = bounds.stop[0] if bounds.stop else (number if isinstance(size, Stack) else max(start + 1, number))
            alike = isinstance(size, Stack) or len(set(size.dims)) == 1
            if not alike and number == 2:
                start, stop = (1, 2) if bounds.start else (0, 1)
            if stop == start + 1 and stop <= number:
                return tensor.block(size.labels[start]) if isinstance(size, Stack) else tensor.parts[start]
    raise ShapeError(f"a slice of shape {tensor.shape} that is none of its blocks")
