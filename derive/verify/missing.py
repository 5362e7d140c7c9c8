"""What can be missing in a claim: a factor, the derivative of a function, a term, a sum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from derive.errors import HandgradError
from derive.notes.latex import Parser
from derive.notes.meaning import Reader
from derive.notes.plain import plain
from derive.notes.syntax import Claim, Negative, Node, Power, Product, Sum, SumOver, Symbol, children, walk
from derive.verify.edit import Edit, replaced
from derive.verify.trees import one_minus, plus, times, with_node
from derive.verify.words import Word

_NO_BRACES = str.maketrans("", "", "{}")

Factors = tuple[str, str, tuple[Node, ...]]  # in LaTeX, as plain text and as formulas


def derivatives(value: Word) -> Iterator[Factors]:
    """The derivative of a sigmoid and of a tanh by its value."""
    squared = f"({value.latex})^2" if "^" in value.latex else f"{value.latex}^2"
    own = value.node
    yield (
        rf"{value.latex} \odot (1 - {value.latex})",
        f"{value.text} ⊙ (1 − {value.text})",
        (own, one_minus(own)),
    )
    yield f"(1 - {squared})", f"(1 − {value.text}²)", (one_minus(Power(own.span, own, 2)),)


def _factors(word: Word) -> Iterator[tuple[int, str, str, tuple[Node, ...]]]:
    """What a factor that is missing may be, each with its cost."""
    yield 4, word.latex, word.text, (word.node,)
    yield 4, f"(1 - {word.latex})", f"(1 − {word.text})", (one_minus(word.node),)
    if not word.cotangent:
        yield from ((5, *factors) for factors in derivatives(word))


def _missing_inside(claim: Claim, words: Sequence[Word]) -> Iterator[Edit]:
    """A term lost within brackets, or a factor there, which mostly stands elsewhere in the equation."""
    spelled = claim.text.translate(_NO_BRACES)
    familiar = [word for word in words if word.latex.translate(_NO_BRACES) in spelled]
    inner = [node for node in walk(claim.right) if node is not claim.right and not isinstance(node, Symbol)]
    for node in inner:
        start, end = node.span
        if claim.text[start] + claim.text[end - 1] == "()":
            for word in words:
                sentence = f"the term {word.text} is missing in {plain(node)}"
                added = replaced(claim.text, (end - 1, end - 1), f" + {word.latex}")
                yield Edit(4, added, sentence, partial(with_node, claim.right, node, plus(node, word.node)))
    for product in (node for node in inner if isinstance(node, Product)):
        end = product.factors[-1].span[1]
        for word in familiar:
            sentence = f"the factor {word.text} is missing in {plain(product)}"
            right = partial(with_node, claim.right, product, times(product, word.node))
            yield Edit(2, replaced(claim.text, (end, end), f" \\odot {word.latex}"), sentence, right)


def missing(claim: Claim, words: Sequence[Word], summed: bool) -> Iterator[Edit]:
    """Something that is missing altogether: a factor, a term, a sum over the batch or over the steps."""
    yield from _missing_inside(claim, words)
    yield from _missing_parts(claim, words)
    text, right = claim.text, claim.right
    start = right.span[0]
    first = right.terms[0] if isinstance(right, Sum) else right
    if isinstance(first, Negative):
        inner = first.of
        yield Edit(1, replaced(text, (start, inner.span[0]), ""), f"the sign of {plain(inner)} should be +")
    else:
        yield Edit(2, replaced(text, (start, start), "-"), f"the sign of {plain(first)} should be −")
    body = f"({text[slice(*right.span)]})" if isinstance(right, Sum) else text[slice(*right.span)]
    for index in ("n", "t") if summed else ("n",):
        whole = plain(SumOver(right.span, index, right))
        sentence = f"{plain(right)} should be {whole}: the sum over {index} is missing"
        yield Edit(2, replaced(text, right.span, f"\\sum_{index} {body}"), sentence)


def _missing_parts(claim: Claim, words: Sequence[Word]) -> Iterator[Edit]:
    """A factor of the whole or of one of its terms, or a term."""
    text, right = claim.text, claim.right
    products = [right] + [child for child in children(right) if isinstance(right, Sum)]
    start, end = right.span
    for word in words:
        for product in products:
            place = (product.span[1],) * 2
            for cost, latex, said, factors in _factors(word):
                sentence = f"the factor {said} is missing" + (f" in {plain(product)}" if product is not right else "")
                # Behind a sum without brackets the factor belongs to its last term.
                last = product.terms[-1] if isinstance(product, Sum) else product
                yield Edit(
                    cost,
                    replaced(text, place, f" \\odot {latex}"),
                    sentence,
                    partial(with_node, right, last, times(last, *factors)),
                )
        yield Edit(
            4,
            replaced(text, (end, end), f" + {word.latex}"),
            f"the term {word.text} is missing",
            partial(plus, right, word.node),
        )
        if isinstance(right, Sum):
            whole = f"{word.latex} \\odot ({text[start:end]})"
            product_of_all = partial(times, word.node, right)
            yield Edit(4, replaced(text, right.span, whole), f"the factor {word.text} is missing", product_of_all)


def missing_terms(claim: Claim, due: Sequence[str], reader: Reader) -> Iterator[Edit]:
    """A term that is missing, or stands where another one should."""
    text, right = claim.text, claim.right
    terms = right.terms if isinstance(right, Sum) else (right,)
    for latex in due if len(due) > 1 else ():
        try:
            term = Parser(latex, reader.grammar).side()
        except HandgradError:
            continue
        inner = term.of if isinstance(term, Negative) else term
        said = plain(inner)
        sign, bare_latex = ("-", latex.lstrip("- ")) if isinstance(term, Negative) else ("+", latex)
        end = right.span[1]
        sentence = f"the term {said} is missing"
        yield Edit(5, replaced(text, (end, end), f" {sign} {bare_latex}"), sentence, partial(plus, right, term))
        for old in terms if len(terms) > 1 else ():
            within = old.of if isinstance(old, Negative) else old
            signed = isinstance(old, Negative) == isinstance(term, Negative)
            if signed:
                new = replaced(text, within.span, bare_latex)
                yield Edit(6, new, f"{plain(within)} should be {said}", partial(with_node, right, within, inner))
