"""A generated NumPy module as a differentiable function of PyTorch tensors; the `<cell>_torch.py` beside it use it.

Tensors and NumPy arrays share their memory, nothing is copied that is contiguous. Derivatives are those of the NumPy
module, each a function on tensors of its own:

    Forward         results from arguments             backward: Backward          jvp: Tangents
    Backward        gradients from cotangents          backward: DoubleBackward    jvp: SecondTangents
    Tangents        tangents of results                backward: TangentsBackward
    DoubleBackward, SecondTangents, TangentsBackward   are of second order: their derivatives are not generated.

What a function keeps for its derivative are tensors saved by autograd, so that saved tensor hooks and checkpointing see
them and a change in place is noticed. In a compiled model the same functions are custom operators.

Part of handgrad; regenerate with `handgrad generate`, do not edit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

Array = np.ndarray[Any, Any]
Tensors = tuple[Tensor, ...]
Optional = Sequence["Tensor | None"]
Mapped = tuple[Tensors, tuple[int | None, ...]]  # results, and their axes over what is mapped

_DTYPES = (torch.float32, torch.float64)


class Shapes(NamedTuple):
    """The shapes of everything that a cell's `forward` takes, gives and keeps, by name, in the NumPy module's order."""

    arguments: dict[str, tuple[int, ...]]
    results: dict[str, tuple[int, ...]]
    tape: dict[str, tuple[int, ...]]


class BatchAxes(NamedTuple):
    """Which axis of everything in `Shapes` is the batch's; None for what has none."""

    arguments: dict[str, int | None]
    results: dict[str, int | None]
    tape: dict[str, int | None]


class Cell:
    """The functions of a generated NumPy module on tensors.

    Attributes:
        name: the cell's.
        dims: the names of the dimensions, that of the steps first.
        shapes: the shapes for given sizes of the dimensions.
        batch_axes: which of the axes are the batch's.
        arguments, results, tape: the names in `shapes`.
        sequences: the arguments that have a value for every step.
        states: what an initial state's last value is a result under: for every step, or of the last one.
        gate_order: the order of the blocks of stacked arguments, a letter each.
        operator: `Forward` in a compiled model.
    """

    def __init__(
        self,
        module: ModuleType,
        name: str,
        dims: Sequence[str],
        batch: str,
        sizes: Callable[..., tuple[int, ...]],
        shapes: Callable[..., Shapes],
        sequences: Sequence[str],
        states: dict[str, str],
    ) -> None:
        names, one = shapes(*[0] * len(dims)), shapes(*(int(dim == batch) for dim in dims))
        self.name, self.shapes, self.sequences, self.states = name, shapes, tuple(sequences), states
        self.arguments, self.results, self.tape = tuple(names.arguments), tuple(names.results), tuple(names.tape)
        self.batch_axes = BatchAxes(*(_grown(*groups) for groups in zip(names, one, strict=True)))
        self.gate_order = str(getattr(module, "GATE_ORDER", ""))
        self._module: Any = module
        self.dims, self._sizes = tuple(dims), sizes
        self._mark = module.Tangents._fields[0].removeprefix(self.results[0])  # behind the names of tangents
        self.operator = _register(self)

    def __call__(self, *arguments: Tensor, lengths: Any = None, reverse: bool = False) -> Tensors:
        """The results of the NumPy module's `forward`, which see; lengths may be a tensor too.

        Raises:
            TypeError: for what is no tensor, or of another dtype than float32 and float64 or than the rest.
            ValueError: for a shape that does not fit the others, or a device that is not the CPU.
        """
        _check(self.arguments, arguments)
        counts = None if lengths is None else torch.as_tensor(lengths)
        if torch.compiler.is_compiling():
            results = _several(self.operator(*arguments, counts, reverse))
        else:
            results = Forward.apply(self, counts, reverse, *arguments)
        return results[: len(self.results)]

    # -- the NumPy module's functions; what they take and give is all tensors ------------------------------------

    def forward(self, arguments: Sequence[Tensor], lengths: Tensor | None, reverse: bool) -> Tensors:
        """The results, and the tape."""
        *results, cache = self._forward(_arrays(arguments), lengths, reverse)
        return _tensors([*results, *(getattr(cache.tape, name) for name in self.tape)])

    def backward(self, cotangents: Optional, cache: Any) -> Tensors:
        """The gradients of the arguments."""
        return _tensors(self._module.backward(*_arrays(cotangents), cache))

    def double_backward(self, gradients: Optional, cotangents: Optional, cache: Any) -> Tensors:
        """The cotangents of the cotangents, and of the arguments, from those of the gradients."""
        zeros = (np.broadcast_to(np.zeros((), cache.dtype), one) for one in self._of(cache.sizes).results.values())
        given = zip(_arrays(cotangents), zeros, strict=True)
        cache.tape.received = tuple(zero if one is None else one for one, zero in given)
        named = {f"dd{name}": one for name, one in zip(self.arguments, _arrays(gradients), strict=True)}
        return _tensors(self._module.backward_backward(cache, **named))

    def tangents(self, arguments: Sequence[Tensor], moved: Optional, lengths: Tensor | None, reverse: bool) -> Tensors:
        """The tangents of the results from those of the arguments."""
        named, order = self._moved(self.arguments, moved), {"lengths": _numbers(lengths), "reverse": reverse}
        return _tensors(self._module.jvp(*_arrays(arguments), **named, **order))

    def second_tangents(self, cotangents: Optional, cache: Any, moved: Optional, moved_cotangents: Optional) -> Tensors:
        """The tangents of the gradients from those of the arguments and of the cotangents."""
        named = self._moved(self.arguments, moved)
        named |= self._moved([f"d{name}" for name in self.results], moved_cotangents)
        return _tensors(self._module.hvp(*_arrays(cotangents), cache, **named))

    def fresh(self, arguments: Sequence[Tensor], lengths: Tensor | None, reverse: bool) -> Any:
        """The NumPy module's cache of a `forward` of its own."""
        return self._forward(_arrays(arguments), lengths, reverse)[-1]

    def restored(
        self, arguments: Sequence[Tensor], tape: Sequence[Tensor], lengths: Tensor | None, reverse: bool
    ) -> Any:
        """The NumPy module's cache, from the arguments and the tape that `forward` gave."""
        module = self._module
        named: dict[str, Any] = dict(zip(self.arguments, _arrays(arguments), strict=True))
        sizes = module._sizes(named, module._SHAPES)
        counts = module._lengths(_numbers(lengths), reverse, sizes)
        order = None if counts is None else module._Order(counts, reverse, sizes["T"])
        if order:
            named |= {name: order.taken(name, named[name], {}, repeat=True) for name in self.sequences}
        kept = module._Tape.__new__(module._Tape)
        vars(kept).update(zip(self.tape, _arrays(tape), strict=True), received=None)
        dtype = next(iter(named.values())).dtype
        rest = {"tape": kept, "sizes": sizes, "dtype": dtype, "order": order, "workspace": None, "forward_calls": 0}
        return module.Cache(**{name: rest.get(name, named.get(name)) for name in module.Cache._fields})

    def fake(self, *arguments: Tensor) -> Tensors:
        """Tensors like those of `forward`, without values, for the compiler."""
        shapes = self.shapes(*self._sizes(*arguments))
        return tuple(arguments[0].new_empty(one) for one in (*shapes.results.values(), *shapes.tape.values()))

    def _forward(self, arrays: Sequence[Array | None], lengths: Tensor | None, reverse: bool) -> Any:
        return self._module.forward(*arrays, lengths=_numbers(lengths), reverse=reverse)

    def _of(self, sizes: dict[str, int]) -> Shapes:
        return self.shapes(*(sizes[dim] for dim in self.dims))

    def _moved(self, names: Iterable[str], moved: Optional) -> dict[str, Array | None]:
        return {f"{name}{self._mark}": one for name, one in zip(names, _arrays(moved), strict=True)}


def _grown(shapes: dict[str, tuple[int, ...]], larger: dict[str, tuple[int, ...]]) -> dict[str, int | None]:
    """The axis of every shape that is longer in the larger ones."""
    pairs = ((name, enumerate(zip(shape, larger[name], strict=True))) for name, shape in shapes.items())
    return {name: next((axis for axis, (old, new) in axes if old != new), None) for name, axes in pairs}


def _check(names: Sequence[str], arguments: Sequence[Tensor]) -> None:
    if len(arguments) != len(names):
        raise TypeError(f"expected {len(names)} tensors, {', '.join(names)}, got {len(arguments)}")
    for name, one in zip(names, arguments, strict=True):
        if not isinstance(one, Tensor):
            raise TypeError(f"{name} should be a tensor, got {type(one).__name__}")
        if one.dtype not in _DTYPES:
            hint = "; autocast is not supported, convert it with .float()" if torch.is_autocast_enabled("cpu") else ""
            raise TypeError(f"{name} has dtype {one.dtype}, expected torch.float32 or torch.float64{hint}")
        if one.dtype != arguments[0].dtype:
            raise TypeError(f"{name} has dtype {one.dtype}, but {names[0]} has {arguments[0].dtype}")
        if one.device.type != "cpu":
            raise ValueError(
                f"{name} is on device {one.device}, but these functions compute on the CPU alone, in NumPy; "
                "on a GPU use the cell's CUDA module, which takes tensors also"
            )
        if one.layout != torch.strided:
            raise ValueError(f"{name} has layout {one.layout}, expected torch.strided")


def _arrays(tensors: Optional) -> list[Array | None]:
    """Arrays in the same memory, where it is contiguous."""
    return [None if one is None else one.detach().resolve_neg().contiguous().numpy() for one in tensors]


def _tensors(arrays: Iterable[Array]) -> Tensors:
    """Tensors in the same memory, where it can be written to."""
    return tuple(torch.from_numpy(np.require(one, requirements="W")) for one in arrays)


def _numbers(lengths: Tensor | None) -> Array | None:
    return None if lengths is None else lengths.numpy(force=True)


# -- functions of autograd ---------------------------------------------------------------------------------------------

# All of them take a cell, lengths and reverse, then tensors.
_COMMON = 3


class _OfCell(Function):  # type: ignore[misc]
    """A function of a cell, mapped by computing once for every index of the mapped axis."""

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[int | None, ...], *operands: Any) -> Mapped:
        """Results for all indices of the mapped axis, which becomes their first."""
        if not info.batch_size:
            raise ValueError(f"{operands[0].name}: vmap over an axis without any index")
        single = (
            cls.apply(*(one if dim is None else one.select(dim, k) for one, dim in zip(operands, in_dims, strict=True)))
            for k in range(info.batch_size)
        )
        stacked = tuple(torch.stack(column) for column in zip(*single, strict=True))
        return stacked, (0,) * len(stacked)


def _split(tensors: Sequence[Any], *counts: int) -> list[Sequence[Any]]:
    """The tensors in groups of so many, and the rest."""
    groups, start = [], 0
    for count in counts:
        groups.append(tensors[start : start + count])
        start += count
    return [*groups, tensors[start:]]


def _folded(one: Tensor, dim: int | None, axis: int | None, count: int) -> Tensor:
    """A tensor with its mapped axis, one of equal values where it has none, made part of its batch axis."""
    if axis is None:
        return one
    mapped = one.unsqueeze(0).expand(count, *one.shape) if dim is None else one.movedim(dim, 0)
    return mapped.movedim(0, axis).flatten(axis, axis + 1)


def _unfolded(one: Tensor, axis: int | None, count: int) -> Tensor:
    """A tensor with the mapped axis in front of its batch axis."""
    return one if axis is None else one.unflatten(axis, (count, one.shape[axis] // count))


def _where(given: Iterable[Any], gradients: Iterable[Any]) -> tuple[Any, ...]:
    """Gradients of what has been given."""
    return tuple(None if one is None else gradient for one, gradient in zip(given, gradients, strict=True))


def _keep(ctx: Any, inputs: tuple[Any, ...], *more: Tensor) -> None:
    ctx.common, tensors = inputs[:_COMMON], inputs[_COMMON:]
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*tensors, *more)
    ctx.save_for_forward(*tensors)


class Forward(_OfCell):
    """Results and tape from arguments."""

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[int | None, ...], *operands: Any) -> Mapped:
        """One large batch where only sequences and states are mapped, else index by index."""
        (cell, lengths, reverse), arguments = operands[:_COMMON], operands[_COMMON:]
        count, mapped, axes = info.batch_size, in_dims[_COMMON:], cell.batch_axes
        along = [axes.arguments[name] for name in cell.arguments]
        parameters = any(dim is not None and axis is None for dim, axis in zip(mapped, along, strict=True))
        if parameters or in_dims[1] is not None or not count:
            return super().vmap(info, in_dims, *operands)
        folded = (_folded(one, dim, axis, count) for one, dim, axis in zip(arguments, mapped, along, strict=True))
        results = cls.apply(cell, None if lengths is None else lengths.repeat(count), reverse, *folded)
        out_dims = (*axes.results.values(), *axes.tape.values())
        return tuple(_unfolded(one, axis, count) for one, axis in zip(results, out_dims, strict=True)), out_dims

    @staticmethod
    def forward(cell: Cell, lengths: Tensor | None, reverse: bool, *arguments: Tensor) -> Tensors:
        return cell.forward(arguments, lengths, reverse)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        results, tape = _split(output, len(inputs[0].results))
        ctx.mark_non_differentiable(*tape)
        # Results are parts of the tape: kept with it, a change of them in place is noticed.
        _keep(ctx, inputs, *tape, *results)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        cell = ctx.common[0]
        arguments, tape, _ = _split(ctx.saved_tensors, len(cell.arguments), len(cell.tape))
        given, _ = _split(cotangents, len(cell.results))
        return (*[None] * _COMMON, *Backward.apply(*ctx.common, *given, *arguments, *tape))

    @staticmethod
    def jvp(ctx: Any, *moved: Tensor | None) -> tuple[Tensor | None, ...]:
        tangents = Tangents.apply(*ctx.common, *ctx.saved_tensors, *moved[_COMMON:])
        return (*tangents, *[None] * len(ctx.common[0].tape))


class Backward(_OfCell):
    """Gradients from cotangents, arguments and tape; the tape counts as a function of the arguments."""

    @staticmethod
    def forward(cell: Cell, lengths: Tensor | None, reverse: bool, *tensors: Tensor) -> Tensors:
        cotangents, arguments, tape = _split(tensors, len(cell.results), len(cell.arguments))
        return cell.backward(cotangents, cell.restored(arguments, tape, lengths, reverse))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], _output: Tensors) -> None:
        _keep(ctx, inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        cell, tensors = ctx.common[0], ctx.saved_tensors
        first = DoubleBackward.apply(*ctx.common, *gradients, *tensors)
        return (*[None] * _COMMON, *_where(tensors, (*first, *[None] * len(cell.tape))))

    @staticmethod
    def jvp(ctx: Any, *moved: Tensor | None) -> Tensors:
        cell = ctx.common[0]
        some, _ = _split(moved[_COMMON:], len(cell.results) + len(cell.arguments))
        return SecondTangents.apply(*ctx.common, *some, *ctx.saved_tensors)  # type: ignore[no-any-return]


class Tangents(_OfCell):
    """Tangents of results from arguments and their tangents."""

    @staticmethod
    def forward(cell: Cell, lengths: Tensor | None, reverse: bool, *tensors: Tensor) -> Tensors:
        arguments, moved = _split(tensors, len(cell.arguments))
        return cell.tangents(arguments, moved, lengths, reverse)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], _output: Tensors) -> None:
        _keep(ctx, inputs)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        gradients = TangentsBackward.apply(*ctx.common, *cotangents, *ctx.saved_tensors)
        return (*[None] * _COMMON, *_where(ctx.saved_tensors, gradients))

    @staticmethod
    def jvp(ctx: Any, *_moved: Tensor | None) -> None:
        raise NotImplementedError(f"{ctx.common[0].name}: tangents of tangents are not generated")


class _Second(_OfCell):
    """A function of second order."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], _output: Tensors) -> None:
        ctx.name = inputs[0].name

    @staticmethod
    def backward(ctx: Any, *_gradients: Tensor | None) -> None:
        raise NotImplementedError(f"{ctx.name}: derivatives of third order are not generated")

    @staticmethod
    def jvp(ctx: Any, *_moved: Tensor | None) -> None:
        raise NotImplementedError(f"{ctx.name}: derivatives of third order are not generated")


class DoubleBackward(_Second):
    """Cotangents of what `Backward` took, but of the tape, from those of its gradients."""

    @staticmethod
    def forward(cell: Cell, lengths: Tensor | None, reverse: bool, *tensors: Tensor) -> Tensors:
        counts = len(cell.arguments), len(cell.results), len(cell.arguments)
        gradients, cotangents, arguments, tape = _split(tensors, *counts)
        return cell.double_backward(gradients, cotangents, cell.restored(arguments, tape, lengths, reverse))


class SecondTangents(_Second):
    """Tangents of the gradients from those of the cotangents and of the arguments."""

    @staticmethod
    def forward(cell: Cell, lengths: Tensor | None, reverse: bool, *tensors: Tensor) -> Tensors:
        counts = len(cell.results), len(cell.arguments)
        moved_cotangents, moved, cotangents, arguments, tape = _split(tensors, *counts, *counts)
        cache = cell.restored(arguments, tape, lengths, reverse)
        return cell.second_tangents(cotangents, cache, moved, moved_cotangents)


class TangentsBackward(_Second):
    """Gradients of the arguments and of their tangents, from cotangents of the results' tangents."""

    @staticmethod
    def forward(cell: Cell, lengths: Tensor | None, reverse: bool, *tensors: Tensor) -> Tensors:
        cotangents, arguments, moved = _split(tensors, len(cell.results), len(cell.arguments))
        cache = cell.fresh(arguments, lengths, reverse)
        second = cell.second_tangents(cotangents, cache, moved, [None] * len(cell.results))
        return (*second, *cell.backward(cotangents, cache))


# -- operators of compiled models --------------------------------------------------------------------------------------


def _register(cell: Cell) -> Callable[..., Tensors]:
    """`Forward` and `Backward` of a cell as operators, which the compiler calls without a look into them.

    They are in the namespace of the NumPy module's package, the backward one under the name `<cell>_backward`.
    """
    space = (cell._module.__package__ or "handgrad").replace(".", "_")
    cotangents = [f"d{name}" for name in cell.results]
    arguments = _parameters("Tensor", cell.arguments)
    order = "Tensor? lengths, bool reverse"

    def forward(*operands: Any) -> Tensors:
        *tensors, lengths, reverse = operands
        # What an operator gives must not share memory, and results are parts of the tape.
        results, tape = _split(cell.forward(tensors, lengths, reverse), len(cell.results))
        return (*(one.clone() for one in results), *tape)

    def backward(*operands: Any) -> Tensors:
        *tensors, lengths, reverse = operands
        return Backward.forward(cell, lengths, reverse, *tensors)

    def gradient(ctx: Any, *given: Tensor | None) -> tuple[Tensor | None, ...]:
        some, _ = _split(given, len(cell.results))
        *saved, lengths = ctx.saved_tensors
        return (*down(*some, *saved, lengths, ctx.reverse), None, None)

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        *tensors, lengths, ctx.reverse = inputs
        _, tape = _split(_several(output), len(cell.results))
        ctx.mark_non_differentiable(*tape)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *tape, lengths)

    def like_arguments(*operands: Any) -> Tensors:
        _, some, _ = _split(operands, len(cell.results), len(cell.arguments))
        return tuple(torch.empty_like(one, memory_format=torch.contiguous_format) for one in some)

    def like_results(*operands: Any) -> Tensors:
        return cell.fake(*operands[:-2])

    count = len(cell.results) + len(cell.tape)
    up = _operator(f"{space}::{cell.name}", forward, like_results, f"({arguments}, {order})", count)
    taken = f"{_parameters('Tensor?', cotangents)}, {arguments}, {_parameters('Tensor', cell.tape, 'kept_')}, {order}"
    made = _operator(f"{space}::{cell.name}_backward", backward, like_arguments, f"({taken})", len(cell.arguments))
    down = made._opoverload
    up.register_autograd(gradient, setup_context=keep)
    return up._opoverload  # type: ignore[no-any-return]


def _operator(name: str, function: Callable[..., Tensors], fake: Callable[..., Tensors], taken: str, count: int) -> Any:
    """An operator with so many results; one alone is no tuple to PyTorch."""

    def given(some: Callable[..., Tensors]) -> Callable[..., Any]:
        return some if count > 1 else lambda *operands: some(*operands)[0]

    schema = f"{taken} -> ({', '.join(['Tensor'] * count)})"
    made = torch.library.custom_op(name, given(function), mutates_args=(), schema=schema)
    made.register_fake(given(fake))
    return made


def _several(results: Any) -> Tensors:
    return (results,) if isinstance(results, Tensor) else tuple(results)


def _parameters(kind: str, names: Iterable[str], before: str = "") -> str:
    return ", ".join(f"{kind} {before}{name}" for name in names)
