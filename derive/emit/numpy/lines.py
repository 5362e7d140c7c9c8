"""How names and lines of generated code are spelled in each phase: in a loop, for all t, for some steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from derive.emit.layout import Block, Buffer, stack_of
from derive.emit.numpy.statements import Scratch
from derive.emit.storage import Storage, block_slice
from derive.plan.schedule import Schedule
from derive.program import Array
from derive.show import Names


def some_steps(name: str, label: str | None) -> str:
    """Names of arrays for some steps: their own, and ``a_i`` for a block."""
    return f"{name}_{label}" if label else name


def block_names(plan: Schedule) -> Names:
    """Names inside of a loop where blocks lie apart: a block is ``a_i``, a stacked constant ``b_blocks``.

    A sequence is ``x_t``: its own name is still that of all steps.
    """

    def names(name: str, label: str | None) -> str:
        array = plan.arrays[name]
        own = in_step(array)
        if label:
            return f"{own}_{label}"
        return f"{own}_blocks" if stack_of(array) and not plan.timed(array) else own

    return names


def in_step(array: Array) -> str:
    """What an array is called in a loop over steps."""
    return f"{array.name}_t" if array.role == "sequence" else array.name


def row_names(storage: Storage) -> Names:
    """Names inside of a loop where stacked arrays are by rows: those whose blocks lie apart are ``a_rows`` then."""

    def names(name: str, label: str | None) -> str:
        own = in_step(storage.plan.arrays[name])
        if label:
            return f"{own}_{label}"
        return f"{own}_rows" if name in storage.in_blocks else own

    return names


def block_views(array: Array, used: set[str]) -> Iterator[str]:
    """``a_i = a[..., 0 * H : 1 * H]`` for the blocks of an array by rows that a name in ``used`` means."""
    for label in array.labels:
        if f"{array.name}_{label}" in used:
            yield f"{array.name}_{label} = {array.name}[{block_slice(array, label)}]"


def forward_names(storage: Storage, used: set[str], steps: str, in_loop: bool = False) -> Iterator[str]:
    """``c_prev = tape.c[:-1][steps]`` for every forward array, of some steps, that a name in ``used`` means."""
    for stack, activation in storage.activations.items():
        wanted = [name for name in activation.names if name in used]
        if len(wanted) == len(activation.names):
            names = ", ".join(wanted)
            text = f"tape.{storage.gates_buffer(stack)}{steps}"
            yield f"({names}) = {text}" if in_loop else f"{names} = {text}.swapaxes(0, 1)"
        else:
            yield from (f"{name} = {storage.whole(name)}{steps}" for name in wanted)
    for array in storage.plan.step.arrays.values():
        if array.role == "cotangent" or array.name in storage.gate_of or not storage.plan.timed(array):
            continue
        name = in_step(array) if in_loop else array.name
        if name in used:
            yield f"{name} = {storage.whole(array.name)}{steps}"
        for label in array.labels:
            if f"{name}_{label}" in used:
                yield f"{name}_{label} = {storage.whole(array.name, label)}{steps}"


def constant_names(storage: Storage, used: set[str]) -> Iterator[str]:
    """``S = tape.S`` for what does not change from step to step and is no argument, or is a block of one."""
    for array in storage.plan.step.arrays.values():
        if array.role == "cotangent" or storage.plan.timed(array):
            continue
        if array.name in used and array.name in storage.forward:
            yield f"{array.name} = {storage.whole(array.name)}"
        for label in array.labels:
            if f"{array.name}_{label}" in used:
                yield f"{array.name}_{label} = {storage.whole(array.name, label)}"


def scratch_buffers(scratch: Scratch, batch: str, leading: str = "") -> Iterator[Buffer]:
    """The buffers behind scratch names, each with the axes that it was taken for."""
    for name, groups in scratch.used.items():
        sizes = ["*".join(str(index.dim) for index in group).replace("*", " * ") for group in groups]
        # A sum over all steps has no axis for them.
        yield Buffer(name, f"{leading if batch in sizes else ''}{', '.join(sizes)}")


def words(blocks: Iterable[Block]) -> set[str]:
    """The Python names that statements use."""
    # Neither the subscripts of an einsum nor the keyword in out=h are names.
    lines = (re.sub(r'"[^"]*"', "", line) for block in blocks for line in block.lines)
    return {word for line in lines for word in re.findall(r"\b[^\W\d]\w*\b(?!=)", line)}
