"""The computation graph in the page: the drawing with labels, verdicts and links to the equations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from derive.notes.meaning import Reader
from derive.notes.plain import symbol_text
from derive.page.cards import Card
from derive.page.graph import HEIGHT, WIDTH, Drawing, Edge, draw
from derive.program import Program

_LONGEST = 9  # characters of a label
_WIDE = 420  # a wider drawing is not made smaller on a phone, it scrolls


@dataclass(frozen=True)
class Node:
    """An array: its place, the two parts of its symbol, and the worst that was found of it.

    Attributes:
        id: its place in the page; cards name it to say what they are about.
        card: the equation that it links to, the first of the worst.
        says: all of it in words.
    """

    id: str
    x: float
    y: float
    letter: str
    script: str
    shape: str
    is_seed: bool
    card: Card | None
    says: str


@dataclass(frozen=True)
class Line:
    """Half of an edge: values down or gradients up."""

    flow: str
    path: str
    is_wrong: bool
    ends: str


@dataclass(frozen=True)
class Picture:
    width: float
    height: float
    node_width: int
    node_height: int
    is_wide: bool
    lines: tuple[Line, ...]
    nodes: tuple[Node, ...]
    ids: dict[str, str]

    @property
    def is_wrong(self) -> bool:
        return any(line.is_wrong for line in self.lines)


def picture(reader: Reader, shown: Sequence[Card]) -> Picture | None:
    """The graph of a reader's program; None where it is too large to be read."""
    drawing = draw(reader.ground.program)
    if drawing is None:
        return None
    ids = {node.name: f"array-{k}" for k, node in enumerate(drawing.nodes, 1)}
    return Picture(
        width=drawing.width,
        height=drawing.height,
        node_width=WIDTH,
        node_height=HEIGHT,
        is_wide=drawing.width > _WIDE,
        lines=_lines(drawing, reader, shown, ids),
        nodes=tuple(_node(node.name, ids[node.name], (node.x, node.y), reader, shown) for node in drawing.nodes),
        ids=ids,
    )


def _node(name: str, id_: str, at: tuple[float, float], reader: Reader, shown: Sequence[Card]) -> Node:
    array = reader.ground.program.arrays[name]
    about = [card for card in shown if name in card.about and not card.along]
    worst = min(about, key=lambda card: card.finding.gravity, default=None)
    symbol = reader.spellings.get(name, ("", name))[1]
    letter, _, script = symbol_text(symbol).partition("_")
    counted = ", ".join(f"{card.id} {card.finding.says}" for card in about) or "no equation of the notes is about it"
    return Node(
        id=id_,
        x=at[0],
        y=at[1],
        letter=_short(letter),
        script=_short(script.replace("_", ",")),
        shape=str(array.tensor.shape),
        is_seed=array.role == "cotangent",
        card=worst,
        says=f"{symbol_text(symbol)} {array.tensor.shape}: {counted}",
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _lines(drawing: Drawing, reader: Reader, shown: Sequence[Card], ids: dict[str, str]) -> tuple[Line, ...]:
    """The lines, those that a wrong equation is about on top."""
    program = reader.ground.program
    wrong = [card for card in shown if card.finding.name == "wrong"]
    lines = []
    for edge in drawing.edges:
        ends = f"{ids[edge.tail]} {ids[edge.head]}"
        if program.arrays[edge.head].role != "cotangent":
            lines.append(Line("values", edge.values, any(_comes(card, edge) for card in wrong), ends))
        lines.append(Line("gradients", edge.gradients, any(_goes_back(card, edge, program) for card in wrong), ends))
    return tuple(sorted(lines, key=lambda line: line.is_wrong))


def _comes(card: Card, edge: Edge) -> bool:
    """Whether an equation computes what an edge leads to."""
    return card.flow == "values" and card.gives == edge.head


def _goes_back(card: Card, edge: Edge, program: Program) -> bool:
    """Whether an equation is about the gradient that comes back along an edge."""
    if card.along == (edge.tail, edge.head):
        return True
    if card.flow != "gradients" or card.gives != edge.tail:
        return False
    return card.block is None or card.block in _blocks(edge, program)


def _blocks(edge: Edge, program: Program) -> set[int]:
    """The blocks of a stack that an equation uses."""
    equation = program.definitions.get(edge.head)
    used = equation.reads if equation else ()
    return {int(i) for entry in used if entry.name == edge.tail for i in entry.indices if i.is_number}
