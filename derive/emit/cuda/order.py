"""What the kernels of one step do about sequences that end early, where ``lengths`` are given.

Steps are taken in the order of the host module's ``_Order``, whose ``source`` is negative beyond a sequence's end:
there a real step is taken again, with zeros for cotangents. What is left to the kernels: going forward a sequence that
has ended keeps its states, going backward the cotangents of its last states stay as they are until its end.
"""

from __future__ import annotations

from dataclasses import dataclass

from derive.emit.cuda.addresses import variable
from derive.emit.cuda.memory import Place
from derive.emit.cuda.phases import Phase
from derive.index import Index
from derive.plan.rotation import AFTER
from derive.program import Array

ENDED = "ended"
SOURCE = "source"


@dataclass(frozen=True)
class Ends:
    """Which stores and loads of a phase depend on whether a sequence has ended."""

    phase: Phase

    def kept_from(self, name: str) -> str | None:
        """The previous state, for a state that the phase computes in one step."""
        return self.phase.kept.get(name)

    def stays(self, name: str) -> bool:
        """Whether an array is the cotangent of a last state, on its way through the steps backward."""
        return name in self.phase.last

    def is_absent(self, name: str) -> bool:
        """Whether an array is such a cotangent where a step reads it."""
        return name.endswith(AFTER) and self.stays(name.removesuffix(AFTER))


def source_place(batch: Index) -> Place:
    """The rows that are taken at a step, of all sequences."""
    return Place(SOURCE, Array(SOURCE, (batch.dim,)), SOURCE, timed=True, number="Index")


def ended_text(batch: Index) -> str:
    """Whether the sequence of a point has ended; without lengths none has."""
    return f"{SOURCE}_ && {SOURCE}_[{variable(batch)}] < 0"
