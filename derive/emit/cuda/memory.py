"""Which memory an array of a kernel is: the kernel's pointer to it, and what the host passes for that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from sympy import Integer

from derive.calculus import COTANGENT, SEED
from derive.emit.cuda.addresses import count_text
from derive.emit.cuda.phases import BEFORE, Phases, from_memory
from derive.emit.layout import Buffer, sizes_text
from derive.index import Stack
from derive.plan.rotation import AFTER, GIVEN
from derive.plan.sums import PARTS
from derive.program import Array


@dataclass(frozen=True)
class Place:
    """The memory of an array.

    Attributes:
        pointer: the kernel's name for it, to which an underscore is added.
        array: the array whose shape the memory has.
        block: the block of that array, where it is one.
        owner: the Python expression of the memory.
        timed: whether it has a piece for every step.
        offset: how many steps later than step t the piece for step t lies.
        optional: whether it may be missing, which means zeros.
    """

    pointer: str
    array: Array
    owner: str
    timed: bool
    block: int | None = None
    offset: int = 0
    optional: bool = False

    def at(self, step: str | None) -> str:
        """What the host passes: the address for one step, or for all from the first on."""
        if not self.timed or step is None:
            return f"{self.owner}.at({self.offset if self.timed else 0})"
        return f"{self.owner}.at({step} + {self.offset})" if self.offset else f"{self.owner}.at({step})"


@dataclass(frozen=True)
class Memory:
    """The places of all arrays of a plan."""

    phases: Phases

    @cached_property
    def dims(self) -> tuple[str, ...]:
        """The names of the cell's dimensions, in order of appearance."""
        sizes = [size for array in self.phases.plan.cell.inputs for size in array.sizes]
        names = [str(size.dim if isinstance(size, Stack) else size) for size in sizes if not isinstance(size, Integer)]
        return tuple(dict.fromkeys(names))

    def place(self, name: str) -> Place:
        """Where an array is.

        Raises:
            KeyError: for an array that has no memory.
        """
        array = self.phases.arrays[name]
        if array.role == "cotangent" or name in self._backward:
            return self._backward_place(name, array)
        return self._forward_place(name, array)

    def _forward_place(self, name: str, array: Array) -> Place:
        storage, timed = self.phases.storage, self.phases.timed(name.removesuffix(BEFORE))
        if name in {one.name for one in self.phases.plan.cell.inputs} - set(storage.previous):
            return Place(name, array, name, timed)
        if name in storage.previous:
            return Place(name, array, f"tape.{storage.previous[name]}", timed=True)
        if name in storage.states:
            return Place(name, array, f"tape.{name}", timed=True, offset=1)
        if name in storage.gate_of:
            buffer, block = storage.gate_of[name]
            stack = next(a.stack for a in storage.activations.values() if name in a.names)
            return Place(buffer, stack, f"tape.{buffer}", timed=True, block=block)
        stem = name.removesuffix(BEFORE)
        if stem in storage.activations:
            buffer = storage.gates_buffer(stem)
            return Place(buffer, array, f"tape.{buffer}", timed=True)
        owner = "tape" if stem in storage.kept else "scratch"
        return Place(stem, array, f"{owner}.{stem}", timed and self._for_all_steps(stem))

    def _for_all_steps(self, name: str) -> bool:
        return name in self.phases.storage.all_time

    @cached_property
    def _backward(self) -> set[str]:
        plan = self.phases.plan
        produced = {array.name for phase in self.phases.backward for s in phase.stages for array in s.produced}
        return produced - {e.name for e in plan.coefficients}

    def _backward_place(self, name: str, array: Array) -> Place:
        plan, storage = self.phases.plan, self.phases.storage
        if name.endswith(GIVEN):
            return Place(name, array, name.removesuffix(GIVEN), timed=True, optional=True)
        if name in self._given_whole:
            return Place(name, array, COTANGENT + name.removeprefix(SEED), timed=True, optional=True)
        stem = name.removesuffix(AFTER)
        if stem in plan.step.outputs:
            return Place(stem, array, f"gradients.{self.gradient(stem)}", self._is_sequence(stem))
        if name.endswith(AFTER):
            return Place(name, array, f"buffers.{stem}", timed=True, offset=1)
        assert name not in storage.kept
        return Place(name, array, f"buffers.{name}", self.backward_timed(name))

    @cached_property
    def _given_whole(self) -> set[str]:
        """Seeds of outputs that are no states: what is given is all there is."""
        states = set(self.phases.storage.states)
        return {SEED + name for name in self.phases.plan.cell.outputs if name not in states}

    def gradient(self, cotangent: str) -> str:
        """The field of the gradients: dh0 for dh_prev."""
        previous = cotangent.removeprefix(COTANGENT)
        following = self.phases.storage.previous.get(previous)
        return f"{COTANGENT}{following}0" if following else cotangent

    def _is_sequence(self, cotangent: str) -> bool:
        sequences = {array.name for array in self.phases.plan.cell.having("sequence")}
        return cotangent.removeprefix(COTANGENT) in sequences

    def backward_timed(self, name: str) -> bool:
        """Whether a cotangent is kept for all steps: for what comes after the loop, or for the next turn's sums."""
        plan = self.phases.plan
        later = {e.name for e in plan.deferred}
        return (name in later and self.phases.timed(name)) or name in self._kept_for_later

    @cached_property
    def _kept_for_later(self) -> set[str]:
        turns, _, after = self.phases.backward
        read = {name for stage in after.stages for name in from_memory(stage)}
        produced = {array.name for stage in turns.stages for array in stage.produced}
        return read & produced | set(self.phases.rotation.after)

    # -- what the host allocates ---------------------------------------------------------------------------------

    def forward_buffers(self, owner: str) -> Iterator[Buffer]:
        """The memory of the forward pass that is an attribute of ``tape`` or ``scratch``."""
        found: dict[str, Buffer] = {}
        if owner == "tape":
            found.update({buffer.name: buffer for buffer in self._gates()})
        for phase in self.phases.forward:
            for stage in phase.stages:
                for array in stage.produced:
                    stem = array.name.removesuffix(BEFORE)
                    if array.name not in self.phases.in_memory or self._in_gates(stem):
                        continue
                    place = self.place(array.name)
                    if place.owner == f"{owner}.{stem}":
                        found.setdefault(stem, self._buffer(place))
        yield from found.values()

    def _gates(self) -> Iterator[Buffer]:
        storage = self.phases.storage
        for name, activation in storage.activations.items():
            blocks = ", ".join(activation.names)
            yield Buffer(storage.gates_buffer(name), f"T, {sizes_text(activation.stack)}", blocks)

    def _in_gates(self, name: str) -> bool:
        return name in self.phases.storage.gate_of or name in self.phases.storage.activations

    def _buffer(self, place: Place) -> Buffer:
        name = place.owner.partition(".")[2]
        sizes = sizes_text(place.array)
        if place.offset:
            comment = f"{name}[0] is {name}0, {name}[t + 1] that of step t"
            return Buffer(name, f"T + 1, {sizes}", comment)
        return Buffer(name, f"T, {sizes}" if place.timed else sizes + ("" if ", " in sizes or not sizes else ","))

    def backward_buffers(self) -> Iterator[Buffer]:
        """The memory of the backward pass that is an attribute of ``buffers``."""
        for phase in self.phases.backward:
            for stage in phase.stages:
                for array in stage.produced:
                    if array.name not in self.phases.in_memory or array.name not in self._backward:
                        continue
                    place = self.place(array.name)
                    if PARTS in array.sizes:
                        sizes = sizes_text(array).partition(", ")[2]
                        points = count_text(s.dim if isinstance(s, Stack) else s for s in array.sizes[1:])
                        parts = f"_parts(T * {self.phases.plan.batch}, {points})"
                        yield Buffer(array.name, f"{parts}, {sizes}" if sizes else f"{parts},")
                    elif place.owner.startswith("buffers.") and not array.name.startswith("sum_"):
                        yield self._buffer(place)
