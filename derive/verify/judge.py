"""One claim against the derivation: what kind of claim it is, what it should say, and whether it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import permutations
from typing import Any, Literal

from sympy import KroneckerDelta, Mul, S

from derive.calculus import COTANGENT
from derive.equality import Decision, Ground, Method
from derive.errors import HandgradError, NotesError, ShapeError
from derive.functions import FUNCTIONS
from derive.index import Entry, Index
from derive.normal import normal_terms
from derive.notes.meaning import Reader
from derive.notes.plain import plain
from derive.notes.syntax import (
    Applied,
    Claim,
    Differential,
    Node,
    Quotient,
    Shaped,
    SumOver,
    Symbol,
    Transpose,
    children,
    split_time,
    walk,
)
from derive.program import Array, Program
from derive.tensor import Axis, Tensor, elementwise, shape_text

Kind = Literal["definition", "forward", "cotangent", "jacobian", "rule"]


@dataclass(frozen=True)
class Judgement:
    """Whether a claim holds, how that was decided, and if not in which way it fails.

    Attributes:
        due: what the right side should be, as the derivation has it (None for a rule that is no equation).
        stated: the meaning of the right side that holds, or the first one.
        shapes: complaints about shapes; with any the claim fails, whatever its entries.
        remarks: harmless peculiarities, e.g. (4H, 1) for (4H,).
    """

    kind: Kind
    holds: bool | None
    method: Method
    due: Tensor
    stated: Tensor | None
    ground: Ground
    shapes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def bare(node: Node) -> Node:
    """The formula without its shape annotation."""
    return bare(node.of) if isinstance(node, Shaped) else node


def judge(claim: Claim, reader: Reader) -> Judgement:
    """Judge one claim, as if those that it builds on were right.

    Raises:
        NotesError: if it is not understood.
    """
    kind, reader, due = target(claim, reader)
    claim = per_step(claim, kind, due, reader)
    complaints, remarks = shape_claims(claim, reader)
    remarks += idle_numerator(claim, kind, reader)
    try:
        meanings = reader.meanings(claim.right)
    except ShapeError as error:
        return Judgement(kind, False, "exact", due, None, reader.ground, (str(error), *complaints), remarks)
    outcome = Judgement(kind, False, "exact", due, meanings[0], reader.ground, complaints, remarks)
    undecided = None
    for stated in meanings:
        decision = agree(kind, due, stated, reader.ground)
        if decision.equal and not complaints:
            return replace(outcome, holds=True, method=decision.method, stated=stated)
        if decision.equal is None:
            undecided = replace(outcome, holds=None, method="none", stated=stated)
    if not any(_fits(due, stated) for stated in meanings) and kind != "jacobian":
        return replace(outcome, shapes=(mismatch(due, meanings[0]), *complaints))
    return undecided or outcome


def per_step(claim: Claim, kind: Kind, due: Tensor, reader: Reader) -> Claim:
    """What a claim on a parameter's gradient says of one step: the sum over t dropped, δ_{t+1} h_t as δ_t h_{t−1}."""
    name = str(getattr(due.expr, "name", "")).removeprefix(COTANGENT)
    if kind != "cotangent" or name not in {array.name for array in reader.ground.program.having("parameter")}:
        return claim
    summed = isinstance(claim.right, SumOver) and claim.right.index == "t"
    right = claim.right.body if isinstance(claim.right, SumOver) and summed else claim.right
    return replace(claim, right=one_step_earlier(right) if mentions_next(right) else right)


def mentions_next(node: Node) -> bool:
    """Whether a symbol of step t + 1 stands in a formula."""
    return any(isinstance(part, Symbol) and split_time(part.name)[1] == 1 for part in walk(node))


def one_step_earlier(node: Node) -> Node:
    """The formula with t for t + 1 and t − 1 for t.

    Raises:
        NotesError: if it mentions step t − 1 as well, which would be two steps back.
    """
    if isinstance(node, Symbol):
        base, time = split_time(node.name)
        if time == -1:
            raise NotesError(f"steps t − 1 and t + 1 stand together: {plain(node)}")
        return node if time is None else replace(node, name=f"{base}_{'t' if time == 1 else 't-1'}")
    changed: dict[str, Any] = {}
    for one in fields(node):
        value = getattr(node, one.name)
        if isinstance(value, Node):
            changed[one.name] = one_step_earlier(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], Node):
            changed[one.name] = tuple(map(one_step_earlier, value))
    return replace(node, **changed) if changed else node


def target(claim: Claim, reader: Reader) -> tuple[Kind, Reader, Tensor]:
    """The kind of a claim, the reader of its right side, and the tensor that the right side should be."""
    left = bare(claim.left)
    match left:
        case Symbol(name=name) if name in reader.defined:
            return "definition", reader, reader.defined[name]
        case Symbol() if reader.function(left) is None:
            return "forward", reader, reader.quantity(left.name)
        case Differential(of=Symbol() as symbol) if reader.function(symbol) is None:
            return "cotangent", reader, reader.cotangent(symbol)
        case Quotient(numerator=Differential(of=above), denominator=Differential(of=Symbol() as below)):
            if reader.is_loss(left.numerator) or has_upstream(claim.right, reader):
                return "cotangent", reader, reader.cotangent(below)
            return "jacobian", reader, reader.jacobian(above, below)
        case Symbol() | Differential() | Applied():
            return _rule(left, reader)
        case Transpose(of=inner):
            kind, reader, due = target(replace(claim, left=inner), reader)
            return kind, reader, due.T
    raise NotesError(f"the left side of {claim.text!r} is neither a quantity, a cotangent nor a derivative")


def has_upstream(node: Node, reader: Reader) -> bool:
    """Whether a cotangent stands on the right: a differential outside of a fraction, or an incoming one.

    The differential of a function is its derivative, and none.
    """
    if isinstance(node, Quotient):
        return reader.is_loss(node.numerator)
    if isinstance(node, Differential):
        return reader.function(node.of) is None
    if isinstance(node, Symbol):
        array = reader.ground.program.arrays.get(reader.symbols.get(node.name, ""))
        return array is not None and array.role == "cotangent"
    return any(has_upstream(child, reader) for child in children(node))


def _rule(left: Node, reader: Reader) -> tuple[Kind, Reader, Tensor]:
    """A claim on a function: dσ = σ(1 − σ), d tanh x = 1 − tanh² x, or (without the d) on its values."""
    function, argument = (left.function, left.argument) if isinstance(left, Applied) else (left, None)
    differentiated = isinstance(function, Differential)
    symbol = function.of if isinstance(function, Differential) else function
    name = reader.function(symbol)
    if name is None or not (argument is None or isinstance(argument, Symbol)):
        raise NotesError("a rule is about a function of a variable")
    letter = argument.name if isinstance(argument, Symbol) and argument.name.isidentifier() else "z"
    variable = Tensor(Entry(letter), ())
    ground = Ground(Program("rule", (Array(letter, ()),), (), ()))
    names = {argument.name: variable} if isinstance(argument, Symbol) else {}
    inner = Reader(ground, {k: v for k, v in reader.symbols.items() if v in FUNCTIONS}, names, variable)
    value = elementwise(FUNCTIONS[name], variable)
    return "rule", inner, Tensor(value.expr.diff(variable.expr), ()) if differentiated else value


def agree(kind: Kind, due: Tensor, stated: Tensor, ground: Ground) -> Decision:
    """Whether the right side is what is due."""
    if kind == "jacobian":
        return _agree_up_to_deltas(due, stated, ground)
    if not _fits(due, stated):
        return Decision(False, "exact")
    due, stated = due.squeezed, stated.squeezed
    axes = tuple(index for axis in due.axes for index in axis.indices)
    return ground.decide(due.expr, stated.read_along(due.axes), axes)


def definition(tensor: Tensor, ground: Ground) -> Tensor:
    """The right side of the equation that defines an array or block; an input is its own."""
    if isinstance(tensor.expr, Entry) and tensor.expr.name in ground.program.definitions:
        equation = ground.program.definitions[tensor.expr.name]
        return Tensor(equation.at(tensor.expr.indices), tensor.axes)
    return tensor


def _fits(due: Tensor, stated: Tensor) -> bool:
    """Whether two shapes are alike; axes of length 1 do not count."""
    return [a.size for a in due.squeezed.axes] == [a.size for a in stated.squeezed.axes]


def _agree_up_to_deltas(jacobian: Tensor, stated: Tensor, ground: Ground) -> Decision:
    """A local Jacobian holds if it is the right side times Kronecker deltas."""
    coefficient, free = without_deltas(jacobian)
    given = tuple(index for axis in stated.axes for index in axis.indices)
    for order in permutations(free, len(given)):
        if all(one.dim == other.dim for one, other in zip(given, order, strict=True)):
            expr = stated.expr.xreplace(dict(zip(given, order, strict=True)))
            decision = ground.decide(coefficient.expr, expr, tuple(free))
            if decision.equal:
                return decision
    return Decision(False, "exact")


def without_deltas(jacobian: Tensor) -> tuple[Tensor, list[Index]]:
    """The common factor beside the Kronecker deltas of a Jacobian, and its free indices.

    Raises:
        NotesError: if its terms have different deltas, so that no single array can stand for it.
    """
    patterns = set()
    rest = S.Zero
    for term in normal_terms(jacobian.expr):
        factors = [f for factor in term.factors for f in Mul.make_args(factor)]
        patterns.add(frozenset(f for f in factors if isinstance(f, KroneckerDelta)))
        plain = tuple(f for f in factors if not isinstance(f, KroneckerDelta))
        rest += replace(term, factors=plain).expr
    if len(patterns) > 1:
        raise NotesError("the Jacobian is not one array times Kronecker deltas")
    free = sorted((s for s in rest.free_symbols if isinstance(s, Index)), key=lambda index: index.name)
    axes = tuple(Axis((index,), index.dim) for index in free)
    return Tensor(rest, axes), free


def mismatch(due: Tensor, stated: Tensor) -> str:
    """What is wrong with the shape of the right side."""
    message = f"shape {stated.shape} where {due.shape} is due"
    if len(due.axes) == 2 and _fits(due, stated.T):
        message += ": a transpose is missing"
    return message


def shape_claims(claim: Claim, reader: Reader) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The shapes that the writer states, compared with the derived ones: complaints and remarks."""
    complaints, remarks = [], []
    for node in _shaped(claim):
        try:
            found = [meaning.axes for meaning in reader.meanings(_of_quotient(node.of, claim))]
        except ShapeError:
            continue
        wanted = ", ".join(node.shape)
        if any([str(axis.size) for axis in axes] == list(node.shape) for axes in found):
            continue
        if any([*(str(axis.size) for axis in axes), "1"] == list(node.shape) for axes in found):
            remarks.append(f"shape ({wanted}) is written for {shape_text(found[0])}")
        else:
            complaints.append(f"shape ({wanted}) is written where the derivation has {shape_text(found[0])}")
    return tuple(complaints), tuple(remarks)


def idle_numerator(claim: Claim, kind: Kind, reader: Reader) -> tuple[str, ...]:
    """In ∂Y/∂X = upstream · …, which is the cotangent of X whatever Y is: a remark if Y has nothing to do with X."""
    match bare(claim.left):
        case Quotient(numerator=Differential(of=above), denominator=Differential(of=below)) if kind == "cotangent":
            try:
                idle = reader.jacobian(above, below).expr == 0
            except HandgradError:  # a name for the loss, which need not be declared
                return ()
            return (f"{plain(above)} does not depend on {plain(below)}",) if idle else ()
    return ()


def _shaped(claim: Claim) -> Iterator[Shaped]:
    for side in (claim.left, claim.right):
        yield from (node for node in walk(side) if isinstance(node, Shaped))


def _of_quotient(node: Node, claim: Claim) -> Node:
    """On the left, ∂h/∂o stands for the cotangent of its denominator."""
    if isinstance(node, Quotient) and node is bare(claim.left):
        return node.denominator
    return node
