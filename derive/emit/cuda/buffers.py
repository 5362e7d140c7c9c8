"""The device memory that the host allocates: what stages store, by the object whose attribute it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from derive.emit.cuda.kernels import Kernel
from derive.emit.cuda.launches import extent_of
from derive.emit.cuda.memory import Memory, Place
from derive.emit.cuda.phases import BEFORE, Phase
from derive.emit.cuda.sweeps import SWEPT, Downward, Upward
from derive.emit.layout import Buffer, sizes_text
from derive.plan.sums import PARTS
from derive.program import Array


def forward_buffers(memory: Memory, owner: str) -> list[Buffer]:
    """The memory of the forward pass that belongs to ``tape`` or ``scratch``."""
    storage = memory.phases.storage
    found: dict[str, Buffer] = {}
    if owner == "tape":
        for name, activation in storage.activations.items():
            gates = storage.gates_buffer(name)
            found[gates] = Buffer(gates, f"T, {sizes_text(activation.stack)}", ", ".join(activation.names))
    for array in _stored(memory, memory.phases.forward):
        stem = array.name.removesuffix(BEFORE)
        place = memory.place(array.name)
        if place.owner == f"{owner}.{stem}":
            found.setdefault(stem, _buffer(place))
    return list(found.values())


def backward_buffers(memory: Memory, kernels: Iterable[Kernel]) -> list[Buffer]:
    """The memory of the backward pass, of these kernels, beside its results."""
    parts = _parts(kernels, memory.batch)
    stored = [array for array in _stored(memory, memory.phases.backward) if array.name in memory.backward]
    places = [memory.place(array.name) for array in stored]
    return [_buffer(place, parts.get(place.pointer)) for place in places if place.owner.startswith("buffers.")]


def _parts(kernels: Iterable[Kernel], batch: str) -> dict[str, str]:
    """Into how many parts the sums are cut that kernels form, by the pointer to them."""
    return {
        place.pointer: f'_parts(T * {batch}, "{one.name}", {extent_of(one, batch)})'
        for one in kernels
        if one.in_parts
        for place in one.pointers
        if PARTS in place.array.sizes
    }


def moved_buffers(upward: Upward) -> tuple[list[Buffer], list[Buffer]]:
    """The memory of the upward sweep, and what more of it the downward sweep reads."""
    found: tuple[dict[str, Buffer], dict[str, Buffer]] = ({}, {})
    for name in (*(carry.leaves for carry in upward.sweep.carries), *_names(upward)):
        place, stem = upward.place(name), name.removesuffix(BEFORE)
        made = _buffer(place)
        if place.offset:
            made = replace(made, comment=f"{stem}[t + 1] is that of step t")
        found[stem in upward.shared - upward.lasting].setdefault(stem, made)
    return list(found[False].values()), list(found[True].values())


def swept_buffers(downward: Downward, kernels: Iterable[Kernel]) -> list[Buffer]:
    """The memory of the downward sweep, of these kernels, beside its results."""
    parts = _parts(kernels, downward.batch)
    handed = [one.result.name for one in downward.rotation.arrivals if one.result.name in downward.in_memory]
    places = [downward.place(name) for name in (*handed, *_names(downward))]
    own = [_buffer(place, parts.get(place.pointer)) for place in places if place.owner.startswith(f"{SWEPT}.")]
    return list({one.name: one for one in own}.values())


def _names(sweep: Upward | Downward) -> Iterator[str]:
    for phase in sweep.phases:
        for stage in phase.stages:
            yield from (array.name for array in stage.produced if array.name in sweep.in_memory)


def _stored(memory: Memory, phases: Iterable[Phase]) -> Iterator[Array]:
    """The arrays that stages store, in order."""
    for phase in phases:
        for stage in phase.stages:
            yield from (array for array in stage.produced if array.name in memory.phases.in_memory)


def _buffer(place: Place, parts: str | None = None) -> Buffer:
    name, array = place.owner.partition(".")[2], place.array
    sizes = sizes_text(array).split(", ") if array.sizes else []
    if parts is not None:
        sizes[0] = parts
    if place.offset:
        return Buffer(name, ", ".join(["T + 1", *sizes]), f"{name}[0] is {name}0, {name}[t + 1] that of step t")
    sizes = ["T", *sizes] if place.timed else sizes
    return Buffer(name, f"{sizes[0]}," if len(sizes) == 1 else ", ".join(sizes))
