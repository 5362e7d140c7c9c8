"""Everything that the CUDA templates print, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from derive.calculus import COTANGENT
from derive.emit.cuda.buffers import backward_buffers, forward_buffers
from derive.emit.cuda.comments import backward_comments, forward_comments
from derive.emit.cuda.kernels import Comments, Kernel, kernel
from derive.emit.cuda.launches import Launch, launch
from derive.emit.cuda.memory import Memory
from derive.emit.cuda.names import check_names
from derive.emit.cuda.phases import Phase, Phases
from derive.emit.invented import check_invented
from derive.emit.signature import (
    backward_texts,
    columns,
    documentation,
    functions_in,
    last_states,
    sequence_signature,
    step_signature,
    with_backward,
)
from derive.emit.storage import Storage
from derive.plan.schedule import schedule
from derive.plan.stages import Stage
from derive.plan.steps import check_steps
from derive.program import Program

_TITLES = {
    "forward_before": "Forward, before the loop, for all steps at once",
    "forward_step": "Forward, one step",
    "forward_after": "Forward, after the loop, for all steps at once",
    "backward_step": "Backward, one step, from the last to the first",
    "backward_start": "Backward, what reaches the initial states from the first step",
    "backward_after": "Backward, after the loop, for all steps at once",
}
_STEPS = {"forward_step": "t", "backward_step": "t", "backward_start": "0"}


@dataclass(frozen=True)
class PhaseCode:
    """The kernels of a phase and their launches."""

    title: str
    launches: tuple[Launch, ...]

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        return tuple(one.kernel for one in self.launches)


def cuda_module(cell: Program, numbers: Mapping[str, str]) -> dict[str, object]:
    """What the templates of a cell's kernels and of its PyCUDA module need.

    Args:
        numbers: the notes' equation numbers by cotangent, e.g. ``{"dc": "eq 2", "da_i": "eq 7"}``.

    Raises:
        CellError: for a name that generated code needs itself, or a cell whose arrays have no place in CUDA.
    """
    derived = with_backward(cell)
    check_names(derived)
    plan = schedule(cell)
    check_steps(plan)
    check_invented(plan)
    phases = Phases(plan, Storage(plan))
    memory = Memory(phases)
    code = {phase.name: _phase(phase, memory, _comments(phases, phase, numbers)) for phase in phases.all}
    backward = [one for phase in phases.backward for one in code[phase.name].kernels]
    return {
        **documentation(cell, derived),
        **step_signature(cell, derived),
        **sequence_signature(cell),
        "functions": functions_in((cell, derived), without={"exp", "log", "sqrt", "tanh"}),  # C++ has these
        "backward_equations": columns(backward_texts(cell, derived, numbers)),
        "phases": [one for one in code.values() if one.launches],
        **code,
        "tape": forward_buffers(memory, "tape"),
        "scratch": forward_buffers(memory, "scratch"),
        "buffers_": backward_buffers(memory, backward),
        **_host(cell, memory, backward),
    }


def _comments(phases: Phases, phase: Phase, numbers: Mapping[str, str]) -> Comments:
    return forward_comments(phases, phase) if phase in phases.forward else backward_comments(phases, phase, numbers)


def _phase(phase: Phase, memory: Memory, comments: Comments) -> PhaseCode:
    batch = memory.phases.plan.batch
    made = [kernel(name, stage, phase, memory, comments) for name, stage in _named(phase, memory)]
    return PhaseCode(_TITLES[phase.name], tuple(launch(one, _STEPS.get(phase.name), batch) for one in made))


def _named(phase: Phase, memory: Memory) -> Iterator[tuple[str, Stage]]:
    """The stages with their kernels' names: of several in a phase, each is named after its first result.

    A stage whose results nobody reads is none.
    """
    stored = [[a.name for a in stage.produced if a.name in memory.phases.in_memory] for stage in phase.stages]
    for stage, names in zip(phase.stages, stored, strict=True):
        if names:
            yield (phase.name if len(phase.stages) == 1 else f"{phase.name}_{names[0]}"), stage


def _host(cell: Program, memory: Memory, backward: Sequence[Kernel]) -> dict[str, object]:
    """What the host does beside launching: arguments that it keeps, states and cotangents that it copies."""
    owners = {place.owner for one in backward for place in one.pointers}
    kept = [array.name for array in cell.inputs if array.role != "state" and array.name in owners]
    following = {state.next for state in cell.having("state")}
    last = last_states(cell)
    outputs = [(f"tape.{name}", int(name in following)) for name in cell.outputs]
    whole = [
        *(f"{source}.steps({first})" for source, first in outputs),
        *(f"tape.{name}.one(T)" for name in last),
    ]
    ordered = [
        *(
            f'order.taken("{name}", {source}, memory, stream, {first}).whole()'
            for name, (source, first) in zip(cell.outputs, outputs, strict=True)
        ),
        *(f'order.last("{name}", tape.{name}, memory, stream).whole()' for name in last),
    ]
    single = [*(f"{source}.one({first})" for source, first in outputs), *(f"tape.{name}.one(1)" for name in last)]
    fields = [memory.gradient(COTANGENT + array.name) for array in cell.inputs]
    return {
        "kept_inputs": kept,
        "kept_unpack": ", ".join([*kept, "tape"]) + " = " + ", ".join(f"cache.{name}" for name in [*kept, "tape"]),
        "cache_values": ", ".join([*kept, "tape", "sizes", "dtype", "order", "workspace", "calls"]),
        "input_names": ", ".join(f"{a.next}0" if a.role == "state" else a.name for a in cell.inputs),
        "result_views": ", ".join(whole),
        "ordered_results": ordered,
        "step_views": ", ".join(single),
        "gradient_views": [
            (name, f"{name if array.role == 'sequence' else f'gradients.{name}'}.whole()")
            for array, name in zip(cell.inputs, fields, strict=True)
        ],
        "step_gradient_views": [
            (COTANGENT + array.name, f"gradients.{name}.{'one(0)' if array.role == 'sequence' else 'whole()'}")
            for array, name in zip(cell.inputs, fields, strict=True)
        ],
        "last_cotangents": [
            (memory.gradient(one.result), None if one.given else COTANGENT + one.following)
            for one in memory.phases.rotation.arrivals
        ],
    }
