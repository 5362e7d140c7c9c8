"""A reader that goes on with numbers: what a formula's parts mean is evaluated once and then an array of its own.

Thousands of corrections of one equation are tried, and differ from each other in one place: all that is beside that
place is a name for numbers, so that each costs a few operations on small expressions, whatever the equation's length.
"""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
from sympy import Number

from derive.equality import Ground
from derive.evaluate import REAL, Values, evaluate, size_of
from derive.index import Entry, Joined
from derive.notes.jacobian import Jacobian
from derive.notes.meaning import Reader
from derive.notes.syntax import Node
from derive.tensor import Tensor


def sampled(reader: Reader) -> Reader:
    """The reader, believing numbers at one random point."""
    return _Sampled(**{one.name: getattr(reader, one.name) for one in fields(reader) if one.init} | {"exact": reader})


@dataclass(frozen=True)
class _Numbers(Ground):
    """The program's values at one point, and those of the formulas that have been read."""

    read: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def real_values(self) -> tuple[Values, ...]:
        return (ChainMap(self.read, dict(self.values(REAL, self.sizes, seed=0))),)


@dataclass(frozen=True)
class _Sampled(Reader):
    """Reads a formula as the array of its values, unless it is differentiated or taken apart."""

    exact: Reader | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.ground, _Numbers):
            object.__setattr__(self, "ground", _Numbers(self.ground.program, proving=False))

    def meanings(self, node: Node) -> list[Tensor]:
        if node not in self._read:
            self._read[node] = [self._valued(tensor) for tensor in super()._meanings(node)]
        return self._read[node]

    def jacobian(self, above: Node, below: Node) -> Jacobian:
        assert self.exact is not None
        return self.exact.jacobian(above, below)

    def _valued(self, tensor: Tensor) -> Tensor:
        plain = isinstance(tensor.expr, Entry | Number)
        if plain or isinstance(tensor, Jacobian) or any(isinstance(axis.size, Joined) for axis in tensor.axes):
            return tensor
        ground = self.ground
        assert isinstance(ground, _Numbers)
        (values,) = ground.real_values
        indices = tuple(index for axis in tensor.axes for index in axis.indices)
        shape = [size_of(index.dim, ground.sizes) for index in indices]
        name = f"number {len(ground.read)}"
        with np.errstate(all="ignore"):
            ground.read[name] = np.broadcast_to(evaluate(tensor.expr, indices, values, ground.sizes, REAL), shape)
        return Tensor(Entry(name, *indices), tensor.axes)
