"""What can be wrong in a claim: single edits of its text, each with its cost and the sentence that says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations, pairwise

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
    Sum,
    SumOver,
    Symbol,
    Transpose,
    children,
    symbol_below,
)
from derive.verify.edit import Edit, raised_text, replaced
from derive.verify.judge import bare
from derive.verify.missing import derivatives, missing, missing_terms
from derive.verify.trees import with_node
from derive.verify.words import Word, words_of

_SUBSCRIPT = re.compile(r"_\s*(?:\{([^{}]*)\}|(\w))")


def edits(claim: Claim, reader: Reader, due: Sequence[str] = ()) -> Iterator[Edit]:
    """Single edits of a claim's text, each with its cost.

    Args:
        due: the terms that the right side should have, in LaTeX.
    """
    words = words_of(reader)
    yield from _left(claim, words)
    for node in _parts(claim.right, reader):
        if not isinstance(node, Shaped):
            yield from _of_node(claim, node, words)
        if isinstance(node, Applied):
            yield from _other_functions(claim.text, node.function, list(reader.functions))
            yield from _prime(claim.text, node)
    if reader.grammar.indices:
        yield from _in_indices(claim, words, reader)
    yield from missing(claim, words, reader.summed)
    yield from missing_terms(claim, due, reader)


def _parts(node: Node, reader: Reader) -> Iterator[Node]:
    """What can be wrong in a formula; ∂L/∂h is one thing."""
    yield node
    if not (isinstance(node, Quotient) and reader.is_loss(node.numerator)):
        for child in children(node):
            yield from _parts(child, reader)


def _left(claim: Claim, words: Sequence[Word]) -> Iterator[Edit]:
    """The d is missing on the left, or all is right for another quantity."""
    node = bare(claim.left)
    if isinstance(node, Applied | Symbol):
        start = node.span[0]
        sentence = f"{plain(node)} should be d {plain(node)}: the d is missing"
        yield Edit(1, replaced(claim.text, (start, start), "d"), sentence)
    if isinstance(node, Concatenation):
        yield from _swaps(claim.text, node.parts)
    if isinstance(node, Symbol | Differential | Quotient):
        for word in (one for one in words if one.cotangent or isinstance(node, Symbol)):
            sentence = f"{plain(node)} should be {word.text}: the right side is what is due for {word.text}"
            yield Edit(5, replaced(claim.text, node.span, word.latex), sentence)


def _of_node(claim: Claim, node: Node, words: Sequence[Word]) -> Iterator[Edit]:
    text = claim.text
    match node:
        case Differential(of=Symbol() as symbol):
            yield from _other_words(claim, node, symbol, True, words)
            return
        case Quotient(numerator=Differential(), denominator=Differential(of=Symbol() as symbol)):
            yield from _other_words(claim, node, symbol, True, words)
        case Symbol():
            yield from _other_words(claim, node, node, False, words)
            yield from _functions(claim, node)
        case Number(value=value):
            for number in sorted({1, 2} - {value}):
                yield Edit(2, replaced(text, node.span, str(number)), f"{plain(node)} should be {number}")
        case Power(base=base, exponent=exponent):
            yield from _powers(text, node, base, exponent)
        case Transpose(of=of):
            straight = text[of.span[0] : of.span[1]]
            yield Edit(1, replaced(text, node.span, straight), f"{plain(node)} should be {plain(of)}")
        case Quotient(numerator=above):
            inner = text[above.span[0] : above.span[1]]
            yield Edit(1, replaced(text, node.span, inner), f"{plain(node)} should be {plain(above)}")
        case Sum(terms=terms):
            yield from _terms(text, terms)
            yield from _of_a_sigmoid(text, node)
        case Product(factors=factors):
            yield from _factors(text, node, factors)
            yield from _of_a_tanh(text, factors)
        case Concatenation(parts=parts):
            yield from _swaps(text, parts)
        case SumOver(body=body):
            inner = text[body.span[0] : body.span[1]]
            yield Edit(2, replaced(text, node.span, inner), f"{plain(node)} should be {plain(body)}: no sum")
    if not isinstance(node, Number | Power | Sum | Product | SumOver | Quotient | Negative):
        yield from _raised(text, node)


def _other_words(claim: Claim, node: Node, symbol: Symbol, cotangent: bool, words: Sequence[Word]) -> Iterator[Edit]:
    """Another quantity in its place: the same without (or with) its ∂, the same letter, any other."""
    own = claim.text[slice(*node.span)]
    for word in words:
        if (word.symbol, word.cotangent) == (symbol.name, cotangent):
            if cotangent:
                for value in (one for one in words if one.symbol == symbol.name and not one.cotangent):
                    yield from _derivatives(claim.text, node, own, value)
            continue
        if word.symbol == symbol.name:
            cost = 1
        else:
            cost = 2 if word.symbol[0] == symbol.name[0] and word.cotangent == cotangent else 3
        right = partial(with_node, claim.right, node, word.node)
        text = replaced(claim.text, node.span, word.latex)
        yield Edit(cost, text, f"{plain(node)} should be {word.text}", right)


def _derivatives(text: str, node: Node, own: str, value: Word) -> Iterator[Edit]:
    """The cotangent of a gate where that of its function's argument is due: the derivative is forgotten."""
    for factor, said, _ in derivatives(value):
        sentence = f"{plain(node)} lacks the derivative of the function: the factor {said} is missing"
        yield Edit(3, replaced(text, node.span, rf"({own} \odot {factor})"), sentence)


def _of_a_sigmoid(text: str, node: Sum) -> Iterator[Edit]:
    """The derivative of tanh, 1 − v², where that of a sigmoid is due."""
    match node.terms:
        case Number(value=1), Negative(of=Power(base=value, exponent=2)):
            v, said = text[slice(*value.span)], plain(value)
            sentence = f"{plain(node)} should be {said} ⊙ (1 − {said}), the derivative of a sigmoid"
            yield Edit(2, replaced(text, node.span, rf"{v} \odot (1 - {v})"), sentence)


def _of_a_tanh(text: str, factors: Sequence[Node]) -> Iterator[Edit]:
    """The derivative of a sigmoid, v (1 − v), where that of tanh is due."""
    for value, rest in pairwise(factors):
        match rest:
            case Sum(terms=(Number(value=1), Negative(of=same))) if same == value:
                span = (value.span[0], rest.span[1])
                meant = f"1 − {plain(Power(value.span, value, 2))}"
                sentence = f"{plain(value)} ⊙ ({plain(rest)}) should be {meant}, the derivative of tanh"
                squared = raised_text(text[slice(*value.span)], (0, value.span[1] - value.span[0]), "^2")
                yield Edit(2, replaced(text, span, f"(1 - {squared})"), sentence)


def _functions(claim: Claim, node: Symbol) -> Iterator[Edit]:
    """A function is not applied."""
    for name in ("\\tanh", "\\sigma"):
        applied = Applied(node.span, Symbol(node.span, name), node)
        text = replaced(claim.text, node.span, f"{name}({claim.text[slice(*node.span)]})")
        yield Edit(3, text, f"{plain(node)} should be {plain(applied)}", partial(with_node, claim.right, node, applied))


def _prime(text: str, node: Applied) -> Iterator[Edit]:
    """The function where its derivative is due."""
    if isinstance(node.function, Symbol):
        end = node.function.span[1]
        meant = f"{plain(node.function)}′({plain(node.argument)})"
        yield Edit(2, replaced(text, (end, end), "'"), f"{plain(node)} should be {meant}: the prime is missing")


def _other_functions(text: str, function: Node, names: Sequence[str]) -> Iterator[Edit]:
    for name in names:
        if isinstance(function, Symbol) and function.name != name:
            other = Symbol(function.span, name)
            yield Edit(2, replaced(text, function.span, name), f"{plain(function)} should be {plain(other)}")


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
        yield Edit(1, replaced(text, (end, end), "^2"), f"{plain(node)} should be {plain(squared)}")
        return
    yield Edit(2, raised_text(text, node.span, "^2"), f"{plain(node)} should be {plain(squared)}")
    turned = Transpose(node.span, node)
    sentence = f"{plain(node)} should be {plain(turned)}: a transpose is missing"
    yield Edit(1, raised_text(text, node.span, "^T"), sentence)


def _powers(text: str, node: Power, base: Node, exponent: int) -> Iterator[Edit]:
    raised = text[node.span[0] : node.span[1]]
    lowered = raised.replace(f"^{exponent}", "", 1).replace(f"^{{{exponent}}}", "", 1)
    yield Edit(1, replaced(text, node.span, lowered), f"{plain(node)} should be {plain(base)}")
    if exponent != 2 and lowered != raised:
        squared = raised_text(lowered, (0, len(lowered)), "^2") if not isinstance(base, Applied) else f"({lowered})^2"
        sentence = f"{plain(node)} should be {plain(Power(node.span, base, 2))}"
        yield Edit(1, replaced(text, node.span, squared), sentence)
    if isinstance(base, Sum) and len(base.terms) == 2:
        second = base.terms[1]
        inner = second.of if isinstance(second, Negative) else second
        inside = raised_text(text[: base.span[1]], inner.span, f"^{exponent}") + text[node.span[1] :]
        put = Power(inner.span, inner, exponent)
        sign = "−" if isinstance(second, Negative) else "+"
        meant = f"{plain(base.terms[0])} {sign} {plain(put)}"
        yield Edit(1, inside, f"{plain(node)} should be {meant}")


def _terms(text: str, terms: Sequence[Node]) -> Iterator[Edit]:
    for position, term in enumerate(terms):
        if position:
            start = terms[position - 1].span[1]
            yield Edit(2, replaced(text, (start, term.span[1]), ""), f"the term {plain(term)} is too many")
            inner = term.of if isinstance(term, Negative) else term
            flipped = " + " if isinstance(term, Negative) else " - "
            body = text[inner.span[0] : inner.span[1]]
            sign = "+" if isinstance(term, Negative) else "−"
            before = terms[position - 1]
            beside = f"{plain(before)} and {plain(term)} should be multiplied, not added"
            yield Edit(2, replaced(text, (before.span[1], inner.span[0]), " \\odot "), beside)
            yield Edit(
                1,
                replaced(text, (start, term.span[1]), flipped + body),
                f"the sign of {plain(inner)} should be {sign}",
            )
        elif not isinstance(terms[1], Negative):
            after = text[terms[1].span[0] :]
            yield Edit(2, text[: term.span[0]] + after, f"the term {plain(term)} is too many")


def _factors(text: str, node: Product, factors: Sequence[Node]) -> Iterator[Edit]:
    for position, factor in enumerate(factors):
        sentence = f"the factor {plain(factor)} is too many"
        if position:
            yield Edit(2, replaced(text, (factors[position - 1].span[1], factor.span[1]), ""), sentence)
            before = factors[position - 1]
            parts = [text[f.span[0] : f.span[1]] for f in (before, factor)]
            sign = text[before.span[1] : factor.span[0]]
            swapped = replaced(text, (before.span[0], factor.span[1]), parts[1] + sign + parts[0])
            yield Edit(2, swapped, f"{plain(before)} and {plain(factor)} should change places")
            yield from _transposed_product(text, before, factor)
            between = (before.span[1], factor.span[0])
            if node.operators[position - 1] == "⊙":
                dotted = replaced(text, between, " \\cdot ")
                yield Edit(1, dotted, f"{plain(node)} should be a matrix product")
            beside = f"{plain(before)} and {plain(factor)}"
            yield Edit(2, replaced(text, between, " + "), f"{beside} should be added, not multiplied")
        else:
            yield Edit(2, replaced(text, (factor.span[0], factors[1].span[0]), ""), sentence)


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
        2, replaced(text, span, f"{first} \\cdot {second}"), f"{plain(left)} · {plain(right)} should be {turned}"
    )


def _in_indices(claim: Claim, words: Sequence[Word], reader: Reader) -> Iterator[Edit]:
    """A matrix's indices exchanged, and other quantities with the indices of the one in whose place they stand."""
    for node in _parts(claim.right, reader):
        own = claim.text[slice(*node.span)]
        below = _SUBSCRIPT.search(own)
        indices = (
            "".join(letter for letter in below[1] or below[2] if letter in reader.grammar.indices) if below else ""
        )
        if symbol_below(node) is None and not isinstance(node, Quotient):
            continue
        if below and len(indices) == 2:
            turned = own[: below.start()] + below[0].replace(indices, indices[::-1]) + own[below.end() :]
            sentence = f"the indices {indices} of {plain(node)} should be {indices[::-1]}"
            yield Edit(1, replaced(claim.text, node.span, turned), sentence)
        for word in words if indices else ():
            latex = symbol_latex(f"{word.symbol}_{indices}")
            text = replaced(claim.text, node.span, reader.cotangent_latex(latex) if word.cotangent else latex)
            yield Edit(3, text, f"{plain(node)} should be {word.text}")
