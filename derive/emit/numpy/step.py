"""One step, forward and backward, as plain NumPy expressions: the equations one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from sympy import Integer

from derive.axis import Size
from derive.calculus import speaker
from derive.emit.layout import Block, block_axis, stack_of
from derive.emit.numpy.expressions import expression
from derive.emit.numpy.lines import words
from derive.emit.signature import dim_names, numbered, tuple_text, with_backward
from derive.index import Stack
from derive.matrix import Form, Group, axes_of, matrix_form
from derive.plan.lift import lift_calls, lift_maxima
from derive.plan.schedule import names_in
from derive.printing import folded
from derive.program import Array, Equation, Program
from derive.show import UNICODE, equation_text, form_text

Blocks: TypeAlias = tuple[Block, ...]


@dataclass(frozen=True)
class StepCode:
    """The parts of the generated ``step_forward`` and ``step_backward``."""

    forward: Blocks
    backward: Blocks
    cache: tuple[str, ...]
    cotangents: tuple[str, ...]


def step_code(cell: Program, numbers: Mapping[str, str]) -> StepCode:
    """Compile one step of a cell; ``numbers`` are the notes' numbers of its cotangents."""
    cell = lift_maxima(cell)
    derived = with_backward(cell)
    named = lift_calls(cell)
    say = speaker(named.equations)
    backward = [replace(e, value=say(e.value)) for e in derived.equations[len(cell.equations) :]]
    equations = (*named.equations, *backward)
    program = replace(derived, equations=equations) if equations != derived.equations else derived
    read = names_in(backward)
    cache = [array.name for array in (*cell.inputs, *(e.array for e in named.equations)) if array.name in read]
    forward_blocks = [(e.array, (_forward(e, program, derived),)) for e in named.equations]
    backward_blocks = [(e.array, tuple(_backward(e, program, derived, numbers))) for e in backward]
    return StepCode(
        forward=_complete(cell, cell.inputs, forward_blocks),
        backward=_complete(
            cell, [*(program.arrays[name] for name in cache), *derived.having("cotangent")], backward_blocks
        ),
        cache=tuple(cache),
        cotangents=tuple(array.name for array in derived.having("cotangent")),
    )


_WIDTH = 116


def _complete(cell: Program, given: Iterable[Array], computed: Sequence[tuple[Array, tuple[Block, ...]]]) -> Blocks:
    """The statements with what their names mean: dimensions as numbers, and the blocks of stacked arrays."""
    used = words(block for _, blocks in computed for block in blocks)
    dimensions = tuple(f'{dim} = sizes["{dim}"]' for dim in dim_names(cell) if dim in used)
    unpacked = tuple(line for array in given for line in _split(array, used))
    found = [Block((), lines) for lines in (dimensions, unpacked) if lines]
    for array, blocks in computed:
        found += blocks
        if len(blocks) == 1 and (lines := tuple(_split(array, used))):
            found[-1] = replace(found[-1], lines=(*found[-1].lines, *lines))
    return tuple(found)


def _names(name: str, label: str | None) -> str:
    return f"{name}_{label}" if label else name


def _forward(equation: Equation, program: Program, derived: Program) -> Block:
    shown = derived if equation.name in derived.definitions else program
    text = equation_text(shown.definitions[equation.name], shown, UNICODE)
    return Block((text,), tuple(_assigned(equation.name, _whole(equation, program))))


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


def _split(array: Array, used: set[str]) -> Iterator[str]:
    """The blocks of a stacked array under their own names, where one is used."""
    stack = stack_of(array)
    if stack is not None and used & {f"{array.name}_{label}" for label in stack.labels}:
        names = ", ".join(f"{array.name}_{label}" for label in stack.labels)
        yield f"{names} = np.split({array.name}, {len(stack.labels)}, axis={block_axis(array)})"


def _backward(equation: Equation, program: Program, derived: Program, numbers: Mapping[str, str]) -> Iterator[Block]:
    """The equation of a cotangent; a stacked one block by block, each under its number."""
    array, form = equation.array, matrix_form(equation, program)
    shown = derived.definitions[equation.name]
    if form.op != "stack":
        text = equation_text(shown, derived, UNICODE)
        yield Block((numbered(text, numbers.get(array.name)),), tuple(_assigned(array.name, _whole(equation, program))))
        return
    names = [f"{array.name}_{label}" for label in array.labels]
    inner = tuple(group[-1:] for group in axes_of(array))
    for name, part, said in zip(names, form.args, matrix_form(shown, derived).args, strict=True):
        text = f"{name} = {form_text(said, UNICODE)}"
        yield Block((numbered(text, numbers.get(name)),), tuple(_assigned(name, _filling(part, array, inner))))
    line = f"{array.name} = np.concatenate([{', '.join(names)}], axis={form.positions[0]})"
    yield Block((f"{array.name} = [{', '.join(names)}]",), (line,))
