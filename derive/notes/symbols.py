"""The symbols of formulas, and the tokens that they stand in: a letter with its accent, its scripts and its time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from derive.errors import NotesError
from derive.notes.scripts import Clock, Slot, bound
from derive.notes.syntax import Node, Slice, Span, Symbol
from derive.notes.tokens import ACCENTS, FONTS, NUMBER, PHRASE, Token, check_length, tokens

MOST_NESTED = 30
LONGEST_STEP = 8  # characters of \tau + 1
TRANSPOSES = {"T", "\\top", "\\intercal"}


@dataclass(frozen=True)
class Grammar:
    """What a set of notes makes of letters.

    Attributes:
        functions: the symbols that are functions, e.g. ``\\tanh``.
        phrases: the tokens of symbols that are written with several, and their names.
        clock: how the steps are counted.
        numbered: letters whose raised numbers are labels, as in W^1 and W^2.
        indices: letters that are indices of vectors and matrices.
        primed: whether a prime is part of a name, as it is where transposes are written in another way.
    """

    functions: frozenset[str] = frozenset()
    phrases: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    numbered: frozenset[str] = frozenset()
    indices: frozenset[str] = frozenset()
    primed: bool = False


def symbol_name(latex: str, grammar: Grammar | None = None) -> str:
    """The canonical name of one symbol: ``h_{t-1}`` and ``h^{(t-1)}`` are h_t-1.

    Raises:
        NotesError: if it is not one symbol.
    """
    check_length(latex)
    parser = Symbols(latex, grammar or Grammar())
    name = parser.symbol().name
    parser.end()
    return name


def _ranges(text: str) -> list[str]:
    """The parts of a slice that are no bare colon."""
    return [part for part in text.strip("[]").split(",") if part.strip(":")]


class Cursor:
    """A place in the tokens of one formula."""

    def __init__(self, text: str, grammar: Grammar) -> None:
        self.text = text
        self.grammar = grammar
        self.tokens = tokens(text, grammar.phrases)
        self.position = 0
        self.depth = 0
        self.summed: list[str] = []  # the indices of the sums around
        self.range_below = ""  # the slice that stands as a subscript of the last symbol

    @property
    def next(self) -> str:
        """The text of the next token, empty at the end."""
        return self.peek(0)

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
        start, end = self.tokens[self.position].span
        token = self.text[start:end]
        return NotesError(f"{token!r} at column {start + 1} of {self.text!r} is not understood: {why}")

    def start(self) -> int:
        return self.tokens[self.position].span[0] if self.next else len(self.text)

    def since(self, start: int) -> Span:
        return start, self.tokens[self.position - 1].span[1]

    def script(self) -> list[str]:
        """The tokens of a subscript or superscript: one, or a braced group without its braces and fonts."""
        if self.next != "{":
            token = self.take().text
            return self.script() if token in FONTS and self.next == "{" else [token]
        self.take()
        depth, parts = 1, []
        while depth:
            token = self.take().text
            depth += {"{": 1, "}": -1}.get(token, 0)
            if token not in {"{", "}"} | FONTS:
                parts.append(token)
        return parts

    def above(self) -> str:
        """What stands above as an exponent; a power entry by entry, h^{∘2}, is that power."""
        return re.sub(r"^(?:\\odot|\\circ)(?=\d)", "", "".join(self.script()))


class Symbols(Cursor):
    """Symbols and their slices."""

    def sliced(self, symbol: Symbol, start: int) -> Node:
        """``z[:, H:2H]``; brackets without a colon are none of a slice."""
        place = self.position
        inside: list[str] = []
        while self.next not in {"]", ""}:
            inside.append(self.take().text)
        ranges = _ranges("".join(inside[1:]))
        if len(ranges) != 1 or ":" not in ranges[0] or not self.next:
            self.position = place
            return symbol
        self.take()
        return self.cut(symbol, ranges[0], start)

    def cut(self, symbol: Symbol, text: str, start: int) -> Slice:
        first, _, last = text.partition(":")
        try:
            return Slice(self.since(start), symbol, bound(first), bound(last))
        except NotesError as error:
            raise self.unknown(str(error)) from None

    def symbol(self) -> Symbol:
        """A letter, Greek letter or word, with accent and scripts, under its canonical name."""
        start = self.start()
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise self.unknown(f"symbols are nested more than {MOST_NESTED} deep")
        slot = self.base()
        self.depth -= 1
        taken: set[str] = set()
        numbered = slot.letter in self.grammar.numbered
        while self.next in {"_", "^"} - taken and (self.next == "_" or not self.is_operation_above(numbered)):
            sign = self.take().text
            script = self.script()
            if ":" in script:
                self.range_below = next(iter(_ranges("".join(script))), ":")
                continue
            slot = slot.with_script(script, self.grammar.clock)
            # h_t^{(l)} has two superscripts in some hands, but no two subscripts.
            taken |= {sign}
        if slot.time is None and slot.name not in self.grammar.functions and (time := self.time_behind()):
            slot = replace(slot, time=time)
        if self.grammar.primed and self.next == "'" and self.peek(1) != "(" and slot.name not in self.grammar.functions:
            slot = replace(slot, labels=(*slot.labels, self.take().text))
        return Symbol(self.since(start), slot.name)

    def base(self) -> Slot:
        token = self.take().text
        if token.startswith(PHRASE):
            return Slot(token.removeprefix(PHRASE))
        if token in FONTS:
            return Slot("".join(self.script()))
        if token in ACCENTS:
            braced = self.next == "{"
            if braced:
                self.take()
            inner = self.symbol() if braced else Symbol((0, 0), self.take().text)
            if braced:
                self.expect("}")
            letter, _, rest = inner.name.partition("_")
            return Slot(f"{token}{{{letter}}}", tuple(part for part in rest.split("_") if part))
        return Slot(token)

    def time_behind(self) -> str | None:
        """The step in brackets behind a symbol, h(t-1), taken if it stands there."""
        place, inside = self.position, ""
        if self.next == "(":
            self.take()
            while self.next not in {")", ""} and len(inside) < LONGEST_STEP:
                inside += self.take().text
            time = self.grammar.clock.step(inside)
            if time and self.next == ")":
                self.take()
                return time
        self.position = place
        return None

    def is_time_above(self) -> bool:
        """Whether the superscript behind the next token is a time."""
        place = self.position
        self.position += 2
        time = self.grammar.clock.time("".join(self.script()))
        self.position = place
        return time is not None

    def is_operation_above(self, numbered: bool) -> bool:
        """Whether the superscript that follows is an exponent or a transposition rather than a part of the name."""
        place = self.position
        self.take()
        mark = self.above()
        self.position = place
        number = NUMBER.fullmatch(mark) is not None and not numbered
        return mark in TRANSPOSES or number or mark in {"'", "-1"}
