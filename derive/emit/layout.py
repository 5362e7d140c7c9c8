"""Where a sequence's arrays live: which are kept for all t, in which order their axes are, what they are called.

Two layouts of a stacked array are used. By rows, (N, 4H), is what matrix products want; by blocks, (4, N, H),
every block is contiguous, which is what elementwise work wants. Between them stands one copy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sympy import Function

from derive.index import Entry, Stack
from derive.plan.schedule import Schedule, names_in
from derive.program import Array, Equation


@dataclass(frozen=True)
class Buffer:
    """Memory that a function needs: an attribute of its buffers.

    Attributes:
        shape: the shape as Python text, e.g. ``T, 4, N, H``.
        comment: what is in it.
        columns: whether the axes are stored in reverse order (column-major).
    """

    name: str
    shape: str
    comment: str = ""
    columns: bool = False

    @property
    def order(self) -> str:
        return ', order="F"' if self.columns else ""

    @property
    def note(self) -> str:
        return f"  # {self.comment}" if self.comment else ""


@dataclass(frozen=True)
class Block:
    """Statements under the equation that they compute."""

    comments: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Loop:
    """What is iterated over: (name in the loop, all-time array), and the statements of one step."""

    pairs: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]


def loop_over(pairs: Iterable[tuple[str, str]], blocks: tuple[Block, ...], count: str) -> Loop:
    """A loop that makes ``count`` turns even if its statements read nothing that belongs to a step."""
    return Loop(tuple(pairs) or (("_", f"range({count})"),), blocks)


@dataclass(frozen=True)
class Activation:
    """Functions applied to every block of a stacked array at once: i = σ(a_i), g = tanh(a_g) … from a."""

    stack: Array
    equations: tuple[Equation, ...]

    @property
    def functions(self) -> tuple[str, ...]:
        return tuple(type(equation.value).__name__ for equation in self.equations)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(equation.name for equation in self.equations)


def stack_of(array: Array) -> Stack | None:
    return next((size for size in array.sizes if isinstance(size, Stack)), None)


def sizes_text(array: Array) -> str:
    """The shape of one step, by rows: ``N, 4 * H``."""
    return ", ".join(f"{len(s.labels)} * {s.dim}" if isinstance(s, Stack) else str(s) for s in array.sizes)


def blocks_text(array: Array) -> str:
    """The shape of one step with the blocks first: ``4, N, H``."""
    stack = stack_of(array)
    assert stack is not None
    inner = ", ".join(str(s.dim) if isinstance(s, Stack) else str(s) for s in array.sizes)
    return f"{len(stack.labels)}, {inner}"


def split_text(array: Array) -> str:
    """The shape by rows with the stacked axis split: ``N, 4, H``."""
    return ", ".join(f"{len(s.labels)}, {s.dim}" if isinstance(s, Stack) else str(s) for s in array.sizes)


def block_axis(array: Array) -> int:
    """The position of the block axis once the stacked axis is split."""
    return next(k for k, size in enumerate(array.sizes) if isinstance(size, Stack))


def activations(plan: Schedule) -> tuple[Activation, ...]:
    """The stacked arrays of the loop that are only ever read block by block through one function each."""
    found = []
    for equation in plan.loop:
        stack = stack_of(equation.array)
        if stack is None or len(equation.array.sizes) != 2 or equation.name in {array.name for array in plan.tape}:
            continue
        users = [e for e in (*plan.loop, *plan.after) if equation.name in names_in((e,))]
        by_label = {label: e for e in users if (label := _activated(e, equation.array)) is not None}
        if len(by_label) == len(users) == len(stack.labels):
            found.append(Activation(equation.array, tuple(by_label[k] for k in range(len(stack.labels)))))
    return tuple(found)


def _activated(equation: Equation, stack: Array) -> int | None:
    """The block that an equation applies σ or tanh to, if that is all it does."""
    value = equation.value
    if not isinstance(value, Function) or type(value).__name__ not in {"sigmoid", "tanh"}:
        return None
    entry = value.args[0]
    if not isinstance(entry, Entry) or entry.name != stack.name:
        return None
    return next((int(index) for index in entry.indices if index.is_number), None)
