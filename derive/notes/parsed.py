"""A document's equations parsed: what letters mean to the parser shows when all of them are read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from sympy import Function

from derive.errors import NotesError
from derive.functions import FUNCTIONS
from derive.notes.adjoints import adjoint_of, cotangent_names
from derive.notes.document import Document
from derive.notes.functions import KNOWN, defined_functions, named_functions, open_functions
from derive.notes.indices import index_letters
from derive.notes.latex import parse_claim
from derive.notes.scripts import Clock
from derive.notes.settings import Settings
from derive.notes.symbols import Grammar, symbol_name
from derive.notes.syntax import Claim, Node, SumOver, Symbol, split_time, walk
from derive.notes.tokens import phrase

_CLOCK = re.compile(
    r"(?:[_^]\s*\{?\s*(?:\(|\\langle)?|(?<=[A-Za-z}])\()\s*(?:[A-Za-z]+\s*,\s*)?([a-z]|\\tau)\s*[-+]\s*1"
)
_USUAL_PHRASES = {phrase("dtanh"): "\\delta_tanh"}
# Nobody raises to the first power: a letter with a 1 above is one of several, and a 2 above is a label too.
_NUMBERED = re.compile(r"(\\[A-Za-z]+|[A-Za-z])\}*\s*(?:_\s*(?:\{[^{}]*\}|\w)\s*)?\^\s*(?:1|\{1\})(?!\d)")
_TRANSPOSED = re.compile(r"\^\s*\{?\s*(?:T|\\top|\\intercal|\\mathsf\{T\}|\\mathrm\{T\})(?![A-Za-z])")
_AT_T = re.compile(r"[_^]\s*\{?\s*(?:[^{}]*[^A-Za-z{}])?t\b")
_AT_0 = re.compile(r"_\s*(?:0\b|\{0\})")
_AT_2 = re.compile(r"_\s*(?:2\b|\{2\})")  # further steps under numbers are quantities of their own
_MANY = re.compile(r"(?:\(\s*[NB]\s*,|[NB]\s*\\times|\\times\s*[NB]\s*\})")


@dataclass(frozen=True)
class Parsed:
    """What could be read of a document.

    Attributes:
        unread: the left sides of equations that could not be, without their time, and those equations.
        bound: symbols that the writer has bound, and to what.
        text: all of its mathematics.
    """

    claims: tuple[Claim, ...]
    functions: Mapping[str, type[Function]]
    grammar: Grammar
    unread: Mapping[str, str]
    bound: Mapping[str, str]
    text: str

    @property
    def batch(self) -> bool:
        """Whether the mathematics shows a batch: a sum over it, or a shape with its letter."""
        named = {name for name, _ in cotangent_names(self.claims)}
        gradients = (claim for claim in self.claims if _is_gradient(claim.left, named))
        sums = (part for claim in gradients for part in walk(claim.right) if isinstance(part, SumOver))
        return any(part.index not in {"t", ""} for part in sums) or _MANY.search(self.text) is not None

    @property
    def summed(self) -> bool:
        """Whether gradients are written as sums over the steps."""
        return any(isinstance(claim.right, SumOver) and claim.right.index == "t" for claim in self.claims)


def _is_gradient(left: Node, named: Collection[str]) -> bool:
    """Whether an equation is about a cotangent, by the look of its left side."""
    if isinstance(left, Symbol):
        return adjoint_of(left.name) is not None or split_time(left.name)[0] in named
    return True


def parse_document(document: Document, settings: Settings) -> Parsed:
    """Parse every equation, twice: what is a function shows when all is read."""
    text = "\n".join(passage.latex for passage in document.passages)
    letters = Counter(_CLOCK.findall(text))
    letter = "t" if not letters or "t" in letters else letters.most_common(1)[0][0]
    if not letters and not _AT_T.search(text) and _AT_0.search(text) and not _AT_2.search(text):
        letter = "0"
    clock = Clock(letter, last=re.search(rf"(?<![A-Za-z])T\s*[_^]\s*\{{?\s*\(?{letter}(?![A-Za-z])", text) is None)
    singles, phrases = _names(settings, clock)
    phrases |= _USUAL_PHRASES
    targets = {**singles, **{n: settings.symbols[n] for n in phrases.values() if n in settings.symbols}}
    functions = {name: FUNCTIONS[target] for name, target in targets.items() if target in FUNCTIONS}
    bound = {name: target for name, target in targets.items() if target not in FUNCTIONS}
    grammar = Grammar(
        frozenset({*KNOWN, *functions}),
        phrases,
        clock,
        numbered=frozenset(_NUMBERED.findall(text)),
        primed=_TRANSPOSED.search(text) is not None,
    )
    claims, _ = _claims(document, grammar)
    functions = {**KNOWN, **open_functions(claims), **named_functions(claims), **functions}
    grammar = replace(grammar, functions=frozenset(functions), indices=index_letters(claims))
    claims, unread = _claims(document, grammar)
    functions |= defined_functions(claims, functions)
    return Parsed(tuple(claims), functions, grammar, unread, bound, document.text)


def _names(settings: Settings, clock: Clock) -> tuple[dict[str, str], dict[tuple[str, ...], str]]:
    """The targets of bound symbols by canonical name, and the names of those that are written with several tokens."""
    singles: dict[str, str] = {}
    phrases: dict[tuple[str, ...], str] = {}
    for latex, target in settings.symbols.items():
        try:
            singles[symbol_name(latex, Grammar(clock=clock))] = target
        except NotesError:
            phrases[phrase(latex)] = latex
    return singles, phrases


def _claims(document: Document, grammar: Grammar) -> tuple[list[Claim], dict[str, str]]:
    """The claims that can be parsed, and the left sides of those that cannot and might define something."""
    claims: list[Claim] = []
    unread: dict[str, str] = {}
    for passage in document.passages:
        try:
            claims.append(parse_claim(passage.latex, grammar))
        except NotesError:  # it is reported when its turn comes
            with suppress(NotesError):
                name = symbol_name(passage.latex.partition("=")[0].strip(), grammar)
                unread[split_time(name)[0]] = passage.latex
    return claims, unread
