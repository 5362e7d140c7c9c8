"""Everything that the NumPy template prints, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from sympy import Integer

from derive.calculus import COTANGENT, vjp
from derive.emit.backward import BackwardCode, backward_code, last_name, whole_name
from derive.emit.forward import ForwardCode, forward_code
from derive.emit.layout import Block, sizes_text, stack_of
from derive.emit.lines import words
from derive.emit.step import step_code
from derive.errors import CellError
from derive.index import Stack
from derive.plan.schedule import schedule
from derive.program import Array, Program
from derive.show import UNICODE, equation_text

_UFUNCS = ("add", "copyto", "einsum", "exp", "matmul", "multiply", "negative", "power", "subtract", "tanh")
_RESERVED = {
    *_UFUNCS, "Any", "Array", "T", "arguments", "buffers", "cache", "calls", "count", "dtype", "gradients", "max", "np",
    "range", "scratch", "sizes", "slice", "steps", "stop", "tape", "workspace", "zip",
}  # fmt: skip


@dataclass(frozen=True)
class Argument:
    """One argument or result.

    Attributes:
        shape: for people, ``(N, 4H)``.
        size: in Python, ``(N, 4 * H)``.
        check: per axis (factor, dimension), for the check of shapes.
        local: what the function calls it once it is checked.
    """

    name: str
    shape: str
    size: str
    check: str
    local: str


def argument(array: Array, name: str | None = None, over_time: bool = False, local: str | None = None) -> Argument:
    """An array of a cell as an argument, with an axis over time before its own if it has one."""
    shape = [f"{len(s.labels)}{s.dim}" if isinstance(s, Stack) else str(s) for s in array.sizes]
    sizes = sizes_text(array).split(", ") if array.sizes else []
    checks = [_checked(size) for size in array.sizes]
    if over_time:
        shape, sizes, checks = ["T", *shape], ["T", *sizes], ['(1, "T")', *checks]
    name = name or array.name
    return Argument(name, _tuple(shape), _tuple(sizes), _tuple(checks), local or name)


def _tuple(parts: Sequence[str]) -> str:
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _checked(size: object) -> str:
    if isinstance(size, Stack):
        return f'({len(size.labels)}, "{size.dim}")'
    return f'({int(size)}, "1")' if isinstance(size, Integer) else f'(1, "{size}")'


def numpy_module(cell: Program, numbers: Mapping[str, str]) -> dict[str, object]:
    """What the template of a cell's NumPy module needs.

    Args:
        numbers: the notes' equation numbers by cotangent, e.g. ``{"dc": "eq 2", "da_i": "eq 7"}``.

    Raises:
        CellError: for a name that generated code needs itself.
    """
    derived = vjp(cell)
    _check_names(derived)
    plan = schedule(cell)
    forward, backward = forward_code(plan), backward_code(plan, numbers)
    return {
        **_documentation(cell, derived),
        **_step(cell, derived, numbers),
        **_sequence(cell),
        **_forward(forward),
        **_backward(cell, backward),
        "ufuncs": ", ".join(_ufuncs(forward, backward)),
    }


def _check_names(derived: Program) -> None:
    dims = _dims(derived)
    for name in (*derived.arrays, *dims):
        if name in _RESERVED or (name in derived.arrays and name in dims):
            raise CellError(f"cell {derived.name}: generated code needs the name {name!r} itself")


def _dims(program: Program) -> list[str]:
    """The dimensions of a program, in order of appearance."""
    sizes = [size for array in program.inputs for size in array.sizes]
    plain = [str(size.dim if isinstance(size, Stack) else size) for size in sizes if not isinstance(size, Integer)]
    return list(dict.fromkeys(plain))


def _documentation(cell: Program, derived: Program) -> dict[str, object]:
    return {
        "cell": cell.name,
        "title": cell.doc.splitlines()[0].rstrip(".") if cell.doc else cell.name,
        "forward_equations": [equation_text(derived.definitions[e.name], derived, UNICODE) for e in cell.equations],
        "orders": list(_orders(cell)),
    }


def _orders(cell: Program) -> Iterator[tuple[str, str]]:
    """The block order of every stacked axis: GATE_ORDER, or one per stack where there are several."""
    stacks = dict.fromkeys(stack for array in cell.inputs if (stack := stack_of(array)) is not None)
    for stack in stacks:
        first = next(array.name for array in cell.inputs if stack_of(array) == stack)
        yield ("GATE_ORDER" if len(stacks) == 1 else f"GATE_ORDER_{first}"), "".join(stack.labels)


def _step(cell: Program, derived: Program, numbers: Mapping[str, str]) -> dict[str, object]:
    code = step_code(cell, numbers)
    inputs = [argument(array) for array in cell.inputs]
    following = [state.next for state in cell.having("state") if state.next]
    results = [argument(derived.arrays[name]) for name in dict.fromkeys([*cell.outputs, *following])]
    cotangents = [argument(array) for array in derived.having("cotangent")]
    names = ", ".join(result.name for result in results)
    return {
        "step": code,
        "backward_equations": _columns(c for block in code.backward for c in block.comments),
        "step_inputs": inputs,
        "step_results": results,
        "step_cotangents": cotangents,
        "step_gradients": [argument(array, COTANGENT + array.name) for array in cell.inputs],
        "step_call": f"{names}, cache = step_forward({', '.join(i.name for i in inputs)})",
        "step_cotangent_names": ", ".join(cotangent.name for cotangent in cotangents),
        "step_result_types": ", ".join("Array" for _ in results),
        "step_result_names": names,
        "step_arguments": wrap(_items(inputs), width=100),
        "step_cache_names": wrap(", ".join([*code.cache, "sizes", "dtype"]), width=100),
        "step_gradient_names": ", ".join(COTANGENT + i.name for i in inputs),
    }


def _columns(texts: Iterable[str]) -> list[str]:
    """Numbers of equations in a column of their own."""
    split = [text.split(": ", 1) if ": " in text else ["", text] for text in texts]
    width = max((len(number) for number, _ in split), default=0)
    return [
        f"{number:<{width}}  {text}".strip() if not width else f"{number:<{width}}  {text}" for number, text in split
    ]


def _items(arguments: Iterable[Argument]) -> str:
    return ", ".join(f'"{a.name}": {a.name}' for a in arguments)


def _sequence(cell: Program) -> dict[str, object]:
    arrays, states = cell.arrays, cell.having("state")
    last = [state.next for state in states if state.next and state.next not in cell.outputs]
    inputs = [_sequence_argument(array) for array in cell.inputs]
    results = [
        *(argument(arrays[name], over_time=True) for name in cell.outputs),
        *(argument(arrays[name]) for name in last),
    ]
    cotangents = [
        *(argument(arrays[n], COTANGENT + n, over_time=True, local=whole_name(n)) for n in cell.outputs),
        *(argument(arrays[n], COTANGENT + n, local=last_name(n)) for n in last),
    ]
    following = {state.next for state in states}
    sources = [f"tape.{name}[1:]" if name in following else f"tape.{name}" for name in cell.outputs]
    dims = ["T", *_dims(cell)]
    sizes = [f'sizes["{dim}"]' for dim in dims]
    return {
        "inputs": inputs,
        "first_input": inputs[0].name,
        "arguments": wrap(_items(inputs), width=100),
        "results": results,
        "result_types": ", ".join("Array" for _ in results),
        "result_sources": ", ".join([*sources, *(f"tape.{name}[T]" for name in last)]),
        "cotangents": cotangents,
        "cotangent_names": ", ".join(cotangent.name for cotangent in cotangents),
        "gradients": [_renamed(i) for i in inputs],
        "states": [(state.name, state.next) for state in states],
        "sequence_call": f"{', '.join(r.name for r in results)}, cache = forward({', '.join(i.name for i in inputs)})",
        "dim_names": ", ".join(dims),
        "dim_order": ", ".join(f'"{dim}"' for dim in dims),
        "dim_parameters": ", ".join(f"{dim}: int" for dim in dims),
        "dim_unpack": f"{', '.join(dims)} = {_tuple(sizes)}",
        "size_items": ", ".join(f'"{dim}": {dim}' for dim in dims),
    }


def _sequence_argument(array: Array) -> Argument:
    if array.role == "state":
        return argument(array, f"{array.next}0")
    return argument(array, over_time=array.role == "sequence")


def _renamed(one: Argument) -> Argument:
    return Argument(COTANGENT + one.name, one.shape, one.size, one.check, one.local)


def _forward(code: ForwardCode) -> dict[str, object]:
    return {"forward": code, "tape": code.tape, "scratch": code.scratch}


def _backward(cell: Program, code: BackwardCode) -> dict[str, object]:
    plain = [array.name for array in cell.inputs if array.role != "state"]
    sources = Block((), tuple(source for _, source in code.loop.pairs))
    coefficients = words((*code.coefficients.blocks, Block((), code.coefficients.names)))
    rest = words((*code.loop.blocks, *code.deferred, sources))
    kept = [name for name in plain if name in coefficients | rest]
    return {
        "backward": code,
        "kept_inputs": kept,
        "cache_values": ", ".join([*kept, "tape", "sizes", "dtype", "workspace", "calls"]),
        "coefficient_bindings": [
            *_from_cache([*(name for name in kept if name in coefficients), "tape"]),
            *code.coefficients.names,
        ],
        "backward_bindings": _from_cache([*(name for name in kept if name in rest), "tape"]),
        "backward_setup": [*code.start, *code.setup],
        "backward_buffers": code.buffers,
    }


def _from_cache(names: Sequence[str]) -> list[str]:
    return [f"{', '.join(names)} = {', '.join(f'cache.{name}' for name in names)}"]


def _ufuncs(forward: ForwardCode, backward: BackwardCode) -> list[str]:
    blocks = (
        *forward.hoisted, *forward.loop.blocks, *forward.after,
        *backward.coefficients.blocks, *backward.loop.blocks, *backward.deferred,
        Block((), (*forward.setup, *backward.start)),
    )  # fmt: skip
    used = words(blocks)
    return [name for name in _UFUNCS if name in used]
