"""The phases of a plan as stages, one kernel each, and which arrays have to be in memory between them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from derive.emit.storage import Storage
from derive.index import Entry
from derive.plan.rotation import AFTER, Arrival, Rotation, handed, rotate
from derive.plan.schedule import Schedule
from derive.plan.stages import Stage, same_point, stages
from derive.plan.sums import Sum, in_parts, name_sums
from derive.program import Array, Equation

BEFORE = "_before"  # a_before is what of a was computed before the loop


@dataclass(frozen=True)
class Phase:
    """Stages that are launched one after the other.

    Attributes:
        every_step: once for every step, or once for all steps, whose rows are then one long batch.
        kept: what a sequence that has ended keeps: the previous value by the next one.
        last: what comes in for last states, on its way through the steps to where a sequence ends.
    """

    name: str
    every_step: bool
    stages: tuple[Stage, ...]
    kept: Mapping[str, str] = field(default_factory=dict)
    last: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Phases:
    """All phases of a plan."""

    plan: Schedule
    storage: Storage

    @cached_property
    def rotation(self) -> Rotation:
        arrays = self.plan.arrays
        wanted = self.plan.step.outputs
        return rotate(self.plan.recurrence, handed(self.plan), wanted, lambda name: self.plan.timed(arrays[name]))

    @cached_property
    def forward(self) -> tuple[Phase, Phase, Phase]:
        return (
            self._phase("forward_before", False, begun(self.plan.hoisted, self.storage.begun)),
            self._phase("forward_step", True, completed(self.plan.loop, self.storage.begun), self.storage.states),
            self._phase("forward_after", False, completed(self.plan.after, self.storage.begun)),
        )

    @cached_property
    def backward(self) -> tuple[Phase, Phase, Phase]:
        return (
            self._phase("backward_step", True, self.rotation.turn, last=last_of(self.rotation.arrivals)),
            self._phase("backward_start", True, self.rotation.rest),
            self._phase("backward_after", False, in_parts(name_sums(self.plan.deferred), self.plan.batch)),
        )

    @cached_property
    def all(self) -> tuple[Phase, ...]:
        return (*self.forward, *self.backward)

    @cached_property
    def arrays(self) -> Mapping[str, Array]:
        """Every array that a stage mentions, by name."""
        found = dict(self.plan.arrays)
        for phase in self.all:
            for stage in phase.stages:
                found.update({array.name: array for array in stage.produced if array.name not in found})
        for name in self.storage.begun:
            found[name + BEFORE] = replace(found[name], name=name + BEFORE)
        return found | later(self.rotation, found)

    @cached_property
    def in_memory(self) -> set[str]:
        """The arrays that a stage has to store: results, the tape, and what another stage reads."""
        found = self.storage.kept | set(self.plan.step.outputs)
        return found | stored(self.all) | from_memory_names(self.rotation)

    def timed(self, name: str) -> bool:
        """Whether an array has a value for every step."""
        return name in self._timed

    @cached_property
    def _timed(self) -> set[str]:
        found = {array.name for array in self.plan.cell.inputs if array.role in {"sequence", "state"}}
        for equation in (*self.plan.hoisted, *self.plan.loop, *self.plan.after):
            # What is the same at all steps has a value for each too, if it is one of a batch: it may be an output.
            if self._has_batch(equation.array) or any(entry.name in found for entry in equation.reads):
                found.add(equation.name)
        backward = (*self.plan.coefficients, *self.plan.recurrence)
        found |= {e.name for e in backward} | {a.name for a in self.plan.step.having("cotangent")}
        found |= {e.name for e in self.plan.deferred if self._has_batch(e.array)}
        return found

    def _has_batch(self, array: Array) -> bool:
        return any(str(size) == self.plan.batch for size in array.sizes)

    # -- building the phases -----------------------------------------------------------------------------------

    def _phase(
        self,
        name: str,
        every_step: bool,
        equations: Sequence[Equation | Sum],
        kept: Mapping[str, str] | None = None,
        last: frozenset[str] = frozenset(),
    ) -> Phase:
        found = tuple(self._with_coefficients(stage) for stage in stages(equations))
        return Phase(name, every_step, found, kept or {}, last)

    def _with_coefficients(self, stage: Stage) -> Stage:
        """The stage with the coefficients that it reads, each in front of its first user."""
        return replace(stage, equations=tuple(self._preceded(stage.equations)))

    def _preceded(self, equations: tuple[Equation, ...]) -> Iterator[Equation]:
        done: set[str] = set()
        for equation in equations:
            used = {entry.name for entry in equation.reads}
            for coefficient in self.plan.coefficients:
                if coefficient.name in used - done:
                    done.add(coefficient.name)
                    yield coefficient
            yield equation


def begun(equations: Iterable[Equation], names: Container[str]) -> list[Equation | Sum]:
    """Equations before the loop, under names of their own those that the loop completes."""
    return name_sums(
        replace(e, array=replace(e.array, name=e.name + BEFORE)) if e.name in names else e for e in equations
    )


def completed(equations: Iterable[Equation], names: Container[str]) -> list[Equation | Sum]:
    """Equations of the loop, with what of them was computed before."""
    return name_sums(with_begun(equations, names))


def with_begun(equations: Iterable[Equation], names: Container[str]) -> list[Equation]:
    """Equations with what of them was computed before the loop."""
    return [
        replace(e, value=Entry(e.name + BEFORE, *e.array.indices) + e.value) if e.name in names else e
        for e in equations
    ]


def later(rotation: Rotation, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """What the turns of a loop read of step t + 1 and from outside, by name."""
    found = [array for one in rotation.arrivals for array in (one.seed, _after(one.result), one.given) if array]
    return {array.name: array for array in (*found, *(_after(arrays[name]) for name in rotation.after))}


def _after(array: Array) -> Array:
    return replace(array, name=array.name + AFTER)


def last_of(arrivals: Iterable[Arrival]) -> frozenset[str]:
    """What carries the cotangents of last states, which come in once, where a sequence ends."""
    return frozenset(one.result.name for one in arrivals if one.given is None)


def stored(phases: Iterable[Phase]) -> set[str]:
    """The arrays that stages read from memory, or that are sums in parts."""
    found: set[str] = set()
    for phase in phases:
        for stage in phase.stages:
            found |= {name.removesuffix(AFTER) for name in from_memory(stage)}
            found |= {one.name for one in stage.sums if stage.parts}
    return found


def from_memory(stage: Stage) -> dict[str, None]:
    """The names that a stage reads from memory, in order."""
    everything: list[Equation | Sum] = [*stage.sums, *stage.equations]
    own = {one.name: one for one in everything}
    return dict.fromkeys(
        entry.name
        for one in everything
        for entry in one.reads
        if entry.name not in own or not same_point(entry, one, own)
    )


def from_memory_names(rotation: Rotation) -> set[str]:
    """The arrays of the loop that its next turn, or what is left after the last, reads."""
    return {*rotation.after, *(one.result.name for one in rotation.arrivals if one.carried)}
