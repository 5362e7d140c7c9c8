"""The phases of a plan as stages, one kernel each, and which arrays have to be in memory between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from derive.emit.storage import Storage
from derive.index import Entry
from derive.plan.rotation import AFTER, Rotation, rotate
from derive.plan.schedule import Schedule
from derive.plan.stages import Stage, reads, same_point, stages
from derive.plan.sums import Sum, in_parts, name_sums
from derive.program import Array, Equation

BEFORE = "_before"  # a_before is what of a was computed before the loop


@dataclass(frozen=True)
class Phase:
    """Stages that are launched one after the other.

    Attributes:
        every_step: once for every step, or once for all steps, whose rows are then one long batch.
    """

    name: str
    every_step: bool
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Phases:
    """All phases of a plan."""

    plan: Schedule
    storage: Storage

    @cached_property
    def rotation(self) -> Rotation:
        return rotate(self.plan)

    @cached_property
    def forward(self) -> tuple[Phase, Phase, Phase]:
        return (
            self._phase("forward_before", False, name_sums(map(self._begun, self.plan.hoisted))),
            self._phase("forward_step", True, name_sums(map(self._completed, self.plan.loop))),
            self._phase("forward_after", False, name_sums(map(self._completed, self.plan.after))),
        )

    @cached_property
    def backward(self) -> tuple[Phase, Phase, Phase]:
        return (
            self._phase("backward_step", True, self.rotation.turn),
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
        for arrival in self.rotation.arrivals:
            for name in (arrival.result + AFTER, f"d{arrival.following}_given"):
                found[name] = replace(arrival.previous, name=name, role="cotangent")
        for name in self.rotation.after:
            found[name + AFTER] = replace(found[name], name=name + AFTER)
        return found

    @cached_property
    def in_memory(self) -> set[str]:
        """The arrays that a stage has to store: results, the tape, and what another stage reads."""
        found = self.storage.kept | set(self.plan.step.outputs)
        for phase in self.all:
            for stage in phase.stages:
                found |= {name.removesuffix(AFTER) for name in from_memory(stage)}
                found |= {one.name for one in stage.sums if stage.parts}
        return found | {name.removesuffix(AFTER) for name in from_memory_names(self.rotation)}

    def timed(self, name: str) -> bool:
        """Whether an array has a value for every step."""
        return name in self._timed

    @cached_property
    def _timed(self) -> set[str]:
        found = {array.name for array in self.plan.cell.inputs if array.role in {"sequence", "state"}}
        for equation in (*self.plan.hoisted, *self.plan.loop, *self.plan.after):
            if equation.name in found or any(entry.name in found for entry in reads(equation)):
                found.add(equation.name)
        backward = (*self.plan.coefficients, *self.plan.recurrence)
        found |= {e.name for e in backward} | {a.name for a in self.plan.step.having("cotangent")}
        found |= {e.name for e in self.plan.deferred if self._has_batch(e.array)}
        return found

    def _has_batch(self, array: Array) -> bool:
        return any(str(size) == self.plan.batch for size in array.sizes)

    # -- building the phases -----------------------------------------------------------------------------------

    def _phase(self, name: str, every_step: bool, equations: Iterable[Equation | Sum]) -> Phase:
        return Phase(name, every_step, tuple(self._with_coefficients(stage) for stage in stages(list(equations))))

    def _begun(self, equation: Equation) -> Equation:
        """An equation before the loop, under a name of its own if the loop completes it."""
        if equation.name not in self.storage.begun:
            return equation
        return replace(equation, array=replace(equation.array, name=equation.name + BEFORE))

    def _completed(self, equation: Equation) -> Equation:
        """An equation of the loop with what of it was computed before."""
        if equation.name not in self.storage.begun:
            return equation
        begun = Entry(equation.name + BEFORE, *equation.array.indices)
        return replace(equation, value=begun + equation.value)

    def _with_coefficients(self, stage: Stage) -> Stage:
        """The stage with the coefficients that it reads, each in front of its first user."""
        return replace(stage, equations=tuple(self._preceded(stage.equations)))

    def _preceded(self, equations: tuple[Equation, ...]) -> Iterator[Equation]:
        done: set[str] = set()
        for equation in equations:
            used = {entry.name for entry in reads(equation)}
            for coefficient in self.plan.coefficients:
                if coefficient.name in used - done:
                    done.add(coefficient.name)
                    yield coefficient
            yield equation


def from_memory(stage: Stage) -> dict[str, None]:
    """The names that a stage reads from memory, in order."""
    everything: list[Equation | Sum] = [*stage.sums, *stage.equations]
    own = {one.name: one for one in everything}
    return dict.fromkeys(
        entry.name
        for one in everything
        for entry in reads(one)
        if entry.name not in own or not same_point(entry, one, own)
    )


def from_memory_names(rotation: Rotation) -> set[str]:
    """The arrays of the loop that its next turn, or what is left after the last, reads."""
    return {*rotation.after, *(a.result for a in rotation.arrivals if a.carried)}
