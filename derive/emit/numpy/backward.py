"""The backward pass over a sequence as statements: coefficients, the recurrence from the last step, the rest.

Names that live one after the other in one piece of memory are all kept, since each is the right one where it
stands: ``d_next_c``, ``dc`` and ``dc_prev`` are three cotangents and one buffer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from derive.calculus import COTANGENT, SEED
from derive.emit.layout import Block, Buffer, Loop, block_axis, blocks_text, loop_over, sizes_text, split_text, stack_of
from derive.emit.numpy.axes import Axes
from derive.emit.numpy.carried import Carried, Memory
from derive.emit.numpy.coefficients import CoefficientCode, coefficient_code
from derive.emit.numpy.lines import block_views, constant_names, forward_names, row_names, scratch_buffers, words
from derive.emit.numpy.order import ENDING, ENDING_ALL, Last, last_cotangents, without_steps
from derive.emit.numpy.statements import Compiler, Scratch, Target
from derive.emit.signature import last_name, whole_name
from derive.emit.storage import Storage, block_slice, read_whole
from derive.index import Entry, Sigma
from derive.matrix import Form, axes_of, matrix_form
from derive.plan.coefficients import JACOBIAN
from derive.plan.schedule import Schedule, names_in
from derive.program import Array, Equation
from derive.show import UNICODE, equation_text


@dataclass(frozen=True)
class BackwardCode:
    """The parts of the generated ``backward``."""

    buffers: tuple[Buffer, ...]
    coefficients: CoefficientCode
    start: tuple[str, ...]
    setup: tuple[str, ...]
    loop: Loop
    finish: tuple[str, ...]
    deferred: tuple[Block, ...]


def backward_code(plan: Schedule, numbers: Mapping[str, str]) -> BackwardCode:
    """Compile the backward phases of a plan.

    Args:
        numbers: the notes' equation numbers by cotangent or block of one, e.g. ``{"dc": "eq 2"}``.
    """
    return _Backward(plan, Storage(plan), numbers).code()


@dataclass(frozen=True)
class _Backward:
    plan: Schedule
    storage: Storage
    numbers: Mapping[str, str]

    def code(self) -> BackwardCode:
        inner, whole = Scratch(), Scratch("tmp_all")
        coefficients = coefficient_code(self.plan, self.storage, self.numbers)
        memory = self._memory()
        last = [(self._last(carried), carried.gradient) for carried in self.carried if not carried.is_output]
        ending = last_cotangents([one for one, _ in last])
        blocks = (*ending, *self._arriving(), *self._loop_blocks(inner, memory), *self._leaving(memory))
        deferred = tuple(self._deferred(e, whole) for e in self.plan.deferred)
        buffers = (
            *coefficients.buffers,
            *self._step_buffers(memory, blocks),
            *scratch_buffers(inner, self.plan.batch),
            *self._deferred_buffers(),
            *scratch_buffers(whole, self.plan.batch, "T, "),
        )
        return BackwardCode(
            buffers=buffers,
            coefficients=coefficients,
            setup=tuple(self._setup(inner, memory, blocks)),
            start=tuple(self._start()),
            loop=loop_over(self._items(words(blocks)), tuple(b for b in blocks if b.lines), "count"),
            finish=(
                *(f"copyto({c.gradient}, {c.result})" for c in self.carried if c.apart),
                *(f"copyto(gradients.{name}, buffers.{name})" for name in sorted(self.results)),
                *without_steps(last),
                *(f"{name} = buffers.{name}" for name in whole.used),
            ),
            deferred=deferred,
        )

    @cached_property
    def carried(self) -> tuple[Carried, ...]:
        by_name = {equation.name: equation for equation in self.plan.recurrence}
        found = []
        for state in self.plan.cell.having("state"):
            form = matrix_form(by_name[COTANGENT + state.name], self.plan)
            found.append(Carried(state, state.next in self.plan.cell.outputs, form.op == "matmul"))
        return tuple(found)

    @cached_property
    def stored(self) -> set[str]:
        """Cotangents of the loop that are wanted for all t afterwards."""
        own = {e.name for e in self.plan.recurrence} | {array.name for array in self.plan.step.having("cotangent")}
        return (names_in(self.plan.deferred) & own - self.direct) | self.results

    @cached_property
    def results(self) -> set[str]:
        """Gradients of sequences that the loop has in passing, as what it reads itself."""
        return {e.name for e in self.plan.recurrence} & {COTANGENT + a.name for a in self.plan.cell.having("sequence")}

    @cached_property
    def direct(self) -> set[str]:
        """Seeds of outputs that are no states: what comes from outside is all there is."""
        states = {c.following for c in self.carried}
        return {SEED + name for name in self.plan.cell.outputs if name not in states}

    # -- the recurrence ----------------------------------------------------------------------------------------

    def _memory(self) -> Memory:
        """Give every plain cotangent of the loop a home, that of an operand it outlives where there is one."""
        memory = Memory()
        for state in self.carried:
            if state.seed not in self.stored:
                memory.home[state.seed] = state.seed if state.apart else state.gradient
            if state.apart or state.seed in self.stored:
                memory.home[state.result] = state.result if state.apart else state.gradient
        for position, equation in enumerate(self.plan.recurrence):
            name = equation.name
            if name in memory.home or name in self.stored or name in self.storage.in_blocks:
                continue
            memory.home[name] = self._home(position, equation, memory)
        return memory

    def _home(self, position: int, equation: Equation, memory: Memory) -> str:
        if stack_of(equation.array):  # its blocks may be read where it is not
            return equation.name
        later = names_in(self.plan.recurrence[position + 1 :])
        wanted = next((c for c in self.carried if c.result == equation.name), None)
        # Not one that is summed: a sum is not to be written over what it still reads.
        summed = {e for total in equation.value.atoms(Sigma) for e in total.atoms(Entry)}
        candidates = [entry.name for entry in equation.reads if entry not in summed]
        if wanted:
            candidates = [wanted.seed] if wanted.seed in memory.home else []
        for name in candidates:
            place = memory.home.get(name)
            same = name in self.plan.arrays and self.plan.arrays[name].sizes == equation.array.sizes
            if place and same and not memory.aliases(name) & later and not self._is_apart(place):
                return place
        return equation.name

    def _is_apart(self, place: str) -> bool:
        return any(c.apart and c.result == place for c in self.carried)

    def _arriving(self) -> Iterator[Block]:
        """What reaches the new states: from the step after, and from outside."""
        for state in self.carried:
            lines = []
            previous = f"{state.result} of step t + 1"
            if self._carrier(state) != state.seed:
                lines.append(f"copyto({state.seed}, {state.result})")
            outside = f"{COTANGENT}{state.following}_t"
            if state.is_output:
                lines.append(f"add({state.seed}, {outside}, out={state.seed})")
                previous += f" + {COTANGENT}{state.following}[t]"
            if lines:
                yield Block((f"{state.seed} = {previous}",), tuple(lines))

    def _loop_blocks(self, scratch: Scratch, memory: Memory) -> Iterator[Block]:
        rows = row_names(self.storage)
        compiler = Compiler(rows, scratch, Axes(self.plan.batch, "step"), rows)
        for equation in self.plan.recurrence:
            comment, form = self._numbered(equation), matrix_form(equation, self.plan)
            if form.op == "stack":
                yield Block(comment, tuple(self._stacked(equation, form, compiler)))
            else:
                target = Target(equation.name, memory.aliases(equation.name))
                yield Block(comment, tuple(compiler.define(form, axes_of(equation.array), target)))

    def _numbered(self, equation: Equation) -> tuple[str, ...]:
        number = self.numbers.get(equation.name)
        text = equation_text(equation, self.plan, UNICODE)
        return (f"{number}: {text}" if number else text,)

    def _stacked(self, equation: Equation, form: Form, compiler: Compiler) -> Iterator[str]:
        """Block by block, in the memory of the coefficients where there are any, then one copy to rows."""
        name = equation.name
        for label, part in zip(equation.array.labels, form.args, strict=True):
            target = Target(f"{name}_{label}", frozenset({f"{self._coefficient_of(name)}_{label}"}))
            yield from compiler.assign(part, target)
        if name in self.storage.in_blocks and self._by_rows(equation):
            yield f"copyto({name}_rows_blocks, {name})"

    def _by_rows(self, equation: Equation) -> bool:
        """Whether a cotangent in blocks is wanted by rows: as a whole, or for all t."""
        read = any(equation.name in read_whole(e) for e in self.plan.recurrence)
        return read or equation.name in self.stored

    def _coefficient_of(self, name: str) -> str:
        return JACOBIAN + name.removeprefix(COTANGENT)

    def _leaving(self, memory: Memory) -> Iterator[Block]:
        """Cotangents of previous states that had to be computed beside the memory that carries them."""
        for state in self.carried:
            if not state.apart and memory.home[state.result] != state.gradient:
                comment = f"{state.result} is what reaches {state.following} at step t − 1"
                yield Block((comment,), (f"copyto({self._carrier(state)}, {state.result})",))

    def _last(self, carried: Carried) -> Last:
        return Last(carried.state, self._carrier(carried), last_name(carried.following))

    def _carrier(self, state: Carried) -> str:
        """The name under which a cotangent goes from one step to the one before."""
        return state.result if state.apart or state.seed in self.stored else state.seed

    def _items(self, used: set[str]) -> Iterator[tuple[str, str]]:
        if ENDING[0] in used:
            yield ENDING
        for name in self.plan.cell.outputs:
            seed = SEED + name
            if seed in self.direct:
                if seed in used:
                    yield seed, f"{whole_name(name)}[steps][::-1]"
                for label in self.plan.arrays[seed].labels:
                    if f"{seed}_{label}" in used:
                        block = block_slice(self.plan.arrays[seed], label)
                        yield f"{seed}_{label}", f"{whole_name(name)}[{block}][steps][::-1]"
                array = self.plan.arrays[seed]
                for label in array.labels:
                    if f"{seed}_{label}" in used:
                        block = block_slice(array, label)
                        yield f"{seed}_{label}", f"{whole_name(name)}[steps][::-1][{block}]"
            else:
                yield f"{COTANGENT}{name}_t", f"{whole_name(name)}[steps][::-1]"
        for line in forward_names(self.storage, used, "[steps][::-1]", in_loop=True):
            name, _, source = line.partition(" = ")
            yield name, source
        for equation in self.plan.coefficients:
            array = equation.array
            if array.name not in self.storage.in_blocks:
                own = f"buffers.{array.name}[:count]"
                if array.name in used:
                    yield array.name, f"{own}[::-1]"
                for label in array.labels:
                    if f"{array.name}_{label}" in used:
                        yield f"{array.name}_{label}", f"{own}[{block_slice(array, label)}][::-1]"
                continue
            source = f"buffers.{array.name}[:, :count].swapaxes(0, 1)[::-1]"
            yield f"({', '.join(f'{array.name}_{label}' for label in array.labels)})", source
        for equation in self.plan.recurrence:
            yield from self._cotangent_items(equation.array, used)
        for name in sorted(self.stored):
            if name.startswith(SEED):
                yield name, f"buffers.{name}[steps][::-1]"

    def _cotangent_items(self, array: Array, used: set[str]) -> Iterator[tuple[str, str]]:
        name = array.name
        if name not in self.storage.in_blocks:
            if name in self.stored:
                yield name, f"buffers.{name}[steps][::-1]"
                for label in array.labels:
                    if f"{name}_{label}" in used:
                        yield f"{name}_{label}", f"buffers.{name}[{block_slice(array, label)}][steps][::-1]"
            return
        if self._in_coefficients(array):
            source = f"buffers.{self._coefficient_of(name)}[:, :count].swapaxes(0, 1)[::-1]"
            if name in used:
                yield name, source
            if used & {f"{name}_{label}" for label in array.labels}:
                yield f"({', '.join(f'{name}_{label}' for label in array.labels)})", source
        if name in self.stored:
            axis = block_axis(array)
            yield f"{name}_rows", f"buffers.{name}[steps][::-1]"
            blocks = f"buffers.{name}.reshape(T, {split_text(array)}).swapaxes({axis}, {axis + 1})"
            yield f"{name}_rows_blocks", f"{blocks}[steps][::-1]"

    def _in_coefficients(self, array: Array) -> bool:
        """Whether the blocks of a cotangent may be written over those of its coefficients."""
        name = self._coefficient_of(array.name)
        if name not in self.storage.in_blocks:
            return False
        users = [e.name for e in self.plan.recurrence if name in names_in((e,))]
        return name in self.plan.arrays and users == [array.name]

    def _setup(self, scratch: Scratch, memory: Memory, blocks: Sequence[Block]) -> Iterator[str]:
        used = words(tuple(blocks))
        shared: dict[str, list[str]] = {}
        for name, place in memory.home.items():
            shared.setdefault(place, []).append(name)
        for place, names in shared.items():
            source = place if place.startswith("gradients.") else f"buffers.{place}"
            yield f"{' = '.join(names)} = {source}"
        if ENDING[0] in used:
            yield ENDING_ALL
        for name in scratch.used:
            yield f"{name} = buffers.{name}"
        yield from constant_names(self.storage, used)
        for equation in self.plan.recurrence:
            if equation.name in self.storage.in_blocks:
                yield from self._stack_setup(equation.array, used)
            elif equation.name not in self.stored:
                yield from block_views(equation.array, used)

    def _stack_setup(self, array: Array, used: set[str]) -> Iterator[str]:
        name, axis = array.name, block_axis(array)
        if not self._in_coefficients(array):
            yield f"{name} = buffers.{name}_blocks"
            if used & {f"{name}_{label}" for label in array.labels}:
                yield f"{', '.join(f'{name}_{label}' for label in array.labels)} = {name}"
        if name not in self.stored and f"{name}_rows" in used:
            yield f"{name}_rows = buffers.{name}_rows"
            yield f"{name}_rows_blocks = {name}_rows.reshape({split_text(array)}).swapaxes({axis - 1}, {axis})"

    def _start(self) -> Iterator[str]:
        """The cotangents that reach the last states from outside."""
        for state in self.carried:
            value = "0" if state.is_output else f"0 if order else {last_name(state.following)}"
            place = f"buffers.{state.result}" if state.apart else state.gradient
            yield f"copyto({place}, {value})"

    def _step_buffers(self, memory: Memory, blocks: Sequence[Block]) -> Iterator[Buffer]:
        used = words(tuple(blocks))
        for place in dict.fromkeys(memory.home.values()):
            if not place.startswith("gradients."):
                array = self.plan.arrays[place]
                yield Buffer(place, sizes_text(array), columns=self._is_apart(place))
        for equation in self.plan.recurrence:
            array, name = equation.array, equation.name
            if name in self.stored:
                yield Buffer(name, f"T, {sizes_text(array)}")
            if name in self.storage.in_blocks and not self._in_coefficients(array):
                yield Buffer(f"{name}_blocks", blocks_text(array))
            if name in self.storage.in_blocks and name not in self.stored and f"{name}_rows" in used:
                yield Buffer(f"{name}_rows", sizes_text(array))
        for name in sorted(self.stored):
            if name.startswith(SEED):
                yield Buffer(name, f"T, {sizes_text(self.plan.arrays[name])}")

    # -- after the loop ----------------------------------------------------------------------------------------

    def _deferred(self, equation: Equation, scratch: Scratch) -> Block:
        compiler = Compiler(self._whole, scratch, Axes(self.plan.batch, "rows"), self._whole)
        form = matrix_form(equation, self.plan)
        name = equation.name
        if form.op != "stack":
            lines = compiler.define(form, axes_of(equation.array), Target(self._whole(name, None)))
        else:
            blocks = zip(equation.array.labels, form.args, strict=True)
            lines = [line for k, part in blocks for line in compiler.assign(part, Target(self._whole(name, k)))]
        return Block(self._numbered(equation), tuple(lines))

    def _deferred_buffers(self) -> Iterator[Buffer]:
        for equation in self.plan.deferred:
            if equation.name not in self.plan.step.outputs:
                yield Buffer(equation.name, self.storage.shape(equation.array))

    def _whole(self, name: str, label: str | None) -> str:
        """An array for all t, forward or backward."""
        array = self.plan.arrays[name]
        if name in self.direct:
            given = whole_name(name.removeprefix(SEED))
            return f"{given}[{block_slice(array, label)}]" if label else given
        if array.role != "cotangent":
            return self.storage.whole(name, label)
        text = f"{'gradients' if name in self.plan.step.outputs else 'buffers'}.{name}"
        if label:
            return f"{text}[{block_slice(array, label)}]"
        return text
