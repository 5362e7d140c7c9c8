"""Numbers that show a claim to be wrong, small enough to be checked by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from sympy import Expr

from derive.evaluate import REAL, Sizes, evaluate, size_of
from derive.index import entries
from derive.notes.meaning import Reader
from derive.notes.places import place
from derive.notes.plain import symbol_text
from derive.tensor import Tensor
from derive.verify.judge import Judgement, coefficient, definition

_DIGITS = 6


@dataclass(frozen=True)
class Counterexample:
    """Values of the quantities that the claim mentions, and what either side gives; lists where not scalar."""

    inputs: dict[str, Any]
    written: Any
    derived: Any


def counterexample(judgement: Judgement, reader: Reader) -> Counterexample | None:
    """Values at which the two sides differ, at the smallest sizes that show it.

    None where the written side has no value, because its shapes do not fit.
    """
    if judgement.holds or judgement.stated is None:
        return None
    ground = judgement.ground
    for length in (1, 2):
        sizes: Sizes = dict.fromkeys(ground.sizes, length)
        values = ground.values(REAL, sizes, seed=7)
        written, derived = (_value(side, values, sizes) for side in (judgement.stated, _common(judgement)))
        if written.shape != derived.shape or not np.allclose(written, derived):
            due = judgement.due if judgement.kind == "update" else definition(judgement.due, ground)
            sides = (judgement.stated, due)
            named = {name: tensor for side in sides for name, tensor in _mentioned(side.expr, judgement)}
            inputs = {_symbol(name, reader, judgement): _plain(_value(named[name], values, sizes)) for name in named}
            return Counterexample(inputs, _plain(written), _plain(derived))
    return None


def _common(judgement: Judgement) -> Tensor:
    return coefficient(judgement.due) if judgement.kind == "jacobian" else judgement.due


def _value(tensor: Tensor, values: Any, sizes: Sizes) -> np.ndarray:
    """The tensor in the shape that the notes give it, stacked axes whole."""
    axes = tuple(index for axis in tensor.axes for index in axis.indices)
    split = [size_of(index.dim, sizes) for index in axes]
    shape = [prod(size_of(index.dim, sizes) for index in axis.indices) for axis in tensor.axes]
    return np.broadcast_to(evaluate(tensor.expr, axes, values, sizes, REAL), split).reshape(shape)


def _mentioned(expr: Expr, judgement: Judgement) -> Iterator[tuple[str, Tensor]]:
    """The arrays and blocks that an expression mentions, as ``a`` or ``a[0]``."""
    for entry in entries(expr):
        array = judgement.ground.program.arrays[entry.name]
        # An index of an axis of length 1 is a number as well, but that of no block.
        label = next((array.labels[int(i)] for i in entry.indices if i.is_number and array.labels), None)
        yield place(entry), array.tensor.block(label) if label else array.tensor


def _symbol(where: str, reader: Reader, judgement: Judgement) -> str:
    """The notes' symbol for an array, or the array's own name; a rule's variable stands for no array."""
    if judgement.kind == "rule":
        return where
    mark, name = reader.spellings.get(where, ("", where))
    return mark + symbol_text(name)


def _plain(values: np.ndarray) -> Any:
    """Numbers rounded for reading; an array of one entry as a number."""
    rounded = np.vectorize(lambda value: float(f"{value:.{_DIGITS}g}"))(values) if values.size else values
    return rounded.item() if rounded.size == 1 else rounded.tolist()
