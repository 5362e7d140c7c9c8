"""A small parser for formulas in LaTeX. It refuses what it does not know; it never drops anything.

    claim    = side "=" side
    side     = ["-"] term {("+" | "-") term}
    term     = factor {[operator] factor}          operator: \\odot \\circ * \\cdot \\times /
    factor   = differential | function | quotient | sum | primary, then ^T, ^2, ' …
    primary  = number | symbol | ( side ) | [ side {, side} ] | \\overset{shape}{side}
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from fractions import Fraction

from derive.errors import NotesError
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

MOST_NESTED = 60

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\S", re.DOTALL)
_SPACING = {"\\,", "\\;", "\\:", "\\!", "\\ ", "~", "\\quad", "\\qquad", "\\left", "\\right", "\\big", "\\Big", "\\\\"}
_OPERATORS = {"\\odot": "⊙", "\\circ": "⊙", "*": "⊙", "\\cdot": "·", "\\times": "·"}
_FONTS = {"\\mathbf", "\\mathrm", "\\mathit", "\\boldsymbol", "\\bm", "\\text", "\\operatorname"}
_ACCENTS = {"\\tilde", "\\bar", "\\hat", "\\dot"}
_GREEK = set(
    "\\alpha \\beta \\gamma \\delta \\epsilon \\varepsilon \\zeta \\eta \\theta \\kappa \\lambda \\mu \\nu \\xi \\pi "
    "\\rho \\sigma \\tau \\phi \\varphi \\chi \\psi \\omega \\Gamma \\Delta \\Theta \\Sigma \\Phi \\Psi \\Omega".split()
)
_CLOSERS = {")", "]", "}", ",", "=", "+", "-", ".", ";"}
_SHAPE_ROW = re.compile(r"\s*(?:\(\s*\d*[A-Z]\s*(?:,\s*(?:\d*[A-Z]|\d+)\s*)*,?\)\s*(?:\\quad|\\qquad)?\s*)+")
_SHAPE = re.compile(r"\(([^()]*)\)")


@dataclass(frozen=True)
class Token:
    text: str
    span: Span


def tokens(text: str) -> list[Token]:
    """The meaningful tokens of a formula; spacing is dropped."""
    found = (Token(match.group(), match.span()) for match in _TOKEN.finditer(text))
    return [token for token in found if token.text not in _SPACING]


def parse_claim(text: str, functions: Collection[str]) -> Claim:
    """``left = right`` with rows of shapes that stand on lines of their own attached to its operands.

    Args:
        text: one equation in LaTeX, spellings already mapped.
        functions: the names that are functions, e.g. ``\\tanh``.

    Raises:
        NotesError: naming the token that is not understood and its place.
    """
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
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise NotesError(f"brackets are nested more than {MOST_NESTED} deep")
        start = self.start()
        terms = [self.signed_term()]
        while self.next in {"+", "-"}:
            terms.append(self.signed_term())
        self.depth -= 1
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
        start = self.start()
        if self.is_differential():
            self.take()
            inner = self.factor()
            if isinstance(inner, Power | Transpose):
                # dW^T is (dW)^T, d tanh² is not written so.
                below = inner.base if isinstance(inner, Power) else inner.of
                whole = Differential((start, below.span[1]), below)
                return replace(inner, span=self.since(start), **{"base" if isinstance(inner, Power) else "of": whole})
            if isinstance(inner, Applied):
                whole = Differential((start, inner.function.span[1]), inner.function)
                return replace(inner, span=self.since(start), function=whole)
            return Differential(self.since(start), inner)
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
        if self.next == "\\mathrm" and [self.peek(k) for k in (1, 2, 3)] == ["{", "d", "}"]:
            raise self.unknown("write the differential as a plain d")
        return self.next == "d" and (self.peek(1).isalpha() or self.peek(1) in _GREEK | self.functions | _ACCENTS)

    def raised(self, node: Node, start: int) -> Node:
        """Powers and transposes after a factor."""
        while self.next == "^":
            self.take()
            mark = self.script()
            if mark in {"T", "\\top", "\\intercal"}:
                node = Transpose(self.since(start), node)
            elif mark.isdigit():
                node = Power(self.since(start), node, int(mark))
            else:
                self.position -= 1
                raise self.unknown("expected a transpose or a whole exponent")
        return node

    def applied(self, function: Symbol, start: int) -> Node:
        """A function, perhaps with an exponent, and its argument; without an argument the bare function."""
        exponent = 1
        while self.next in {"^", "'"}:
            if self.take().text == "'":
                function_node: Node = Differential(self.since(start), function)
                return self.argument(function_node, exponent, start)
            mark = self.script()
            if not mark.isdigit():
                self.position -= 1
                raise self.unknown("expected a whole exponent")
            exponent = int(mark)
        return self.argument(function, exponent, start)

    def argument(self, function: Node, exponent: int, start: int) -> Node:
        if not self.next or self.next in _CLOSERS | _OPERATORS.keys():
            node: Node = function
        else:
            argument = self.factor()
            node = Applied(self.since(start), function, argument)
        return node if exponent == 1 else Power(self.since(start), node, exponent)

    def sum_over(self) -> Node:
        start = self.start()
        self.take()
        self.expect("_")
        index = self.script().partition("=")[0]
        if self.next == "^":
            self.take()
            self.script()
        body = self.term()
        return SumOver(self.since(start), index, body)

    # -- primaries ---------------------------------------------------------------------------------------------

    def primary(self) -> Node:
        start = self.start()
        token = self.next
        if token[:1].isdigit():
            return Number(self.take().span, Fraction(token))
        if token in {"(", "["}:
            return self.bracketed({"(": ")", "[": "]"}[token])
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

    def bracketed(self, closer: str) -> Node:
        start = self.start()
        self.take()
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
        elif token in _ACCENTS:
            name = f"{token}{{{self.symbol_name()}}}"
        if self.next == "_":
            self.take()
            name = f"{name}_{self.script()}"
        return Symbol(self.since(start), name)

    def symbol_name(self) -> str:
        if self.next == "{":
            self.take()
            name = self.symbol().name
            self.expect("}")
            return name
        return self.take().text

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
