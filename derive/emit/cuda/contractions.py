"""Sums as matrix products: which factors are the left operand and which the right, and how tiles are filled.

Σ_k left[row, k] · right[k, column] is formed by tiles in shared memory, whatever the operands are computed from:
``r ⊙ h_prev`` on the left is multiplied while it is loaded. All blocks of a stacked axis share the left tile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sympy import Expr

from derive.emit.cuda.addresses import variable
from derive.emit.cuda.expressions import scalar
from derive.index import entries
from derive.matrix import Form, Group, Quantities, form_of, natural_groups
from derive.plan.products import Operands
from derive.plan.stages import groups_of
from derive.plan.sums import PARTS, Sum, block_index
from derive.show import UNICODE, form_text

Fetch = Callable[[Form, Mapping[Group, str]], str]
"""Spells an array's entry in memory, the variables of its indices given."""

DEPTH = "k"  # the variable that a product runs over
BLOCK = "block"  # the variable of the blocks that share the left operand


@dataclass(frozen=True)
class Product:
    """A sum formed tile by tile.

    Attributes:
        groups: how many blocks of the right operand share the left one.
        left, right: an entry of each, of variables ``at_row``, ``k``, ``block`` and ``at_column``.
        left_along, right_along: whether neighbours along k are neighbours in memory.
        depth: how far k runs.
        added: whether it is added to the product before it.
        first: how many sums of the same kernel come before its first.
    """

    name: str
    comment: str
    groups: int
    row: str
    column: str
    left: str
    right: str
    left_along: bool
    right_along: bool
    depth: str
    added: bool
    first: int = 0


def product(one: Sum, found: Operands, depth: str, arrays: Quantities, fetch: Fetch, added: bool) -> Product:
    """The product of a sum's operands."""
    block = block_index(one.array)
    variables = {(found.row,): variable(found.row), (found.column,): variable(found.column), one.over: DEPTH}
    if block is not None:
        variables[(block,)] = BLOCK
    return Product(
        name=one.name,
        comment=sum_text(one, arrays, added),
        groups=int(block.dim) if block is not None else 1,
        row=variable(found.row),
        column=variable(found.column),
        left=operand(found.left, variables, arrays, fetch),
        right=operand(found.right, variables, arrays, fetch),
        left_along=_along(found.left, one, arrays),
        right_along=_along(found.right, one, arrays),
        depth=depth,
        added=added,
    )


def sum_text(one: Sum, arrays: Quantities, added: bool = False) -> str:
    """``sum_a = h_prev · W_h``, ``sum_a += …``."""
    axes = tuple(axis.indices for axis in one.array.axes if axis.size != PARTS)
    return f"{one.name} {'+=' if added else '='} {form_text(form_of(one.value, axes, arrays), UNICODE)}"


def operand(expr: Expr, variables: Mapping[Group, str], arrays: Quantities, fetch: Fetch) -> str:
    """An expression of entries in memory."""
    form = form_of(expr, natural_groups(expr, arrays), arrays)
    return scalar(form, lambda leaf: fetch(leaf, variables))


def _along(expr: Expr, one: Sum, arrays: Quantities) -> bool:
    """Whether the last axis of the operand is the one that is summed over."""
    largest = max(entries(expr), key=lambda entry: len(entry.indices))
    return set(groups_of(largest, arrays.arrays[largest.name])[-1]) <= set(one.over)
