"""The forward pass over a sequence as statements: products for all t first, then the loop over t."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from derive.emit.layout import (
    Activation,
    Block,
    Buffer,
    Loop,
    block_axis,
    blocks_text,
    loop_over,
    sizes_text,
    split_text,
    stack_of,
)
from derive.emit.numpy.axes import Axes
from derive.emit.numpy.lines import (
    block_names,
    block_views,
    constant_names,
    in_step,
    row_names,
    scratch_buffers,
    words,
)
from derive.emit.numpy.order import ENDED, ENDED_ALL, kept_states
from derive.emit.numpy.statements import Compiler, Scratch, Target
from derive.emit.storage import Storage
from derive.matrix import Form, axes_of, matrix_form
from derive.plan.schedule import Schedule
from derive.program import Array, Equation
from derive.show import UNICODE, equation_text


@dataclass(frozen=True)
class ForwardCode:
    """The parts of the generated ``forward``."""

    tape: tuple[Buffer, ...]
    scratch: tuple[Buffer, ...]
    start: tuple[str, ...]
    hoisted: tuple[Block, ...]
    setup: tuple[str, ...]
    loop: Loop
    after: tuple[Block, ...]


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
        after = tuple(self._completed(e, whole) for e in self.plan.after)
        loop = loop_over(self._items(blocks), blocks, "T")
        setup = tuple(self._setup(inner, blocks))
        return ForwardCode(
            tape=tuple(self.storage.tape_buffers()),
            scratch=(*self._scratch_buffers(inner), *scratch_buffers(whole, self.plan.batch, "T, ")),
            start=tuple(f"{name} = scratch.{name}" for name in whole.used),
            hoisted=hoisted,
            setup=setup,
            loop=loop,
            after=after,
        )

    # -- for all t at once -------------------------------------------------------------------------------------

    def _all_time(self, equation: Equation, scratch: Scratch) -> Block:
        form, target = matrix_form(equation, self.plan), Target(self._begun(equation.name))
        lines = self._for_all_steps(scratch).define(form, axes_of(equation.array), target)
        return Block((self._comment(equation),), tuple(lines))

    def _completed(self, equation: Equation, scratch: Scratch) -> Block:
        """After the loop, what is begun before it is added to."""
        form = self._with_begun(equation)
        target = Target(self.storage.whole(equation.name))
        lines = self._for_all_steps(scratch).define(form, axes_of(equation.array), target)
        return Block((self._declared(equation),), tuple(lines))

    def _for_all_steps(self, scratch: Scratch) -> Compiler:
        return Compiler(self.storage.whole, scratch, Axes(self.plan.batch, "rows"), self.storage.whole)

    def _with_begun(self, equation: Equation) -> Form:
        """An equation's form with what is there already as its first term."""
        form = matrix_form(equation, self.plan)
        if equation.name not in self.storage.begun:
            return form
        groups = axes_of(equation.array)
        own = Form("array", (), groups, equation.name)
        return Form("add", (own, *(form.args if form.op == "add" else (form,))), groups)

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
        rows = row_names(self.storage)
        compiler = Compiler(rows, scratch, Axes(self.plan.batch, "step"), rows)
        done: set[str] = set()
        for equation in self.plan.loop:
            if equation.name in done:
                continue
            if equation.name in self.storage.gate_of:
                activation = next(a for a in self.storage.activations.values() if equation.name in a.names)
                done |= set(activation.names)
                yield self._activation(activation)
            elif equation.name in self.storage.in_blocks:
                yield self._stacked(equation, compiler)
            else:
                yield self._plain(equation, compiler)
        yield from kept_states(self.plan.cell.having("state"))

    def _declared(self, equation: Equation) -> str:
        """The equation as the cell has it, hoisted terms and all."""
        return equation_text(self.plan.step.definitions[equation.name], self.plan, UNICODE)

    def _plain(self, equation: Equation, compiler: Compiler) -> Block:
        lines = compiler.define(self._with_begun(equation), axes_of(equation.array), Target(equation.name))
        return Block((self._declared(equation),), tuple(lines))

    def _stacked(self, equation: Equation, compiler: Compiler) -> Block:
        """By rows, then one copy to blocks; what is merely added to every row by blocks."""
        name = equation.name
        form = matrix_form(equation, self.plan)
        terms = form.args if form.op == "add" else (form,)
        others = [term for term in terms if self._is_bias(term)]
        products = [term for term in terms if term not in others]
        if name in self.storage.begun:
            products = [Form("array", (), form.groups, name), *products]
        lines = []
        if products:
            total = products[0] if len(products) == 1 else Form("add", tuple(products), form.groups)
            lines += (
                compiler.assign(total, Target(f"{name}_rows")) if total.op != "array" or total.value != name else []
            )
            lines.append(f"copyto({name}, {name}_rows_blocks)")
        if others:
            by_blocks = replace(compiler, names=block_names(self.plan))
            own = [Form("array", (), form.groups, name)] if products else []
            rest = Form("add", (*own, *others), form.groups) if own or len(others) > 1 else others[0]
            lines += by_blocks.assign(rest, Target(name))
        return Block((self._declared(equation),), tuple(lines))

    def _is_bias(self, term: Form) -> bool:
        """Whether a term is a stacked vector that is the same for every row."""
        constant = term.op == "array" and not self.plan.timed(self.plan.arrays[str(term.value)])
        return constant and not term.label and len(term.groups) == 1 and len(term.groups[0]) == 2

    def _activation(self, activation: Activation) -> Block:
        """One tanh serves all blocks; those of σ are halved before and after, σ(z) = ½ tanh(½ z) + ½."""
        stack, gates = activation.stack.name, self.storage.gates_buffer(activation.stack.name)
        comments = [self._declared(equation) for equation in activation.equations]
        runs = sigmoid_runs(activation)
        if runs:
            comments.append("with σ(z) = ½ tanh(½ z) + ½, right for every real z")
        before = [f"multiply({_run(stack, r)}, 0.5, out={_run(stack, r)})" for r in runs]
        after = [f"{call}({_run(gates, r)}, 0.5, out={_run(gates, r)})" for r in runs for call in ("multiply", "add")]
        return Block(tuple(comments), (*before, f"tanh({stack}, out={gates})", *after))

    # -- what the loop iterates over and what stands before it ---------------------------------------------------

    def _items(self, blocks: tuple[Block, ...]) -> Iterator[tuple[str, str]]:
        used = words(blocks)
        if ENDED[0] in used:
            yield ENDED
        for array in self.plan.cell.having("sequence"):
            if in_step(array) in used:
                yield in_step(array), array.name
            for label in array.labels:
                if f"{in_step(array)}_{label}" in used:
                    yield f"{in_step(array)}_{label}", self.storage.whole(array.name, label)
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
        return [n for n in names if n not in self.storage.gate_of and self.plan.timed(self.plan.arrays[n])]

    def _item(self, name: str, used: set[str]) -> Iterator[tuple[str, str]]:
        array = self.plan.arrays[name]
        if name not in self.storage.in_blocks:
            if name in used:
                yield name, self.storage.whole(name)
            for label in array.labels:
                if f"{name}_{label}" in used:
                    yield f"{name}_{label}", self.storage.whole(name, label)
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

    def _setup(self, scratch: Scratch, blocks: tuple[Block, ...]) -> Iterator[str]:
        """Scratch by its name in the loop, and stacked parameters by blocks."""
        used = words(blocks)
        if ENDED[0] in used:
            yield ENDED_ALL
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
            yield from block_views(array, used)
        yield from constant_names(self.storage, used)
        for array in self._stacked_parameters(used):
            stack = stack_of(array)
            assert stack is not None
            yield f"{array.name}_blocks = scratch.{array.name}_blocks"
            split = f"{self.storage.whole(array.name)}.reshape({len(stack.labels)}, 1, {stack.dim})"
            yield f"copyto({array.name}_blocks, {split})"

    def _step_stacks(self) -> list[Array]:
        """Stacked arrays of the loop in blocks, with no memory for all t, or only by rows."""
        return [e.array for e in self.plan.loop if e.name in self.storage.in_blocks]

    def _step_arrays(self) -> list[Array]:
        """Arrays of the loop, stacked ones by rows, that only live for one step."""
        names = self.storage.all_time | set(self.storage.gate_of) | self.storage.in_blocks
        return [e.array for e in self.plan.loop if e.name not in names]

    def _stacked_parameters(self, used: set[str]) -> list[Array]:
        constant = [a for a in self.plan.step.arrays.values() if stack_of(a) and not self.plan.timed(a)]
        return [array for array in constant if f"{array.name}_blocks" in used]

    def _scratch_buffers(self, scratch: Scratch) -> Iterator[Buffer]:
        used = words(tuple(self._loop_blocks(Scratch())))
        for array in self.storage.ordered(self.storage.all_time - self.storage.kept - set(self.storage.gate_of)):
            if array.name not in self.storage.activations:
                yield Buffer(array.name, self.storage.shape(array))
        for array in self._step_stacks():
            if array.name not in self.storage.blocked:
                yield Buffer(f"{array.name}_blocks", blocks_text(array))
            if array.name not in self.storage.begun and f"{array.name}_rows" in used:
                yield Buffer(f"{array.name}_rows", sizes_text(array))
        for array in self._step_arrays():
            yield Buffer(array.name, sizes_text(array))
        for array in self._stacked_parameters(used):
            yield Buffer(
                f"{array.name}_blocks",
                f"{len(array.labels)}, {self.plan.batch}, {sizes_of_block(array)}",
                "for every row",
            )
        yield from scratch_buffers(scratch, self.plan.batch)


def sizes_of_block(array: Array) -> str:
    stack = stack_of(array)
    assert stack is not None
    return str(stack.dim)


def sigmoid_runs(activation: Activation) -> list[range]:
    """The runs of neighbouring blocks that σ is applied to."""
    runs: list[range] = []
    for k, function in enumerate(activation.functions):
        if function == "sigmoid":
            if runs and runs[-1].stop == k:
                runs[-1] = range(runs[-1].start, k + 1)
            else:
                runs.append(range(k, k + 1))
    return runs


def _run(array: str, blocks: range) -> str:
    """Some blocks of a stacked array."""
    return f"{array}[{blocks.start}]" if len(blocks) == 1 else f"{array}[{blocks.start}:{blocks.stop}]"
