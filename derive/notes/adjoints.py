"""How notes write the cotangent of a quantity: a fraction, a sign before its symbol, or a name of its own.

∂L/∂f says what it is of. A sign, δf, and a name, δ_f or f̄, of a gate may also mean the cotangent of what the gate's
function is applied to; which one it is, is the same for all gates under one sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from derive.notes.latex import LOSSES
from derive.notes.plain import symbol_text
from derive.notes.syntax import Applied, Claim, Differential, Node, Quotient, Symbol, children, split_time

FRACTION = ""  # the sign of ∂L/∂h
BARE_LETTERS = ("\\delta", "\\epsilon", "\\varepsilon", "\\Delta")  # of names that are cotangents, whatever of
BAR = "\\bar"  # the sign of the name h̄; that of δ_h is \delta_, that of δh \delta
NAME = re.compile(r"\\bar\{(.+?)\}(.*)")

Mark = tuple[str, str]  # a sign, and the quantity whose cotangent is marked by it, without its time


def adjoint_of(name: str) -> str | None:
    """What a symbol is the cotangent of by its name: ``\\delta_h_t`` and ``\\bar{h}_t`` that of h_t."""
    if bar := NAME.fullmatch(name):
        return bar[1] + bar[2]
    letter, _, rest = name.partition("_")
    return rest if letter in {"\\delta", "\\Delta"} and rest and not _is_time(rest) else None


def _is_time(script: str) -> bool:
    """Whether a script says the step and nothing else."""
    return split_time(f"x_{script}")[0] == "x"


def mark_of(node: Node) -> Mark | None:
    """The mark that a formula is: δf, δ_f or f̄, but no fraction."""
    match node:
        case Differential(of=Symbol(name=name), sign=sign):
            return sign, split_time(name)[0]
        case Symbol(name=name) if of := adjoint_of(name):
            return sign_of(name), split_time(of)[0]
    return None


def sign_of(name: str) -> str:
    """The sign of a name that says of what it is the cotangent."""
    return BAR if NAME.fullmatch(name) else name.partition("_")[0] + "_"


def mark_text(mark: Mark) -> str:
    """A mark as plain text: δf, δ_f, f̄."""
    sign, name = mark
    if sign == BAR:
        return symbol_text(f"\\bar{{{name}}}")
    between = "_" if sign == "\\nabla" else ""
    return {"\\partial": "∂", "\\nabla": "∇"}.get(sign, symbol_text(sign)) + between + symbol_text(name)


def marks(node: Node) -> Iterator[Mark]:
    """Every mark of a formula, and ∂L/∂h as one with the sign of a fraction; other fractions have none."""
    if isinstance(node, Quotient):
        if (of := differentiated(node)) is not None:
            yield FRACTION, of
        return
    if mark := mark_of(node):
        yield mark
    for child in children(node) if not isinstance(node, Differential) else ():
        yield from marks(child)


def differentiated(node: Node) -> str | None:
    """The quantity h of a fraction ∂L/∂h, without its time."""
    match node:
        case Quotient(denominator=Differential(of=Symbol(name=name))) if is_loss(node.numerator):
            return split_time(name)[0]
    return None


def cotangent_names(claims: Iterable[Claim]) -> Iterator[tuple[str, Node]]:
    """Names that equations give to cotangents, e_t = ∂L/∂h_t: the name without its time, and of what it is one."""
    for claim in claims:
        match claim.left, claim.right:
            case Symbol(name=name), Differential(of=of) | Quotient(denominator=Differential(of=of)):
                if isinstance(claim.right, Quotient) and not is_loss(claim.right.numerator):
                    continue
                yield split_time(name)[0], of


def has_gradient(node: Node) -> bool:
    """Whether a formula has δf or ∂L/∂f in it; a function's derivative, σ′(z), and a Jacobian are no gradients."""
    match node:
        case Quotient(numerator=Differential()):
            return differentiated(node) is not None
        case Applied():
            return has_gradient(node.argument)
        case Differential():
            return True
    return any(map(has_gradient, children(node)))


def is_loss(numerator: Node) -> bool:
    """Whether a fraction's numerator is the differential of what is usually a loss."""
    match numerator:
        case Differential(of=Symbol(name=name)):
            return name.partition("_")[0] in LOSSES
    return False


def is_step_loss(node: Node) -> bool:
    """Whether a formula is a fraction whose numerator is the loss of one step, ∂L_t."""
    match node:
        case Quotient(numerator=Differential(of=Symbol(name=name))):
            base, time = split_time(name)
            return base in LOSSES and time is not None
    return False
