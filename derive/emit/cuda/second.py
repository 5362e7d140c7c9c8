"""What the templates print for the functions of second order, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from derive.calculus import COTANGENT
from derive.emit.cuda.buffers import moved_buffers, swept_buffers
from derive.emit.cuda.code import PhaseCode, phase_code
from derive.emit.cuda.comments import sweep_comments
from derive.emit.cuda.kernels import Kernel
from derive.emit.cuda.memory import Memory
from derive.emit.cuda.sweeps import MOVED, Downward, Upward
from derive.emit.signature import last_states, second_signature
from derive.plan.tangents import Tangents
from derive.program import Program
from derive.show import UNICODE, equation_text


@dataclass(frozen=True)
class SecondModule:
    """The kernels of both sweeps, and what else the templates need."""

    kernels: tuple[Kernel, ...]
    texts: dict[str, object]


def second_module(cell: Program, tangents: Tangents, memory: Memory) -> SecondModule:
    """The functions of second order of a cell whose first-order arrays are where the memory says."""
    upward = Upward(tangents, memory)
    downward = Downward(upward)
    up = {one.name: phase_code(one, upward, sweep_comments(upward, one)) for one in upward.phases}
    down = {one.name: phase_code(one, downward, sweep_comments(downward, one)) for one in downward.phases}
    moved, more = moved_buffers(upward)
    return SecondModule(
        tuple(_kernels((*up.values(), *down.values()))),
        {
            **second_signature(cell, tangents.mark),
            **up,
            **down,
            "second_phases": [one for one in (*up.values(), *down.values()) if one.launches],
            "second_equations": list(_equations(tangents)),
            "moved": moved,
            "moved_for_second": more,
            "swept": swept_buffers(downward, _kernels(down.values())),
            "upward_bindings": _bindings(cell, _kernels(up.values())),
            "downward_bindings": _bindings(cell, _kernels(down.values())),
            "moved_states": [(c.leaves, _initial(c.leaves, tangents.mark)) for c in tangents.upward.carries],
            "swept_states": list(_swept_states(downward)),
            "tangent_views": list(_views(cell, tangents.mark)),
            "given_over_time": [f"{COTANGENT}{name}{mark}" for name in cell.outputs for mark in ("", tangents.mark)],
        },
    )


def _kernels(phases: Iterable[PhaseCode]) -> Iterator[Kernel]:
    for phase in phases:
        yield from phase.kernels


def _equations(tangents: Tangents) -> Iterator[str]:
    """The tangents of the forward pass."""
    program = tangents.program
    moved = {e.name + tangents.mark for e in tangents.plan.step.equations if e.array.role != "cotangent"}
    yield from (equation_text(e, program, UNICODE) for e in program.equations if e.name in moved)


def _bindings(cell: Program, kernels: Iterable[Kernel]) -> str:
    """``x, W_h, tape = cache.x, cache.W_h, cache.tape``."""
    owners = {place.owner for one in kernels for place in one.pointers}
    names = [*(array.name for array in cell.inputs if array.role != "state" and array.name in owners), "tape"]
    return f"{', '.join(names)} = {', '.join(f'cache.{name}' for name in names)}"


def _initial(tangent: str, mark: str) -> str:
    """``h0_dot``."""
    return f"{tangent.removesuffix(mark)}0{mark}"


def _swept_states(downward: Downward) -> Iterator[tuple[str, str | None]]:
    """What is handed to the last step: its memory, and the argument that it is copied from."""
    for one in downward.rotation.arrivals:
        if one.result.name in downward.in_memory:
            yield downward.place(one.result.name).owner, None if one.given else downward.given_name(one.seed)


def _views(cell: Program, mark: str) -> Iterator[tuple[str, str, str]]:
    """(name, in the plain order, in another) of the tangents of all results."""
    following = {state.next for state in cell.having("state")}
    for output in cell.outputs:
        name, first = output + mark, int(output in following)
        source = f"{MOVED}.{name}"
        yield name, f"{source}.steps({first})", f'order.taken("{name}", {source}, {{}}, stream, {first}).whole()'
    for state in last_states(cell):
        source = f"{MOVED}.{state}{mark}"
        last = f'order.last("{state}{mark}", {source}, {{}}, stream).whole()'
        yield state + mark, f'{source}.one(cache.sizes["T"])', last
