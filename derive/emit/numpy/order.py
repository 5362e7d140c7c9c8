"""What the loops do about sequences that end early, where ``lengths`` are given.

Steps are taken in the order of the module's ``_Order``; beyond a sequence's end a real step is taken again, with zeros
for cotangents. What is left to the loops: going forward a sequence that has ended keeps its states, going backward the
cotangents of its last states come in at its end. A mask that is None costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from derive.emit.layout import Block
from derive.program import Array

ENDED = ("ended", "ended_all")  # in a loop from the first step to the last, and for all steps
ENDING = ("ending", "ending_all[steps][::-1]")  # in a chunk of a loop from the last step to the first

ENDED_ALL = "ended_all: list[Array | None] = order.ended if order else [None] * T"
ENDING_ALL = "ending_all: list[Array | None] = order.ends[1:] if order else [None] * T"


def kept_states(states: Sequence[Array]) -> Iterator[Block]:
    """At the end of a step forward: a sequence that has ended keeps its states.

    Args:
        states: the previous states, with the names of the next ones.
    """
    if states:
        lines = [f"    copyto({state.next}, {state.name}, where={_of(ENDED[0], state)})" for state in states]
        yield Block(("a sequence that has ended keeps its states",), (f"if {ENDED[0]} is not None:", *lines))


@dataclass(frozen=True)
class Last:
    """The cotangent of a last state, or its tangent.

    Attributes:
        carrier: what carries it from step to step.
        given: what comes from outside.
        optional: whether that may be None, which stands for zeros.
    """

    state: Array
    carrier: str
    given: str
    optional: bool = False

    def copied(self, sequences: str, target: str | None = None) -> str:
        """The statement that lets it in, for some of the sequences."""
        copied = f"copyto({target or self.carrier}, {self.given}, where={_of(sequences, self.state)})"
        return f"if {self.given} is not None: {copied}" if self.optional else copied


def last_cotangents(states: Sequence[Last]) -> Iterator[Block]:
    """At the beginning of a step backward: the cotangents of the last states of sequences that end here."""
    if states:
        lines = [f"    {one.copied(ENDING[0])}" for one in states]
        yield Block(("the last states of sequences that end here",), (f"if {ENDING[0]} is not None:", *lines))


def without_steps(states: Sequence[tuple[Last, str]]) -> Iterator[str]:
    """After the loop: the last states of sequences without steps are their initial ones, whose gradients are named."""
    if states:
        yield "if order and order.ends[0] is not None:  # sequences without steps"
        yield from (f"    {one.copied('order.ends[0]', gradient)}" for one, gradient in states)


def _of(mask: str, state: Array) -> str:
    """A mask over sequences as one over the entries of a state."""
    return f"{mask}[:{', None' * (len(state.sizes) - 1)}]" if len(state.sizes) > 1 else mask
