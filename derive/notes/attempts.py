"""What is open in a formula as alternatives: attempts at a meaning, of which those whose shapes fit count."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice, product

from derive.errors import ShapeError
from derive.index import Dim
from derive.notes.jacobian import Jacobian, contracted
from derive.tensor import Tensor, outer

MOST_MEANINGS = 64

# A thunk, so that one that does not fit is one alternative fewer and not the end.
Attempt = Callable[[], Tensor]


def that_fit(attempts: Iterable[Attempt]) -> list[Tensor]:
    """The attempts that succeed.

    Raises:
        ShapeError: of the last, if none does.
    """
    found: list[Tensor] = []
    failed = ShapeError("no meaning")
    for attempt in islice(attempts, MOST_MEANINGS):
        try:
            found.append(attempt())
        except ShapeError as error:
            failed = error
    if not found:
        raise failed
    return found


def products(left: Iterable[Tensor], sign: str, right: Sequence[Tensor], many: Dim | None) -> Iterator[Attempt]:
    """Every product of one on the left and one on the right that the sign allows."""
    for one, other in product(left, right):
        if isinstance(one, Jacobian) or isinstance(other, Jacobian):
            if sign != "⊙":
                yield partial(contracted, one, other)
        elif sign == "⊗":
            yield partial(outer, one, other, many)
        else:
            yield partial(operator.mul, one, other)
            if sign != "⊙":
                yield partial(operator.matmul, one, other)


def fail(error: ShapeError) -> Tensor:
    """An attempt that fails for a known reason."""
    raise error
