"""The functions of `torch_autograd.py` as custom operators, for compiled models.

Part of handgrad; `handgrad generate` puts it beside the cells' PyTorch modules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from .torch_autograd import Backward, split
from .torch_engine import Engine, Tensors


def operator(engine: Engine) -> Callable[..., Tensors]:
    """`Forward` and `Backward` of an engine as operators, which the compiler calls without a look into them.

    They are in the namespace of the cell's package, as `<cell>_<kind>` and `<cell>_<kind>_backward`.
    """
    name = f"{(engine.cell.package or 'handgrad').replace('.', '_')}::{engine.name}_{engine.kind}"
    cotangents = [f"d{name}" for name in engine.results]
    arguments = _parameters("Tensor", engine.arguments)
    order = "Tensor? lengths, bool reverse"

    def forward(*operands: Any) -> Tensors:
        *tensors, lengths, reverse = operands
        # What an operator gives must not share memory, and results are parts of the tape.
        results, tape = split(engine.forward(tensors, lengths, reverse), len(engine.results))
        return (*(one.clone() for one in results), *tape)

    def backward(*operands: Any) -> Tensors:
        *tensors, lengths, reverse = operands
        return Backward.forward(engine, lengths, reverse, *tensors)

    def gradient(ctx: Any, *given: Tensor | None) -> tuple[Tensor | None, ...]:
        some, _ = split(given, len(engine.results))
        *saved, lengths = ctx.saved_tensors
        return (*down(*some, *saved, lengths, ctx.reverse), None, None)

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        *tensors, lengths, ctx.reverse = inputs
        _, tape = split(_several(output), len(engine.results))
        ctx.mark_non_differentiable(*tape)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *tape, lengths)

    def like_arguments(*operands: Any) -> Tensors:
        _, some, _ = split(operands, len(engine.results), len(engine.arguments))
        return tuple(torch.empty_like(one, memory_format=torch.contiguous_format) for one in some)

    def like_results(*operands: Any) -> Tensors:
        return engine.fake(*operands[:-2])

    count = len(engine.results) + len(engine.tape)
    up = _operator(name, forward, like_results, f"({arguments}, {order})", count)
    taken = f"{_parameters('Tensor?', cotangents)}, {arguments}, {_parameters('Tensor', engine.tape, 'kept_')}, {order}"
    made = _operator(f"{name}_backward", backward, like_arguments, f"({taken})", len(engine.arguments))
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
