"""The computation graph in the page: the drawing with labels, verdicts and links to the equations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from derive.notes.plain import symbol_text
from derive.page.cards import Card, Finding
from derive.page.graph import HEIGHT, WIDTH, Drawing, Edge, draw
from derive.program import Program

_LONGEST = 9  # characters of a label
_WIDE = 420  # a wider drawing is not made smaller on a phone, it scrolls


@dataclass(frozen=True)
class Node:
    """An array: its place, the two parts of its symbol, and the worst that was found of it.

    Attributes:
        id: its place in the page; cards name it to say what they are about.
        href: the equation that it links to, of those about it the first of the worst.
        finding: what was found of that.
        says: all of it in words.
    """

    id: str
    x: float
    y: float
    letter: str
    script: str
    shape: str
    is_seed: bool
    href: str | None
    finding: Finding | None
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


def picture(
    program: Program,
    symbol: Callable[[str], str] = str,
    shown: Sequence[Card] = (),
    links: Mapping[str, str] = MappingProxyType({}),
) -> Picture | None:
    """The graph of a derived program; None where it is too large to be read.

    Args:
        symbol: how an array is written, by its name.
        shown: the equations of notes, with what was found of them.
        links: where a node leads that no equation of notes is about, by the array's name.
    """
    drawing = draw(program)
    if drawing is None:
        return None
    ids = {node.name: f"array-{k}" for k, node in enumerate(drawing.nodes, 1)}

    def node(name: str, x: float, y: float) -> Node:
        says = f"{symbol_text(symbol(name))} {program.arrays[name].tensor.shape}"
        about = [card for card in shown if name in card.about and not card.along]
        worst = min(about, key=lambda card: card.finding.gravity, default=None)
        if shown:
            counted = ", ".join(f"{card.id} {card.finding.says}" for card in about)
            says += f": {counted or 'no equation of the notes is about it'}"
        letter, _, script = symbol_text(symbol(name)).partition("_")
        return Node(
            id=ids[name],
            x=x,
            y=y,
            letter=_short(letter),
            script=_short(script.replace("_", ",")),
            shape=str(program.arrays[name].tensor.shape),
            is_seed=program.arrays[name].role == "cotangent",
            href=f"#{worst.anchor}" if worst else links.get(name),
            finding=worst.finding if worst else None,
            says=says,
        )

    return Picture(
        width=drawing.width,
        height=drawing.height,
        node_width=WIDTH,
        node_height=HEIGHT,
        is_wide=drawing.width > _WIDE,
        lines=_lines(drawing, program, shown, ids),
        nodes=tuple(node(one.name, one.x, one.y) for one in drawing.nodes),
        ids=ids,
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _lines(drawing: Drawing, program: Program, shown: Sequence[Card], ids: dict[str, str]) -> tuple[Line, ...]:
    """The lines, those that a wrong equation is about on top."""
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
