"""One claim against the derivation: what kind of claim it is, what it should say, and whether it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Literal

from sympy import Expr, S

from derive.axis import shape_text
from derive.calculus import COTANGENT
from derive.equality import Decision, Ground, Method
from derive.errors import HandgradError, NotesError, ShapeError
from derive.functions import is_opaque
from derive.index import Entry
from derive.notes.adjoints import is_step_loss
from derive.notes.jacobian import Jacobian
from derive.notes.meaning import Reader
from derive.notes.plain import plain
from derive.notes.shift import has_time, mentions_next, mentions_previous, one_step_earlier
from derive.notes.syntax import (
    Applied,
    Claim,
    Concatenation,
    Differential,
    Negative,
    Node,
    Product,
    Quotient,
    Shaped,
    Sum,
    SumOver,
    Symbol,
    Transpose,
    children,
    rebuilt,
    walk,
)
from derive.program import Array, Program
from derive.tensor import Tensor, elementwise
from derive.unroll import SHARE
from derive.verify.loops import added, added_to, from_outside, passed_to_the_step_before
from derive.verify.update import update_due

_PASSED_ON = "it is read as what is passed on to the step before"
_LOSS = "it defines the loss, which the derivation takes as given"

Kind = Literal["definition", "forward", "cotangent", "jacobian", "rule", "update", "identity"]


@dataclass(frozen=True)
class Judgement:
    """Whether a claim holds, how that was decided, and if not in which way it fails.

    Attributes:
        due: what the right side should be, as the derivation has it (None for a rule that is no equation).
        stated: the meaning of the right side that holds, or the first one.
        shapes: complaints about shapes; with any the claim fails, whatever its entries.
        remarks: harmless peculiarities, e.g. (4H, 1) for (4H,).
        fits: whether the right side has a shape at all, and it is the one that is due.
    """

    kind: Kind
    holds: bool | None
    method: Method
    due: Tensor
    stated: Tensor | None
    ground: Ground
    shapes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    fits: bool = True


def bare(node: Node) -> Node:
    """The formula without its shape annotation."""
    return bare(node.of) if isinstance(node, Shaped) else node


def judge(claim: Claim, reader: Reader) -> Judgement:
    """Judge one claim, as if those that it builds on were right.

    Raises:
        NotesError: if it is not understood.
    """
    if defines_loss(claim.left, reader):
        return Judgement("definition", True, "none", Tensor(S.Zero), None, reader.ground, (), (_LOSS,))
    if isinstance(claim.left, SumOver) and sums_over_time(claim.left, reader) and sums_over_time(claim.right, reader):
        claim = replace(claim, left=claim.left.body, right=claim.right.body)  # type: ignore[attr-defined]
    kind, reader, due = target(claim, reader)
    added = added_to(replace(claim, left=bare(claim.left)), reader)
    reader, due = added or (reader, due)
    passed_on = None if added else passed_to_the_step_before(claim.left, due, reader)
    due = passed_on or due
    if kind == "cotangent" and from_outside(due, reader) and not has_upstream(claim.right, reader):
        raise NotesError("what comes from the loss is given to the cell, there is nothing to derive it from")
    whole, claim = claim, per_step(claim, kind, due, reader)
    complaints, remarks = shape_claims(claim, reader)
    complaints += lost_sum(whole, kind, due, reader)
    remarks += (_PASSED_ON,) if passed_on else ()
    remarks += idle_numerator(claim, kind, reader) if reader.ground.proving else ()
    try:
        meanings = reader.meanings(claim.right)
    except ShapeError as error:
        return Judgement(kind, False, "exact", due, None, reader.ground, (str(error), *complaints), remarks, False)
    outcome = Judgement(kind, False, "exact", due, meanings[0], reader.ground, complaints, remarks)
    undecided = None
    for stated in meanings:
        decision = agree(kind, due, stated, reader.ground)
        if decision.equal and not complaints:
            return replace(outcome, holds=True, method=decision.method, stated=stated)
        if decision.equal is None:
            undecided = replace(outcome, holds=None, method="none", stated=stated)
    if not any(_fits(due, stated) for stated in meanings) and kind != "jacobian":
        return replace(outcome, shapes=(mismatch(due, meanings[0]), *complaints), fits=False)
    return undecided or outcome


def defines_loss(left: Node, reader: Reader) -> bool:
    """Whether an equation defines the loss."""
    unknown = isinstance(left, Symbol) and left.name not in reader.symbols
    return unknown and reader.is_loss(Differential(left.span, left))


def per_step(claim: Claim, kind: Kind, due: Tensor, reader: Reader) -> Claim:
    """What a claim on a parameter's gradient says of one step: the sum over t dropped, δ_{t+1} h_t as δ_t h_{t−1}.

    What a loop adds to the gradient, dW = dW + …, is the step's share as well.
    A reader that knows step t + 1 itself reads it as it stands.
    """
    if kind != "update" and not is_gradient(kind, due, reader):
        return claim
    right = _without_sums(claim.right if kind == "update" else added(claim), reader)
    return replace(claim, right=_shifted(right) if reader.ahead else right)


def _shifted(node: Node) -> Node:
    """The terms of a sum over the steps that mention step t + 1, one step earlier."""
    if isinstance(node, Sum | Negative):
        return rebuilt(node, _shifted)
    return one_step_earlier(node) if mentions_next(node) else node


def _without_sums(node: Node, reader: Reader) -> Node:
    """The formula with its sums over the steps left out where it is linear in them."""
    if isinstance(node, SumOver) and sums_over_time(node, reader):
        return node.body
    constant = isinstance(node, Product) and sum(map(has_time, node.factors)) == 1
    if isinstance(node, Sum | Negative | Transpose | SumOver) or constant:
        return rebuilt(node, lambda child: _without_sums(child, reader))
    return node


def sums_over_time(node: Node, reader: Reader) -> bool:
    """Whether a formula is a sum over the steps; one without an index is, where there is no batch."""
    return isinstance(node, SumOver) and (node.index == "t" or (not node.index and reader.many is None))


def lost_sum(claim: Claim, kind: Kind, due: Tensor, reader: Reader) -> tuple[str, ...]:
    """A complaint if a parameter's gradient lacks the sum over the steps that the notes write elsewhere."""
    if not is_gradient(kind, due, reader):
        return ()
    sums = [node for node in walk(claim.right) if isinstance(node, SumOver) and sums_over_time(node, reader)]
    if any(_is_of_all_steps(part, reader) for node in sums if not is_step_loss(node.body) for part in walk(node.body)):
        return ("the sum over t is of what is of all steps already",)
    if reader.ahead and any(map(_begins_late, sums)):
        return ("the sum over t leaves out the first step",)
    whole = reader.summed and not has_time(claim.left) and any(has_time(node) for node in walk(claim.right))
    return ("the sum over t is missing",) if whole and not sums else ()


def _begins_late(total: SumOver) -> bool:
    """Whether a sum over the steps is of something at t + 1 alone, and does not begin at 0.

    With a factor at step t it may: of the first step's share nothing is left where the state before it is 0.
    """
    terms = total.body.terms if isinstance(total.body, Sum) else (total.body,)
    later = (term for term in terms if mentions_next(term) and not mentions_previous(term))
    return total.first != "0" and any(not mentions_previous(one_step_earlier(term)) for term in later)


def is_gradient(kind: Kind, due: Tensor, reader: Reader) -> bool:
    """Whether a claim is on a parameter's cotangent."""
    names = {array.name for array in reader.ground.program.having("parameter")}
    parameters = {COTANGENT + name + own for name in names for own in ("", SHARE)}
    entries = due.expr.atoms(Entry)
    return kind == "cotangent" and bool(entries) and all(entry.name in parameters for entry in entries)


def _is_of_all_steps(node: Node, reader: Reader) -> bool:
    """Whether a formula is the whole gradient of a parameter."""
    of = node.of if isinstance(node, Differential) else None
    try:
        return isinstance(of, Symbol) and is_gradient("cotangent", reader.cotangent(of), reader)
    except NotesError:
        return False


def target(claim: Claim, reader: Reader) -> tuple[Kind, Reader, Tensor]:
    """The kind of a claim, the reader of its right side, and the tensor that the right side should be."""
    left = bare(claim.left)
    if update := update_due(claim, reader):
        return "update", *update
    match left:
        case Symbol(name=name) if name in reader.defined:
            return "definition", reader, reader.defined[name]
        case Symbol() | Concatenation() if reader.function(left) is None:
            due = reader.meanings(left)[0]
            return ("cotangent" if reader.is_gradient(due) else "forward"), reader, due
        case Differential(of=Symbol() as symbol, sign=sign) if reader.function(symbol) is None:
            return "cotangent", reader, reader.cotangent(symbol, sign)
        case Quotient(numerator=Differential(of=above), denominator=Differential(of=Symbol() as below)):
            if reader.is_loss(left.numerator) or has_upstream(claim.right, reader):
                return "cotangent", reader, reader.cotangent(below)
            return "jacobian", reader, reader.jacobian(above, below)
        case Symbol() | Differential() | Applied():
            return _rule(left, reader)
        case Transpose(of=inner):
            kind, reader, due = target(replace(claim, left=inner), reader)
            return kind, reader, due.T
    # A link further down a chain, whose two sides are formulas.
    try:
        return "identity", reader, reader.meanings(claim.left)[0]
    except ShapeError as error:
        raise NotesError(f"the left side of {claim.text!r} does not fit together: {error}") from None


def has_upstream(node: Node, reader: Reader) -> bool:
    """Whether a cotangent stands on the right: a differential outside of a fraction, or an incoming one.

    The differential of a function is its derivative, and none.
    """
    if isinstance(node, Quotient):
        return reader.is_loss(node.numerator)
    if isinstance(node, Differential):
        return reader.function(node.of) is None
    if isinstance(node, Symbol) and node.name in reader.defined:
        return reader.mentions_gradient(reader.defined[node.name])
    if isinstance(node, Symbol):
        return node.name in reader.symbols and reader.is_gradient(reader.symbols[node.name])
    return any(has_upstream(child, reader) for child in children(node))


def _rule(left: Node, reader: Reader) -> tuple[Kind, Reader, Tensor]:
    """A claim on a function: dσ = σ(1 − σ), d tanh x = 1 − tanh² x, or (without the d) on its values."""
    function, argument = (left.function, left.argument) if isinstance(left, Applied) else (left, None)
    differentiated = isinstance(function, Differential)
    symbol = function.of if isinstance(function, Differential) else function
    kind = reader.function(symbol)
    if kind is None or not (argument is None or isinstance(argument, Symbol)):
        raise NotesError("a rule is about a function of a variable")
    if not differentiated and is_opaque(kind):
        raise NotesError(f"the function {plain(symbol)} is none that is known, so this says what it is")
    letter = argument.name if isinstance(argument, Symbol) and argument.name.isidentifier() else "z"
    variable = Tensor(Entry(letter), ())
    ground = Ground(Program("rule", (Array(letter, ()),), (), ()))
    names = {argument.name: variable} if isinstance(argument, Symbol) else {}
    inner = Reader(ground, names, reader.functions, variable=variable, grammar=reader.grammar)
    value = elementwise(kind, variable)
    return "rule", inner, Tensor(value.expr.diff(variable.expr), ()) if differentiated else value


def agree(kind: Kind, due: Tensor, stated: Tensor, ground: Ground) -> Decision:
    """Whether the right side is what is due."""
    if kind == "jacobian":
        return _agree_jacobians(due, stated, ground)
    if not _fits(due, stated):
        return Decision(False, "exact")
    due, stated = due.squeezed, stated.squeezed
    axes = tuple(index for axis in due.axes for index in axis.indices)
    return ground.decide(due.expr, stated.read_along(due.axes), axes)


def definition(tensor: Tensor, ground: Ground) -> Tensor:
    """The right sides of the equations that define the arrays of a tensor; an input is its own."""
    definitions = ground.program.definitions
    inside: dict[Expr, Expr] = {
        entry: definitions[entry.name].at(entry.indices)
        for entry in tensor.expr.atoms(Entry)
        if entry.name in definitions
    }
    return Tensor(tensor.expr.xreplace(inside), tensor.axes)


def _fits(due: Tensor, stated: Tensor) -> bool:
    """Whether two shapes are alike; axes of length 1 do not count, but a row is no column."""
    if len(due.axes) == len(stated.axes) == 2:
        return [a.size for a in due.axes] == [a.size for a in stated.axes]
    return [a.size for a in due.squeezed.axes] == [a.size for a in stated.squeezed.axes]


def _agree_jacobians(due: Tensor, stated: Tensor, ground: Ground) -> Decision:
    """A local Jacobian holds if it is the right side in either layout, or the right side times Kronecker deltas."""
    full = due.squeezed
    for one in (full, full.T):
        if _fits(one, stated):
            decision = agree("cotangent", one, stated, ground)
            if decision.equal:
                return decision
    try:
        factor = coefficient(due)
    except ShapeError:
        return Decision(False, "exact")
    free = tuple(index for axis in factor.axes for index in axis.indices)
    given = tuple(index for axis in stated.squeezed.axes for index in axis.indices)
    inside = {index: index for index in free if index.dim != 1}
    for order in permutations(inside, len(given)):
        if all(one.dim == other.dim for one, other in zip(given, order, strict=True)):
            expr = stated.squeezed.expr.xreplace(dict(zip(given, order, strict=True)))
            decision = ground.decide(factor.expr, expr, free)
            if decision.equal:
                return decision
    return Decision(False, "exact")


def coefficient(jacobian: Tensor) -> Tensor:
    """The one array beside a Jacobian's deltas.

    Raises:
        ShapeError: if there is none.
    """
    return jacobian.coefficient if isinstance(jacobian, Jacobian) else jacobian


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
