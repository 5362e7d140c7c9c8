"""What the functions of a generated module take and return, and what its docstring says, in any language."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from textwrap import wrap

from sympy import Function, Integer

from derive.calculus import COTANGENT, vjp
from derive.emit.layout import sizes_text, stack_of
from derive.functions import FUNCTIONS
from derive.index import Max, Stack
from derive.matrix import matrix_form
from derive.plan.schedule import batch_of
from derive.program import Array, Program
from derive.show import UNICODE, equation_text, form_text

LARGEST = "largest"  # what modules call the maximum over an axis


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
    return Argument(name, tuple_text(shape), tuple_text(sizes), tuple_text(checks), local or name)


def tuple_text(parts: Sequence[str]) -> str:
    """A tuple in Python: ``(N, H)``, ``(H,)``."""
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _checked(size: object) -> str:
    if isinstance(size, Stack):
        return f'({len(size.labels)}, "{size.dim}")'
    return f'({int(size)}, "1")' if isinstance(size, Integer) else f'(1, "{size}")'


def dim_names(program: Program) -> list[str]:
    """The dimensions of a program, in order of appearance."""
    sizes = [size for array in program.inputs for size in array.sizes]
    plain = [str(size.dim if isinstance(size, Stack) else size) for size in sizes if not isinstance(size, Integer)]
    return list(dict.fromkeys(plain))


def maxima(cell: Program) -> str:
    """The dimensions over which maxima are taken, as the inside of a tuple in Python; mostly nothing."""
    over = {str(index.dim) for e in cell.equations for one in e.value.atoms(Max) for index in one.indices}
    return "".join(f'"{dim}", ' for dim in dim_names(cell) if dim in over).rstrip()


@lru_cache
def with_backward(cell: Program) -> Program:
    """A cell's equations and those of its cotangents, as the modules' docstrings and one step have them."""
    return vjp(cell)


def documentation(cell: Program, derived: Program) -> dict[str, object]:
    """The cell's title, its equations, the order of its blocks."""
    return {
        "cell": cell.name,
        "title": cell.doc.splitlines()[0].rstrip(".") if cell.doc else cell.name,
        "forward_equations": [equation_text(derived.definitions[e.name], derived, UNICODE) for e in cell.equations],
        "orders": list(gate_orders(cell)),
        "maxima": maxima(cell),
    }


def functions_in(programs: Iterable[Program], without: Container[str] = ()) -> list[str]:
    """The names of the functions that programs apply, the maximum over an axis last."""
    used = {type(f).__name__ for one in programs for e in one.equations for f in e.value.atoms(Function)}
    used |= {LARGEST for one in programs for e in one.equations if e.value.has(Max)}
    return [name for name in (*FUNCTIONS, LARGEST) if name in used and name not in without]


def gate_orders(cell: Program) -> Iterator[tuple[str, str]]:
    """The block order of every stacked axis: GATE_ORDER, or one per stack where there are several."""
    stacks = dict.fromkeys(stack for array in cell.inputs if (stack := stack_of(array)) is not None)
    for stack in stacks:
        first = next(array.name for array in cell.inputs if stack_of(array) == stack)
        yield ("GATE_ORDER" if len(stacks) == 1 else f"GATE_ORDER_{first}"), "".join(stack.labels)


def backward_texts(cell: Program, derived: Program, numbers: Mapping[str, str]) -> list[str]:
    """The backward equations of one step, a stacked one block by block, each with its number in front."""
    found = []
    for equation in derived.equations[len(cell.equations) :]:
        name, form = equation.name, matrix_form(equation, derived)
        if form.op != "stack":
            found.append(numbered(equation_text(equation, derived, UNICODE), numbers.get(name)))
            continue
        blocks = [f"{name}_{label}" for label in equation.array.labels]
        for block, part in zip(blocks, form.args, strict=True):
            found.append(numbered(f"{block} = {form_text(part, UNICODE)}", numbers.get(block)))
        found.append(f"{name} = [{', '.join(blocks)}]")
    return found


def numbered(text: str, number: str | None) -> str:
    """``eq 2: dc = …``."""
    return f"{number}: {text}" if number else text


def columns(texts: Iterable[str]) -> list[str]:
    """Numbers of equations in a column of their own."""
    split = [text.split(": ", 1) if ": " in text else ["", text] for text in texts]
    width = max((len(number) for number, _ in split), default=0)
    return [
        f"{number:<{width}}  {text}".strip() if not width else f"{number:<{width}}  {text}" for number, text in split
    ]


def _items(arguments: Iterable[Argument]) -> str:
    return ", ".join(f'"{a.name}": {a.name}' for a in arguments)


def whole_name(output: str) -> str:
    """What ``backward`` calls the given cotangent of an output for all t; plain dh is the loop's."""
    return f"{COTANGENT}{output}_all"


def last_name(state: str) -> str:
    """What ``backward`` calls the given cotangent of a last state."""
    return f"{COTANGENT}{state}_last"


def step_signature(cell: Program, derived: Program) -> dict[str, object]:
    """Arguments and results of one step."""
    inputs = [argument(array) for array in cell.inputs]
    following = [state.next for state in cell.having("state") if state.next]
    results = [argument(derived.arrays[name]) for name in dict.fromkeys([*cell.outputs, *following])]
    cotangents = [argument(array) for array in derived.having("cotangent")]
    names = ", ".join(result.name for result in results)
    return {
        "step_inputs": inputs,
        "step_results": results,
        "step_cotangents": cotangents,
        "step_gradients": [argument(array, COTANGENT + array.name) for array in cell.inputs],
        "step_call": f"{names}, cache = step_forward({', '.join(i.name for i in inputs)})",
        "step_cotangent_names": ", ".join(cotangent.name for cotangent in cotangents),
        "step_result_types": ", ".join("Array" for _ in results),
        "step_result_names": names,
        "step_arguments": wrap(_items(inputs), width=100),
        "step_gradient_names": ", ".join(COTANGENT + i.name for i in inputs),
    }


def sequence_signature(cell: Program) -> dict[str, object]:
    """Arguments and results of a whole sequence."""
    arrays, states = cell.arrays, cell.having("state")
    last = last_states(cell)
    inputs = [_sequence_argument(array) for array in cell.inputs]
    results = [
        *(argument(arrays[name], over_time=True) for name in cell.outputs),
        *(argument(arrays[name]) for name in last),
    ]
    cotangents = [
        *(argument(arrays[n], COTANGENT + n, over_time=True, local=whole_name(n)) for n in cell.outputs),
        *(argument(arrays[n], COTANGENT + n, local=last_name(n)) for n in last),
    ]
    dims = ["T", *dim_names(cell)]
    sizes = [f'sizes["{dim}"]' for dim in dims]
    return {
        "inputs": inputs,
        "first_input": inputs[0].name,
        "arguments": wrap(_items(inputs), width=100),
        "results": results,
        "result_types": ", ".join("Array" for _ in results),
        "cotangents": cotangents,
        "cotangent_names": ", ".join(cotangent.name for cotangent in cotangents),
        "gradients": [_renamed(i) for i in inputs],
        "states": [(state.name, state.next) for state in states],
        "sequences": [array.name for array in cell.having("sequence")],
        "output_cotangents": [(COTANGENT + name, whole_name(name)) for name in cell.outputs],
        "outputs": list(cell.outputs),
        "batch": batch_of(cell),
        "sequence_call": f"{', '.join(r.name for r in results)}, cache = forward({', '.join(i.name for i in inputs)})",
        "dim_names": ", ".join(dims),
        "dim_order": ", ".join(f'"{dim}"' for dim in dims),
        "dim_parameters": ", ".join(f"{dim}: int" for dim in dims),
        "dim_unpack": f"{', '.join(dims)} = {tuple_text(sizes)}",
        "size_items": ", ".join(f'"{dim}": {dim}' for dim in dims),
    }


def last_states(cell: Program) -> list[str]:
    """States that are results for the last step only."""
    return [state.next for state in cell.having("state") if state.next and state.next not in cell.outputs]


def _sequence_argument(array: Array) -> Argument:
    if array.role == "state":
        return argument(array, f"{array.next}0")
    return argument(array, over_time=array.role == "sequence")


def _renamed(one: Argument) -> Argument:
    return Argument(COTANGENT + one.name, one.shape, one.size, one.check, one.local)


def second_signature(cell: Program, mark: str) -> dict[str, object]:
    """Arguments and results of the functions of second order; ``mark`` stands behind the names of tangents."""
    first = sequence_signature(cell)
    inputs, results, cotangents, gradients = (
        [one for one in some if isinstance(one, Argument)]
        for some in (first["inputs"], first["results"], first["cotangents"], first["gradients"])
        if isinstance(some, list)
    )
    tangents = [replace(one, name=one.name + mark, local=one.name + mark) for one in inputs]
    states = {f"{state.next}0{mark}" for state in cell.having("state")}
    sequence_tangents = [array.name + mark for array in cell.having("sequence")]
    return {
        "sequence_tangents": sequence_tangents,
        "output_tangents": [name + mark for name in cell.outputs],
        "ordered_tangents": [*sequence_tangents, *(whole_name(name) + mark for name in cell.outputs)],
        "tangents": tangents,
        "second_tangents": [one for one in tangents if one.name not in states],
        "results_dot": [replace(one, name=one.name + mark) for one in results],
        "cotangents_dot": [replace(one, name=one.name + mark, local=one.local + mark) for one in cotangents],
        "double_cotangents": [
            replace(gradient, name=COTANGENT + gradient.name, local=tangent.name)
            for gradient, tangent in zip(gradients, tangents, strict=True)
        ],
        "double_gradients": [*(replace(one, name=COTANGENT + one.name) for one in cotangents), *gradients],
        "input_names": ", ".join(one.name for one in inputs),
        "cotangent_dot_names": ", ".join(one.name + mark for one in cotangents),
        "differentiated": ", ".join(one.name for one in results),
        "loss": " + ".join(f"⟨{w.name}, {y.name}⟩" for w, y in zip(cotangents, results, strict=True)),
        "received_type": f"tuple[{', '.join('Array' for _ in cotangents)}]",
        "received": tuple_text([one.local for one in cotangents]),
    }
