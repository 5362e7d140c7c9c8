"""The coefficients of the backward recurrence as statements, for a chunk of steps at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from derive.emit.layout import Block, Buffer, blocks_text, sizes_text
from derive.emit.meanings import Meanings
from derive.emit.numpy.axes import Axes
from derive.emit.numpy.lines import block_views, constant_names, forward_names, scratch_buffers, some_steps, words
from derive.emit.numpy.statements import Compiler, Scratch, Target
from derive.emit.storage import Storage
from derive.matrix import axes_of, matrix_form
from derive.plan.schedule import Schedule
from derive.program import Equation


@dataclass(frozen=True)
class CoefficientCode:
    """The generated ``_coefficients``.

    Attributes:
        per_step: how many numbers the coefficients of one step are, as Python text.
        names: what the names in the blocks stand for.
    """

    buffers: tuple[Buffer, ...]
    per_step: str
    names: tuple[str, ...]
    blocks: tuple[Block, ...]


def coefficient_code(plan: Schedule, storage: Storage, numbers: Mapping[str, str]) -> CoefficientCode:
    """Compile the coefficients of a plan; ``numbers`` are the notes' numbers of its cotangents."""
    return _Coefficients(plan, storage, numbers).code()


@dataclass(frozen=True)
class _Coefficients:
    plan: Schedule
    storage: Storage
    numbers: Mapping[str, str]

    def code(self) -> CoefficientCode:
        scratch = Scratch("tmp_chunk")
        blocks = tuple(block for e in self.plan.coefficients for block in self._blocks(e, scratch))
        return CoefficientCode(
            buffers=(*self._buffers(words(blocks)), *scratch_buffers(scratch, self.plan.batch, "chunk, ")),
            per_step=" + ".join(self._sizes()) or "1",
            names=tuple(self._names(blocks, scratch)),
            blocks=blocks,
        )

    def _blocks(self, equation: Equation, scratch: Scratch) -> Iterator[Block]:
        """The statements of a coefficient, block by block where it is stacked."""
        compiler = Compiler(some_steps, scratch, Axes(self.plan.batch, "steps"), some_steps)
        form, meanings = matrix_form(equation, self.plan), Meanings(self.plan, self.numbers)
        if form.op != "stack":
            # Computed as a whole, so a stacked one is by rows.
            comment = meanings.text(equation.name, None, form)
            yield Block((comment,), tuple(compiler.define(form, axes_of(equation.array), Target(equation.name))))
            return
        for label, part in zip(equation.array.labels, form.args, strict=True):
            comment = meanings.text(equation.name, label, part)
            yield Block((comment,), tuple(compiler.assign(part, Target(f"{equation.name}_{label}"))))

    def _names(self, blocks: Sequence[Block], scratch: Scratch) -> Iterator[str]:
        """What the names in the coefficients' statements are, for the steps of a chunk."""
        used = words(tuple(blocks))
        for gates, names in self._gates_in(used):
            # Blocks of a few steps lie apart on the tape; NumPy is fast where they lie together.
            yield f"{gates} = buffers.{gates}[:, :count]"
            yield f"copyto({gates}, tape.{gates}[steps].swapaxes(0, 1))"
            yield f"{', '.join(names)} = {gates}"
        yield from forward_names(self.storage, used - set(self.storage.gate_of), "[steps]")
        yield from constant_names(self.storage, used)
        for equation in self.plan.coefficients:
            array = equation.array
            if array.name in self.storage.in_blocks:
                parts = ", ".join(f"{array.name}_{label}" for label in array.labels)
                yield f"{parts} = buffers.{array.name}[:, :count]"
            else:
                yield f"{array.name} = buffers.{array.name}[:count]"
                yield from block_views(array, used)
        for name, groups in scratch.used.items():
            over_steps = any(str(index.dim) == self.plan.batch for group in groups for index in group)
            yield f"{name} = buffers.{name}{'[:count]' if over_steps else ''}"

    def _gates_in(self, used: set[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The activated gates that statements read: (buffer, names of the blocks)."""
        for stack, activation in self.storage.activations.items():
            if used & set(activation.names):
                yield self.storage.gates_buffer(stack), activation.names

    def _buffers(self, used: set[str]) -> Iterator[Buffer]:
        for gates, names in self._gates_in(used):
            activation = next(a for a in self.storage.activations.values() if a.names == names)
            count, _, rest = blocks_text(activation.stack).partition(", ")
            yield Buffer(gates, f"{count}, chunk, {rest}", ", ".join(names))
        for equation in self.plan.coefficients:
            array = equation.array
            if array.name in self.storage.in_blocks:
                count, _, rest = blocks_text(array).partition(", ")
                yield Buffer(array.name, f"{count}, chunk, {rest}")
            else:
                yield Buffer(array.name, f"chunk, {sizes_text(array)}")

    def _sizes(self) -> Iterator[str]:
        for equation in self.plan.coefficients:
            yield sizes_text(equation.array).replace(", ", " * ")
