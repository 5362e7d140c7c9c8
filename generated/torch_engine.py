"""What computes a cell's functions on tensors: its generated NumPy module here, its CUDA module in `torch_cuda.py`.

Tensors and NumPy arrays share their memory, nothing is copied that is contiguous.

Part of handgrad; `handgrad generate` puts it beside the cells' PyTorch modules.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
Optional = Sequence["Tensor | None"]


class Shapes(NamedTuple):
    """The shapes of what a cell's `forward` takes, gives and keeps, by name, in the generated modules' order."""

    arguments: dict[str, tuple[int, ...]]
    results: dict[str, tuple[int, ...]]
    tape: dict[str, tuple[int, ...]]  # NumPy's
    cuda_tape: dict[str, tuple[int, ...]]


class BatchAxes(NamedTuple):
    """Which axis of everything that an engine takes, gives and keeps is the batch's; None for what has none."""

    arguments: dict[str, int | None]
    results: dict[str, int | None]
    tape: dict[str, int | None]


@dataclass(frozen=True)
class Signature:
    """What a cell's `forward` takes, gives and keeps.

    Attributes:
        name: the cell's.
        package: where its generated modules are.
        dims: the names of the dimensions, that of the steps first.
        batch: which of them is the batch's.
        sizes: the sizes of the dimensions, from the arguments.
        shapes: the shapes for given sizes.
        sequences: the arguments that have a value for every step.
        states: what an initial state's last value is a result under: for every step, or of the last one.
    """

    name: str
    package: str
    dims: tuple[str, ...]
    batch: str
    sizes: Callable[..., tuple[int, ...]]
    shapes: Callable[..., Shapes]
    sequences: tuple[str, ...]
    states: dict[str, str]


class Engine(ABC):
    """A cell's functions on tensors, computed by one of its generated modules.

    What they take and give is all tensors. The cache of the module's own `forward` is not kept but put together again
    from the arguments and from the tape, so that autograd sees all that is kept.

    Attributes:
        kind: what the module's name ends in.
        name: the cell's.
        arguments, results, tape: the names of what `forward` takes, gives and keeps.
        batch_axes: which of their axes are the batch's.
    """

    kind: str

    def __init__(self, cell: Signature) -> None:
        names, one = cell.shapes(*[0] * len(cell.dims)), cell.shapes(*(int(dim == cell.batch) for dim in cell.dims))
        self.cell, self.name = cell, cell.name
        self.arguments, self.results, self.tape = map(tuple, (names.arguments, names.results, self.taped(names)))
        pairs = zip((*names[:2], self.taped(names)), (*one[:2], self.taped(one)), strict=True)
        self.batch_axes = BatchAxes(*(_grown(*pair) for pair in pairs))

    @cached_property
    def module(self) -> Any:
        """The generated module."""
        return import_module(f".{self.name}_{self.kind}", self.cell.package)

    # -- the module's functions ----------------------------------------------------------------------------------

    def forward(self, arguments: Sequence[Tensor], lengths: Tensor | None, reverse: bool) -> Tensors:
        """The results, and the tape."""
        with self.at_work(arguments[0]) as options:
            order = {"lengths": numbers(lengths), "reverse": reverse}
            *results, cache = self.module.forward(*self.arrays(arguments), **order, **options)
            return self.tensors(
                [*results, *(self.whole(getattr(cache.tape, name)) for name in self.tape)], arguments[0]
            )

    def backward(
        self, cotangents: Optional, arguments: Sequence[Tensor], tape: Optional, lengths: Tensor | None, reverse: bool
    ) -> Tensors:
        """The gradients of the arguments."""
        with self.at_work(arguments[0]) as options:
            cache = self.restored(arguments, tape, lengths, reverse, options)
            return self.tensors(self.module.backward(*self.arrays(cotangents), cache, **options), arguments[0])

    def double_backward(
        self,
        gradients: Optional,
        cotangents: Optional,
        arguments: Sequence[Tensor],
        tape: Optional,
        lengths: Tensor | None,
        reverse: bool,
    ) -> Tensors:
        """The cotangents of the cotangents, and of the arguments, from those of the gradients."""
        with self.at_work(arguments[0]) as options:
            cache = self.restored(arguments, tape, lengths, reverse, options)
            shapes = self.cell.shapes(*(cache.sizes[dim] for dim in self.cell.dims)).results.values()
            given = zip(self.held(cotangents, options), shapes, strict=True)
            cache.tape.received = tuple(self.zeros(shape, cache.dtype) if one is None else one for one, shape in given)
            named = {f"dd{name}": one for name, one in zip(self.arguments, self.arrays(gradients), strict=True)}
            return self.tensors(self.module.backward_backward(cache, **named, **options), arguments[0])

    def tangents(self, arguments: Sequence[Tensor], moved: Optional, lengths: Tensor | None, reverse: bool) -> Tensors:
        """The tangents of the results from those of the arguments."""
        with self.at_work(arguments[0]) as options:
            order = {"lengths": numbers(lengths), "reverse": reverse}
            named = self._moved(self.arguments, moved)
            return self.tensors(self.module.jvp(*self.arrays(arguments), **named, **order, **options), arguments[0])

    def second_tangents(
        self,
        moved_cotangents: Optional,
        moved: Optional,
        cotangents: Optional,
        arguments: Sequence[Tensor],
        tape: Optional,
        lengths: Tensor | None,
        reverse: bool,
    ) -> Tensors:
        """The tangents of the gradients from those of the arguments and of the cotangents."""
        with self.at_work(arguments[0]) as options:
            cache = self.restored(arguments, tape, lengths, reverse, options)
            named = self._moved(self.arguments, moved)
            named |= self._moved([f"d{name}" for name in self.results], moved_cotangents)
            return self.tensors(self.module.hvp(*self.arrays(cotangents), cache, **named, **options), arguments[0])

    def tangents_backward(
        self,
        cotangents: Optional,
        arguments: Sequence[Tensor],
        moved: Optional,
        lengths: Tensor | None,
        reverse: bool,
    ) -> Tensors:
        """The gradients of the arguments and of their tangents, from cotangents of the results' tangents."""
        with self.at_work(arguments[0]) as options:
            order = {"lengths": numbers(lengths), "reverse": reverse}
            *_, cache = self.module.forward(*self.arrays(arguments), **order, **options)
            given, named = self.arrays(cotangents), self._moved(self.arguments, moved)
            second = self.module.hvp(*given, cache, **named, **options)
            return self.tensors([*second, *self.module.backward(*given, cache, **options)], arguments[0])

    def restored(
        self,
        arguments: Sequence[Tensor],
        tape: Optional,
        lengths: Tensor | None,
        reverse: bool,
        options: dict[str, Any],
    ) -> Any:
        """The module's cache, from the arguments and the tape that `forward` gave."""
        module = self.module
        named = dict(zip(self.arguments, self.held(arguments, options), strict=True))
        sizes = module._sizes(named, module._SHAPES)
        counts = module._lengths(numbers(lengths), reverse, sizes)
        order = None if counts is None else self.order(counts, reverse, sizes["T"], arguments[0], options)
        if order:
            some = self.cell.sequences
            named |= {name: order.taken(name, named[name], {}, repeat=True, **options) for name in some}
        kept = module._Tape.__new__(module._Tape)
        vars(kept).update(zip(self.tape, self.held(tape, options), strict=True), received=None)
        dtype = named[self.arguments[0]].dtype
        rest = {"tape": kept, "sizes": sizes, "dtype": dtype, "order": order, "workspace": None, "forward_calls": 0}
        return module.Cache(**{name: rest.get(name, named.get(name)) for name in module.Cache._fields})

    def fake(self, *arguments: Tensor) -> Tensors:
        """Tensors like those of `forward`, without values, for the compiler."""
        shapes = self.cell.shapes(*self.cell.sizes(*arguments))
        return tuple(arguments[0].new_empty(one) for one in (*shapes.results.values(), *self.taped(shapes).values()))

    def _moved(self, names: Iterable[str], moved: Optional) -> dict[str, Any]:
        mark = self.module.Tangents._fields[0].removeprefix(self.results[0])  # behind the names of tangents
        return {f"{name}{mark}": one for name, one in zip(names, self.arrays(moved), strict=True)}

    # -- tensors and the module's arrays -------------------------------------------------------------------------

    @staticmethod
    @abstractmethod
    def taped(shapes: Shapes) -> dict[str, tuple[int, ...]]:
        """The shapes of the tape."""

    @abstractmethod
    def at_work(self, like: Tensor) -> AbstractContextManager[dict[str, Any]]:
        """Where the module can be called with tensors on this one's device; what its functions are given beside."""

    @abstractmethod
    def arrays(self, tensors: Optional) -> list[Any]:
        """What the module's functions take, in the same memory where it is contiguous."""

    @abstractmethod
    def held(self, tensors: Optional, options: dict[str, Any]) -> list[Any]:
        """The same as the module's cache holds it."""

    @abstractmethod
    def tensors(self, arrays: Iterable[Any], like: Tensor) -> Tensors:
        """What the module's functions return, as tensors in the same memory."""

    @abstractmethod
    def whole(self, kept: Any) -> Any:
        """What the tape has under a name, as the module's functions would return it."""

    @abstractmethod
    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """What stands for a cotangent that is not there."""

    @abstractmethod
    def order(self, lengths: Any, reverse: bool, T: int, like: Tensor, options: dict[str, Any]) -> Any:
        """The module's order of steps."""


class NumPy(Engine):
    """A cell's functions on tensors of the CPU."""

    kind = "numpy"

    @staticmethod
    def taped(shapes: Shapes) -> dict[str, tuple[int, ...]]:
        return shapes.tape

    def at_work(self, like: Tensor) -> AbstractContextManager[dict[str, Any]]:
        del like
        return nullcontext({})

    def arrays(self, tensors: Optional) -> list[Any]:
        return [None if one is None else one.detach().resolve_neg().contiguous().numpy() for one in tensors]

    def held(self, tensors: Optional, options: dict[str, Any]) -> list[Any]:
        del options
        return self.arrays(tensors)

    def tensors(self, arrays: Iterable[Any], like: Tensor) -> Tensors:
        """They are copied where the memory cannot be written to."""
        del like
        return tuple(torch.from_numpy(np.require(one, requirements="W")) for one in arrays)

    def whole(self, kept: Any) -> Any:
        return kept

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return np.broadcast_to(np.zeros((), dtype), shape)

    def order(self, lengths: Any, reverse: bool, T: int, like: Tensor, options: dict[str, Any]) -> Any:
        del like, options
        return self.module._Order(lengths, reverse, T)


def numbers(lengths: Tensor | None) -> Any:
    """Lengths in the host's memory."""
    return None if lengths is None else lengths.numpy(force=True)


def _grown(shapes: dict[str, tuple[int, ...]], larger: dict[str, tuple[int, ...]]) -> dict[str, int | None]:
    """The axis of every shape that is longer in the larger ones."""
    pairs = ((name, enumerate(zip(shape, larger[name], strict=True))) for name, shape in shapes.items())
    return {name: next((axis for axis, (old, new) in axes if old != new), None) for name, axes in pairs}
