"""The sweeps of the second order: their phases, and where their arrays are.

Upward go the tangents of the forward pass, downward the backward pass and its tangents, the loop turned by one step
like that of the backward pass alone. What may be missing is a null pointer, which the kernels take for zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from derive.calculus import COTANGENT, SEED
from derive.emit.cuda.memory import Memory, Place
from derive.emit.cuda.phases import (
    BEFORE,
    Phase,
    begun,
    completed,
    from_memory,
    from_memory_names,
    last_of,
    later,
    stored,
    with_begun,
)
from derive.plan.products import joined
from derive.plan.rotation import AFTER, GIVEN, Handed, Rotation, rotate
from derive.plan.stages import Stage, stages
from derive.plan.sums import Sum, in_parts, name_sums
from derive.plan.tangents import Carry, Sweep, Tangents
from derive.program import Array, Equation

MOVED, SWEPT, SECOND = "moved", "swept", "second"
"""What holds the arrays of the upward sweep, those of the downward sweep, and its results."""


@dataclass(frozen=True, eq=False)
class Upward:
    """The tangents of the forward pass, from the first step to the last."""

    tangents: Tangents
    forward: Memory

    @property
    def sweep(self) -> Sweep:
        return self.tangents.upward

    @cached_property
    def phases(self) -> tuple[Phase, Phase, Phase]:
        sweep = self.sweep
        kept = {carry.leaves: carry.arrives for carry in sweep.carries}
        return (
            Phase("upward_before", False, self.stages(begun((*sweep.constant, *sweep.before), sweep.begun))),
            Phase("upward_step", True, self.stages(completed(sweep.loop, sweep.begun)), kept),
            Phase("upward_after", False, self.stages(name_sums(sweep.after))),
        )

    def stages(self, equations: Sequence[Equation | Sum]) -> tuple[Stage, ...]:
        """Equations of a phase, with products added up as one, and in parts what is summed over all rows."""
        return tuple(stages(in_parts(joined(equations, self.batch), self.batch)))

    @property
    def batch(self) -> str:
        return self.forward.batch

    @property
    def dims(self) -> tuple[str, ...]:
        return self.forward.dims

    @cached_property
    def arrays(self) -> Mapping[str, Array]:
        return {**self.tangents.program.arrays, **_produced(self.phases)}

    @cached_property
    def in_memory(self) -> frozenset[str]:
        return frozenset(stored(self.phases)) | self.handed | {*self.sweep.results} | self.shared

    @cached_property
    def shared(self) -> frozenset[str]:
        """What the downward sweep reads."""
        return self.tangents.shared - {e.name for e in self.tangents.downward.equations}

    @cached_property
    def handed(self) -> frozenset[str]:
        return frozenset(carry.leaves for carry in self.sweep.carries)

    @cached_property
    def lasting(self) -> frozenset[str]:
        """What the sweep itself needs for all steps."""
        early, _, late = self.phases
        own = {name.removesuffix(BEFORE) for name in _produced((early, late))}
        return frozenset(own | _read_by(late)) | self.handed | {*self.sweep.results}

    @cached_property
    def own(self) -> frozenset[str]:
        """What the sweep computes."""
        return frozenset(name.removesuffix(BEFORE) for name in _produced(self.phases)) | self.handed

    def place(self, name: str) -> Place:
        """Where an array is."""
        array, stem = self.arrays[name], name.removesuffix(BEFORE)
        for carry in self.sweep.carries:
            if stem in {carry.arrives, carry.leaves}:
                return Place(stem, array, f"{MOVED}.{carry.leaves}", timed=True, offset=int(stem == carry.leaves))
        if name in self.sweep.optional:
            return Place(name, array, name, self.tangents.plan.timed(array), optional=True)
        if stem not in self.own:
            return self.forward.place(name)
        timed = self.tangents.plan.timed(array) and stem in self.lasting | self.shared
        return Place(stem, array, f"{MOVED}.{stem}", timed)


@dataclass(frozen=True, eq=False)
class Downward:
    """The backward pass and its tangents, from the last step to the first."""

    upward: Upward

    @property
    def tangents(self) -> Tangents:
        return self.upward.tangents

    @property
    def sweep(self) -> Sweep:
        return self.tangents.downward

    @cached_property
    def rotation(self) -> Rotation:
        crossings = [self._handed(carry) for carry in self.sweep.carries]
        equations = with_begun(self.sweep.loop, self.sweep.begun)
        return rotate(equations, crossings, self.sweep.results, self._timed)

    def _timed(self, name: str) -> bool:
        return self.tangents.plan.timed(self.tangents.program.arrays[name.removesuffix(BEFORE)])

    def _handed(self, carry: Carry) -> Handed:
        arrays = self.tangents.program.arrays
        result, seed = arrays[carry.leaves], arrays[carry.arrives]
        name = self.given_name(seed)
        outputs = {COTANGENT + output for output in self.tangents.plan.cell.outputs}
        is_output = name.removesuffix(self._mark(seed)) in outputs
        return Handed(result, seed, Array(name + GIVEN, seed.sizes, seed.role) if is_output else None)

    def given_name(self, seed: Array) -> str:
        """The argument that says what reaches an array from outside: ``dh``, ``dh_dot``."""
        return COTANGENT + seed.name.removeprefix(SEED)

    def _mark(self, array: Array) -> str:
        return self.tangents.mark if array.role == "tangent" else ""

    @cached_property
    def phases(self) -> tuple[Phase, Phase, Phase, Phase]:
        sweep, rotation = self.sweep, self.rotation
        staged, last = self.upward.stages, last_of(rotation.arrivals)
        return (
            Phase("downward_before", False, staged(begun((*sweep.constant, *sweep.before), sweep.begun))),
            Phase("downward_step", True, staged(rotation.turn), last=last),
            Phase("downward_start", True, staged(rotation.rest)),
            Phase("downward_after", False, staged(name_sums(sweep.after))),
        )

    @property
    def batch(self) -> str:
        return self.upward.batch

    @property
    def dims(self) -> tuple[str, ...]:
        return self.upward.dims

    @cached_property
    def arrays(self) -> Mapping[str, Array]:
        found = {**self.upward.arrays, **_produced(self.phases)}
        return found | later(self.rotation, found)

    @cached_property
    def in_memory(self) -> frozenset[str]:
        return frozenset(stored(self.phases) | from_memory_names(self.rotation)) | {*self.sweep.results}

    @cached_property
    def lasting(self) -> frozenset[str]:
        """What the sweep needs for all steps: for the next turn's sums, or for what comes after the loop."""
        early, _, _, late = self.phases
        own = {name.removesuffix(BEFORE) for name in _produced((early, late))}
        return frozenset(own | _read_by(late) | {*self.rotation.after})

    @cached_property
    def _given(self) -> Mapping[str, str]:
        """The arguments by what the kernels call them."""
        arrays, states = self.tangents.program.arrays, {carry.arrives for carry in self.sweep.carries}
        seeds = [SEED + name + mark for name in self.tangents.plan.cell.outputs for mark in ("", self.tangents.mark)]
        whole = {seed: self.given_name(arrays[seed]) for seed in seeds if seed in arrays and seed not in states}
        parts = [one.given.name for one in self.rotation.arrivals if one.given]
        return whole | {name: name.removesuffix(GIVEN) for name in parts}

    def place(self, name: str) -> Place:
        """Where an array is."""
        array, stem = self.arrays[name], name.removesuffix(BEFORE).removesuffix(AFTER)
        if name in self._given:
            return Place(name, array, self._given[name], timed=True, optional=True)
        if stem in self.sweep.results:
            sequences = {
                COTANGENT + one.name + self.tangents.mark for one in self.tangents.plan.cell.having("sequence")
            }
            field = self.upward.forward.gradient(stem.removesuffix(self.tangents.mark))
            return Place(stem, array, f"{SECOND}.{field}", timed=stem in sequences)
        if stem not in self._own:
            return self.upward.place(name)
        timed = self.tangents.plan.timed(array) and stem in self.lasting
        if timed and name.endswith(AFTER):
            return Place(name, array, f"{SWEPT}.{stem}", timed, offset=1)
        return Place(stem, array, f"{SWEPT}.{stem}", timed)

    @cached_property
    def _own(self) -> frozenset[str]:
        made = {name.removesuffix(BEFORE) for name in _produced(self.phases)}
        return frozenset(made | from_memory_names(self.rotation))


def _produced(phases: Iterable[Phase]) -> dict[str, Array]:
    return {array.name: array for phase in phases for stage in phase.stages for array in stage.produced}


def _read_by(phase: Phase) -> set[str]:
    return {name for stage in phase.stages for name in from_memory(stage)}
