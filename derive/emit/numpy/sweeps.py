"""The sweeps of the second order as statements: tangents upward, the backward pass with its tangents downward.

Tangents that may be missing are tested for where their terms are added, so that what is missing costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Literal

from sympy import Add, Expr, Integer

from derive.calculus import COTANGENT, SEED
from derive.emit.layout import Block, Buffer, Loop, loop_over, sizes_text
from derive.emit.numpy.axes import Axes
from derive.emit.numpy.lines import scratch_buffers
from derive.emit.numpy.order import (
    ENDED,
    ENDED_ALL,
    ENDING,
    ENDING_ALL,
    Last,
    kept_states,
    last_cotangents,
    without_steps,
)
from derive.emit.numpy.places import MOVED, SECOND, Places
from derive.emit.numpy.statements import Compiler, Scratch, Target
from derive.emit.signature import last_name, whole_name
from derive.index import Index, KroneckerDelta, entries
from derive.matrix import Form, Group, axes_of, form_of, reads_same_for_all_blocks
from derive.plan.schedule import Schedule
from derive.plan.tangents import Carry, Sweep, Tangents
from derive.program import Array, Equation
from derive.show import UNICODE, Names, equation_text, form_text

WIDTH = 100  # of comments

Groups = tuple[Group, ...]
Over = Literal["step", "steps", "rows"]


@dataclass(frozen=True)
class SweepCode:
    """The parts of a sweep's function.

    Attributes:
        memory: its arrays for all steps.
        shared: of an upward sweep, more of these, which the downward sweep reads.
        local: its arrays for one step or for a chunk of steps.
        per_step: how many numbers a chunk has per step.
        start, finish: what stands before and after everything else.
        chunk: names of the arrays of a chunk.
    """

    memory: tuple[Buffer, ...]
    shared: tuple[Buffer, ...]
    local: tuple[Buffer, ...]
    per_step: str
    start: tuple[str, ...]
    constant: tuple[Block, ...]
    chunk: tuple[str, ...]
    before: tuple[Block, ...]
    loop: Loop
    after: tuple[Block, ...]
    finish: tuple[str, ...]


def upward_code(tangents: Tangents) -> SweepCode:
    """The tangents of the forward pass."""
    return _Sweep(tangents, tangents.upward, Places(tangents, tangents.upward)).code()


def downward_code(tangents: Tangents) -> SweepCode:
    """The backward pass and its tangents."""
    return _Sweep(tangents, tangents.downward, Places(tangents, tangents.downward)).code()


@dataclass(frozen=True)
class _Sweep:
    tangents: Tangents
    sweep: Sweep
    places: Places

    def code(self) -> SweepCode:
        chunk, inner, whole = Scratch("tmp_rows"), Scratch(), Scratch("tmp_all")
        constant = self._phase(self.sweep.constant, whole, self.places.whole, "rows")
        before = self._phase(self.sweep.before, chunk, self.places.chunk, "rows")
        arriving = () if self.places.upward else tuple(map(self._arriving, self.sweep.carries))
        own = self._phase(self.sweep.loop, inner, self.places.step, "step")
        loop = (*self._ending(), *arriving, *own, *self._ended())
        after = self._phase(self.sweep.after, whole, self.places.whole, "rows")
        in_chunks = [Buffer(array.name, f"chunk, {sizes_text(array)}") for array in self.places.chunked]
        in_chunks += scratch_buffers(chunk, self.plan.batch, "chunk, ")
        sizes = [sizes_text(array).replace(", ", " * ") for array in self.places.chunked]
        return SweepCode(
            memory=tuple(self._memory(self._wanted)),
            shared=tuple(self._memory(self.places.lasting - self._wanted)),
            local=(
                *(Buffer(f"{buffer.name}_chunk", buffer.shape) for buffer in in_chunks),
                *(Buffer(name, sizes_text(array)) for name, array in self.places.local.items()),
                *scratch_buffers(inner, self.plan.batch),
                *scratch_buffers(whole, self.plan.batch, "T, "),
            ),
            per_step=" + ".join(sizes) or "1",
            start=(*(f"{name} = {text}" for name, text in self.places.views.items()), *self._start()),
            constant=constant,
            chunk=tuple(
                f"{buffer.name} = {buffer.name}_chunk{'[:count]' if buffer.shape.startswith('chunk') else ''}"
                for buffer in in_chunks
            ),
            before=before,
            loop=loop_over(self.places.pairs.items(), loop, "count"),
            after=after,
            finish=tuple(self._finish()),
        )

    @property
    def plan(self) -> Schedule:
        return self.tangents.plan

    # -- memory ----------------------------------------------------------------------------------------------------

    @property
    def _handed(self) -> frozenset[str]:
        return frozenset(name for carry in self.sweep.carries for name in (carry.arrives, carry.leaves))

    @property
    def _wanted(self) -> frozenset[str]:
        """What the sweep itself has to keep for more than a step, whether the other one reads it or not."""
        own = {e.name for e in (*self.sweep.constant, *self.sweep.before, *self.sweep.after)}
        return self.places.lasting & {*self.sweep.stored, *own, *self._handed}

    def _memory(self, names: frozenset[str]) -> Iterator[Buffer]:
        """The memory of arrays for all steps; what is handed on upward is kept like the forward pass's states."""
        carries = self.sweep.carries if self.places.upward else ()
        for carry in carries:
            if carry.leaves in names:
                text = sizes_text(self.places.array(carry.leaves))
                yield Buffer(carry.leaves, f"T + 1, {text}", f"{carry.leaves}[t + 1] is that of step t")
        known = {name for carry in carries for name in (carry.arrives, carry.leaves)}
        for array in self.tangents.program.arrays.values():
            if array.name in names - known:
                sizes = sizes_text(array)
                yield Buffer(array.name, f"T, {sizes}" if self.plan.timed(array) else sizes)

    def _start(self) -> Iterator[str]:
        """What is handed to the first step of the sweep."""
        for carry in self.sweep.carries:
            if self.places.upward:
                given = f"{self._state(carry)}0{self.tangents.mark}"
                yield f"{MOVED}.{carry.leaves}[0] = 0 if {given} is None else {given}"
            elif self._is_output(carry):
                yield f"{carry.leaves}[...] = 0"
            else:
                given = self._given(carry)
                none = f"order or {given} is None" if self._is_tangent(carry) else "order"
                yield f"{carry.leaves}[...] = 0 if {none} else {given}"
        yield (ENDED_ALL if self.places.upward else ENDING_ALL)

    def _finish(self) -> Iterator[str]:
        """What is left for the initial states."""
        for carry in self.sweep.carries:
            if not self.places.upward and self._is_tangent(carry):
                yield f"{self._gradient(carry)}[...] = {carry.leaves}"
        last = [(one, self._gradient(carry)) for carry, one in self._last().items() if one.optional]
        yield from without_steps(last)

    def _gradient(self, carry: Carry) -> str:
        return f"{SECOND}.{COTANGENT}{self._state(carry)}0"

    # -- sequences that end early ------------------------------------------------------------------------------------

    def _ended(self) -> Iterator[Block]:
        """Upward, a sequence that has ended keeps the tangents of its states."""
        if self.places.upward and self.sweep.carries:
            self.places.pairs[ENDED[0]] = f"{ENDED[1]}[steps]"
            sizes = [self.places.array(carry.arrives).sizes for carry in self.sweep.carries]
            names = [(self.places.step(carry.arrives), self.places.step(carry.leaves)) for carry in self.sweep.carries]
            yield from kept_states([Array(a, size, next=b) for (a, b), size in zip(names, sizes, strict=True)])

    def _ending(self) -> Iterator[Block]:
        """Downward, cotangents of last states come in where their sequences end."""
        if last := self._last():
            self.places.pairs[ENDING[0]] = ENDING[1]
            yield from last_cotangents(list(last.values()))

    def _last(self) -> dict[Carry, Last]:
        """What comes in for last states, by what carries it."""
        carries = [] if self.places.upward else [c for c in self.sweep.carries if not self._is_output(c)]
        return {
            carry: Last(self.places.array(carry.arrives), carry.leaves, self._given(carry), self._is_tangent(carry))
            for carry in carries
        }

    # -- what a step of the downward sweep begins with -------------------------------------------------------------

    def _arriving(self, carry: Carry) -> Block:
        """What reaches a state: from the step after, and from outside if it is an output."""
        arrives, leaves = self.places.step(carry.arrives), self.places.step(carry.leaves)
        comment = f"{arrives} = {leaves} of step t + 1"
        if not self._is_output(carry):
            return Block((comment,), (f"copyto({arrives}, {leaves})",))
        mark = self.tangents.mark if self._is_tangent(carry) else ""
        name, given = f"{COTANGENT}{self._state(carry)}{mark}", self._given(carry)
        comment += f" + {name}[t]"
        if not mark:
            self.places.pairs[f"{name}_t"] = self.places.turned(f"{given}[steps]")
            return Block((comment,), (f"add({leaves}, {name}_t, out={arrives})",))
        self.places.pairs[f"{name}_t"] = self.places.turned(f"_some({given}, steps)")
        condition = f"if {name}_t is not None:"
        added = f"    add({arrives}, {name}_t, out={arrives})"
        return Block((comment,), (f"copyto({arrives}, {leaves})", condition, added))

    def _is_tangent(self, carry: Carry) -> bool:
        return self.places.array(carry.arrives).role == "tangent"

    def _state(self, carry: Carry) -> str:
        """The state whose tangent, cotangent or tangent of a cotangent is handed on."""
        mark = self.tangents.mark
        if self.places.upward:
            return carry.leaves.removesuffix(mark)
        return carry.arrives.removesuffix(mark if self._is_tangent(carry) else "").removeprefix(SEED)

    def _given(self, carry: Carry) -> str:
        """The argument that says what comes from outside: ``dh_all``, ``dc_last_dot``."""
        state = self._state(carry)
        own = whole_name(state) if self._is_output(carry) else last_name(state)
        return own + (self.tangents.mark if self._is_tangent(carry) else "")

    def _is_output(self, carry: Carry) -> bool:
        return self._state(carry) in self.plan.cell.outputs

    # -- statements --------------------------------------------------------------------------------------------------

    def _phase(self, equations: Sequence[Equation], scratch: Scratch, names: Names, over: Over) -> tuple[Block, ...]:
        compiler = Compiler(names, scratch, Axes(self.plan.batch, over), names)
        return tuple(block for equation in equations for block in self._blocks(equation, compiler))

    def _blocks(self, equation: Equation, compiler: Compiler) -> Iterator[Block]:
        """The statements of an equation, block by block where it has different ones."""
        program, name = self.tangents.program, equation.name
        is_late = name in self.sweep.begun and any(equation is one for one in self.sweep.loop)
        is_early = name in self.sweep.begun and not is_late
        for label, value, groups in _parts(equation):
            text = equation_text(program.definitions[name], program, UNICODE)
            if label:
                text = f"{name}_{label} = {form_text(form_of(value, groups, program), UNICODE)}"
            lines = self._sum(equation.array, label, value, groups, compiler, is_late)
            comment = f"{text}, what waits for no other step" if is_early else text
            yield Block(tuple(wrap(comment, WIDTH)), tuple(lines))

    def _sum(
        self, array: Array, label: str | None, value: Expr, groups: Groups, compiler: Compiler, begun: bool
    ) -> Iterator[str]:
        """A sum into its array, or into a block of it; terms with what may be missing only where it is there."""
        target = Target(compiler.names(array.name, label))
        own = Form("array", (), groups, array.name, label)
        terms = Add.make_args(value)
        missing = {term: name for term in terms if (name := self._optional(term)) is not None}
        fixed = [term for term in terms if term not in missing]
        if fixed:
            form = form_of(Add(*fixed), groups, self.tangents.program)
            yield from compiler.define(_added(own, form) if begun else form, groups, target)
        started = begun or bool(fixed)
        for name in dict.fromkeys(sorted(missing.values(), key=str)):
            form = form_of(Add(*(t for t in terms if missing.get(t) == name)), groups, self.tangents.program)
            given = self.places.step(name) if compiler.axes.over == "step" else self.places.whole(name)
            if not started:
                yield from (f"if {given} is None:", f"    copyto({target.name}, 0)", "else:")
            else:
                yield f"if {given} is not None:"
            yield from (
                f"    {line}" for line in compiler.define(_added(own, form) if started else form, groups, target)
            )
            started = True

    def _optional(self, term: Expr) -> str | None:
        return next((e.name for e in entries(term) if e.name in self.sweep.optional), None)


def _added(own: Form, form: Form) -> Form:
    """What is there already, and more."""
    return Form("add", (own, *(form.args if form.op == "add" else (form,))), own.groups)


def _parts(equation: Equation) -> Iterator[tuple[str | None, Expr, Groups]]:
    """(label, value, axes) of every block if they are computed differently, or else of the array as a whole."""
    groups = axes_of(equation.array)
    stacked = next((k for k, group in enumerate(groups) if len(group) == 2), None)
    if stacked is None or not _by_blocks(equation, *groups[stacked]):
        yield None, equation.value, groups
        return
    outer, inner = groups[stacked]
    for k, label in enumerate(equation.array.labels):
        yield label, equation.value.xreplace({outer: Integer(k)}), (*groups[:stacked], (inner,), *groups[stacked + 1 :])


def _by_blocks(equation: Equation, outer: Index, inner: Index) -> bool:
    """Whether blocks have equations of their own, or all read an array that has no blocks."""
    return bool(equation.value.has(KroneckerDelta)) or reads_same_for_all_blocks(equation.value, outer, inner)
