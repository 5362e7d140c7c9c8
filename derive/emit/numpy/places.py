"""Where a sweep's statements find arrays: for all steps, for a chunk of steps, at one step.

Everything is by rows here: a block of a stacked array is a slice of its axis.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from derive.calculus import SEED
from derive.emit.layout import stack_of
from derive.emit.signature import whole_name
from derive.emit.storage import Storage
from derive.index import Stack
from derive.plan.tangents import Sweep, Tangents
from derive.program import Array

MOVED, SWEPT, SECOND = "moved", "swept", "second"
"""What holds the arrays of the upward sweep, those of the downward sweep, and its results."""


@dataclass(frozen=True)
class Places:
    """The spelling of arrays in a sweep; what the loop turns out to use is noted as it is spelled.

    Attributes:
        pairs: (name at one step, the array over the steps of a chunk) of what the loop iterates over.
        local: arrays that have memory for one step only.
        views: names of blocks of these.
    """

    tangents: Tangents
    sweep: Sweep
    pairs: dict[str, str] = field(default_factory=dict)
    local: dict[str, Array] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)

    @property
    def upward(self) -> bool:
        return self.sweep is self.tangents.upward

    @cached_property
    def storage(self) -> Storage:
        return Storage(self.tangents.plan)

    @cached_property
    def lasting(self) -> frozenset[str]:
        """The sweep's arrays with memory for all steps, or for none if they are the same at all steps."""
        own = {e.name for e in (*self.sweep.constant, *self.sweep.after)}
        if not self.upward:
            return frozenset({*self.sweep.stored, *own} - {*self.sweep.results})
        handed = {name for carry in self.sweep.carries for name in (carry.arrives, carry.leaves)}
        return frozenset({*self.sweep.stored, *self.tangents.shared, *own, *handed})

    @cached_property
    def chunked(self) -> tuple[Array, ...]:
        """The arrays that are computed for a chunk of steps and live as long."""
        return tuple(e.array for e in self.sweep.before if e.name not in {*self.lasting, *self.sweep.results})

    @cached_property
    def _of_a_chunk(self) -> set[str]:
        return {array.name for array in self.chunked}

    def array(self, name: str) -> Array:
        return self.tangents.program.arrays[name]

    def timed(self, name: str) -> bool:
        return self.tangents.plan.timed(self.array(name))

    # -- for all steps -------------------------------------------------------------------------------------------

    def whole(self, name: str, label: str | None = None) -> str:
        """An array for all steps: ``tape.c[1:]``, ``moved.h_dot[:-1]``, ``x_dot``."""
        if name in self._forward:
            return self.storage.whole(name, label)
        text = self._whole(name)
        return f"{text}[{sliced(self.array(name), label)}]" if label else text

    @cached_property
    def _forward(self) -> set[str]:
        """What the forward pass leaves or is given."""
        forward = {e.name for e in self.tangents.plan.step.equations if e.array.role != "cotangent"}
        return {a.name for a in self.tangents.plan.cell.inputs} | forward - {e.name for e in self.sweep.equations}

    def _whole(self, name: str) -> str:
        for carry in self.tangents.upward.carries:
            if name in {carry.arrives, carry.leaves}:
                return f"{MOVED}.{carry.leaves}[{':-1' if name == carry.arrives else '1:'}]"
        if (self.upward and name in self.lasting) or name in self.tangents.shared:
            return f"{MOVED}.{name}"
        if name in self.tangents.downward.results:
            return f"{SECOND}.{name.removesuffix(self.tangents.mark)}"
        if name in self.lasting:
            return f"{SWEPT}.{name}"
        if name.startswith(SEED):
            output = name.removeprefix(SEED)
            mark = "" if self.array(name).role == "cotangent" else self.tangents.mark
            return whole_name(output.removesuffix(mark)) + mark
        return name

    # -- for a chunk of steps --------------------------------------------------------------------------------------

    def chunk(self, name: str, label: str | None = None) -> str:
        """An array for the steps of a chunk."""
        if name in self._of_a_chunk:
            return f"{name}[{sliced(self.array(name), label)}]" if label else name
        return f"{self.whole(name, label)}[steps]" if self.timed(name) else self.whole(name, label)

    # -- at one step -----------------------------------------------------------------------------------------------

    def step(self, name: str, label: str | None = None) -> str:
        """An array, or a block of it, at one step."""
        if not self.timed(name):
            return self.whole(name, label)
        array, own = self.array(name), self.in_loop(name)
        if name in self._of_one_step:
            self.local[name] = array
            if label:
                self.views[f"{name}_{label}"] = f"{name}[{sliced(array, label)}]"
        elif name in self.sweep.optional:
            self.pairs[own] = self.turned(f"_some({self.whole(name)}, steps)")
            return f"{own}[{sliced(array, label)}]" if label else own
        elif name in self._of_a_chunk:
            part = f"[{sliced(array, label)}]" if label else ""
            self.pairs[f"{own}_{label}" if label else own] = self.turned(f"{name}_chunk[:count]{part}")
        else:
            self.pairs[f"{own}_{label}" if label else own] = self.turned(f"{self.whole(name, label)}[steps]")
        return f"{own}_{label}" if label else own

    def in_loop(self, name: str) -> str:
        """What an array is called at one step: what the function is given keeps its name for all steps."""
        given = name in self.sweep.optional or self.array(name).role == "sequence"
        return f"{name}_t" if given else name

    def turned(self, source: str) -> str:
        """The steps of a chunk in the sweep's direction."""
        return source if self.upward else f"{source}[::-1]"

    @cached_property
    def _of_one_step(self) -> set[str]:
        own = {e.name for e in self.sweep.loop} | {carry.arrives for carry in self.sweep.carries}
        return own - {*self.lasting, *self.sweep.stored, *self._of_a_chunk}


def sliced(array: Array, label: str | None) -> str:
    """The subscript of a block by rows: ``..., 1 * H : 2 * H``."""
    stack, position = stack_of(array), next(k for k, size in enumerate(array.sizes) if isinstance(size, Stack))
    assert stack is not None
    assert label is not None
    k = stack.labels.index(label)
    behind = "".join(", :" for _ in array.sizes[position + 1 :])
    return f"..., {k} * {stack.dim} : {k + 1} * {stack.dim}{behind}"
