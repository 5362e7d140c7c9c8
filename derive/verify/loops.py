"""Assignments of a loop: a variable that is added to, and one that is handed to the step before."""

from __future__ import annotations

from dataclasses import replace

from derive.calculus import COTANGENT, SEED
from derive.index import Entry
from derive.notes.adjoints import adjoint_of
from derive.notes.derived import marked
from derive.notes.meaning import Reader
from derive.notes.syntax import Claim, Differential, Node, Sum, Symbol, split_time, symbol_below
from derive.tensor import Tensor


def added(claim: Claim) -> Node:
    """What is added to a variable, x = x + …; the right side of any other equation."""
    terms = claim.right.terms if isinstance(claim.right, Sum) else ()
    rest = tuple(term for term in terms if term != claim.left)
    if not rest or len(rest) != len(terms) - 1:
        return claim.right
    return rest[0] if len(rest) == 1 else replace(claim.right, terms=rest)  # type: ignore[call-arg]


def added_to(claim: Claim, reader: Reader) -> tuple[Reader, Tensor] | None:
    """For a loop's dc_next = dc_next + … or dc = dc + …, a reader of the right side, where it is what reaches c.

    With it comes all of dc, which the sum is.
    Where the notes have another name for either, it is a plain equation.
    """
    left = claim.left
    name = symbol_below(left) if isinstance(left, Differential) else adjoint_of(symbol_below(left) or "")
    base = split_time(name or "")[0]
    others = {base, f"{base}_t", f"{base}_next"} - {name}
    if name is None or split_time(name)[1] == -1 or others & reader.about or name not in reader.symbols:
        return None
    if not isinstance(claim.right, Sum) or left not in claim.right.terms:
        return None
    program = reader.ground.program
    whole, outside = (marked(reader.symbols[name], mark, program) for mark in (COTANGENT, SEED))
    if whole is None or outside is None or any(one.expr == outside.expr for one in reader.symbols.values()):
        return None
    if isinstance(left, Symbol):
        return replace(reader, symbols={**reader.symbols, left.name: outside}), whole
    return replace(reader, adjoints={**reader.adjoints, name: outside}), whole


def passed_to_the_step_before(left: Node, due: Tensor, reader: Reader) -> Tensor | None:
    """The cotangent of h_prev for a loop's assignment to dh_next, of which the step itself only knows the old value."""
    match left:
        case Differential(of=Symbol(name=name)) if name.endswith("_next") and from_outside(due, reader):
            base = split_time(name)[0]
            before = f"{base}_prev"
            if {before, f"{base}_t-1"} & reader.about:  # that has an equation of its own
                return None
            return reader.cotangent(Symbol(left.span, before)) if before in reader.symbols else None
    return None


def from_outside(due: Tensor, reader: Reader) -> bool:
    """Whether a cotangent is one that reaches the cell from outside."""
    inputs = {array.name for array in reader.ground.program.inputs}
    return bool(due.expr.atoms(Entry)) and all(entry.name in inputs for entry in due.expr.atoms(Entry))
