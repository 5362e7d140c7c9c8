"""What may run together: equations of one phase as stages, each over a domain of independent points.

Within a stage every point needs its own values only, and what earlier stages left in memory; between two stages
all points have to be done. A stage is what a GPU computes in one kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sympy import Integer

from derive.index import Entry, Index
from derive.plan.sums import Sum, block_index, points
from derive.program import Array, Equation


@dataclass(frozen=True)
class Stage:
    """Sums over what is in memory, then pointwise equations, at every point of a domain."""

    domain: tuple[Index, ...]
    sums: tuple[Sum, ...]
    equations: tuple[Equation, ...]

    @property
    def produced(self) -> tuple[Array, ...]:
        return (*(one.array for one in self.sums), *(one.array for one in self.equations))

    @property
    def parts(self) -> bool:
        """Whether its sums are cut into parts."""
        return any(len(points(one.array)) != len(one.array.axes) for one in self.sums)


def stages(equations: Sequence[Equation | Sum]) -> list[Stage]:
    """The equations of a phase in as few stages, one after the other, as their dependencies allow."""
    levels = _levels(equations)
    groups: dict[tuple[int, bool, tuple[Index, ...]], list[Equation | Sum]] = {}
    for one in equations:
        in_parts = len(points(one.array)) != len(one.array.axes)
        groups.setdefault((levels[one.name], in_parts, points(one.array)), []).append(one)
    # A sort by level alone is stable: stages of one level stay in the order of their equations.
    return [
        Stage(
            domain,
            tuple(one for one in group if isinstance(one, Sum)),
            tuple(one for one in group if isinstance(one, Equation)),
        )
        for (_, _, domain), group in sorted(groups.items(), key=lambda item: item[0][0])
    ]


def _levels(equations: Sequence[Equation | Sum]) -> dict[str, int]:
    """The stage that each equation is in: the first possible one, for a sum the one of its first user."""
    produced = {one.name: one for one in equations}
    levels: dict[str, int] = {}
    for one in equations:
        levels[one.name] = max(
            (levels[e.name] + (0 if same_point(e, one, produced) else 1) for e in one.reads if e.name in levels),
            default=0,
        )
    uses: dict[str, list[tuple[Entry, Equation | Sum]]] = {}
    for user in equations:
        for entry in user.reads:
            uses.setdefault(entry.name, []).append((entry, user))
    for one in reversed(equations):
        if isinstance(one, Sum):
            latest = [levels[u.name] - (0 if same_point(e, u, produced) else 1) for e, u in uses.get(one.name, ())]
            levels[one.name] = max(levels[one.name], min(latest, default=0))
    return levels


def same_point(entry: Entry, user: Equation | Sum, produced: Mapping[str, Equation | Sum]) -> bool:
    """Whether an equation reads an array of its phase at its own point only."""
    array = produced[entry.name].array
    if isinstance(user, Sum) or points(array) != points(user.array):
        return False
    return point_of(entry, array) == points(user.array) and all(
        isinstance(index, Integer) or index == block_index(user.array) for index in _blocks(entry, array)
    )


def point_of(entry: Entry, array: Array) -> tuple[Index | Integer, ...]:
    """The indices at which an entry is read, but for block labels."""
    return tuple(group[-1] for group in groups_of(entry, array))


def _blocks(entry: Entry, array: Array) -> Iterable[Index | Integer]:
    return (group[0] for group in groups_of(entry, array) if len(group) == 2)


def groups_of(entry: Entry, array: Array) -> list[tuple[Index | Integer, ...]]:
    """The indices of an entry, those of a stacked axis together."""
    groups, position = [], 0
    for axis in array.axes:
        groups.append(entry.indices[position : position + len(axis.indices)])
        position += len(axis.indices)
    return groups
