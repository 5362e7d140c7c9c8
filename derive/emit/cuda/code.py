"""The kernels of a phase and their launches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from derive.emit.cuda.kernels import Comments, Kernel, kernel
from derive.emit.cuda.launches import Launch, launch
from derive.emit.cuda.memory import Located
from derive.emit.cuda.phases import Phase
from derive.plan.stages import Stage

_TITLES = {
    "forward_before": "Forward, before the loop, for all steps at once",
    "forward_step": "Forward, one step",
    "forward_after": "Forward, after the loop, for all steps at once",
    "backward_step": "Backward, one step, from the last to the first",
    "backward_start": "Backward, what reaches the initial states from the first step",
    "backward_after": "Backward, after the loop, for all steps at once",
    "upward_before": "Tangents of the forward pass, before the loop, for all steps at once",
    "upward_step": "Tangents of the forward pass, one step",
    "upward_after": "Tangents of the forward pass, after the loop, for all steps at once",
    "downward_before": "The backward pass and its tangents, before the loop, for all steps at once",
    "downward_step": "The backward pass and its tangents, one step, from the last to the first",
    "downward_start": "The backward pass and its tangents, what reaches the initial states from the first step",
    "downward_after": "The backward pass and its tangents, after the loop, for all steps at once",
}
_STEPS = {"step": "t", "start": "0"}  # the others are for all steps


@dataclass(frozen=True)
class PhaseCode:
    """The kernels of a phase and their launches."""

    title: str
    launches: tuple[Launch, ...]

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        return tuple(one.kernel for one in self.launches)


def phase_code(phase: Phase, memory: Located, comments: Comments) -> PhaseCode:
    """A phase of kernels whose arrays are where the memory says."""
    made = [kernel(name, stage, phase, memory, comments) for name, stage in _named(phase, memory)]
    step = _STEPS.get(phase.name.rpartition("_")[2])
    return PhaseCode(_TITLES[phase.name], tuple(launch(one, step, memory.batch) for one in made))


def _named(phase: Phase, memory: Located) -> Iterator[tuple[str, Stage]]:
    """The stages with their kernels' names: of several in a phase, each is named after its first result.

    A stage whose results nobody reads is none.
    """
    stored = [[array.name for array in stage.produced if array.name in memory.in_memory] for stage in phase.stages]
    for stage, names in zip(phase.stages, stored, strict=True):
        if names:
            yield (phase.name if len(phase.stages) == 1 else f"{phase.name}_{names[0]}"), stage
