"""The functions that notes apply: those they name by a usual word or letter, and any they leave open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sympy import Function, cos, cosh, exp, log, sin, sinh

from derive.functions import FUNCTIONS, opaque
from derive.notes.syntax import Applied, Claim, Differential, Node, Product, Symbol, Transpose, walk

_SPELLED: dict[str, type[Function]] = {
    **dict.fromkeys(("\\sigma", "sigmoid", "sigm", "logistic", "\\operatorname{sigmoid}"), FUNCTIONS["sigmoid"]),
    **dict.fromkeys(("\\tanh", "tanh"), FUNCTIONS["tanh"]),
    **dict.fromkeys(("\\exp", "exp"), exp),
    **dict.fromkeys(("\\sin", "sin"), sin),
    **dict.fromkeys(("\\cos", "cos"), cos),
    **dict.fromkeys(("\\cosh", "cosh"), cosh),
    **dict.fromkeys(("\\sinh", "sinh"), sinh),
    **dict.fromkeys(("\\log", "\\ln", "log", "ln"), log),
}
_OPEN_WORDS = {"relu", "ReLU", "softplus", "softsign", "elu", "act", "activation"}
_OPEN_LETTERS = {"f", "g", "h", "\\phi", "\\varphi", "\\psi", "\\sigma", "\\rho", "\\Phi", "\\Psi"}

KNOWN = dict(_SPELLED) | {word: FUNCTIONS.get(word.lower(), opaque(word)) for word in sorted(_OPEN_WORDS)}


def open_functions(claims: Iterable[Claim]) -> dict[str, type[Function]]:
    """Letters that the claims only ever use as functions of what stands in brackets behind them: f(·), φ(·).

    Nothing is known of such a function, so what is said of it must hold for every one.
    """
    used: dict[str, bool] = {}
    for claim in claims:
        for side in (claim.left, claim.right):
            for name, applied in _uses(side, claim.text):
                used[name] = used.get(name, True) and applied
    return {n: opaque(n) for n, applied in used.items() if applied and n not in KNOWN and _may_be_function(n)}


def named_functions(claims: Iterable[Claim]) -> dict[str, type[Function]]:
    """Letters that stand for a function that is known: φ = tanh."""
    found: dict[str, type[Function]] = {}
    for claim in claims:
        match claim.left, claim.right:
            case Symbol(name=name), Symbol(name=known) if known in KNOWN and name not in KNOWN:
                found[name] = KNOWN[known]
    return found


def defined_functions(claims: Iterable[Claim], functions: Mapping[str, type[Function]]) -> dict[str, type[Function]]:
    """Functions that the claims say to be others: g(x) = tanh(x)."""
    same: dict[str, str] = {}
    for claim in claims:
        match claim.left, claim.right:
            case Applied(function=Symbol(name=name), argument=one), Applied(function=Symbol(name=other), argument=two):
                if one == two and isinstance(one, Symbol) and name not in KNOWN and other in functions:
                    same[name] = other
            case Applied(function=Symbol(name=name), argument=Symbol()), Symbol(name=other) if other in functions:
                same[name] = other
    found: dict[str, type[Function]] = {}
    for name, other in same.items():
        for _ in same:
            other = same.get(other, other)
        found[name] = functions[other]
    return found


def _may_be_function(name: str) -> bool:
    return name.partition("_")[0] in _OPEN_LETTERS and not name.endswith(("_t", "_prev", "_t-1", "_t+1"))


def _uses(node: Node, text: str) -> Iterator[tuple[str, bool]]:
    """(symbol, whether it stands before a bracket) for every symbol of a formula."""
    applied: set[int] = set()
    for part in walk(node):
        match part:
            case Product(factors=factors, operators=operators):
                pairs = zip(factors, factors[1:], operators, strict=False)
                applied |= {id(_bare(one)) for one, other, sign in pairs if not sign and text[other.span[0]] == "("}
            case Applied(function=function):
                applied.add(id(_bare(function)))
    yield from ((part.name, id(part) in applied) for part in walk(node) if isinstance(part, Symbol))


def _bare(node: Node) -> Node:
    return node.of if isinstance(node, Differential | Transpose) else node
