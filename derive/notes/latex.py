"""A parser for formulas in LaTeX. It refuses what it does not know; it never drops anything.

claim    = side "=" side
side     = ["-"] term {("+" | "-") term}
term     = factor {[operator] factor}          operator: \\odot \\circ * \\cdot \\times \\otimes /
factor   = differential | gradient | function | fraction | sum | primary, then ^T or ^2 or '
primary  = number | symbol [slice] | ( side ) | [ side {, side} ] | matrix | <a, b> | \\overset{shape}{side}
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from derive.errors import NotesError
from derive.notes.brackets import BETWEEN, BRACKETS, GREATER, RECTIFIER, Brackets
from derive.notes.indices import without_indices
from derive.notes.scripts import sum_range
from derive.notes.shapes import SHAPE, SHAPE_ROW, shape_of, with_shapes
from derive.notes.symbols import MOST_NESTED, TRANSPOSES, Grammar
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
    Slice,
    Sum,
    SumOver,
    Symbol,
    Transpose,
)
from derive.notes.tokens import ACCENTS, FONTS, GREEK_LETTERS, NUMBER, PHRASE, check_length

MOST_DIGITS = 15
MOST_POWER = 99
LOSSES = {"L", "E", "J", "C", "\\ell", "loss", "Loss"}

_OPERATORS = {"\\odot": "⊙", "\\circ": "⊙", "*": "*", "\\cdot": "·", "\\times": "·", "\\otimes": "⊗"}
_CLOSERS = {")", "]", "}", "=", "+", "-", ".", "/", "\\end", "\\rangle"} | BETWEEN | GREATER
_CONCATENATIONS = {"concat", "concatenate", "cat", "stack", "vstack", "hstack"}


def parse_claim(text: str, grammar: Grammar) -> Claim:
    """``left = right`` with rows of shapes that stand on lines of their own attached to its operands.

    Args:
        text: one equation in LaTeX, spellings already mapped.

    Raises:
        NotesError: naming the token that is not understood and its place.
    """
    check_length(text)
    lines = text.strip().splitlines()
    shapes = [shape for line in lines if SHAPE_ROW.fullmatch(line) for shape in SHAPE.findall(line)]
    formula = " ".join(line.strip() for line in lines if not SHAPE_ROW.fullmatch(line)).rstrip(" ,.;")
    parser = Parser(formula, grammar)
    left = parser.side()
    added = parser.next == "+"  # x += y
    if added:
        parser.take()
    parser.expect("=")
    right = parser.side()
    parser.end()
    right = Sum(right.span, (left, right)) if added else right
    claim = without_indices(Claim(left, right, formula), grammar.indices)
    return with_shapes(claim, [shape_of(shape) for shape in shapes]) if shapes else claim


class Parser(Brackets):
    """Recursive descent over the tokens of one formula."""

    # -- sums and products -------------------------------------------------------------------------------------

    def side(self) -> Node:
        start = self.start()
        terms = [self.signed_term()]
        while self.next in {"+", "-"} and self.peek(1) != "=":
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
        factors = [self.divided()]
        operators: list[str] = []
        if self.is_column_of_functions(factors[0]) and self.next and self.next not in _CLOSERS:
            return Applied(self.since(start), factors[0], self.term())
        while self.next and self.next not in _CLOSERS:
            operator = ""
            if self.next in _OPERATORS:
                operator = _OPERATORS[self.take().text]
            operators.append(operator)
            factors.append(self.divided())
        return factors[0] if len(factors) == 1 else Product(self.since(start), tuple(factors), tuple(operators))

    def is_column_of_functions(self, node: Node) -> bool:
        """Whether gates are written as one: a column of σ, σ, σ, tanh before what they are applied to."""
        functions = self.grammar.functions
        return isinstance(node, Concatenation) and all(
            isinstance(part, Symbol) and part.name in functions for part in node.parts
        )

    def divided(self) -> Node:
        """A factor, perhaps over another: ∂L/∂h."""
        start = self.start()
        node = self.factor()
        while self.next == "/":
            self.take()
            below = self.factor()
            node = Quotient(self.since(start), node, below)
        return node

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
            sign = self.take().text
            return self.differential(start, sign, self.factor())
        if self.next == "\\nabla":
            return self.raised(self.gradient(), start)
        if self.next == "\\sum":
            return self.sum_over()
        if self.next == "\\max":
            return self.rectified()
        if self.next == "\\frac":
            self.take()
            numerator = self.group()
            denominator = self.group()
            return self.raised(Quotient(self.since(start), numerator, denominator), start)
        if self.next == "e" and self.peek(1) == "^" and not self.is_time_above():
            function = Symbol(self.take().span, "\\exp")
            self.take()
            argument = self.braced() if self.next == "{" else self.primary()
            return Applied(self.since(start), function, argument)
        node = self.primary()
        if not isinstance(node, Symbol) and self.next == "_":
            self.row_index()
        if isinstance(node, Symbol) and node.name in self.grammar.functions:
            return self.applied(node, start)
        return self.raised(node, start)

    def is_differential(self) -> bool:
        if self.next == "\\partial":
            return True
        after = self.peek(1)
        letter = after.isalpha() or after in GREEK_LETTERS | ACCENTS | FONTS or after.startswith(PHRASE)
        if self.next == "\\delta":  # δc is the cotangent of c, δ_t a symbol of its own
            return letter
        return self.next == "d" and (letter or after in self.grammar.functions)

    def differential(self, start: int, sign: str, inner: Node) -> Node:
        """The d before a factor belongs to its symbol: dW^T is (dW)^T, d tanh x is the derivative at x."""
        match inner:
            case Power(base=Symbol() as base):
                return replace(inner, span=self.since(start), base=Differential((start, base.span[1]), base, sign))
            case Transpose(of=of) | Slice(of=of):
                return replace(inner, span=self.since(start), of=Differential((start, of.span[1]), of, sign))
            case Applied(function=function):
                below = Differential((start, function.span[1]), function, sign)
                return replace(inner, span=self.since(start), function=below)
        return Differential(self.since(start), inner, sign)

    def gradient(self) -> Node:
        """∇_W L, the cotangent of W."""
        start = self.start()
        sign = self.take().text
        self.expect("_")
        braced = self.next == "{"
        if braced:
            self.take()
        symbol = self.symbol()
        if braced:
            self.expect("}")
        place = self.position
        loss = self.next.isalpha() or self.next in GREEK_LETTERS | FONTS
        if not loss or self.symbol().name.partition("_")[0] not in LOSSES:
            self.position = place
        return Differential(self.since(start), symbol, sign)

    def raised(self, node: Node, start: int) -> Node:
        """A factor with the power, the transpose or the prime after it."""
        if self.next == "'":
            self.take()
            if isinstance(node, Symbol) and self.next == "(" and not node.name[:1].isupper():
                return self.argument(Differential(self.since(start), node), start)
            return Transpose(self.since(start), node)
        if self.next != "^":
            return node
        mark = self.mark()
        if self.next == "^":
            raise self.unknown("a second exponent; put brackets around the first")
        if mark in TRANSPOSES:
            return Transpose(self.since(start), node)
        return Power(self.since(start), node, int(mark))

    def row_index(self) -> None:
        """The index of a sum below a bracket, Σ_n (da)_n, which says no more than the sum does."""
        place = self.position
        self.take()
        if "".join(self.script()) not in self.summed:
            self.position = place
            raise self.unknown("an index below a bracket that no sum runs over")

    def mark(self) -> str:
        """What stands after a ^: a sign of transposition or a whole exponent."""
        self.expect("^")
        place = self.position
        mark = self.above()
        if mark in TRANSPOSES or (NUMBER.fullmatch(mark) and "." not in mark and float(mark) <= MOST_POWER):
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
        if mark in TRANSPOSES:
            raise self.unknown(f"the transpose of a function stands behind its argument, not before: {mark}")
        value = self.argument(function, start)
        return Power(self.since(start), value, int(mark))

    def argument(self, function: Node, start: int) -> Node:
        if not self.next or self.next in _CLOSERS | _OPERATORS.keys():
            return function
        if self.next in BRACKETS:
            # tanh(x)^2 is the square of tanh(x), tanh x^2 the tanh of the square.
            argument = self.bracketed()
            return self.raised(Applied(self.since(start), function, argument), start)
        argument = self.factor()
        return Applied(self.since(start), function, argument)

    def sum_over(self) -> Node:
        """Σ over one or more indices, each over all of its range; without any it is over what there is to sum."""
        start = self.start()
        self.take()
        below, above = [""], ""
        while self.next in {"_", "^"}:
            if self.take().text == "_":
                below = "".join(self.script()).split(",")
            else:
                above = "".join(self.script())
        try:
            ranges = [sum_range(one, above, self.grammar.clock) for one in below]
        except NotesError as error:
            raise self.unknown(str(error)) from None
        self.summed += [index for index, _ in ranges]
        node = self.term()
        for index, first in reversed(ranges):
            node = SumOver(self.since(start), index, node, first)
        return node

    def rectified(self) -> Node:
        """max(0, z), which is ReLU(z)."""
        start = self.start()
        self.take()
        inside = self.bracketed()
        match inside:
            case Concatenation(parts=(Number(value=0), argument) | (argument, Number(value=0))):
                return Applied(self.since(start), Symbol((start, start), RECTIFIER), argument)
        raise self.unknown("a maximum before it that is none of 0 and one more")

    # -- primaries ---------------------------------------------------------------------------------------------

    def primary(self) -> Node:
        start = self.start()
        token = self.next
        if NUMBER.fullmatch(token):
            if len(token) > MOST_DIGITS:
                raise self.unknown(f"a number has at most {MOST_DIGITS} digits")
            return Number(self.take().span, Fraction(token))
        if token in BRACKETS:
            return self.bracketed()
        if token == "{":
            return self.raised(self.braced(), start)
        if token == "\\overset":
            self.take()
            shape = shape_of("".join(self.script()).strip("()"))
            inner = self.braced()
            return Shaped(self.since(start), inner, shape)
        if token == "\\begin":
            return self.matrix()
        if token == "\\cdot" and self.peek(1) == ")":  # g(·), the function of anything
            return Symbol(self.take().span, "z")
        if token == "\\langle":
            return self.outer_product()
        if token.isalpha() or token in GREEK_LETTERS | FONTS | ACCENTS | self.grammar.functions or PHRASE in token:
            return self.symbol_or_word()
        raise self.unknown("no formula begins with it")

    def group(self) -> Node:
        """What stands in braces, or one token: ``\\frac12``."""
        if self.next in {"{", ""}:
            return self.braced()
        return self.digit() if NUMBER.fullmatch(self.next) else self.primary()

    def digit(self) -> Node:
        """The first digit of a number, the rest of which is left."""
        token = self.tokens[self.position]
        start, end = token.span
        if end - start == 1:
            self.take()
        else:
            self.tokens[self.position] = replace(token, text=token.text[1:], span=(start + 1, end))
        return Number((start, start + 1), Fraction(token.text[:1]))

    def symbol_or_word(self) -> Node:
        """A symbol, perhaps with a slice behind it, or a word that means an operation."""
        start = self.start()
        if self.next in FONTS and self.peek(1) == "{":
            place = self.position
            self.take()
            word = "".join(self.script())
            if word in _CONCATENATIONS and self.next in BRACKETS:
                return replace(self.bracketed(), span=self.since(start))
            if word == "diag" and self.next in BRACKETS:
                inner = self.bracketed()
                return Applied(self.since(start), Symbol((start, start), "diag"), inner)
            if NUMBER.fullmatch(word):
                return Number(self.since(start), Fraction(word))
            if len(word) > 1 and self.next in BRACKETS and word not in self.grammar.functions:
                raise self.unknown(f"the function {word!r} before it is not known")
            self.position = place
        self.range_below = ""
        symbol = self.symbol()
        if self.range_below:
            return self.cut(symbol, self.range_below, start)
        if self.next == "[" and symbol.name not in self.grammar.functions:
            return self.sliced(symbol, start)
        return symbol
