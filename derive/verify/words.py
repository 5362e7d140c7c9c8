"""What could stand in a formula: every quantity that the notes have a symbol for, plain and as a cotangent."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from derive.errors import HandgradError
from derive.notes.latex import Parser
from derive.notes.meaning import Reader
from derive.notes.plain import plain
from derive.notes.syntax import Node, Symbol


@dataclass(frozen=True)
class Word:
    """A symbol or its cotangent, in LaTeX, as plain text and as a formula."""

    latex: str
    text: str
    symbol: str
    cotangent: bool
    node: Node


def words_of(reader: Reader) -> list[Word]:
    """Every quantity that the notes have a symbol for, plain and as a cotangent, in the first of its spellings."""
    words: dict[tuple[str, str], Word] = {}
    known = [*reader.symbols, *reader.defined, *(name for name in reader.adjoints if name not in reader.symbols)]
    for name in known:
        if reader.familiar and name not in reader.familiar:
            continue
        symbol, latex = Symbol((0, 0), name), reader.symbol_latex(name)
        if name in reader.symbols or name in reader.defined:
            with suppress(HandgradError):
                tensor = reader.quantity(name)
                word = Word(latex, plain(symbol), name, False, Parser(latex, reader.grammar).side())
                words.setdefault((str(tensor.expr), tensor.shape), word)
        with suppress(HandgradError):
            tensor = reader.cotangent(symbol, reader.cotangent_sign)
            latex = reader.cotangent_latex(latex)
            word = Word(latex, f"∂{plain(symbol)}", name, True, Parser(latex, reader.grammar).side())
            words.setdefault((str(tensor.expr), tensor.shape), word)
    return list(words.values())
