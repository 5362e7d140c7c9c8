"""What the loops do about sequences that end early, where ``lengths`` are given.

Steps are taken in the order of the module's ``_Order``; beyond a sequence's end a real step is taken again, with zeros
for cotangents. What is left to the loops: going forward a sequence that has ended keeps its states, going backward the
cotangents of its last states come in at its end. A mask that is None costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from derive.emit.layout import Block
from derive.emit.signature import last_name
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


def last_cotangents(states: Sequence[tuple[str, Array]]) -> Iterator[Block]:
    """At the beginning of a step backward: the cotangents of the last states of sequences that end here.

    Args:
        states: the previous states, each with the name of what carries its cotangent from step to step.
    """
    if states:
        lines = [f"    {_copied(carrier, state, ENDING[0])}" for carrier, state in states]
        yield Block(("the last states of sequences that end here",), (f"if {ENDING[0]} is not None:", *lines))


def without_steps(states: Sequence[tuple[str, Array]]) -> Iterator[str]:
    """After the loop: the last states of sequences without steps are their initial ones."""
    if states:
        yield "if order and order.ends[0] is not None:  # sequences without steps"
        yield from (f"    {_copied(gradient, state, 'order.ends[0]')}" for gradient, state in states)


def _copied(target: str, state: Array, sequences: str) -> str:
    assert state.next is not None
    return f"copyto({target}, {last_name(state.next)}, where={_of(sequences, state)})"


def _of(mask: str, state: Array) -> str:
    """A mask over sequences as one over the entries of a state."""
    return f"{mask}[:{', None' * (len(state.sizes) - 1)}]" if len(state.sizes) > 1 else mask
