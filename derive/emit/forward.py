"""The forward pass over a sequence as statements: products for all t first, then the loop over t."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from derive.emit.layout import (
    Activation,
    Block,
    Buffer,
    Loop,
    activations,
    block_axis,
    blocks_text,
    sizes_text,
    split_text,
    stack_of,
)
from derive.emit.statements import Compiler, Scratch, Target
from derive.matrix import Form, matrix_form
from derive.plan.schedule import Schedule, names_in
from derive.program import Array, Equation
from derive.show import UNICODE, equation_text

GATES = "gates"


@dataclass(frozen=True)
class ForwardCode:
    """The parts of the generated ``forward``."""

    tape: tuple[Buffer, ...]
    scratch: tuple[Buffer, ...]
    constants: tuple[str, ...]
    start: tuple[str, ...]
    hoisted: tuple[Block, ...]
    setup: tuple[str, ...]
    loop: Loop
    after: tuple[Block, ...]


@dataclass(frozen=True)
class Storage:
    """Where the forward arrays of a plan are kept; shared by the forward and the backward pass."""

    plan: Schedule

    @cached_property
    def activations(self) -> dict[str, Activation]:
        """By the name of the stacked array."""
        return {found.stack.name: found for found in activations(self.plan)}

    @cached_property
    def gate_of(self) -> dict[str, tuple[str, int]]:
        """(buffer, block) of every array that is a block of activated gates."""
        return {
            name: (self.gates_buffer(stack), k)
            for stack, activation in self.activations.items()
            for k, name in enumerate(activation.names)
        }

    def gates_buffer(self, stack: str) -> str:
        return GATES if len(self.activations) == 1 else f"{GATES}_{stack}"

    @cached_property
    def states(self) -> dict[str, str]:
        """The name of the previous value by that of the next."""
        return {state.next: state.name for state in self.plan.cell.having("state") if state.next}

    @cached_property
    def previous(self) -> dict[str, str]:
        return {before: after for after, before in self.states.items()}

    @cached_property
    def hoisted(self) -> set[str]:
        """Arrays whose equation is complete before the loop."""
        return {e.name for e in self.plan.hoisted} - {e.name for e in self.plan.loop + self.plan.after}

    @cached_property
    def begun(self) -> set[str]:
        """Arrays that the loop completes."""
        return {e.name for e in self.plan.hoisted} - self.hoisted

    @cached_property
    def kept(self) -> set[str]:
        """Arrays with a value for every t on the tape."""
        return {array.name for array in self.plan.tape} | set(self.plan.cell.outputs) | set(self.states)

    @cached_property
    def blocked(self) -> set[str]:
        """Stacked arrays that the loop computes and the tape keeps, by blocks."""
        return {e.name for e in self.plan.loop if stack_of(e.array)} & self.kept

    @cached_property
    def all_time(self) -> set[str]:
        """Arrays with a value for every t, on the tape or not."""
        after = {e.name for e in self.plan.after}
        return self.kept | self.hoisted | self.begun | after | (names_in(self.plan.after) & self.forward)

    @cached_property
    def forward(self) -> set[str]:
        return {e.name for e in (*self.plan.hoisted, *self.plan.loop, *self.plan.after)}

    def whole(self, name: str, label: str | None = None) -> str:
        """An array for all t: ``tape.c[1:]``, ``x``, ``tape.gates[:, 2]``."""
        array = self.plan.arrays[name]
        if name in self.previous:
            return f"tape.{self.previous[name]}[:-1]"
        if name in self.gate_of and name in self.kept:
            buffer, block = self.gate_of[name]
            return f"tape.{buffer}[:, {block}]"
        if name in self.blocked:
            if label:
                return f"tape.{name}[:, {array.labels.index(label)}]"
            return f"tape.{name}.swapaxes({block_axis(array)}, {block_axis(array) + 1}).reshape(T, {sizes_text(array)})"
        if name not in self.forward:
            text = name
        elif name in self.states:
            text = f"tape.{name}[1:]"
        else:
            text = f"{'tape' if name in self.kept else 'scratch'}.{name}"
        return f"{text}[..., {block_slice(array, label)}]" if label else text

    def tape_buffers(self) -> Iterator[Buffer]:
        """The memory that the backward pass reads."""
        for stack, activation in self.activations.items():
            comment = ", ".join(activation.names)
            yield Buffer(self.gates_buffer(stack), f"T, {blocks_text(activation.stack)}", comment)
        for array in self.ordered(self.kept - set(self.gate_of)):
            if array.name in self.states:
                comment = f"{array.name}[0] is {array.name}0, {array.name}[t + 1] that of step t"
                yield Buffer(array.name, f"T + 1, {sizes_text(array)}", comment)
            else:
                text = blocks_text(array) if array.name in self.blocked else sizes_text(array)
                yield Buffer(array.name, f"T, {text}")

    def ordered(self, names: set[str]) -> list[Array]:
        return [array for array in self.plan.arrays.values() if array.name in names]


def block_slice(array: Array, label: str) -> str:
    """The slice of a stacked axis, by rows, that a label names."""
    stack = stack_of(array)
    assert stack is not None
    k = stack.labels.index(label)
    return f"{k} * {stack.dim} : {k + 1} * {stack.dim}"


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


def matmul_line(form: Form, left: str, right: str, out: str) -> str:
    return f"matmul({left}, {right}, out={out})"


def total_line(form: Form, operand: str, out: str) -> str:
    """A sum inside of one step; axes are counted from the end, so that leading ones do not matter."""
    count = len(form.args[0].groups)
    axes = tuple(position - count for position in form.positions)
    return f"add.reduce({operand}, axis={axes[0] if len(axes) == 1 else axes}, out={out})"


def rows_line(form: Form, left: str, right: str, out: str) -> str:
    """A product over all steps of all sequences at once."""
    return f"matmul({_rows(left, form.args[0])}, {_rows(right, form.args[1])}, out={_rows(out, form)})"


def _rows(text: str, form: Form) -> str:
    """(T, N, …) as (T·N, …) for operands with a batch axis; parameters have none."""
    if not any(str(index.dim) == "N" for group in form.groups for index in group):
        return text
    if text.endswith(".T"):
        return f"_rows({text[:-2]}).T"
    return f"_rows({text})"


def rows_total_line(form: Form, operand: str, out: str) -> str:
    """A sum that runs over the batch runs over all steps of all sequences."""
    (inner,) = form.args
    batch = [k for k, group in enumerate(inner.groups) if str(group[-1].dim) == "N"]
    if not set(batch) & set(form.positions):
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


def forward_code(plan: Schedule) -> ForwardCode:
    """Compile the forward phases of a plan."""
    return _Forward(plan, Storage(plan)).code()


@dataclass(frozen=True)
class _Forward:
    plan: Schedule
    storage: Storage

    def code(self) -> ForwardCode:
        whole, inner = Scratch("tmp_all"), Scratch()
        hoisted = tuple(self._all_time(e, whole) for e in self.plan.hoisted)
        blocks = tuple(self._loop_blocks(inner))
        after = tuple(self._all_time(e, whole) for e in self.plan.after)
        loop = Loop(tuple(self._items(blocks)), blocks)
        setup = tuple(self._setup(inner, blocks))
        return ForwardCode(
            tape=tuple(self.storage.tape_buffers()),
            scratch=(*self._scratch_buffers(inner), *scratch_buffers(whole, "T, ")),
            constants=tuple(self._constants()),
            start=tuple(f"{name} = scratch.{name}" for name in whole.used),
            hoisted=hoisted,
            setup=setup,
            loop=loop,
            after=after,
        )

    # -- for all t at once -------------------------------------------------------------------------------------

    def _all_time(self, equation: Equation, scratch: Scratch) -> Block:
        compiler = Compiler(self.storage.whole, scratch, rows_line, total_line, self.storage.whole)
        lines = compiler.assign(matrix_form(equation, self.plan), Target(self._begun(equation.name)))
        return Block((self._comment(equation),), tuple(lines))

    def _begun(self, name: str) -> str:
        """Where the part of an array that is computed before the loop is put."""
        if name in self.storage.activations:
            array = self.plan.arrays[name]
            return f"tape.{self.storage.gates_buffer(name)}.reshape(T, {sizes_text(array)})"
        return self.storage.whole(name)

    def _comment(self, equation: Equation) -> str:
        text = equation_text(equation, self.plan, UNICODE)
        return f"{text} + …" if equation.name in self.storage.begun else text

    # -- the loop ----------------------------------------------------------------------------------------------

    def _loop_blocks(self, scratch: Scratch) -> Iterator[Block]:
        compiler = Compiler(step_name(self.plan), scratch, matmul_line, total_line, row_names(self.plan))
        done: set[str] = set()
        for equation in self.plan.loop:
            if equation.name in done:
                continue
            if equation.name in self.storage.gate_of:
                activation = next(a for a in self.storage.activations.values() if equation.name in a.names)
                done |= set(activation.names)
                yield self._activation(activation)
            elif stack_of(equation.array):
                yield self._stacked(equation, compiler)
            else:
                yield self._plain(equation, compiler)

    def _declared(self, equation: Equation) -> str:
        """The equation as the cell has it, hoisted terms and all."""
        return equation_text(self.plan.step.definitions[equation.name], self.plan, UNICODE)

    def _plain(self, equation: Equation, compiler: Compiler) -> Block:
        form = matrix_form(equation, self.plan)
        if equation.name in self.storage.begun:
            own = Form("array", (), form.groups, equation.name)
            form = Form("add", (own, *(form.args if form.op == "add" else (form,))), form.groups)
        return Block((self._declared(equation),), tuple(compiler.assign(form, Target(equation.name))))

    def _stacked(self, equation: Equation, compiler: Compiler) -> Block:
        """Products by rows, then one copy to blocks, then what is elementwise."""
        name, array = equation.name, equation.array
        form = matrix_form(equation, self.plan)
        if form.op == "stack":
            lines = []
            for label, part in zip(array.labels, form.args, strict=True):
                lines += compiler.assign(part, Target(f"{name}_{label}"))
            return Block((self._declared(equation),), tuple(lines))
        terms = form.args if form.op == "add" else (form,)
        products = [term for term in terms if _has_product(term)]
        others = [term for term in terms if not _has_product(term)]
        rows = f"{name}_rows"
        if name in self.storage.begun:
            products = [Form("array", (), form.groups, name), *products]
        by_rows = replace(compiler, names=row_names(self.plan))
        lines = []
        if products:
            total = products[0] if len(products) == 1 else Form("add", tuple(products), form.groups)
            lines += by_rows.assign(total, Target(rows)) if total.op != "array" else []
            lines.append(f"copyto({name}, {rows}_blocks)")
        if others:
            own = [Form("array", (), form.groups, name)] if products else []
            rest = Form("add", (*own, *others), form.groups) if own or len(others) > 1 else others[0]
            lines += compiler.assign(rest, Target(name))
        return Block((self._declared(equation),), tuple(lines))

    def _activation(self, activation: Activation) -> Block:
        stack, gates = activation.stack.name, self.storage.gates_buffer(activation.stack.name)
        comments = [self._declared(equation) for equation in activation.equations]
        if set(activation.functions) == {"tanh"}:
            return Block(tuple(comments), (f"tanh({stack}, out={gates})",))
        scale, shift = _constant_names(activation)
        lines = (
            f"multiply({stack}, {scale}, out={stack})",
            f"tanh({stack}, out={gates})",
            f"multiply({gates}, {scale}, out={gates})",
            f"add({gates}, {shift}, out={gates})",
        )
        return Block((*comments, "with σ(z) = ½ tanh(½ z) + ½, right for every real z"), lines)

    # -- what the loop iterates over and what stands before it ---------------------------------------------------

    def _items(self, blocks: tuple[Block, ...]) -> Iterator[tuple[str, str]]:
        used = words(blocks)
        for array in self.plan.cell.having("sequence"):
            if array.name in used:
                yield array.name, array.name
        for stack, activation in self.storage.activations.items():
            buffer = self.storage.gates_buffer(stack)
            if buffer in used:
                yield buffer, f"tape.{buffer}"
            if used & set(activation.names):
                yield f"({', '.join(activation.names)})", f"tape.{buffer}"
        for name in self._stored():
            yield from self._item(name, used)

    def _stored(self) -> list[str]:
        names = [*self.storage.previous, *(array.name for array in self.storage.ordered(self.storage.all_time))]
        return [name for name in names if name not in self.storage.gate_of]

    def _item(self, name: str, used: set[str]) -> Iterator[tuple[str, str]]:
        array = self.plan.arrays[name]
        if not stack_of(array):
            if name in used:
                yield name, self.storage.whole(name)
            return
        if name in self.storage.blocked:
            if name in used:
                yield name, f"tape.{name}"
            if used & {f"{name}_{label}" for label in array.labels}:
                yield f"({', '.join(f'{name}_{label}' for label in array.labels)})", f"tape.{name}"
            return
        rows = self._begun(name)
        blocks = f"{rows}.reshape(T, {split_text(array)}).swapaxes({block_axis(array)}, {block_axis(array) + 1})"
        if f"{name}_rows" in used:
            yield f"{name}_rows", rows
        if f"{name}_rows_blocks" in used:
            yield f"{name}_rows_blocks", blocks
        if name in self.storage.hoisted and used & {f"{name}_{label}" for label in array.labels}:
            yield f"({', '.join(f'{name}_{label}' for label in array.labels)})", blocks

    def _setup(self, scratch: Scratch, blocks: tuple[Block, ...]) -> Iterator[str]:
        """Scratch by its name in the loop, and stacked parameters by blocks."""
        used = words(blocks)
        for name in scratch.used:
            yield f"{name} = scratch.{name}"
        for array in self._step_stacks():
            if array.name not in self.storage.blocked:
                if array.name in used:
                    yield f"{array.name} = scratch.{array.name}_blocks"
                if used & {f"{array.name}_{label}" for label in array.labels}:
                    names = ", ".join(f"{array.name}_{label}" for label in array.labels)
                    yield f"{names} = scratch.{array.name}_blocks"
            if array.name not in self.storage.begun and f"{array.name}_rows" in used:
                yield f"{array.name}_rows = scratch.{array.name}_rows"
                axes = f"({split_text(array)}).swapaxes({block_axis(array) - 1}, {block_axis(array)})"
                yield f"{array.name}_rows_blocks = {array.name}_rows.reshape{axes}"
        for array in self._step_arrays():
            yield f"{array.name} = scratch.{array.name}"
        for array in self._stacked_parameters(used):
            stack = stack_of(array)
            assert stack is not None
            yield f"{array.name}_blocks = scratch.{array.name}_blocks"
            yield f"copyto({array.name}_blocks, {array.name}.reshape({len(stack.labels)}, 1, {stack.dim}))"
            if used & {f"{array.name}_{label}" for label in array.labels}:
                yield f"{', '.join(f'{array.name}_{label}' for label in array.labels)} = {array.name}_blocks[:, 0]"

    def _step_stacks(self) -> list[Array]:
        """Stacked arrays of the loop with no memory for all t, or only by rows."""
        return [e.array for e in self.plan.loop if stack_of(e.array)]

    def _step_arrays(self) -> list[Array]:
        """Plain arrays of the loop that only live for one step."""
        names = self.storage.all_time | set(self.storage.gate_of)
        return [e.array for e in self.plan.loop if not stack_of(e.array) and e.name not in names]

    def _stacked_parameters(self, used: set[str]) -> list[Array]:
        wanted = [a for a in self.plan.cell.having("parameter") if stack_of(a)]
        return [
            a for a in wanted if used & {f"{a.name}_blocks", *(f"{a.name}_{label}" for label in a.labels)}
        ]

    def _scratch_buffers(self, scratch: Scratch) -> Iterator[Buffer]:
        used = words(tuple(self._loop_blocks(Scratch())))
        for array in self.storage.ordered(self.storage.all_time - self.storage.kept - set(self.storage.gate_of)):
            if array.name not in self.storage.activations:
                yield Buffer(array.name, f"T, {sizes_text(array)}")
        for array in self._step_stacks():
            if array.name not in self.storage.blocked:
                yield Buffer(f"{array.name}_blocks", blocks_text(array))
            if array.name not in self.storage.begun and f"{array.name}_rows" in used:
                yield Buffer(f"{array.name}_rows", sizes_text(array))
        for array in self._step_arrays():
            yield Buffer(array.name, sizes_text(array))
        for array in self._stacked_parameters(used):
            yield Buffer(f"{array.name}_blocks", f"{len(array.labels)}, N, {sizes_of_block(array)}", "for every row")
        yield from scratch_buffers(scratch, "")

    def _constants(self) -> Iterator[str]:
        for activation in self.storage.activations.values():
            if set(activation.functions) == {"tanh"}:
                continue
            scale, shift = _constant_names(activation)
            ones = ", ".join("0.5" if f == "sigmoid" else "1" for f in activation.functions)
            zeros = ", ".join("0.5" if f == "sigmoid" else "0" for f in activation.functions)
            yield f"{scale} = np.array([{ones}], x.dtype).reshape(-1, 1, 1)"
            yield f"{shift} = np.array([{zeros}], x.dtype).reshape(-1, 1, 1)"


def sizes_of_block(array: Array) -> str:
    stack = stack_of(array)
    assert stack is not None
    return str(stack.dim)


def _constant_names(activation: Activation) -> tuple[str, str]:
    return f"scale_{activation.stack.name}", f"shift_{activation.stack.name}"


def _has_product(form: Form) -> bool:
    return form.op in {"matmul", "einsum"} or any(_has_product(part) for part in form.args)


def scratch_buffers(scratch: Scratch, leading: str) -> Iterator[Buffer]:
    """The buffers behind scratch names, each with the axes that it was taken for."""
    for name, groups in scratch.used.items():
        sizes = ["*".join(str(index.dim) for index in group).replace("*", " * ") for group in groups]
        # A sum over all steps has no axis for them.
        yield Buffer(name, f"{leading if 'N' in sizes else ''}{', '.join(sizes)}")


def words(blocks: tuple[Block, ...]) -> set[str]:
    """The Python names that statements use."""
    return {word for block in blocks for line in block.lines for word in re.findall(r"[^\W\d]\w*", line)}
