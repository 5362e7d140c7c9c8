"""Everything that the CUDA templates print, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from derive.calculus import COTANGENT, SEED
from derive.emit.cuda.buffers import backward_buffers, forward_buffers
from derive.emit.cuda.code import phase_code
from derive.emit.cuda.comments import backward_comments, forward_comments
from derive.emit.cuda.kernels import Comments, Kernel
from derive.emit.cuda.memory import Memory
from derive.emit.cuda.names import check_names
from derive.emit.cuda.phases import Phase, Phases
from derive.emit.cuda.second import second_module
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
from derive.plan.steps import check_steps
from derive.plan.tangents import tangents
from derive.program import Program


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
    code = {phase.name: phase_code(phase, memory, _comments(phases, phase, numbers)) for phase in phases.all}
    backward = [one for phase in phases.backward for one in code[phase.name].kernels]
    moving = tangents(plan)
    second = second_module(cell, moving, memory)
    return {
        **documentation(cell, derived),
        **step_signature(cell, derived),
        **sequence_signature(cell),
        "functions": functions_in((cell, derived, moving.program), without={"exp", "log", "sqrt", "tanh"}),  # in C++
        "backward_equations": columns(backward_texts(cell, derived, numbers)),
        "phases": [one for one in code.values() if one.launches],
        **code,
        "tape": forward_buffers(memory, "tape"),
        "scratch": forward_buffers(memory, "scratch"),
        "buffers_": backward_buffers(memory, backward),
        **_host(cell, memory, [*backward, *second.kernels]),
        **second.texts,
    }


def _comments(phases: Phases, phase: Phase, numbers: Mapping[str, str]) -> Comments:
    return forward_comments(phases, phase) if phase in phases.forward else backward_comments(phases, phase, numbers)


def _host(cell: Program, memory: Memory, later: Sequence[Kernel]) -> dict[str, object]:
    """What the host does beside launching: arguments that it keeps for later kernels, states and cotangents to copy."""
    owners = {place.owner for one in later for place in one.pointers}
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
            (memory.gradient(one.result.name), None if one.given else COTANGENT + one.seed.name.removeprefix(SEED))
            for one in memory.phases.rotation.arrivals
        ],
    }
