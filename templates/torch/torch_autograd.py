"""A cell as a differentiable function of tensors.

Derivatives are those of the generated module, each a function on tensors of its own:

    Forward         results from arguments             backward: Backward          jvp: Tangents
    Backward        gradients from cotangents          backward: DoubleBackward    jvp: SecondTangents
    Tangents        tangents of results                backward: TangentsBackward
    DoubleBackward, SecondTangents, TangentsBackward   are of second order: their derivatives are not generated.

What a function keeps for its derivative are tensors saved by autograd, so that saved tensor hooks and checkpointing see
them and a change in place is noticed.

Part of handgrad; `handgrad generate` puts it beside the cells' PyTorch modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from .torch_engine import Engine, Tensors

Mapped = tuple[Tensors, tuple[int | None, ...]]  # results, and their axes over what is mapped

# All of them take an engine, lengths and reverse, then tensors.
_COMMON = 3


class _OfEngine(Function):  # type: ignore[misc]
    """A function of an engine, mapped by computing once for every index of the mapped axis."""

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


def split(tensors: Sequence[Any], *counts: int) -> list[Sequence[Any]]:
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


class Forward(_OfEngine):
    """Results and tape from arguments."""

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[int | None, ...], *operands: Any) -> Mapped:
        """One large batch where only sequences and states are mapped, else index by index."""
        (engine, lengths, reverse), arguments = operands[:_COMMON], operands[_COMMON:]
        count, mapped, axes = info.batch_size, in_dims[_COMMON:], engine.batch_axes
        along = [axes.arguments[name] for name in engine.arguments]
        parameters = any(dim is not None and axis is None for dim, axis in zip(mapped, along, strict=True))
        if parameters or in_dims[1] is not None or not count:
            return super().vmap(info, in_dims, *operands)
        folded = (_folded(one, dim, axis, count) for one, dim, axis in zip(arguments, mapped, along, strict=True))
        results = cls.apply(engine, None if lengths is None else lengths.repeat(count), reverse, *folded)
        out_dims = (*axes.results.values(), *axes.tape.values())
        return tuple(_unfolded(one, axis, count) for one, axis in zip(results, out_dims, strict=True)), out_dims

    @staticmethod
    def forward(engine: Engine, lengths: Tensor | None, reverse: bool, *arguments: Tensor) -> Tensors:
        return engine.forward(arguments, lengths, reverse)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        results, tape = split(output, len(inputs[0].results))
        ctx.mark_non_differentiable(*tape)
        # Results are parts of the tape: kept with it, a change of them in place is noticed.
        _keep(ctx, inputs, *tape, *results)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        engine = ctx.common[0]
        arguments, tape, _ = split(ctx.saved_tensors, len(engine.arguments), len(engine.tape))
        given, _ = split(cotangents, len(engine.results))
        return (*[None] * _COMMON, *Backward.apply(*ctx.common, *given, *arguments, *tape))

    @staticmethod
    def jvp(ctx: Any, *moved: Tensor | None) -> tuple[Tensor | None, ...]:
        tangents = Tangents.apply(*ctx.common, *ctx.saved_tensors, *moved[_COMMON:])
        return (*tangents, *[None] * len(ctx.common[0].tape))


class Backward(_OfEngine):
    """Gradients from cotangents, arguments and tape; the tape counts as a function of the arguments."""

    @staticmethod
    def forward(engine: Engine, lengths: Tensor | None, reverse: bool, *tensors: Tensor) -> Tensors:
        cotangents, arguments, tape = split(tensors, len(engine.results), len(engine.arguments))
        return engine.backward(cotangents, arguments, tape, lengths, reverse)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], _output: Tensors) -> None:
        _keep(ctx, inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        engine, tensors = ctx.common[0], ctx.saved_tensors
        first = DoubleBackward.apply(*ctx.common, *gradients, *tensors)
        return (*[None] * _COMMON, *_where(tensors, (*first, *[None] * len(engine.tape))))

    @staticmethod
    def jvp(ctx: Any, *moved: Tensor | None) -> Tensors:
        engine = ctx.common[0]
        some, _ = split(moved[_COMMON:], len(engine.results) + len(engine.arguments))
        return SecondTangents.apply(*ctx.common, *some, *ctx.saved_tensors)  # type: ignore[no-any-return]


class Tangents(_OfEngine):
    """Tangents of results from arguments and their tangents."""

    @staticmethod
    def forward(engine: Engine, lengths: Tensor | None, reverse: bool, *tensors: Tensor) -> Tensors:
        arguments, moved = split(tensors, len(engine.arguments))
        return engine.tangents(arguments, moved, lengths, reverse)

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


class _Second(_OfEngine):
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
    def forward(engine: Engine, lengths: Tensor | None, reverse: bool, *tensors: Tensor) -> Tensors:
        counts = len(engine.arguments), len(engine.results), len(engine.arguments)
        gradients, cotangents, arguments, tape = split(tensors, *counts)
        return engine.double_backward(gradients, cotangents, arguments, tape, lengths, reverse)


class SecondTangents(_Second):
    """Tangents of the gradients from those of the cotangents and of the arguments."""

    @staticmethod
    def forward(engine: Engine, lengths: Tensor | None, reverse: bool, *tensors: Tensor) -> Tensors:
        counts = len(engine.results), len(engine.arguments)
        moved_cotangents, moved, cotangents, arguments, tape = split(tensors, *counts, *counts)
        return engine.second_tangents(moved_cotangents, moved, cotangents, arguments, tape, lengths, reverse)


class TangentsBackward(_Second):
    """Gradients of the arguments and of their tangents, from cotangents of the results' tangents."""

    @staticmethod
    def forward(engine: Engine, lengths: Tensor | None, reverse: bool, *tensors: Tensor) -> Tensors:
        cotangents, arguments, moved = split(tensors, len(engine.results), len(engine.arguments))
        return engine.tangents_backward(cotangents, arguments, moved, lengths, reverse)
