"""Sequences of different lengths and reversed ones: what they should give, by running each of them alone."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from derive.cell import Cell, dims, parameter, sequence, sigmoid, state, tanh
from derive.emit.numpy.module import numpy_module
from derive.printing import environment
from derive.program import Program
from tests.cuda_cells import HARD
from tests.example_cells import ALL
from tests.modules import Sizes, in_domain, module, module_of, shape

Arrays = list[np.ndarray]
Outcome = tuple[Arrays, Arrays]

N, D, H = dims("N D H")
# Sequences without steps, of one step, of all steps, in no order.
SIZES: Sizes = {"T": 5, "N": 6, "D": 3, "H": 2, "P": 4}
LENGTHS = np.array([3, 0, 5, 1, 5, 2])


class Shift(Cell):
    """A state that does not depend on any state, so that it is known for all t before the loop; two sequences."""

    x = sequence(N, D)
    y = sequence(N, H)
    u_prev = state(N, H)
    h_prev = state(N, H)
    W = parameter(D, H)
    U = parameter(H, H)

    u = tanh(x @ W)
    h = tanh(h_prev @ U + u_prev * y)
    z = sigmoid(h) * u_prev
    outputs = ("z",)


class Delay(Cell):
    """No step that waits for the one before: the only state is known for all t before the loop."""

    x = sequence(N, D)
    u_prev = state(N, H)
    W = parameter(D, H)

    u = tanh(x @ W)
    y = u * sigmoid(u_prev)
    outputs = ("y",)


class Growth(Cell):
    """A state that overflows if its last step is repeated, an equation that has no value where an input is zero."""

    x = sequence(N, H)
    h_prev = state(N, H)
    w = parameter(H)

    h = h_prev * x
    y = w * h / x
    outputs = ("y",)


OWN: dict[str, Program] = {cell.program.name: cell.program for cell in (Shift, Delay, Growth)}
CELLS: dict[str, Program] = {**ALL, **HARD, **OWN}


@cache
def numpy_module_of(name: str) -> ModuleType:
    """The NumPy module of a cell."""
    if name in ALL:
        return module(name)
    text = environment().get_template("numpy/cell_numpy.py.jinja").render(numpy_module(CELLS[name], {}))
    return module_of(f"{name}_numpy", {f"{name}_numpy.py": text})


def problem(name: str, sizes: Sizes = SIZES, dtype: Any = np.float64, seed: int = 0) -> Outcome:
    """Arguments and cotangents."""
    chance = np.random.default_rng(seed)
    values = [(a, chance.standard_normal(shape(a, sizes, whole=True))) for a in CELLS[name].inputs]
    args = [in_domain(name, array, value).astype(dtype) for array, value in values]
    results = numpy_module_of(name).forward(*args)[:-1]
    return args, [chance.standard_normal(r.shape).astype(dtype) for r in results]


def alone(
    made: ModuleType, cell: Program, args: Arrays, cotangents: Arrays, lengths: np.ndarray, reverse: bool
) -> Outcome:
    """The results and gradients of a batch by its sequences, one after the other, each as a batch of its own.

    Args:
        made: the NumPy module of the cell.
    """
    results = [np.zeros_like(w) for w in cotangents]
    gradients = [np.zeros_like(a) for a in args]
    outputs = len(cell.outputs)
    for n, length in enumerate(lengths):
        here = (slice(length), slice(n, n + 1))
        row = here[1]

        def turned(array: np.ndarray) -> np.ndarray:
            return array[::-1] if reverse else array

        def one(array: np.ndarray, role: str, here: tuple = here, row: slice = row) -> np.ndarray:
            return array if role == "parameter" else array[row] if role == "state" else turned(array[here])

        roles = [a.role for a in cell.inputs]
        found = made.forward(*map(one, args, roles))
        given = [one(w, "sequence" if k < outputs else "state") for k, w in enumerate(cotangents)]
        for k, result in enumerate(found[:-1]):
            results[k][here if k < outputs else row] = turned(result) if k < outputs else result
        for gradient, value, role in zip(gradients, made.backward(*given, found[-1]), roles, strict=True):
            if role == "sequence":
                gradient[here] = turned(value)
            elif role == "state":
                gradient[row] = value
            else:
                gradient += value
    return results, gradients


def spoil(name: str, args: Arrays, cotangents: Arrays, lengths: np.ndarray) -> Outcome:
    """The same problem with padding that is NaN and infinite."""
    chance, cell = np.random.default_rng(5), CELLS[name]
    args = [spoilt(a, lengths, chance) if i.role == "sequence" else a for i, a in zip(cell.inputs, args, strict=True)]
    outputs = len(cell.outputs)
    return args, [spoilt(w, lengths, chance) if k < outputs else w for k, w in enumerate(cotangents)]


def beyond(lengths: np.ndarray, T: int) -> np.ndarray:
    """Where the padding is, (T, N)."""
    return np.arange(T)[:, None] >= lengths


def spoilt(array: np.ndarray, lengths: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """An array over time whose padding is NaN and infinite."""
    array, padding = array.copy(), beyond(lengths, array.shape[0])
    array[padding] = chance.choice([np.nan, np.inf, -np.inf], array[padding].shape)
    return array
