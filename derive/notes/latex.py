"""A small parser for formulas in LaTeX. It refuses what it does not know; it never drops anything.

claim    = side "=" side
side     = ["-"] term {("+" | "-") term}
term     = factor {[operator] factor}          operator: \\odot \\circ * \\cdot \\times
factor   = differential | function | quotient | sum | primary, then ^T or ^2
primary  = number | symbol | ( side ) | [ side {, side} ] | \\overset{shape}{side}
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from fractions import Fraction

from derive.errors import NotesError
from derive.notes.plain import GREEK
from derive.notes.syntax import (
    Applied,
    Claim,
    Concatenation,
    Differential,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Shaped,
    Span,
    Sum,
    SumOver,
    Symbol,
    Transpose,
)

LONGEST = 4_000  # characters; formulas on paper are far below these limits
MOST_NESTED = 30
MOST_DIGITS = 15
MOST_POWER = 99

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[0-9]+(?:\.[0-9]+)?|\S", re.DOTALL)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_SPACING = {"\\,", "\\;", "\\:", "\\!", "\\ ", "~", "\\quad", "\\qquad", "\\left", "\\right", "\\big", "\\Big", "\\\\"}
_OPERATORS = {"\\odot": "⊙", "\\circ": "⊙", "*": "⊙", "\\cdot": "·", "\\times": "·"}
_FONTS = {"\\mathbf", "\\mathrm", "\\mathit", "\\boldsymbol", "\\bm", "\\mathcal", "\\text", "\\operatorname"}
_ACCENTS = {"\\tilde", "\\bar", "\\hat", "\\dot"}
_GREEK = {f"\\{name}" for name in GREEK}
_TRANSPOSES = {"T", "\\top", "\\intercal"}
_BRACKETS = {"(": ")", "[": "]"}
_CLOSERS = {")", "]", "}", ",", "=", "+", "-", ".", ";"}
_TIME = re.compile(r"(?:\(|\[|<|\\langle)?(t(?:[+-]1)?)(?:\)|\]|>|\\rangle)?")
_SHAPE_ROW = re.compile(r"\s*(?:\(\s*\d*[A-Z]\s*(?:,\s*(?:\d*[A-Z]|\d+)\s*)*,?\)\s*(?:\\q?quad\s*)?)+")
_SHAPE = re.compile(r"\(([^()]*)\)")


@dataclass(frozen=True)
class Token:
    text: str
    span: Span


def tokens(text: str) -> list[Token]:
    """The meaningful tokens of a formula; spacing is dropped."""
    found = (Token(match.group(), match.span()) for match in _TOKEN.finditer(text))
    return [token for token in found if token.text not in _SPACING]


def check_length(text: str) -> None:
    if len(text) > LONGEST:
        raise NotesError(f"a formula of {len(text)} characters, which begins with {text[:40]!r}; {LONGEST} are allowed")


def symbol_name(latex: str) -> str:
    """The canonical name of one symbol: ``h_{t-1}`` and ``h^{(t-1)}`` are h_t-1.

    Raises:
        NotesError: if it is not one symbol.
    """
    check_length(latex)
    parser = Parser(latex, tokens(latex), frozenset())
    name = parser.symbol().name
    parser.end()
    return name


def parse_claim(text: str, functions: Collection[str]) -> Claim:
    """``left = right`` with rows of shapes that stand on lines of their own attached to its operands.

    Args:
        text: one equation in LaTeX, spellings already mapped.
        functions: the names that are functions, e.g. ``\\tanh``.

    Raises:
        NotesError: naming the token that is not understood and its place.
    """
    check_length(text)
    lines = text.strip().splitlines()
    shapes = [shape for line in lines if _SHAPE_ROW.fullmatch(line) for shape in _SHAPE.findall(line)]
    formula = " ".join(line.strip() for line in lines if not _SHAPE_ROW.fullmatch(line)).rstrip(" ,.;")
    parser = Parser(formula, tokens(formula), frozenset(functions))
    left = parser.side()
    parser.expect("=")
    right = parser.side()
    parser.end()
    claim = Claim(left, right, formula)
    return _with_shapes(claim, [_shape(shape) for shape in shapes]) if shapes else claim


def _shape(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _with_shapes(claim: Claim, shapes: list[tuple[str, ...]]) -> Claim:
    """A row of shapes names the left side and then the factors on the right, in order."""
    body = claim.right.body if isinstance(claim.right, SumOver) else claim.right
    factors = body.factors if isinstance(body, Product) else (body,)
    if len(shapes) != 1 + len(factors):
        raise NotesError(f"{len(shapes)} shapes for the {1 + len(factors)} operands of {claim.text!r}")
    shaped = [Shaped(node.span, node, shape) for node, shape in zip((claim.left, *factors), shapes, strict=True)]
    inner: Node = replace(body, factors=tuple(shaped[1:])) if isinstance(body, Product) else shaped[1]
    right = replace(claim.right, body=inner) if isinstance(claim.right, SumOver) else inner
    return replace(claim, left=shaped[0], right=right)


class Parser:
    """Recursive descent over the tokens of one formula."""

    def __init__(self, text: str, found: list[Token], functions: frozenset[str]) -> None:
        self.text = text
        self.tokens = found
        self.functions = functions
        self.position = 0
        self.depth = 0

    # -- tokens ------------------------------------------------------------------------------------------------

    @property
    def next(self) -> str:
        """The text of the next token, empty at the end."""
        return self.tokens[self.position].text if self.position < len(self.tokens) else ""

    def peek(self, ahead: int) -> str:
        place = self.position + ahead
        return self.tokens[place].text if place < len(self.tokens) else ""

    def take(self) -> Token:
        if self.position >= len(self.tokens):
            raise NotesError(f"{self.text!r} ends where a formula should go on")
        self.position += 1
        return self.tokens[self.position - 1]

    def expect(self, text: str) -> Token:
        if self.next != text:
            raise self.unknown(f"expected {text!r}")
        return self.take()

    def end(self) -> None:
        if self.next:
            raise self.unknown("expected the end")

    def unknown(self, why: str) -> NotesError:
        if not self.next:
            return NotesError(f"{self.text!r} ends early: {why}")
        start = self.tokens[self.position].span[0]
        return NotesError(f"{self.next!r} at column {start + 1} of {self.text!r} is not understood: {why}")

    def start(self) -> int:
        return self.tokens[self.position].span[0] if self.next else len(self.text)

    def since(self, start: int) -> Span:
        return start, self.tokens[self.position - 1].span[1]

    # -- sums and products -------------------------------------------------------------------------------------

    def side(self) -> Node:
        start = self.start()
        terms = [self.signed_term()]
        while self.next in {"+", "-"}:
            terms.append(self.signed_term())
        return terms[0] if len(terms) == 1 else Sum(self.since(start), tuple(terms))

    def signed_term(self) -> Node:
        start = self.start()
        if self.next == "-":
            self.take()
            term = self.term()
            return Negative(self.since(start), term)
        if self.next == "+":
            self.take()
        return self.term()

    def term(self) -> Node:
        start = self.start()
        factors = [self.factor()]
        operators: list[str] = []
        while self.next and self.next not in _CLOSERS:
            operator = ""
            if self.next in _OPERATORS:
                operator = _OPERATORS[self.take().text]
            operators.append(operator)
            factors.append(self.factor())
        return factors[0] if len(factors) == 1 else Product(self.since(start), tuple(factors), tuple(operators))

    # -- factors -----------------------------------------------------------------------------------------------

    def factor(self) -> Node:
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise self.unknown(f"formulas are nested more than {MOST_NESTED} deep")
        node = self.one_factor()
        self.depth -= 1
        return node

    def one_factor(self) -> Node:
        start = self.start()
        if self.is_differential():
            self.take()
            return self.differential(start, self.factor())
        if self.next == "\\sum":
            return self.sum_over()
        if self.next == "\\frac":
            self.take()
            numerator = self.braced()
            denominator = self.braced()
            return self.raised(Quotient(self.since(start), numerator, denominator), start)
        node = self.primary()
        if isinstance(node, Symbol) and node.name in self.functions:
            return self.applied(node, start)
        return self.raised(node, start)

    def is_differential(self) -> bool:
        if self.next == "\\partial":
            return True
        if self.next == "\\delta":  # δc is the cotangent of c, δ_t a symbol of its own
            return self.peek(1).isalpha() or self.peek(1) in _GREEK | _ACCENTS
        if self.next == "\\mathrm" and [self.peek(k) for k in (1, 2, 3)] == ["{", "d", "}"]:
            raise self.unknown("write the differential as a plain d")
        return self.next == "d" and (self.peek(1).isalpha() or self.peek(1) in _GREEK | self.functions | _ACCENTS)

    def differential(self, start: int, inner: Node) -> Node:
        """The d before a factor belongs to its symbol: dW^T is (dW)^T, d tanh x is the derivative at x."""
        match inner:
            case Power(base=Symbol() as base):
                return replace(inner, span=self.since(start), base=Differential((start, base.span[1]), base))
            case Transpose(of=of):
                return replace(inner, span=self.since(start), of=Differential((start, of.span[1]), of))
            case Applied(function=function):
                below = Differential((start, function.span[1]), function)
                return replace(inner, span=self.since(start), function=below)
        return Differential(self.since(start), inner)

    def raised(self, node: Node, start: int) -> Node:
        """A factor with the power or the transpose after it."""
        if self.next != "^":
            return node
        mark = self.mark()
        if self.next == "^":
            raise self.unknown("a second exponent; put brackets around the first")
        if mark in _TRANSPOSES:
            return Transpose(self.since(start), node)
        return Power(self.since(start), node, int(mark))

    def mark(self) -> str:
        """What stands after a ^: a sign of transposition or a whole exponent."""
        self.expect("^")
        place = self.position
        mark = self.script()
        if mark in _TRANSPOSES or (_NUMBER.fullmatch(mark) and "." not in mark and float(mark) <= MOST_POWER):
            return mark
        self.position = place
        raise self.unknown(f"expected a transpose or a whole exponent of at most {MOST_POWER}")

    def applied(self, function: Symbol, start: int) -> Node:
        """A function, perhaps with an exponent, and its argument; without an argument the bare function."""
        if self.next == "'":
            self.take()
            return self.argument(Differential(self.since(start), function), start)
        if self.next != "^":
            return self.argument(function, start)
        mark = self.mark()
        if mark in _TRANSPOSES:
            raise self.unknown(f"the transpose of a function stands behind its argument, not before: {mark}")
        value = self.argument(function, start)
        return Power(self.since(start), value, int(mark))

    def argument(self, function: Node, start: int) -> Node:
        if not self.next or self.next in _CLOSERS | _OPERATORS.keys():
            return function
        if self.next in _BRACKETS:
            # tanh(x)^2 is the square of tanh(x), tanh x^2 the tanh of the square.
            argument = self.bracketed()
            return self.raised(Applied(self.since(start), function, argument), start)
        argument = self.factor()
        return Applied(self.since(start), function, argument)

    def sum_over(self) -> Node:
        start = self.start()
        self.take()
        self.expect("_")
        index, _, first = self.script().partition("=")
        last = ""
        if self.next == "^":
            self.take()
            last = self.script()
        end = index.upper()
        # Over time the first step is 0 or 1 as one likes, and a sum of δ_{t+1} h_t ends one step early.
        whole = index == "t" and first in {"", "0", "1"} and last in {"", end, f"{end}-1"}
        if not whole and not (first in {"", "1"} and last in {"", end}) and (first, last) != ("0", f"{end}-1"):
            raise self.unknown(f"the sum over {index} before it should run over all of 1 … {end}")
        body = self.term()
        return SumOver(self.since(start), index, body)

    # -- primaries ---------------------------------------------------------------------------------------------

    def primary(self) -> Node:
        start = self.start()
        token = self.next
        if _NUMBER.fullmatch(token):
            if len(token) > MOST_DIGITS:
                raise self.unknown(f"a number has at most {MOST_DIGITS} digits")
            return Number(self.take().span, Fraction(token))
        if token in _BRACKETS:
            return self.bracketed()
        if token == "{":
            return self.braced()
        if token == "\\overset":
            self.take()
            shape = _shape(self.raw().strip("()"))
            inner = self.braced()
            return Shaped(self.since(start), inner, shape)
        if token.isalpha() or token in _GREEK | _FONTS | _ACCENTS | self.functions:
            return self.symbol()
        raise self.unknown("no formula begins with it")

    def bracketed(self) -> Node:
        start = self.start()
        closer = _BRACKETS[self.take().text]
        parts = [self.side()]
        while self.next in {",", ";"}:
            self.take()
            parts.append(self.side())
        self.expect(closer)
        if len(parts) > 1:
            return Concatenation(self.since(start), tuple(parts))
        return replace(parts[0], span=self.since(start))

    def braced(self) -> Node:
        self.expect("{")
        node = self.side()
        self.expect("}")
        return node

    def symbol(self) -> Symbol:
        """A letter, Greek letter or word, with accent and subscript, under its canonical name."""
        start = self.start()
        token = self.take().text
        name = token
        if token in _FONTS:
            name = self.raw()
            if len(name) > 1 and self.next in _BRACKETS and name not in self.functions:
                raise self.unknown(f"the function {name!r} before it is not known")
        elif token in _ACCENTS:
            name = f"{token}{{{self.script()}}}"
        labels: list[str] = []
        times: list[str] = []
        taken: set[str] = set()
        while self.next not in taken and (self.next == "_" or self.is_time_above()):
            taken.add(self.take().text)
            for part in self.script().split(","):
                found = _TIME.fullmatch(part)
                (times if found else labels).append(found[1] if found else part)
        return Symbol(self.since(start), "_".join([name, *labels, *times]))

    def is_time_above(self) -> bool:
        """Whether a superscript follows that is a time: ``^{(t)}``, ``^{\\langle t-1 \\rangle}``."""
        if self.next != "^" or self.peek(1) != "{":
            return False
        place = self.position
        self.take()
        found = _TIME.fullmatch(self.script())
        self.position = place
        return found is not None

    def script(self) -> str:
        """A subscript or superscript as plain text: ``t``, ``next-h``, ``T``."""
        return self.raw() if self.next == "{" else self.take().text

    def raw(self) -> str:
        """The text of a braced group, fonts and inner braces removed."""
        self.expect("{")
        depth, parts = 1, []
        while depth:
            token = self.take().text
            depth += {"{": 1, "}": -1}.get(token, 0)
            if token not in {"{", "}"} | _FONTS:
                parts.append(token)
        return "".join(parts)
