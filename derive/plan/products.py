"""Sums that are matrix products: their operands, and products that are added up as one.

x · W_dot + x_dot · W is one array that products are added to, not two arrays that are added: one accumulator, and of
sums in parts one set of parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sympy import Add, Expr, Integer, Mul

from derive.index import Entry, Index
from derive.plan.sums import Sum, block_index, points
from derive.program import Equation


@dataclass(frozen=True)
class Operands:
    """The factors of a sum by what they depend on."""

    row: Index
    column: Index
    left: Expr
    right: Expr


def operands(one: Sum) -> Operands | None:
    """The operands of a sum, of its first product, that is a matrix product at every point, if it is one."""
    domain = points(one.array)
    if len(domain) != 2 or not _flat(one):
        return None
    row, column = domain
    left: list[Expr] = []
    right: list[Expr] = []
    for factor in Mul.make_args(one.body):
        free = factor.free_symbols
        if row in free and column in free:
            return None
        (right if column in free else left).append(factor)
    block = block_index(one.array)
    depends = (row in Mul(*left).free_symbols, column in Mul(*right).free_symbols)
    if not all(depends) or (block is not None and block in Mul(*left).free_symbols):
        return None
    return Operands(row, column, Mul(*left), Mul(*right))


def _flat(one: Sum) -> bool:
    """Whether the sum runs along one axis, a plain one or a whole stacked one."""
    if len(one.over) == 1:
        return True
    # Only a stacked axis has an index over labels; two plain axes are two, though they are neighbours.
    if len(one.over) != 2 or not isinstance(one.over[0].dim, Integer):
        return False
    for entry in one.body.atoms(Entry):
        summed = [position for position, index in enumerate(entry.indices) if index in one.over]
        if summed and entry.indices[summed[0] : summed[0] + len(one.over)] != one.over:
            return False
    return True


def joined(equations: Sequence[Equation | Sum], batch: str) -> list[Equation | Sum]:
    """The equations with products that are terms of one of them, and serve nothing else, added up as one.

    Args:
        batch: the dimension of which sums are cut into parts; those over others stay apart from them.
    """
    users: dict[str, list[str]] = {}
    for one in equations:
        for name in dict.fromkeys(entry.name for entry in one.reads):
            users.setdefault(name, []).append(one.name)
    first: dict[tuple[object, ...], Sum] = {}
    more: dict[str, list[Sum]] = {}
    into: dict[str, Expr] = {}
    sums = {Entry(one.name, *one.array.indices): one for one in equations if isinstance(one, Sum)}
    order = {one: place for place, one in enumerate(sums)}
    for equation in (one for one in equations if isinstance(one, Equation)):
        for entry in sorted((term for term in Add.make_args(equation.value) if term in sums), key=order.__getitem__):
            one = sums[entry]
            if users[one.name] != [equation.name] or operands(one) is None:
                continue
            in_parts = any(str(index.dim) == batch for index in one.over)
            target = first.setdefault((equation.name, one.array.sizes, in_parts), one)
            if target is not one:
                more.setdefault(target.name, []).append(replace(one, array=target.array))
                into[one.name] = entry
    gone = dict.fromkeys(into.values(), 0)
    return [
        replace(one, more=tuple(more.get(one.name, ())))
        if isinstance(one, Sum)
        else Equation(one.array, one.value.xreplace(gone) if gone else one.value)
        for one in equations
        if one.name not in into
    ]
