"""Which memory an array of a kernel is: the kernel's pointer to it, and what the host passes for that."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from sympy import Integer

from derive.calculus import COTANGENT, SEED
from derive.emit.cuda.phases import BEFORE, Phases, from_memory
from derive.index import Stack
from derive.plan.rotation import AFTER, GIVEN
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
        number: the type of its entries.
    """

    pointer: str
    array: Array
    owner: str
    timed: bool
    block: int | None = None
    offset: int = 0
    optional: bool = False
    number: str = "Real"

    def at(self, step: str | None) -> str:
        """What the host passes: the address for one step, or for all from the first on."""
        if not self.timed or step is None:
            return f"{self.owner}.at({self.offset if self.timed else 0})"
        return f"{self.owner}.at({step} + {self.offset})" if self.offset else f"{self.owner}.at({step})"


class Located(Protocol):
    """What kernels are built from beside their stages: arrays and where they are.

    Attributes:
        arrays: every array that a stage mentions, by name.
        in_memory: those that a stage has to store.
        batch, dims: the names of the batch dimension and of all dimensions.
    """

    @property
    def arrays(self) -> Mapping[str, Array]: ...
    def __hash__(self) -> int: ...
    @property
    def in_memory(self) -> Container[str]: ...
    @property
    def batch(self) -> str: ...
    @property
    def dims(self) -> tuple[str, ...]: ...

    def place(self, name: str) -> Place:
        """Where an array is."""


@dataclass(frozen=True, eq=False)
class Memory:
    """The places of all arrays of a plan."""

    phases: Phases

    @property
    def arrays(self) -> Mapping[str, Array]:
        return self.phases.arrays

    @property
    def in_memory(self) -> Container[str]:
        return self.phases.in_memory

    @property
    def batch(self) -> str:
        return self.phases.plan.batch

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
        if array.role == "cotangent" or name in self.backward:
            return self._backward_place(name, array)
        return self._forward_place(name, array)

    def _forward_place(self, name: str, array: Array) -> Place:
        storage, timed = self.phases.storage, self.phases.timed(name.removesuffix(BEFORE))
        if name in {one.name for one in self.phases.plan.cell.inputs} - set(storage.previous):
            return Place(name, array, name, timed)
        if name in storage.previous:
            return Place(name, array, f"tape.{storage.previous[name]}", timed=True)
        stem = name.removesuffix(BEFORE)
        if stem in storage.states:
            return Place(stem, array, f"tape.{stem}", timed=True, offset=1)
        if name in storage.gate_of:
            buffer, block = storage.gate_of[name]
            stack = next(a.stack for a in storage.activations.values() if name in a.names)
            return Place(buffer, stack, f"tape.{buffer}", timed=True, block=block)
        if stem in storage.activations:
            buffer = storage.gates_buffer(stem)
            return Place(buffer, array, f"tape.{buffer}", timed=True)
        owner = "tape" if stem in storage.kept else "scratch"
        return Place(stem, array, f"{owner}.{stem}", timed and stem in storage.all_time)

    @cached_property
    def backward(self) -> set[str]:
        """The arrays that the backward pass computes, coefficients apart."""
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
        return Place(name, array, f"buffers.{name}", self._kept_for_all_steps(name))

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

    def _kept_for_all_steps(self, name: str) -> bool:
        """Whether a cotangent is kept for all steps: for what comes after the loop, or for the next turn's sums."""
        computed_then = name in {e.name for e in self.phases.plan.deferred}
        return self.phases.timed(name) if computed_then else name in self._kept_for_later

    @cached_property
    def _kept_for_later(self) -> set[str]:
        turns, _, after = self.phases.backward
        read = {name for stage in after.stages for name in from_memory(stage)}
        produced = {array.name for stage in turns.stages for array in stage.produced}
        return read & produced | set(self.phases.rotation.after)
