"""Everything that the NumPy template prints, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

from derive.emit.invented import check_invented
from derive.emit.layout import Block
from derive.emit.numpy.backward import BackwardCode, backward_code
from derive.emit.numpy.expressions import NATIVE
from derive.emit.numpy.forward import ForwardCode, forward_code
from derive.emit.numpy.lines import words
from derive.emit.numpy.step import step_code
from derive.emit.numpy.sweeps import SweepCode, downward_code, upward_code
from derive.emit.signature import (
    backward_texts,
    columns,
    dim_names,
    documentation,
    functions_in,
    last_states,
    second_signature,
    sequence_signature,
    step_signature,
    with_backward,
)
from derive.errors import CellError
from derive.plan.schedule import names_in, schedule
from derive.plan.steps import check_steps
from derive.plan.tangents import Sweep, Tangents, tangents
from derive.program import Program

_UFUNCS = (
    "add", "copyto", "divide", "einsum", "exp", "log", "matmul", "multiply", "negative", "power", "reciprocal", "sqrt",
    "subtract", "tanh",
)  # fmt: skip
_RESERVED = {
    *_UFUNCS, "Any", "Array", "T", "arguments", "buffers", "cache", "calls", "count", "dtype", "ended", "ended_all",
    "ending", "ending_all", "gradients", "lengths", "max", "memory", "np", "order", "range", "reverse", "scratch",
    "sizes", "slice", "steps", "stop", "tape", "workspace", "zip", "chunk", "keep", "moved", "second", "start", "swept",
}  # fmt: skip


def numpy_module(cell: Program, numbers: Mapping[str, str]) -> dict[str, object]:
    """What the template of a cell's NumPy module needs.

    Args:
        numbers: the notes' equation numbers by cotangent, e.g. ``{"dc": "eq 2", "da_i": "eq 7"}``.

    Raises:
        CellError: for a name that generated code needs itself, or a cell whose steps cannot be computed at once.
    """
    derived = with_backward(cell)
    _check_names(derived)
    plan = schedule(cell)
    check_steps(plan)
    check_invented(plan)
    forward, backward = forward_code(plan), backward_code(plan, numbers)
    second = tangents(plan)
    upward, downward = upward_code(second), downward_code(second)
    return {
        **documentation(cell, derived),
        **_step(cell, derived, numbers),
        **sequence_signature(cell),
        "result_sources": _result_sources(cell),
        **_forward(forward),
        **_backward(cell, backward, _plain_names(cell, second.upward, second.downward)),
        **_second(cell, second, upward, downward),
        "ufuncs": ", ".join(_ufuncs(forward, backward, upward, downward)),
        "functions": _functions(cell, derived, second.program),
    }


def _functions(*programs: Program) -> list[str]:
    """The functions that NumPy lacks and the module has itself."""
    own = functions_in(programs, without=NATIVE)
    return [*own, "given"] if set(own) - {"sigmoid"} else own


def _check_names(derived: Program) -> None:
    dims = dim_names(derived)
    for name in (*derived.arrays, *dims):
        if name in _RESERVED or (name in derived.arrays and name in dims):
            raise CellError(f"cell {derived.name}: generated code needs the name {name!r} itself")


def _step(cell: Program, derived: Program, numbers: Mapping[str, str]) -> dict[str, object]:
    code = step_code(cell, numbers)
    return {
        **step_signature(cell, derived),
        "step": code,
        "backward_equations": columns(backward_texts(cell, derived, numbers)),
        "step_cache_names": wrap(", ".join([*code.cache, "sizes", "dtype"]), width=100),
    }


def _result_sources(cell: Program) -> list[tuple[str, str]]:
    """The results of ``forward``, and where they are."""
    following = {state.next for state in cell.having("state")}
    outputs = [(name, f"tape.{name}[1:]" if name in following else f"tape.{name}") for name in cell.outputs]
    return [*outputs, *((name, f"tape.{name}[T]") for name in last_states(cell))]


def _forward(code: ForwardCode) -> dict[str, object]:
    return {"forward": code, "tape": code.tape, "scratch": code.scratch}


def _plain_names(cell: Program, *sweeps: Sweep) -> list[str]:
    """The arguments of ``forward`` that sweeps read, initial states apart."""
    used = names_in(equation for sweep in sweeps for equation in sweep.equations)
    return [array.name for array in cell.inputs if array.role != "state" and array.name in used]


def _backward(cell: Program, code: BackwardCode, also: Sequence[str]) -> dict[str, object]:
    """The parts of ``backward``, and of the cache, which keeps arguments for the second order also."""
    plain = [array.name for array in cell.inputs if array.role != "state"]
    sources = Block((), tuple(source for _, source in code.loop.pairs))
    coefficients = words((*code.coefficients.blocks, Block((), code.coefficients.names)))
    dims = [dim for dim in dim_names(cell) if dim in coefficients]
    rest = words((*code.loop.blocks, *code.deferred, sources, Block((), code.setup)))
    kept = [name for name in plain if name in coefficients | rest | set(also)]
    return {
        "backward": code,
        "kept_inputs": kept,
        "cache_values": ", ".join([*kept, "tape", "sizes", "dtype", "order", "workspace", "calls"]),
        "coefficient_bindings": [
            *_from_cache([*(name for name in kept if name in coefficients), "tape"]),
            *(f'{dim} = cache.sizes["{dim}"]' for dim in dims),
            *code.coefficients.names,
        ],
        "backward_bindings": _from_cache([*(name for name in kept if name in rest), "tape"]),
        "backward_setup": [*code.start, *code.setup],
        "backward_buffers": code.buffers,
    }


def _second(cell: Program, second: Tangents, upward: SweepCode, downward: SweepCode) -> dict[str, object]:
    mark = second.mark
    following = {state.next for state in cell.having("state")}
    sources = [f"moved.{name}{mark}[1:]" if name in following else f"moved.{name}{mark}" for name in cell.outputs]
    sources += [f"moved.{name}{mark}[-1]" for name in last_states(cell)]
    return {
        **second_signature(cell, mark),
        "upward": upward,
        "downward": downward,
        "upward_bindings": _from_cache([*_plain_names(cell, second.upward), "tape"]),
        "downward_bindings": _from_cache([*_plain_names(cell, second.downward), "tape"]),
        "tangent_sources": ", ".join(sources),
    }


def _from_cache(names: Sequence[str]) -> list[str]:
    return [f"{', '.join(names)} = {', '.join(f'cache.{name}' for name in names)}"]


def _ufuncs(forward: ForwardCode, backward: BackwardCode, *sweeps: SweepCode) -> list[str]:
    blocks = (
        *(block for one in sweeps for block in (*one.constant, *one.before, *one.loop.blocks, *one.after)),
        *forward.hoisted, *forward.loop.blocks, *forward.after,
        *backward.coefficients.blocks, *backward.loop.blocks, *backward.deferred,
        Block((), (*forward.setup, *backward.start)),
    )  # fmt: skip
    used = words(blocks)
    return [name for name in _UFUNCS if name in used]
