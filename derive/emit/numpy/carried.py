"""What the recurrence of the backward pass hands from a step to the one before, and where names live in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from derive.calculus import COTANGENT, SEED
from derive.program import Array


@dataclass(frozen=True)
class Carried:
    """A state's cotangent on its way from one step to the one before.

    Attributes:
        state: the previous state.
        apart: whether the step's result is a matrix product, which must not be written over its own operand
            and which BLAS forms faster column by column.
    """

    state: Array
    is_output: bool
    apart: bool

    @property
    def previous(self) -> str:
        return self.state.name

    @property
    def following(self) -> str:
        assert self.state.next is not None
        return self.state.next

    @property
    def seed(self) -> str:
        return SEED + self.following

    @property
    def result(self) -> str:
        return COTANGENT + self.previous

    @property
    def gradient(self) -> str:
        return f"gradients.{COTANGENT}{self.following}0"


@dataclass
class Memory:
    """Which name lives in which piece of memory at what time."""

    home: dict[str, str] = field(default_factory=dict)

    def aliases(self, name: str) -> frozenset[str]:
        return frozenset(other for other, place in self.home.items() if place == self.home.get(name))
