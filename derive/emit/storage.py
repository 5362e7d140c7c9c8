"""Where the forward arrays of a plan are kept, for the forward pass that fills them and the backward that reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from derive.emit.layout import Activation, Buffer, activations, block_axis, blocks_text, sizes_text, stack_of
from derive.index import Entry, Stack
from derive.matrix import matrix_form
from derive.plan.schedule import Schedule, names_in
from derive.program import Array, Equation

GATES = "gates"


@dataclass(frozen=True)
class Storage:
    """Where the forward arrays of a plan are kept; shared by the forward and the backward pass."""

    plan: Schedule

    @cached_property
    def activations(self) -> dict[str, Activation]:
        """By the name of the stacked array."""
        return {found.stack.name: found for found in activations(self.plan)}

    @cached_property
    def gate_of(self) -> dict[str, tuple[str, int]]:
        """(buffer, block) of every array that is a block of activated gates."""
        return {
            name: (self.gates_buffer(stack), k)
            for stack, activation in self.activations.items()
            for k, name in enumerate(activation.names)
        }

    def gates_buffer(self, stack: str) -> str:
        return GATES if len(self.activations) == 1 else f"{GATES}_{stack}"

    @cached_property
    def states(self) -> dict[str, str]:
        """The name of the previous value by that of the next."""
        return {state.next: state.name for state in self.plan.cell.having("state") if state.next}

    @cached_property
    def previous(self) -> dict[str, str]:
        return {before: after for after, before in self.states.items()}

    @cached_property
    def hoisted(self) -> set[str]:
        """Arrays whose equation is complete before the loop."""
        return {e.name for e in self.plan.hoisted} - {e.name for e in self.plan.loop + self.plan.after}

    @cached_property
    def begun(self) -> set[str]:
        """Arrays that the loop completes."""
        return {e.name for e in self.plan.hoisted} - self.hoisted

    @cached_property
    def kept(self) -> set[str]:
        """Arrays with a value for every t on the tape."""
        return {array.name for array in self.plan.tape} | set(self.plan.cell.outputs) | set(self.states)

    @cached_property
    def in_blocks(self) -> set[str]:
        """Stacked arrays of the loops whose blocks lie apart; the others are stored, and computed, by rows.

        Forward those that are read block by block alone, backward those that are computed so.
        """
        everywhere = (*self.plan.loop, *self.plan.after, *self.plan.coefficients, *self.plan.recurrence)
        whole = {name for e in (*everywhere, *self.plan.deferred) for name in read_whole(e)}
        forward = {e.name for e in self.plan.loop if _has_blocks_of_rows(e.array)} - whole
        # What is begun before the loop, read after it, or a result, is there for all t by rows.
        forward -= (self.begun & self.kept) | (names_in(self.plan.after) - self.kept) | set(self.plan.cell.outputs)
        return forward | set(self.activations) | self._cotangents_in_blocks

    @property
    def _cotangents_in_blocks(self) -> set[str]:
        """With their coefficients, which then are in blocks too."""
        coefficients = {e.name: e for e in self.plan.coefficients if stack_of(e.array)}
        found: set[str] = set()
        for equation in self.plan.recurrence:
            own = [one for name, one in coefficients.items() if name in names_in((equation,))]
            if all(_has_blocks_of_rows(one.array) and self._by_block(one) for one in (equation, *own)):
                found |= {one.name for one in (equation, *own)}
        return found

    def _by_block(self, equation: Equation) -> bool:
        return matrix_form(equation, self.plan).op == "stack"

    @cached_property
    def blocked(self) -> set[str]:
        """Stacked arrays that the loop computes and the tape keeps, by blocks."""
        return self.in_blocks & {e.name for e in self.plan.loop} & self.kept

    @cached_property
    def all_time(self) -> set[str]:
        """Arrays with a value for every t, on the tape or not."""
        after = {e.name for e in self.plan.after}
        return self.kept | self.hoisted | self.begun | after | (names_in(self.plan.after) & self.forward)

    @cached_property
    def forward(self) -> set[str]:
        return {e.name for e in (*self.plan.hoisted, *self.plan.loop, *self.plan.after)}

    def whole(self, name: str, label: str | None = None) -> str:
        """An array for all t: ``tape.c[1:]``, ``x``, ``tape.gates[:, 2]``."""
        array = self.plan.arrays[name]
        if name in self.previous:
            return f"tape.{self.previous[name]}[:-1]"
        if name in self.gate_of and name in self.kept:
            buffer, block = self.gate_of[name]
            return f"tape.{buffer}[:, {block}]"
        if name in self.blocked:
            if label:
                return f"tape.{name}[:, {array.labels.index(label)}]"
            return f"tape.{name}.swapaxes({block_axis(array)}, {block_axis(array) + 1}).reshape(T, {sizes_text(array)})"
        if name not in self.forward:
            text = name
        elif name in self.states:
            text = f"tape.{name}[1:]"
        else:
            text = f"{'tape' if name in self.kept else 'scratch'}.{name}"
        return f"{text}[{block_slice(array, label)}]" if label else text

    def tape_buffers(self) -> Iterator[Buffer]:
        """The memory that the backward pass reads."""
        for stack, activation in self.activations.items():
            comment = ", ".join(activation.names)
            yield Buffer(self.gates_buffer(stack), f"T, {blocks_text(activation.stack)}", comment)
        for array in self.ordered(self.kept - set(self.gate_of)):
            if array.name in self.states:
                comment = f"{array.name}[0] is {array.name}0, {array.name}[t + 1] that of step t"
                yield Buffer(array.name, f"T + 1, {sizes_text(array)}", comment)
            elif array.name in self.blocked:
                yield Buffer(array.name, f"T, {blocks_text(array)}")
            else:
                yield Buffer(array.name, self.shape(array))

    def shape(self, array: Array) -> str:
        """The shape of the memory for all t; what does not change from step to step is there once."""
        return f"T, {sizes_text(array)}" if self.plan.timed(array) else sizes_text(array)

    def ordered(self, names: set[str]) -> list[Array]:
        return [array for array in self.plan.arrays.values() if array.name in names]


def block_slice(array: Array, label: str) -> str:
    """The subscripts of the block of a stacked axis, by rows, that a label names."""
    stack = stack_of(array)
    assert stack is not None
    k = stack.labels.index(label)
    behind = ", :" * (len(array.sizes) - 1 - block_axis(array))
    return f"..., {k} * {stack.dim} : {k + 1} * {stack.dim}{behind}"


def read_whole(equation: Equation) -> set[str]:
    """The arrays of which an equation reads more than one block."""
    return {e.name for e in equation.value.atoms(Entry) if not any(index.is_number for index in e.indices)}


def _has_blocks_of_rows(array: Array) -> bool:
    return len(array.sizes) == 2 and isinstance(array.sizes[1], Stack)
