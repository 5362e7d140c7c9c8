"""The problems: sizes, their inputs, and the results every contender must agree on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Size:
    """Steps T, batch N, input width D and hidden width H of a sequence."""

    T: int
    N: int
    D: int
    H: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """The size written as `TxNxDxH`."""
        match = re.fullmatch(r"(\d+)x(\d+)x(\d+)x(\d+)", text.strip())
        if match is None or "0" in match.groups():
            raise ValueError(f"{text!r} is not a size; write TxNxDxH, as in 50x16x64x64")
        return cls(*(int(number) for number in match.groups()))

    def __str__(self) -> str:
        return f"{self.T}x{self.N}x{self.D}x{self.H}"


SIZES = (
    Size(50, 16, 64, 64),
    Size(100, 128, 128, 128),
    Size(50, 64, 256, 256),
    Size(35, 20, 650, 650),
    Size(100, 32, 512, 512),
)


def parse_sizes(texts: Iterable[str], default: Sequence[Size]) -> list[Size]:
    """The sizes written with commas between them or in several texts; the default if there is none."""
    return [Size.parse(part) for text in texts for part in text.split(",")] or list(default)


@dataclass(frozen=True)
class Problem:
    """Inputs of one LSTM over a sequence, and the cotangents of its outputs; gate order i, g, f, o."""

    x: Array  # (T, N, D)
    h0: Array  # (N, H)
    c0: Array  # (N, H)
    W_x: Array  # (D, 4H)
    W_h: Array  # (H, 4H)
    b: Array  # (4H,)
    dh: Array  # (T, N, H)
    dc: Array  # (N, H)

    @property
    def inputs(self) -> tuple[Array, Array, Array, Array, Array, Array]:
        return self.x, self.h0, self.c0, self.W_x, self.W_h, self.b

    @property
    def size(self) -> Size:
        T, N, D = self.x.shape
        return Size(T, N, D, self.h0.shape[1])


class Results(NamedTuple):
    """Outputs and gradients, as NumPy arrays in the layouts of `Problem`."""

    h: Array
    c: Array
    dx: Array
    dh0: Array
    dc0: Array
    dW_x: Array  # noqa: N815 (the generated module's name)
    dW_h: Array  # noqa: N815
    db: Array


def make_problem(size: Size, dtype: npt.DTypeLike = np.float32, seed: int = 0) -> Problem:
    """The problem of this size: the same numbers for the same seed, rounded to `dtype`."""
    T, N, D, H = size.T, size.N, size.D, size.H
    random = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 1.0) -> Array:
        # Rounded to single precision first, so that a double-precision reference sees the same inputs.
        return (scale * random.standard_normal(shape)).astype(np.float32).astype(dtype)

    return Problem(
        x=normal(T, N, D),
        h0=normal(N, H),
        c0=normal(N, H),
        W_x=normal(D, 4 * H, scale=D**-0.5),
        W_h=normal(H, 4 * H, scale=H**-0.5),
        b=normal(4 * H),
        dh=normal(T, N, H),
        dc=normal(N, H),
    )


def relative_error(results: Results, reference: Results) -> float:
    """The largest deviation of any array, relative to the largest magnitude in its reference."""
    deviations = []
    for value, exact in zip(results, reference, strict=True):
        if value.shape != exact.shape:
            raise ValueError(f"shape {value.shape} instead of {exact.shape}")
        deviations.append(np.max(np.abs(value - exact)) / np.max(np.abs(exact)))
    return float(np.max(deviations))  # the built-in max could drop a NaN
