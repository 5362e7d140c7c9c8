"""The parser: every construct, what belongs to what, and that it refuses instead of dropping or guessing."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from derive.errors import NotesError
from derive.notes.latex import parse_claim
from derive.notes.plain import plain
from derive.notes.symbols import Grammar
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
    Sum,
    SumOver,
    Symbol,
    Transpose,
    walk,
)
from derive.notes.tokens import LONGEST

GRAMMAR = Grammar(frozenset({"\\tanh", "\\sigma"}))
AT = (0, 0)


def parsed(right: str) -> Node:
    return parse_claim(f"y = {right}", GRAMMAR).right


def sym(name: str) -> Symbol:
    return Symbol(AT, name)


def num(value: Any) -> Number:
    return Number(AT, Fraction(value))


def d(of: Node, sign: str = "d") -> Differential:
    return Differential(AT, of, sign)


def neg(of: Node) -> Negative:
    return Negative(AT, of)


def total(*terms: Node) -> Sum:
    return Sum(AT, terms)


def times(operators: str, *factors: Node) -> Product:
    """Factors with the signs between them, a space for none."""
    return Product(AT, factors, tuple(sign.strip() for sign in operators))


def power(base: Node, exponent: int) -> Power:
    return Power(AT, base, exponent)


def turned(of: Node) -> Transpose:
    return Transpose(AT, of)


def call(name: str, argument: Node) -> Applied:
    return Applied(AT, sym(name), argument)


a, b, c, x, w = map(sym, "abcxw")
TANH, SIGMA = sym("\\tanh"), sym("\\sigma")

CONSTRUCTS: dict[str, Node] = {
    # symbols under one name, however they are decorated
    "x_t": sym("x_t"),
    "x_{t}": sym("x_t"),
    "h_{prev}": sym("h_prev"),
    r"h_{\text{prev}}": sym("h_prev"),
    r"\mathbf{h}_t": sym("h_t"),
    r"\tilde{c}_t": sym(r"\tilde{c}_t"),
    r"\hat c": sym(r"\hat{c}"),
    r"\omega_x": sym(r"\omega_x"),
    "d_{next-h}": sym("d_next-h"),
    # numbers are exact
    "2": num(2),
    "0.5": num("1/2"),
    # differentials
    "dx": d(x),
    r"\partial x": d(x, "\\partial"),
    r"\delta x": d(x, "\\delta"),
    r"\nabla_x L": d(x, "\\nabla"),
    "dx_t": d(sym("x_t")),
    r"d\tilde{c}": d(sym(r"\tilde{c}")),
    "dw^T": turned(d(w)),
    r"\partial w^2": power(d(w, "\\partial"), 2),
    r"d\sigma": d(SIGMA),
    r"d\tanh x": Applied(AT, d(TANH), x),
    r"\sigma'(x)": Applied(AT, d(SIGMA), x),
    # products: every operator, and none
    r"a \odot b": times("⊙", a, b),
    r"a \circ b": times("⊙", a, b),
    "a * b": times("*", a, b),
    r"a \cdot b": times("·", a, b),
    r"a \times b": times("·", a, b),
    "a b": times(" ", a, b),
    "2a": times(" ", num(2), a),
    r"a \cdot b \odot c": times("·⊙", a, b, c),
    "a(b + c)": times(" ", a, total(b, c)),
    # sums
    "a + b - c": total(a, b, neg(c)),
    "-a + b": total(neg(a), b),
    "+a": a,
    "a - b c": total(a, neg(times(" ", b, c))),
    "a - (b - c)": total(a, neg(total(b, neg(c)))),
    # powers and transposes bind to what stands before them
    "x^2": power(x, 2),
    "x^{2}": power(x, 2),
    "x^T": turned(x),
    r"x^\top": turned(x),
    r"x^{\intercal}": turned(x),
    "a b^T": times(" ", a, turned(b)),
    "(a b)^T": turned(times(" ", a, b)),
    "(a + b)^2": power(total(a, b), 2),
    "x_t^2": power(sym("x_t"), 2),
    "x_t^T a": times(" ", turned(sym("x_t")), a),
    "(x^T)^2": power(turned(x), 2),
    # functions
    r"\tanh(x)": call("\\tanh", x),
    r"\tanh x": call("\\tanh", x),
    r"\tanh^2(x)": power(call("\\tanh", x), 2),
    r"\tanh^{2} x": power(call("\\tanh", x), 2),
    r"\tanh(x)^2": power(call("\\tanh", x), 2),
    r"\tanh(x)^T": turned(call("\\tanh", x)),
    r"\tanh x^2": call("\\tanh", power(x, 2)),
    r"\tanh(x^2)": call("\\tanh", power(x, 2)),
    r"\tanh[x]": call("\\tanh", x),
    r"a \tanh(b) c": times("  ", a, call("\\tanh", b), c),
    r"\sigma(1 - \sigma)": call("\\sigma", total(num(1), neg(SIGMA))),
    r"\sigma \odot a": times("⊙", SIGMA, a),
    r"\sigma^2": power(SIGMA, 2),
    # quotients, sums over an index, stacks, shapes
    r"\frac{a}{b}": Quotient(AT, a, b),
    r"\frac{\partial a}{\partial b}": Quotient(AT, d(a, "\\partial"), d(b, "\\partial")),
    r"\frac{a}{b}^T c": times(" ", turned(Quotient(AT, a, b)), c),
    r"\sum_n a": SumOver(AT, "n", a),
    r"\sum_{n=1}^N a b": SumOver(AT, "n", times(" ", a, b)),
    r"\sum_{n=0}^{N-1} a": SumOver(AT, "n", a),
    r"\sum_n a + b": total(SumOver(AT, "n", a), b),
    "[a, b, c]": Concatenation(AT, (a, b, c)),
    "[a; b]": Concatenation(AT, (a, b)),
    "[a]": a,
    r"\overset{(N,H)}{a}": Shaped(AT, a, ("N", "H")),
    r"\overset{(4H,)}{\partial b}": Shaped(AT, d(b, "\\partial"), ("4H",)),
    # spacing and brackets of any size mean nothing
    r"\left( a \, b \right)\;c": times(" ", times(" ", a, b), c),
    r"{a} \quad b": times(" ", a, b),
}


@pytest.mark.parametrize("text", CONSTRUCTS)
def test_construct(text: str) -> None:
    """Each thing that one can write is read as it is meant; a wrong reading is a wrong verdict."""
    assert parsed(text) == CONSTRUCTS[text]


@pytest.mark.parametrize("text", CONSTRUCTS)
def test_spans_are_true(text: str) -> None:
    """A node's span is the text it was read from: corrections are spliced in there."""
    formula = f"y = {text}"
    for node in walk(parse_claim(formula, GRAMMAR).right):
        piece = formula[slice(*node.span)]
        assert piece == piece.strip() != ""
        if not (isinstance(node, Applied) and "^" in piece.partition("(")[0]):  # the exponent of tanh² x lies within
            assert parsed(piece) == node


REFUSED: dict[str, tuple[str, str]] = {
    # text of the right side: (the token that is named, the reason)
    "a & b": ("'&'", "column 7"),
    r"\undertilde{A} b": (r"'\\\\undertilde'", "column 5"),
    r"\nabla a": ("'a'", "expected '_'"),
    "a / ": ("ends", ""),
    "a + ": ("ends", ""),
    "a + * b": (r"'\*'", "column 9"),
    "(a": ("ends early", r"'\)'"),
    "a)": (r"'\)'", "column 6"),
    "(a]": (r"'\]'", "column 7"),
    "a = b": ("'='", "column 7"),
    "(a)^b": ("'b'", "column 9.*transpose or a whole exponent"),
    "a^{-1}": ("'{'", "column 7.*transpose or a whole exponent"),
    "a^{0.5}": ("'{'", "transpose or a whole exponent"),
    "a^{100}": ("'{'", "at most 99"),
    "a^2^T": (r"'\^'", "column 8.*second exponent"),
    r"\tanh^T(x)": (r"'\('", "behind its argument"),
    "a_b_c": ("'_'", "column 8"),
    "(a b)_n": ("'_'", "no sum runs over"),
    "a[2:3]": ("", "'2' of a slice before it is no multiple of a size"),
    r"\begin{cases} a \end{cases}": ("", "'cases' is no matrix"),
    r"\langle a \rangle": (r"rangle", "expected ','"),
    r"\sum_{n=2}^N a": ("'a'", "should run over all of 1 … N"),
    r"\sum_{n=1}^{N-1} a": ("'a'", "should run over all of 1 … N"),
    r"\sum_{n=1}^T a": ("'a'", "should run over all of 1 … N"),
    r"\frac{a}": ("ends early", "'{'"),
    "²": ("'²'", "column 5"),
    "2^²": ("'²'", "column 7"),
    "1234567890123456": ("'1234567890123456'", "at most 15 digits"),
    "a, b": ("','", "column 6"),
    "": ("ends", ""),
}


@pytest.mark.parametrize("text", REFUSED)
def test_unknown_is_refused_by_name_and_place(text: str) -> None:
    """SymPy's parsers drop what they do not know; the writer would be told that something else is right."""
    token, why = REFUSED[text]
    with pytest.raises(NotesError, match=f"(?s){token}.*{why}"):
        parsed(text)


@pytest.mark.parametrize("text", ["", "a", "=", "= a", "a + b"])
def test_claim_needs_two_sides(text: str) -> None:
    """A formula that states nothing is no claim."""
    with pytest.raises(NotesError):
        parse_claim(text, GRAMMAR)


def test_row_of_shapes() -> None:
    """A line of shapes above or below names the left side and then the factors, as in eq 14 and 15."""
    above = parse_claim("(N, H) \\quad (N, 4H) (4H, H)\ny = a \\cdot w^T", GRAMMAR)
    assert above.left == Shaped(AT, sym("y"), ("N", "H"))
    assert above.right == times("·", Shaped(AT, a, ("N", "4H")), Shaped(AT, turned(w), ("4H", "H")))
    below = parse_claim("y =\n\\sum_n a\n(4H, 1)\n(N, 4H)", GRAMMAR)
    assert below.left == Shaped(AT, sym("y"), ("4H", "1"))
    assert below.right == SumOver(AT, "n", Shaped(AT, a, ("N", "4H")))


@pytest.mark.parametrize("rows", ["(N, H)", "(N, H) (N, H) (N, H) (N, H)"])
def test_row_of_shapes_must_have_one_per_operand(rows: str) -> None:
    """Shapes that cannot be assigned must not be dropped."""
    with pytest.raises(NotesError, match="shapes for the 3 operands"):
        parse_claim(f"{rows}\ny = a b", GRAMMAR)


def formulas() -> st.SearchStrategy[str]:
    """Formulas in which ^T occurs in many places."""
    atoms = st.sampled_from(["a", "b_t", "w_x", "dw", r"\partial a", r"\tanh(x)", "2"])

    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(inner, st.sampled_from([" ", r" \cdot ", r" \odot ", " + ", " - "]), inner).map("".join),
            inner.map(lambda text: f"({text})^T"),
            inner.map(lambda text: rf"\sum_n ({text})"),
            st.tuples(inner, inner).map(lambda pair: rf"\frac{{{pair[0]}}}{{{pair[1]}}}^T"),
            inner.map(lambda text: rf"\tanh({text})^T"),
            inner.map(lambda text: rf"\overset{{(N,H)}}{{({text})^T}}"),
        )

    transposed = atoms.filter(lambda text: text != "2").map(lambda text: f"{text}^T")
    return st.recursive(st.one_of(atoms, transposed), grown, max_leaves=6)


@settings(max_examples=200, deadline=None)
@given(formulas())
def test_no_transpose_is_ever_dropped(text: str) -> None:
    """As many transposes in the tree as in the text: a lost one makes a wrong equation right."""
    tree = parsed(text)
    assert sum(isinstance(node, Transpose) for node in walk(tree)) == text.count("^T")
    assert plain(tree).count("ᵀ") == text.count("^T")


# -- hostile input -------------------------------------------------------------------------------------------------

TOO_MUCH = {
    "a megabyte of braces": "{" * 1_000_000,
    "a megabyte of brackets": "y = " + "(" * 1_000_000,
    "ten thousand terms": "y = " + " + ".join(["a"] * 10_000),
    "ten thousand factors": "y = " + "a " * 10_000,
    "a megabyte of blanks after a shape": "(N)" + " " * 1_000_000 + "x",
    "a megabyte of shapes": "(N" + ",N" * 500_000,
    "a megabyte of digits": "y = " + "9" * 1_000_000,
    "nested brackets": "y = " + "(" * 1000 + "x" + ")" * 1000,
    "nested fractions": "y = " + "\\frac{" * 300 + "x" + "}{x}" * 300,
    "nested differentials": "y = " + "d " * 1500 + "x",
    "nested functions": "y = " + "\\tanh " * 500 + "x",
    "nested sums": "y = " + "\\sum_n " * 500 + "x",
    "nested shapes": "y = " + "\\overset{(N)}{" * 200 + "x" + "}" * 200,
    "nested accents": "y = " + "\\hat{" * 500 + "x" + "}" * 500 + " y =",
    "nested subscripts": "y = x_" + "{" * 1500 + "}" * 1500 + " =",
    "powers of powers": "y = x" + "^2" * 1500,
    "minus signs": "y = " + "-" * 3000 + "x",
    "primes": "y = \\tanh" + "'" * 3000,
    "a huge exponent": "y = x^{" + "9" * 3000 + "}",
    "every byte": "y = " + bytes(range(256)).decode("latin-1"),
    "an unpaired surrogate": "y = \ud800",
    "only backslashes": "\\" * 3000,
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_hostile_input_ends_quickly_with_an_error(case: str) -> None:
    """No RecursionError, no hang, no crash: whatever stands in a notes file, the answer is one line."""
    start = time.process_time()
    with pytest.raises(NotesError):
        parse_claim(TOO_MUCH[case], GRAMMAR)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("row", ["(N)" + " " * (LONGEST - 10) + "x", "(N" + ",N" * (LONGEST // 2 - 10)])
def test_longest_lines_take_no_time(row: str) -> None:
    """The pattern for rows of shapes must not try exponentially or quadratically many ways to match."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        with pytest.raises(NotesError):
            parse_claim(row, GRAMMAR)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.1


WORDS = r"\frac \sum \tanh \sigma \partial \overset \odot \cdot \text \hat \mathrm \left \quad \foo"
ALPHABET = [*"abcdxyTNH0123+-*/=^_'(){}[],;.&# \n\\²é\0", *(f"{word} " for word in WORDS.split())]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(ALPHABET), max_size=40).map("".join))
@example("y = d^T")
@example("y = \\tanh^{")
@example("y = \\hat")
@example("y = \\text")
@example("y = \\overset{")
def test_rubbish_is_parsed_or_refused(text: str) -> None:
    """Any text gives a claim or a NotesError, never another exception."""
    try:
        claim = parse_claim(text, GRAMMAR)
    except NotesError:
        return
    assert isinstance(claim, Claim)
    assert "=" in text
