"""The parameters of notes on a cell that handgrad knows: what stands beside x in the notes is what does in the cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from sympy import Add, Expr, Function, Mul

from derive.axis import Axis, axis
from derive.errors import ShapeError
from derive.index import Entry, Index, Sigma
from derive.notes.standard import many
from derive.notes.syntax import Applied, Claim, Concatenation, Node, Product, Sum, Symbol, split_time
from derive.program import Program
from derive.tensor import Tensor, join


def parameter_symbols(
    claims: Iterable[Claim], symbols: Mapping[str, Tensor], cell: Program, columns: bool
) -> dict[str, Tensor]:
    """What the notes' own names for parameters stand for, from the forward equations in which they occur.

    Args:
        symbols: the symbols that are known.
        columns: whether vectors are columns, so that a matrix stands before what it multiplies.
    """
    found: dict[str, Tensor] = {}
    for claim in claims:
        if isinstance(claim.left, Symbol) and claim.left.name in symbols:
            linear = _linear_part(symbols[claim.left.name].expr, cell)
            right = claim.right.argument if isinstance(claim.right, Applied) else claim.right
            terms = right.terms if isinstance(right, Sum) else (right,)
            for term in terms if linear is not None else ():
                for name, tensor in _named(term, linear, symbols, cell, columns):
                    if name not in symbols and split_time(name)[1] is None:
                        found.setdefault(name, tensor)
    return found


def _linear_part(expr: Expr, cell: Program) -> Expr | None:
    """The sum that a quantity is, or is a function of."""
    for _ in range(2):
        definition = cell.definitions.get(expr.name) if isinstance(expr, Entry) else None
        if definition is None:
            return None
        expr = definition.at(expr.indices)
        if isinstance(expr, Function) and isinstance(expr.args[0], Entry):
            expr = expr.args[0]
        else:
            return expr
    return expr


def _named(
    term: Node, linear: Expr, symbols: Mapping[str, Tensor], cell: Program, columns: bool
) -> Iterator[tuple[str, Tensor]]:
    """The symbols of a term that are parameters, with what the cell has in their place."""
    match term:
        case Symbol(name=name):
            for entry in Add.make_args(linear):
                if isinstance(entry, Entry) and cell.arrays[entry.name].role == "parameter":
                    own = tuple(Axis((i,), i.dim) for i in entry.indices if isinstance(i, Index))
                    # A bias of column vectors stands for every column.
                    yield name, Tensor(entry, (*own, axis(many(cell))) if columns else own)
        case Product(factors=(one, other)):
            matrix, operand = (one, other) if columns else (other, one)
            if isinstance(matrix, Symbol):
                parts = operand.parts if isinstance(operand, Concatenation) else (operand,)
                found = [_beside(part, linear, symbols, cell, columns) for part in parts]
                known = [tensor for tensor in found if tensor is not None]
                if len(known) == len(parts) == 1:
                    yield matrix.name, known[0]
                elif len(known) == len(parts):
                    with suppress(ShapeError):
                        yield matrix.name, join(known, 1 if columns else 0)


def _beside(operand: Node, linear: Expr, symbols: Mapping[str, Tensor], cell: Program, columns: bool) -> Tensor | None:
    """The parameter that the cell multiplies an operand by."""
    if not isinstance(operand, Symbol) or operand.name not in symbols:
        return None
    name = getattr(symbols[operand.name].expr, "name", None)
    for term in Add.make_args(linear):
        factors = Mul.make_args(term.body) if isinstance(term, Sigma) else ()
        entries = {entry.name: entry for entry in factors if isinstance(entry, Entry)}
        weights = [entry for entry in entries.values() if cell.arrays[entry.name].role == "parameter"]
        if name in entries and len(weights) == 1:
            (weight,) = weights
            free = [index for index in weight.indices if isinstance(index, Index)]
            summed = [index for index in free if index in term.indices]
            kept = [index for index in free if index not in term.indices]
            order = [*kept, *summed] if columns else [*summed, *kept]
            return Tensor(weight, tuple(Axis((index,), index.dim) for index in order))
    return None
