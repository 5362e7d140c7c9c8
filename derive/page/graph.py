"""The computation graph of a program as a drawing: arrays in layers by depth, edges as curves between the layers.

Layers, then an order within each that has few crossings (by the mean of the neighbours, swept up and down), then
places as near to the neighbours as the order and the widths allow. The same program gives the same drawing.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sympy import Expr

from derive.calculus import SEED
from derive.index import entries
from derive.program import Program

MOST_STOPS = 400  # arrays, and layers that edges pass through: more than anybody can read

WIDTH, HEIGHT = 58, 40  # of a node
_GAP = 8  # between nodes beside each other
_LANE = 22  # the width of an edge that passes through a layer
_LAYER = 92  # from one layer to the next
_MARGIN = 14
_PORT = 13  # between the ends of edges at a node
_APART = 2.5  # either line of an edge, values and gradients, from its middle
_SWEEPS = 12


@dataclass(frozen=True)
class Node:
    """An array and the middle of its place."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Edge:
    """From an array to one that is computed from it: the line of the values and, back, that of the gradients."""

    tail: str
    head: str
    values: str
    gradients: str


@dataclass(frozen=True)
class Drawing:
    """Nodes from the top down; paths in SVG's notation."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    width: float
    height: float


Point = tuple[float, float]
Link = tuple[str, str]


def draw(program: Program) -> Drawing | None:
    """The drawing of a program's arrays but its cotangents; None if there are too many.

    A cotangent that comes from outside is a node below the array that it reaches, and has no line of values.
    """
    return layered(*graph_of(program))


def graph_of(program: Program) -> tuple[list[str], list[Link]]:
    """The arrays and the links between them, tails before heads; a seed comes after what it reaches."""
    forward = [equation for equation in program.equations if equation.array.role != "cotangent"]
    seeds = [array.name for array in program.having("cotangent")]
    given = [array.name for array in program.inputs if array.name not in seeds]
    links = [(name, equation.name) for equation in forward for name in _used(equation.value)]
    links += [(name, f"{SEED}{name}") for name in program.arrays if f"{SEED}{name}" in seeds]
    return [*given, *(equation.name for equation in forward), *seeds], links


def _used(value: Expr) -> list[str]:
    return list(dict.fromkeys(entry.name for entry in entries(value)))


def layered(names: Sequence[str], links: Sequence[Link]) -> Drawing | None:
    """A drawing of a graph without cycles, its nodes in an order in which links go forward."""
    depth = _depths(names, links)
    if not 0 < len(names) + sum(depth[head] - depth[tail] - 1 for tail, head in links) <= MOST_STOPS:
        return None
    chains = {link: _chain(link, depth) for link in links}
    layers = _ordered(_layers(names, chains, depth), [pair for chain in chains.values() for pair in pairwise(chain)])
    place = _placed(layers, [pair for chain in chains.values() for pair in pairwise(chain)])
    left = min(place[one] - _size(one) / 2 for layer in layers for one in layer) - _MARGIN
    right = max(place[one] + _size(one) / 2 for layer in layers for one in layer) + _MARGIN
    at = {
        one: (round(place[one] - left, 1), float(_MARGIN + HEIGHT / 2 + _LAYER * k))
        for k, layer in enumerate(layers)
        for one in layer
    }
    ports = _ports(chains, at)
    return Drawing(
        nodes=tuple(Node(name, *at[name]) for name in sorted(names, key=lambda name: (at[name][1], at[name][0]))),
        edges=tuple(_edge(link, chain, at, ports) for link, chain in chains.items()),
        width=round(right - left, 1),
        height=float(2 * _MARGIN + HEIGHT + _LAYER * (len(layers) - 1)),
    )


# -- layers -----------------------------------------------------------------------------------------------------------


def _depths(names: Sequence[str], links: Iterable[Link]) -> dict[str, int]:
    """The layer of each node: below all that it is computed from; what is given stands just above its first use."""
    before: dict[str, list[str]] = {name: [] for name in names}
    after: dict[str, list[str]] = {name: [] for name in names}
    for tail, head in links:
        before[head].append(tail)
        after[tail].append(head)
    depth: dict[str, int] = {}
    for name in names:
        depth[name] = 1 + max((depth[one] for one in before[name]), default=-1)
    for name in names:
        if not before[name] and after[name]:
            depth[name] = min(depth[one] for one in after[name]) - 1
    return depth


def _chain(link: Link, depth: Mapping[str, int]) -> list[str]:
    """The ends of a link with one stop in each layer that it passes through."""
    tail, head = link
    return [tail, *(f"{tail}>{head}@{k}" for k in range(depth[tail] + 1, depth[head])), head]


def _layers(names: Sequence[str], chains: Mapping[Link, list[str]], depth: Mapping[str, int]) -> list[list[str]]:
    layers: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in names:
        layers[depth[name]].append(name)
    for (tail, _), chain in chains.items():
        for k, stop in enumerate(chain[1:-1]):
            layers[depth[tail] + 1 + k].append(stop)
    return layers


# -- the order within the layers --------------------------------------------------------------------------------------


def _ordered(layers: list[list[str]], pairs: Sequence[Link]) -> list[list[str]]:
    """The layers in the order with the fewest crossings that the sweeps come by."""
    best, fewest = layers, _crossings(layers, pairs)
    for sweep in range(_SWEEPS):
        layers = _swept(layers, pairs, downwards=sweep % 2 == 0)
        found = _crossings(layers, pairs)
        if found < fewest:
            best, fewest = layers, found
    return best


def _swept(layers: list[list[str]], pairs: Sequence[Link], downwards: bool) -> list[list[str]]:
    near: dict[str, list[str]] = {}
    for tail, head in pairs:
        one, other = (head, tail) if downwards else (tail, head)
        near.setdefault(one, []).append(other)
    rows = layers if downwards else layers[::-1]
    done = [rows[0]]
    for row in rows[1:]:
        rank = {name: (k + 0.5) / len(done[-1]) for k, name in enumerate(done[-1])}
        own = {name: (k + 0.5) / len(row) for k, name in enumerate(row)}
        mean = {name: _mean([rank[one] for one in near.get(name, ())], own[name]) for name in row}
        done.append(sorted(row, key=lambda name: (mean[name], own[name])))
    return done if downwards else done[::-1]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(layers: Sequence[Sequence[str]], pairs: Sequence[Link]) -> int:
    rank = {name: (k, position) for k, layer in enumerate(layers) for position, name in enumerate(layer)}
    between: dict[int, list[tuple[int, int]]] = {}
    for tail, head in pairs:
        between.setdefault(rank[tail][0], []).append((rank[tail][1], rank[head][1]))
    return sum(_inversions([head for _, head in sorted(ends)]) for ends in between.values())


def _inversions(values: Sequence[int]) -> int:
    """How many pairs are in the wrong order."""
    found, before = 0, list[int]()
    for value in values:
        found += len(before) - bisect_right(before, value)
        insort(before, value)
    return found


# -- places -----------------------------------------------------------------------------------------------------------


def _size(name: str) -> int:
    return _LANE if "@" in name else WIDTH


def _placed(layers: Sequence[Sequence[str]], pairs: Sequence[Link]) -> dict[str, float]:
    """The middle of each node across: as near to its neighbours' mean as its layer's order allows."""
    near: dict[str, list[str]] = {}
    for tail, head in pairs:
        near.setdefault(tail, []).append(head)
        near.setdefault(head, []).append(tail)
    place: dict[str, float] = {}
    for layer in layers:
        place.update(zip(layer, _apart(layer, [0.0] * len(layer)), strict=True))
    for _ in range(_SWEEPS):
        for layer in layers:
            wished = [_mean([place[other] for other in near.get(one, ())], place[one]) for one in layer]
            place.update(zip(layer, _apart(layer, wished), strict=True))
    return place


def _apart(layer: Sequence[str], wished: Sequence[float]) -> list[float]:
    """The places nearest to the wished ones, in least squares, at which neighbours keep their distance.

    With the distances taken off, that is isotonic regression: whoever would overtake shares a mean.
    """
    offset = [0.0]
    for one, other in pairwise(layer):
        offset.append(offset[-1] + (_size(one) + _size(other)) / 2 + _GAP)
    groups: list[tuple[float, int]] = []
    for value in (wish - gone for wish, gone in zip(wished, offset, strict=True)):
        total, count = value, 1
        while groups and groups[-1][0] / groups[-1][1] > total / count:
            earlier, members = groups.pop()
            total, count = total + earlier, count + members
        groups.append((total, count))
    level = [total / count for total, count in groups for _ in range(count)]
    return [value + gone for value, gone in zip(level, offset, strict=True)]


# -- edges ------------------------------------------------------------------------------------------------------------


def _ports(chains: Mapping[Link, list[str]], at: Mapping[str, Point]) -> dict[tuple[Link, str], float]:
    """How far from a node's middle each of its edges ends: in the order in which they come, so that none cross."""
    ends: dict[tuple[str, bool], list[tuple[float, Link]]] = {}
    for link, chain in chains.items():
        ends.setdefault((link[0], True), []).append((at[chain[1]][0], link))
        ends.setdefault((link[1], False), []).append((at[chain[-2]][0], link))
    ports: dict[tuple[Link, str], float] = {}
    for (name, _), found in ends.items():
        step = min(_PORT, (WIDTH - _PORT) / len(found))
        for k, (_, link) in enumerate(sorted(found)):
            ports[link, name] = (k - (len(found) - 1) / 2) * step
    return ports


def _edge(link: Link, chain: list[str], at: Mapping[str, Point], ports: Mapping[tuple[Link, str], float]) -> Edge:
    tail, head = link
    points = [at[stop] for stop in chain]
    points[0] = (points[0][0] + ports[link, tail], points[0][1] + HEIGHT / 2)
    points[-1] = (points[-1][0] + ports[link, head], points[-1][1] - HEIGHT / 2)
    values = [(x - _APART, y) for x, y in points]
    gradients = [(x + _APART, y) for x, y in reversed(points)]
    return Edge(tail, head, _path(values), _path(gradients))


def _path(points: Sequence[Point]) -> str:
    """A curve through the points, upright at each."""
    (x, y), *_ = points
    pieces = [f"M{x:g} {y:g}"]
    for (x, y), (u, v) in pairwise(points):
        middle = (y + v) / 2
        pieces.append(f"C{x:g} {middle:g} {u:g} {middle:g} {u:g} {v:g}")
    return "".join(pieces)
