"""A formula's text as tokens: spacing and fonts dropped, the many ways of writing one sign made one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from derive.errors import NotesError
from derive.notes.plain import ACCENT_SIGNS, GREEK
from derive.notes.syntax import Span

LONGEST = 4_000  # characters; formulas on paper are far below

NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
FONTS = {
    "\\mathbf", "\\mathrm", "\\mathit", "\\boldsymbol", "\\bm", "\\mathcal", "\\text", "\\operatorname", "\\mathsf",
    "\\mathbb", "\\mathscr", "\\mathtt", "\\textbf", "\\textit", "\\textrm", "\\vec", "\\mbox", "\\pmb", "\\mathfrak",
    "\\operatorname*",
}  # fmt: skip
ACCENTS = {f"\\{name}" for name in ACCENT_SIGNS}
GREEK_LETTERS = {f"\\{name}" for name in GREEK} | {"\\ell"}
PHRASE = "\\phrase "  # begins the text of a token that stands for a symbol of several tokens

_TOKEN = re.compile(r"\{\s*\}|\\operatorname\*|\\[A-Za-z]+|\\.|[0-9]+(?:\.[0-9]+)?|[a-z]{3,}|\S", re.DOTALL)
_SPACING = {
    "\\,", "\\;", "\\:", "\\!", "\\ ", "\\>", "~", "\\quad", "\\qquad", "\\left", "\\right", "\\big", "\\Big", "\\bigl",
    "\\bigr", "\\Bigl", "\\Bigr", "\\bigg", "\\Bigg", "\\biggl", "\\biggr", "\\displaystyle", "\\textstyle", "\\limits",
    "\\nolimits", "\\small", "\\thinspace",
}  # fmt: skip
_SAME = {
    "\\dfrac": "\\frac", "\\tfrac": "\\frac", "\\cfrac": "\\frac", "\\nicefrac": "\\frac", "\\widetilde": "\\tilde",
    "\\overline": "\\bar", "\\widehat": "\\hat", "\\ast": "*", "\\star": "*", "\\prime": "'", "’": "'", "−": "-",
    "\\lbrack": "[", "\\rbrack": "]", "\\lparen": "(", "\\rparen": ")", "\\{": "(", "\\}": ")", "∂": "\\partial",
    "⊙": "\\odot", "∘": "\\circ", "⊗": "\\otimes", "·": "\\cdot", "×": "\\times", "σ": "\\sigma", "δ": "\\delta",
    "\\lvert": "|", "\\rvert": "|", "\\Vert": "\\|", "\\parallel": "\\|", "\\mid": "|", "\\bigodot": "\\odot",
    "\\mathrm{d}": "d", "\\dd": "d", "\\diff": "d",
}  # fmt: skip
_GREEK_SIGNS = {sign: f"\\{name}" for name, sign in GREEK.items()}


@dataclass(frozen=True)
class Token:
    text: str
    span: Span


def check_length(text: str) -> None:
    """Refuse what nobody wrote as a formula."""
    if len(text) > LONGEST:
        raise NotesError(f"a formula of {len(text)} characters, which begins with {text[:40]!r}; {LONGEST} are allowed")


def tokens(text: str, phrases: Mapping[tuple[str, ...], str] | None = None) -> list[Token]:
    """The meaningful tokens of a formula.

    Args:
        phrases: symbols that are written with several tokens (braces aside), and their names.
    """
    found = (Token(match.group(), match.span()) for match in _TOKEN.finditer(text))
    found = (part for token in found for part in _letters(token))
    meaningful = _without_breaks(
        _same(token) for token in found if token.text not in _SPACING and token.text[:1] + token.text[-1:] != "{}"
    )
    plain = list(_differential_d(_merged(list(meaningful))))
    return list(_phrased(plain, phrases)) if phrases else plain


def phrase(latex: str) -> tuple[str, ...]:
    """The tokens of a symbol that is written with several, as ``tokens`` wants them."""
    return tuple(token.text for token in tokens(latex) if token.text not in {"{", "}"})


def _letters(token: Token) -> Iterator[Token]:
    """A run of letters as a word, ``state``, or as the differential of one, ``dstate``; two behind a d are letters."""
    text, (start, _) = token.text, token.span
    if len(text) < 3 or not text.isalpha() or text[0] != "d":
        yield token
    elif len(text) > 3:
        yield Token("d", (start, start + 1))
        yield Token(text[1:], (start + 1, token.span[1]))
    else:
        yield from (Token(letter, (start + k, start + k + 1)) for k, letter in enumerate(text))


def _same(token: Token) -> Token:
    text = _SAME.get(token.text) or _GREEK_SIGNS.get(token.text) or token.text
    return token if text == token.text else replace(token, text=text)


def _without_breaks(found: Iterable[Token]) -> Iterator[Token]:
    """Line breaks count in a matrix alone."""
    depth = 0
    for token in found:
        depth += {"\\begin": 1, "\\end": -1}.get(token.text, 0)
        if depth > 0 or token.text != "\\\\":
            yield token


def _merged(found: Sequence[Token]) -> Iterator[Token]:
    """``^'`` and ``^{'}`` as a plain prime; the transpose in ``h^{(t)\\top}`` as one of h^{(t)}."""
    position = 0
    while position < len(found):
        texts = [token.text for token in found[position : position + 4]]
        if texts[:2] == ["^", "'"]:
            position += 1
            continue
        if texts == ["^", "{", "'", "}"]:
            yield Token("'", (found[position].span[0], found[position + 3].span[1]))
            position += 4
            continue
        if texts[1:3] in (["\\top", "}"], ["T", "}"]) and (
            texts[0] in {")", "\\rangle"} or (texts[1] == "\\top" and texts[0] != "{")
        ):
            transpose, brace = found[position + 1 : position + 3]
            yield from (found[position], Token("}", brace.span), Token("^", transpose.span))
            yield Token("\\top", (transpose.span[0], brace.span[1]))
            position += 3
            continue
        yield found[position]
        position += 1


def _differential_d(found: Iterator[Token]) -> Iterator[Token]:
    """An upright d, ``\\mathrm{d}``, as a plain one."""
    held: list[Token] = []
    for token in found:
        held.append(token)
        if [one.text for one in held] == ["\\mathrm", "{", "d", "}"]:
            yield Token("d", (held[0].span[0], held[-1].span[1]))
            held = []
        while held and [one.text for one in held] != ["\\mathrm", "{", "d"][: len(held)]:
            yield held.pop(0)
    yield from held


def _phrased(found: Sequence[Token], phrases: Mapping[tuple[str, ...], str]) -> Iterator[Token]:
    """Tokens with every phrase as one, the longest first; braces do not count, but stay balanced."""
    ordered = sorted(phrases, key=len, reverse=True)
    position = 0
    while position < len(found):
        ends = ((one, _end(found, position, one)) for one in ordered)
        match = next(((one, end) for one, end in ends if end), None)
        if match:
            one, end = match
            yield Token(PHRASE + phrases[one], (found[position].span[0], found[end - 1].span[1]))
            position = end
        else:
            yield found[position]
            position += 1


def _end(found: Sequence[Token], position: int, wanted: Sequence[str]) -> int:
    """Where a phrase that begins at a position ends, 0 if it does not stand there."""
    depth, left = 0, list(wanted)
    if found[position].text == "{":
        return 0
    while left and position < len(found):
        text = found[position].text
        if text in {"{", "}"}:
            depth += 1 if text == "{" else -1
        elif text == left[0]:
            left.pop(0)
        else:
            return 0
        if depth < 0:
            return 0
        position += 1
    while depth and position < len(found) and found[position].text == "}":
        depth, position = depth - 1, position + 1
    return 0 if left or depth else position
