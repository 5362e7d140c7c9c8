"""LaTeX as MathML that is safe in a page, or as escaped text where that cannot be had.

latex2mathml passes through what it does not know, text unescaped: its output is taken apart, and only elements and
attributes that are known are written again. A formula is drawn whole or not at all; nothing is dropped from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby, pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert
from markupsafe import Markup, escape

from derive.notes.symbols import MOST_NESTED
from derive.notes.syntax import Span
from derive.notes.tokens import LONGEST

MARK = "differs"  # the class of what is marked in a formula

_TOKENS = {"mi", "mn", "mo", "mtext"}
_ROWS = {"math", "mrow", "mstyle", "mtd"}
_SCRIPTS = {"msub": (1,), "msup": (1,), "msubsup": (1, 2)}
_OTHERS = {"mspace", "mfrac", "msqrt", "mroot", "munder", "mover", "munderover", "mtable", "mtr"}
_ELEMENTS = _TOKENS | _ROWS | set(_SCRIPTS) | _OTHERS
_LENGTH = r"(-0|\d)?(\.\d{1,3})?em"
_ATTRIBUTES = {
    "class": MARK,
    "stretchy": "true|false",
    "fence": "true|false",
    "form": "prefix|infix|postfix",
    "accent": "true|false",
    "displaystyle": "true|false",
    "mathvariant": "normal|bold|bold-italic",
    "linethickness": "0",
    "width": _LENGTH,
    "minsize": _LENGTH,
    "maxsize": _LENGTH,
    "lspace": "0",
    "rspace": "0",
}
_DEEPEST = 4 * MOST_NESTED  # a level of LaTeX is up to four of MathML
_SHORTEST_WORD = 3
# A comment, an entity or markup of XML: it would vanish on the way.
_VANISHES = re.compile(r"(?<!\\)%|&#?\w+;|<[!?]")
_BRACE = re.compile(r"\\.|([{}])", re.DOTALL)
_OPENING = {"(", "[", "{", ",", "="}
_OPERANDS = {"mi", "mn", "mrow", "mfrac", "msub", "msup", "msubsup", "mover"}


@lru_cache(maxsize=1024)
def mathml(latex: str, mark: Span | None = None, is_display: bool = True) -> Markup:
    """A formula as an element of a page.

    Args:
        mark: the part of the LaTeX to mark, if the formula can still be read with it.
        is_display: whether it stands by itself, or in a line of text.

    Returns:
        ``<math>``, or ``<code>`` with the LaTeX where there is no MathML for it.
    """
    tree = _tree(_marked(latex, mark)) if mark and _stands_alone(latex[slice(*mark)]) else None
    tree = _tree(latex) if tree is None else tree
    if tree is not None and is_display:
        tree.set("display", "block")
    return source(latex) if tree is None else Markup("".join(_written(tree)))


def source(latex: str) -> Markup:
    """The LaTeX itself, shortened if nobody could have written it by hand."""
    more = f" … ({len(latex)} characters)" if len(latex) > LONGEST else ""
    return Markup('<code class="latex">{}{}</code>').format(latex[:LONGEST], more)


def _marked(latex: str, span: Span) -> str:
    start, end = span
    return rf"{latex[:start]}{{\class{{{MARK}}}{{{latex[start:end]}}}}}{latex[end:]}"


def _tree(latex: str) -> Element | None:
    """The MathML of a formula with nothing in it but what is known; None if there is none."""
    if len(latex) > LONGEST or _VANISHES.search(latex) or not _balanced(latex):
        return None
    try:
        tree = ElementTree.fromstring(convert(latex, display="block"))
    except (Exception, RecursionError):  # the library's errors have no common ancestor
        return None
    if _depth(tree) > _DEEPEST or not any(text.strip() for text in tree.itertext()):
        return None
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {
            name: value for name, value in element.attrib.items() if re.fullmatch(_ATTRIBUTES.get(name, "(?!)"), value)
        }
        # A command that is not known comes out as its own name, and markup in a text as markup.
        unknown = element.tag not in _ELEMENTS or "\\" in (element.text or "")
        if unknown or (element.tag in _TOKENS and len(element)):
            return None
    _set_finely(tree)
    return tree


def _stands_alone(part: str) -> bool:
    """Whether a part of a formula is one itself, and can be put into braces."""
    return _balanced(part) and not re.match(r"\s*(?:[\^_]|$)", part) and not re.search(r"[\^_\\]\s*$", part)


def _balanced(latex: str) -> bool:
    depth = 0
    for match in _BRACE.finditer(latex):
        depth += {"{": 1, "}": -1}.get(match[1], 0)
        if depth < 0:
            return False
    return depth == 0


def _depth(tree: Element) -> int:
    level, depth = [tree], 0
    while level:
        level, depth = [child for element in level for child in element], depth + 1
    return depth


def _set_finely(tree: Element) -> None:
    """What TeX does of itself: ∂ is a letter, a function is a name and stands off its argument, scripts are set tight.

    A run of letters in a subscript is a word, and upright.
    """
    for element in tree.iter():
        if element.tag == "mo" and (element.text == "∂" or _is_letters(element.text or "")):
            element.tag = "mi"
    for element in list(tree.iter()):
        for before, child in pairwise([None, *element]) if element.tag in _ROWS else ():
            if child is not None and child.text == "−" and (before is None or before.text in _OPENING):
                child.set("form", "prefix")  # a sign, not a difference
        for position in _SCRIPTS.get(element.tag, ()):
            _set_script(element[position])
        beside = pairwise(element) if element.tag in _ROWS else ()
        for child in [child for child, after in beside if _stand_off(child, after)]:
            element.insert(list(element).index(child) + 1, Element("mspace", width="0.167em"))


def _stand_off(one: Element, other: Element) -> bool:
    """Whether a function and what it is written beside, an argument or a factor, need a space between them."""
    return (_is_word(one) and other.tag in _OPERANDS) or (_is_word(other) and one.tag in _OPERANDS)


def _is_letters(text: str) -> bool:
    return len(text) > 1 and text.isascii() and text.isalpha()


def _is_word(element: Element) -> bool:
    """Whether this is a name of several letters, a power of it perhaps."""
    if element.tag == "msup":
        return _is_word(element[0])
    return element.tag == "mi" and len(element.text or "") > 1 and str(element.text).isascii()


def _set_script(script: Element) -> None:
    for operator in script.iter("mo"):
        operator.attrib.update(lspace="0", rspace="0")
    parts: list[Element] = []
    for is_letters, run in groupby(script, key=_is_letter):
        letters = list(run)
        if is_letters and len(letters) >= _SHORTEST_WORD:
            word = Element("mi")
            word.text = "".join(str(letter.text) for letter in letters)
            parts.append(word)
        else:
            parts.extend(letters)
    for one, other in pairwise(parts):
        if _is_word(one) and other.text == "−":  # next-h is a compound; nothing is subtracted from a word
            other.tag, other.text, other.attrib = "mtext", "-", {}
    script[:] = parts


def _is_letter(element: Element) -> bool:
    text = element.text or ""
    return element.tag == "mi" and not element.attrib and len(text) == 1 and text.isascii() and text.isalpha()


def _written(element: Element) -> Iterator[str]:
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in element.attrib.items())
    yield f"<{element.tag}{attributes}>"
    yield str(escape(element.text or ""))
    for child in element:
        yield from _written(child)
        yield str(escape(child.tail or ""))
    yield f"</{element.tag}>"
