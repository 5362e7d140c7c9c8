"""How names and lines of generated code are spelled in each phase: in a loop, for all t, for some steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from derive.emit.layout import Block, Buffer, stack_of
from derive.emit.numpy.statements import Scratch
from derive.emit.storage import Storage
from derive.matrix import Form
from derive.plan.schedule import Schedule


def step_name(plan: Schedule) -> Callable[[str, str | None], str]:
    """Names inside of a loop: an array by its own, a block as ``a_i``, a stacked parameter by blocks."""

    def names(name: str, label: str | None) -> str:
        if label:
            return f"{name}_{label}"
        array = plan.arrays[name]
        return f"{name}_blocks" if array.role == "parameter" and stack_of(array) else name

    return names


def row_names(plan: Schedule) -> Callable[[str, str | None], str]:
    """Names inside of a matrix product in a loop: stacked arrays by rows."""

    def names(name: str, label: str | None) -> str:
        array = plan.arrays[name]
        if label:
            return f"{name}_{label}"
        return f"{name}_rows" if stack_of(array) and array.role != "parameter" else name

    return names


def matmul_line(_: Form, left: str, right: str, out: str) -> str:
    return f"matmul({left}, {right}, out={out})"


def total_line(form: Form, operand: str, out: str) -> str:
    """A sum inside of one step; axes are counted from the end, so that leading ones do not matter."""
    count = len(form.args[0].groups)
    axes = tuple(position - count for position in form.positions)
    return f"add.reduce({operand}, axis={axes[0] if len(axes) == 1 else axes}, out={out})"


def rows_line(batch: str, form: Form, left: str, right: str, out: str) -> str:
    """A product over all steps of all sequences at once; ``batch`` names the batch dimension."""
    one, other = (_rows(text, part, batch) for text, part in zip((left, right), form.args, strict=True))
    return f"matmul({one}, {other}, out={_rows(out, form, batch)})"


def _rows(text: str, form: Form, batch: str) -> str:
    """(T, N, …) as (T·N, …) for operands with a batch axis; parameters have none."""
    if not any(str(index.dim) == batch for group in form.groups for index in group):
        return text
    if text.endswith(".T"):
        return f"_rows({text[:-2]}).T"
    return f"_rows({text})"


def rows_total_line(batch: str, form: Form, operand: str, out: str) -> str:
    """A sum that runs over the batch runs over all steps of all sequences."""
    (inner,) = form.args
    many = [k for k, group in enumerate(inner.groups) if str(group[-1].dim) == batch]
    if not set(many) & set(form.positions):
        return total_line(form, operand, out)
    axes = form.positions[0] if len(form.positions) == 1 else form.positions
    return f"add.reduce(_rows({operand}), axis={axes}, out={out})"


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
        if array.role in {"parameter", "cotangent"} or array.name in storage.gate_of:
            continue
        if array.name in used:
            yield f"{array.name} = {storage.whole(array.name)}{steps}"
        for label in array.labels:
            if f"{array.name}_{label}" in used:
                yield f"{array.name}_{label} = {storage.whole(array.name, label)}{steps}"


def scratch_buffers(scratch: Scratch, batch: str, leading: str = "") -> Iterator[Buffer]:
    """The buffers behind scratch names, each with the axes that it was taken for."""
    for name, groups in scratch.used.items():
        sizes = ["*".join(str(index.dim) for index in group).replace("*", " * ") for group in groups]
        # A sum over all steps has no axis for them.
        yield Buffer(name, f"{leading if batch in sizes else ''}{', '.join(sizes)}")


def words(blocks: Iterable[Block]) -> set[str]:
    """The Python names that statements use."""
    return {word for block in blocks for line in block.lines for word in re.findall(r"[^\W\d]\w*", line)}
