"""One step, forward and backward, as plain NumPy expressions: the equations one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sympy import Integer

from derive.calculus import speaker
from derive.emit.layout import Block, stack_of
from derive.emit.numpy.expressions import expression
from derive.emit.numpy.lines import words
from derive.emit.signature import dim_names, numbered, tuple_text, with_backward
from derive.index import Entry, Stack
from derive.matrix import Form, Group, axes_of, matrix_form
from derive.plan.lift import lift_calls
from derive.plan.schedule import names_in
from derive.printing import folded
from derive.program import Array, Equation, Program
from derive.show import UNICODE, equation_text, form_text
from derive.tensor import Size


@dataclass(frozen=True)
class StepCode:
    """The parts of the generated ``step_forward`` and ``step_backward``."""

    forward: tuple[Block, ...]
    backward: tuple[Block, ...]
    cache: tuple[str, ...]
    cotangents: tuple[str, ...]


def step_code(cell: Program, numbers: Mapping[str, str]) -> StepCode:
    """Compile one step of a cell; ``numbers`` are the notes' numbers of its cotangents."""
    derived = with_backward(cell)
    named = lift_calls(cell)
    say = speaker(named.equations)
    backward = [replace(e, value=say(e.value)) for e in derived.equations[len(cell.equations) :]]
    program = replace(derived, equations=(*named.equations, *backward))
    read = names_in(backward)
    cache = [array.name for array in (*cell.inputs, *(e.array for e in named.equations)) if array.name in read]
    kept = [program.arrays[name] for name in cache if any(_uses_block(e, name) for e in backward)]
    unpacked = [Block((), tuple(_split(array, program))) for array in kept]
    blocks = {array.name for array in cell.inputs if any(_uses_block(e, array.name) for e in named.equations)}
    given = [Block((), tuple(_split(array, program))) for array in cell.inputs if array.name in blocks]
    forward_blocks = (*given, *(_forward(e, program, derived) for e in named.equations))
    backward_blocks = (*unpacked, *(b for e in backward for b in _backward(e, program, derived, numbers)))
    return StepCode(
        forward=(*_dimensions(cell, forward_blocks), *forward_blocks),
        backward=(*_dimensions(cell, backward_blocks), *backward_blocks),
        cache=tuple(cache),
        cotangents=tuple(array.name for array in derived.having("cotangent")),
    )


_WIDTH = 116


def _dimensions(cell: Program, blocks: tuple[Block, ...]) -> Iterator[Block]:
    """The dimensions that are numbers in some equation."""
    used = [dim for dim in dim_names(cell) if dim in words(blocks)]
    if used:
        yield Block((), tuple(f'{dim} = sizes["{dim}"]' for dim in used))


def _names(name: str, label: str | None) -> str:
    return f"{name}_{label}" if label else name


def _forward(equation: Equation, program: Program, derived: Program) -> Block:
    shown = derived if equation.name in derived.definitions else program
    text = equation_text(shown.definitions[equation.name], shown, UNICODE)
    lines = _assigned(equation.name, _whole(equation, program))
    lines += _split(equation.array, program)
    return Block((text,), tuple(lines))


def _assigned(name: str, text: str) -> list[str]:
    """An assignment, in brackets on lines of its own where it is long."""
    line = f"{name} = {text}"
    return [line] if len(line) <= _WIDTH else [f"{name} = (", *(f"    {part}" for part in folded(text)), ")"]


def _whole(equation: Equation, program: Program) -> str:
    """The right side in the shape of the left: NumPy would leave an axis away that nothing depends on."""
    return _filling(matrix_form(equation, program), equation.array, axes_of(equation.array))


def _filling(form: Form, array: Array, groups: tuple[Group, ...]) -> str:
    """A form in the shape of an array or of one of its blocks."""
    text = expression(form, _names)
    if form.op not in {"number", "expand"} and form.groups == groups:
        return text
    sizes = [s.dim if isinstance(s, Stack) and len(g) == 1 else s for s, g in zip(array.sizes, groups, strict=True)]
    return f"np.full({tuple_text([_length(size) for size in sizes])}, {text}, dtype)"


def _length(size: Size) -> str:
    if isinstance(size, Stack):
        return f'{len(size.labels)} * sizes["{size.dim}"]'
    return str(size) if isinstance(size, Integer) else f'sizes["{size}"]'


def _split(array: Array, program: Program) -> list[str]:
    """The blocks of a stacked array under their own names, where an equation uses one."""
    stack = stack_of(array)
    if stack is None or not any(_uses_block(e, array.name) for e in program.equations):
        return []
    axis = next(k for k, size in enumerate(array.sizes) if size == stack)
    names = ", ".join(f"{array.name}_{label}" for label in stack.labels)
    return [f"{names} = np.split({array.name}, {len(stack.labels)}, axis={axis})"]


def _uses_block(equation: Equation, name: str) -> bool:
    entries = equation.value.atoms(Entry)
    return any(e.name == name and any(i.is_number for i in e.indices) for e in entries)


def _backward(equation: Equation, program: Program, derived: Program, numbers: Mapping[str, str]) -> Iterator[Block]:
    """The equation of a cotangent; a stacked one block by block, each under its number."""
    array, form = equation.array, matrix_form(equation, program)
    shown = derived.definitions[equation.name]
    if form.op != "stack":
        text = equation_text(shown, derived, UNICODE)
        lines = [*_assigned(array.name, _whole(equation, program)), *_split(array, program)]
        yield Block((numbered(text, numbers.get(array.name)),), tuple(lines))
        return
    names = [f"{array.name}_{label}" for label in array.labels]
    inner = tuple(group[-1:] for group in axes_of(array))
    for name, part, said in zip(names, form.args, matrix_form(shown, derived).args, strict=True):
        text = f"{name} = {form_text(said, UNICODE)}"
        yield Block((numbered(text, numbers.get(name)),), tuple(_assigned(name, _filling(part, array, inner))))
    line = f"{array.name} = np.concatenate([{', '.join(names)}], axis={form.positions[0]})"
    yield Block((f"{array.name} = [{', '.join(names)}]",), (line,))
