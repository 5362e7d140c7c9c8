"""Finding what is wrong in a claim: the smallest edit of its text after which it holds.

Each candidate is an edit of the LaTeX itself that is parsed and judged again, so a suggested correction is
in the writer's own notation, ready to paste, and known to be right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice

from derive.errors import HandgradError
from derive.notes.latex import parse_claim
from derive.notes.meaning import Reader
from derive.notes.places import symbol_latex
from derive.notes.plain import plain
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
    children,
    walk,
)
from derive.verify.judge import bare, judge

MOST_EDITS = 2_000  # long equations with many symbols have more; those tried first are the likelier ones
_NO_BRACES = str.maketrans("", "", "{}")


@dataclass(frozen=True)
class Edit:
    """A change of the text and the sentence that says what it puts right; cheaper ones are tried first."""

    cost: int
    text: str
    sentence: str


def repair(claim: Claim, reader: Reader) -> Edit | None:
    """The cheapest single edit after which the claim holds, if one is found among ``MOST_EDITS``."""
    quick = replace(reader, ground=replace(reader.ground, proving=False))
    for edit in islice(sorted(edits(claim, reader), key=lambda edit: edit.cost), MOST_EDITS):
        try:
            edited = parse_claim(edit.text, reader.grammar)
            if not _circular(edited) and judge(edited, quick).holds and judge(edited, reader).holds:
                return edit
        except HandgradError:
            continue
    return None


def _circular(claim: Claim) -> bool:
    """Whether the left side explains itself: ∂i = ∂i holds and repairs nothing."""
    left = bare(claim.left)
    itself = left.denominator if isinstance(left, Quotient) else left
    return itself in walk(claim.right)


@dataclass(frozen=True)
class Word:
    """Something that could stand in a formula: a symbol or its cotangent."""

    latex: str
    text: str
    symbol: str
    cotangent: bool


def vocabulary(reader: Reader) -> list[Word]:
    """Every quantity that the notes have a symbol for, plain and as a cotangent."""
    words = []
    known = [*reader.symbols, *reader.defined, *(name for name in reader.adjoints if name not in reader.symbols)]
    for name in known:
        if reader.familiar and name not in reader.familiar:
            continue
        latex = symbol_latex(name)
        if name in reader.symbols or name in reader.defined:
            words.append(Word(latex, plain(Symbol((0, 0), name)), name, False))
        words.append(Word(reader.cotangent_latex(latex), f"∂{plain(Symbol((0, 0), name))}", name, True))
    return words


def edits(claim: Claim, reader: Reader) -> Iterator[Edit]:
    """Single edits of a claim's text, each with its cost."""
    words = vocabulary(reader)
    yield from _left(claim)
    for node in _parts(claim.right, reader):
        if not isinstance(node, Shaped):
            yield from _of_node(claim.text, node, words)
        if isinstance(node, Applied):
            yield from _other_functions(claim.text, node.function, list(reader.functions))
    yield from _of_whole(claim, words)


def _parts(node: Node, reader: Reader) -> Iterator[Node]:
    """What can be wrong in a formula; ∂L/∂h is one thing."""
    yield node
    if not (isinstance(node, Quotient) and reader.is_loss(node.numerator)):
        for child in children(node):
            yield from _parts(child, reader)


def _replaced(text: str, span: Span, new: str) -> str:
    """The text with a span replaced; brackets that belong to the span, as in tanh(x), stay."""
    old = text[span[0] : span[1]]
    if old[:1] + old[-1:] in {"()", "[]"} and new[:1] != old[:1]:
        new = old[0] + new + old[-1]
    return text[: span[0]] + new + text[span[1] :]


def _left(claim: Claim) -> Iterator[Edit]:
    node = claim.left
    if isinstance(node, Applied | Symbol):
        start = node.span[0]
        sentence = f"{plain(node)} should be d {plain(node)}: the d is missing"
        yield Edit(1, _replaced(claim.text, (start, start), "d"), sentence)


def _of_node(text: str, node: Node, words: Sequence[Word]) -> Iterator[Edit]:
    match node:
        case Differential(of=Symbol() as symbol):
            yield from _other_words(text, node, symbol, True, words)
            return
        case Quotient(numerator=Differential(), denominator=Differential(of=Symbol() as symbol)):
            yield from _other_words(text, node, symbol, True, words)
        case Symbol():
            yield from _other_words(text, node, node, False, words)
        case Power(base=base, exponent=exponent):
            yield from _powers(text, node, base, exponent)
        case Transpose(of=of):
            straight = text[of.span[0] : of.span[1]]
            yield Edit(1, _replaced(text, node.span, straight), f"{plain(node)} should be {plain(of)}")
        case Quotient(numerator=above):
            inner = text[above.span[0] : above.span[1]]
            yield Edit(1, _replaced(text, node.span, inner), f"{plain(node)} should be {plain(above)}")
        case Sum(terms=terms):
            yield from _terms(text, terms)
        case Product(factors=factors):
            yield from _factors(text, node, factors)
        case Concatenation(parts=parts):
            yield from _swaps(text, parts)
        case SumOver(body=body):
            inner = text[body.span[0] : body.span[1]]
            yield Edit(2, _replaced(text, node.span, inner), f"{plain(node)} should be {plain(body)}: no sum")
    if not isinstance(node, Number | Power | Sum | Product | SumOver | Quotient | Negative):
        yield from _raised(text, node)


def _other_words(text: str, node: Node, symbol: Symbol, cotangent: bool, words: Sequence[Word]) -> Iterator[Edit]:
    """Another quantity in its place: the same without (or with) its ∂, the same letter, any other."""
    own = text[slice(*node.span)]
    for word in words:
        if (word.symbol, word.cotangent) == (symbol.name, cotangent):
            if cotangent:
                yield from _derivatives(text, node, own, symbol_latex(symbol.name))
            continue
        if word.symbol == symbol.name:
            cost = 1
        else:
            cost = 2 if word.symbol[0] == symbol.name[0] and word.cotangent == cotangent else 3
        yield Edit(cost, _replaced(text, node.span, word.latex), f"{plain(node)} should be {word.text}")


def _derivatives(text: str, node: Node, own: str, value: str) -> Iterator[Edit]:
    """The cotangent of a gate where that of its function's argument is due: the derivative is forgotten."""
    for factor in (rf"{value} \odot (1 - {value})", f"(1 - {value}^2)"):
        sentence = f"{plain(node)} lacks the derivative of the function: the factor {factor} is missing"
        yield Edit(3, _replaced(text, node.span, rf"({own} \odot {factor})"), sentence.replace(" \\odot ", " ⊙ "))


def _other_functions(text: str, function: Node, names: Sequence[str]) -> Iterator[Edit]:
    for name in names:
        if isinstance(function, Symbol) and function.name != name:
            other = Symbol(function.span, name)
            yield Edit(2, _replaced(text, function.span, name), f"{plain(function)} should be {plain(other)}")


def _swaps(text: str, parts: Sequence[Node]) -> Iterator[Edit]:
    """Two blocks of a stack exchanged."""
    for one, other in combinations(parts, 2):
        first, second = (text[slice(*part.span)] for part in (one, other))
        swapped = text[: one.span[0]] + second + text[one.span[1] : other.span[0]] + first + text[other.span[1] :]
        yield Edit(2, swapped, f"{plain(one)} and {plain(other)} should change places")


def _raised(text: str, node: Node) -> Iterator[Edit]:
    """The node squared, or transposed."""
    squared = Power(node.span, node, 2)
    if isinstance(node, Applied) and not isinstance(node.function, Differential):
        end = node.function.span[1]
        yield Edit(1, _replaced(text, (end, end), "^2"), f"{plain(node)} should be {plain(squared)}")
        return
    end = node.span[1]
    yield Edit(2, _replaced(text, (end, end), "^2"), f"{plain(node)} should be {plain(squared)}")
    turned = Transpose(node.span, node)
    yield Edit(1, _replaced(text, (end, end), "^T"), f"{plain(node)} should be {plain(turned)}: a transpose is missing")


def _powers(text: str, node: Power, base: Node, exponent: int) -> Iterator[Edit]:
    raised = text[node.span[0] : node.span[1]]
    lowered = raised.replace(f"^{exponent}", "", 1).replace(f"^{{{exponent}}}", "", 1)
    yield Edit(1, _replaced(text, node.span, lowered), f"{plain(node)} should be {plain(base)}")
    if isinstance(base, Sum) and len(base.terms) == 2:
        second = base.terms[1]
        inner = second.of if isinstance(second, Negative) else second
        inside = text[: inner.span[1]] + f"^{exponent}" + text[inner.span[1] : base.span[1]] + text[node.span[1] :]
        put = Power(inner.span, inner, exponent)
        sign = "−" if isinstance(second, Negative) else "+"
        meant = f"{plain(base.terms[0])} {sign} {plain(put)}"
        yield Edit(1, inside, f"{plain(node)} should be {meant}")


def _terms(text: str, terms: Sequence[Node]) -> Iterator[Edit]:
    for position, term in enumerate(terms):
        if position:
            start = terms[position - 1].span[1]
            yield Edit(2, _replaced(text, (start, term.span[1]), ""), f"the term {plain(term)} is too many")
            inner = term.of if isinstance(term, Negative) else term
            flipped = " + " if isinstance(term, Negative) else " - "
            body = text[inner.span[0] : inner.span[1]]
            sign = "+" if isinstance(term, Negative) else "−"
            yield Edit(
                1,
                _replaced(text, (start, term.span[1]), flipped + body),
                f"the sign of {plain(inner)} should be {sign}",
            )
        elif not isinstance(terms[1], Negative):
            after = text[terms[1].span[0] :]
            yield Edit(2, text[: term.span[0]] + after, f"the term {plain(term)} is too many")


def _factors(text: str, node: Product, factors: Sequence[Node]) -> Iterator[Edit]:
    for position, factor in enumerate(factors):
        sentence = f"the factor {plain(factor)} is too many"
        if position:
            yield Edit(2, _replaced(text, (factors[position - 1].span[1], factor.span[1]), ""), sentence)
            before = factors[position - 1]
            parts = [text[f.span[0] : f.span[1]] for f in (before, factor)]
            between = text[before.span[1] : factor.span[0]]
            swapped = _replaced(text, (before.span[0], factor.span[1]), parts[1] + between + parts[0])
            yield Edit(2, swapped, f"{plain(before)} and {plain(factor)} should change places")
            yield from _transposed_product(text, before, factor)
            if node.operators[position - 1] == "⊙":
                dotted = _replaced(text, (before.span[1], factor.span[0]), " \\cdot ")
                yield Edit(1, dotted, f"{plain(node)} should be a matrix product")
        else:
            yield Edit(2, _replaced(text, (factor.span[0], factors[1].span[0]), ""), sentence)


def _transposed_product(text: str, left: Node, right: Node) -> Iterator[Edit]:
    """Xᵀ · Y for its transpose Yᵀ · X, and X · Yᵀ for Y · Xᵀ."""
    span = (left.span[0], right.span[1])
    match left, right:
        case Transpose(of=inner), _ if not isinstance(right, Transpose):
            ends = ("^T", "")
            turned = f"{plain(Transpose(right.span, right))} · {plain(inner)}"
            parts = (right, inner)
        case _, Transpose(of=inner) if not isinstance(left, Transpose):
            ends = ("", "^T")
            turned = f"{plain(inner)} · {plain(Transpose(left.span, left))}"
            parts = (inner, left)
        case _:
            return
    first, second = (text[slice(*part.span)] + end for part, end in zip(parts, ends, strict=True))
    yield Edit(
        2, _replaced(text, span, f"{first} \\cdot {second}"), f"{plain(left)} · {plain(right)} should be {turned}"
    )


def _missing_inside(claim: Claim, words: Sequence[Word]) -> Iterator[Edit]:
    """A factor lost from a product within brackets; it mostly stands elsewhere in the equation."""
    spelled = claim.text.translate(_NO_BRACES)
    familiar = [word for word in words if word.latex.translate(_NO_BRACES) in spelled]
    inner = [node for node in walk(claim.right) if isinstance(node, Product) and node is not claim.right]
    for product in inner:
        end = product.factors[-1].span[1]
        for word in familiar:
            sentence = f"the factor {word.text} is missing in {plain(product)}"
            yield Edit(2, _replaced(claim.text, (end, end), f" \\odot {word.latex}"), sentence)


def _of_whole(claim: Claim, words: Sequence[Word]) -> Iterator[Edit]:
    """Something that is missing altogether: a factor, a term, a sum over the batch."""
    text, right = claim.text, claim.right
    yield from _missing_inside(claim, words)
    products = [right] + [child for child in children(right) if isinstance(right, Sum)]
    for word in words:
        for product in products:
            end = product.span[1]
            for latex, said in ((word.latex, word.text), (f"(1 - {word.latex})", f"(1 − {word.text})")):
                yield Edit(4, _replaced(text, (end, end), f" \\odot {latex}"), f"the factor {said} is missing")
        end = right.span[1]
        yield Edit(4, _replaced(text, (end, end), f" + {word.latex}"), f"the term {word.text} is missing")
    start, end = right.span
    if isinstance(right, Sum):
        for word in words:
            whole = f"{word.latex} \\odot ({text[start:end]})"
            yield Edit(4, _replaced(text, right.span, whole), f"the factor {word.text} is missing")
    first = right.terms[0] if isinstance(right, Sum) else right
    if isinstance(first, Negative):
        inner = first.of
        yield Edit(1, _replaced(text, (start, inner.span[0]), ""), f"the sign of {plain(inner)} should be +")
    else:
        yield Edit(2, _replaced(text, (start, start), "-"), f"the sign of {plain(first)} should be −")
    yield Edit(2, _replaced(text, (start, start), "\\sum_n "), "the sum over n is missing")
