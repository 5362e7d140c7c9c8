"""What stands in brackets: a formula, a concatenation, a matrix, an indicator, an outer product."""

from __future__ import annotations

from dataclasses import replace

from derive.notes.symbols import Symbols
from derive.notes.syntax import Applied, Concatenation, Differential, Node, Product, Symbol

BRACKETS = {"(": ")", "[": "]"}
BETWEEN = {",", ";", "\\|", "|", "&", "\\\\"}
GREATER = {">", "\\ge", "\\geq", "\\geqslant"}
RECTIFIER = "ReLU"
_MATRICES = {"matrix", "bmatrix", "pmatrix", "vmatrix", "Bmatrix", "smallmatrix", "array"}


class Brackets(Symbols):
    """Brackets and what they open; what a side is, the parser of formulas knows."""

    def side(self) -> Node:
        raise NotImplementedError

    def bracketed(self) -> Node:
        start = self.start()
        closer = BRACKETS[self.take().text]
        parts = [self.side()]
        if self.next in GREATER:
            return self.indicator(start, parts[0], closer)
        while self.next in BETWEEN:
            self.take()
            parts.append(self.side())
        self.expect(closer)
        if len(parts) > 1:
            return Concatenation(self.since(start), tuple(parts))
        return replace(parts[0], span=self.since(start))

    def indicator(self, start: int, of: Node, closer: str) -> Node:
        """[z > 0], the derivative of ReLU at z."""
        self.take()
        self.expect("0")
        self.expect(closer)
        function = Differential((start, start), Symbol((start, start), RECTIFIER))
        return Applied(self.since(start), function, of)

    def braced(self) -> Node:
        self.expect("{")
        node = self.side()
        self.expect("}")
        return node

    def outer_product(self) -> Node:
        """⟨a, b⟩ for a ⊗ b."""
        start = self.start()
        self.take()
        left = self.side()
        self.expect(",")
        right = self.side()
        self.expect("\\rangle")
        return Product(self.since(start), (left, right), ("⊗",))

    def matrix(self) -> Node:
        """A column or a row of blocks, or rows of them."""
        start = self.start()
        self.take()
        name = "".join(self.script())
        if name not in _MATRICES:
            self.position -= 1
            raise self.unknown(f"the environment {name!r} is no matrix")
        if name == "array":
            self.script()
        rows: list[list[Node]] = [[]]
        while self.next != "\\end":
            rows[-1].append(self.side())
            if self.next == "&":
                self.take()
            elif self.next == "\\\\":
                self.take()
                rows.append([])
        self.take()
        if "".join(self.script()) != name:
            raise self.unknown(f"expected the end of {name!r}")
        span = self.since(start)
        blocks = [row[0] if len(row) == 1 else Concatenation(span, tuple(row)) for row in rows if row]
        if not blocks:
            raise self.unknown("a matrix without entries")
        return blocks[0] if len(blocks) == 1 else Concatenation(span, tuple(blocks))
