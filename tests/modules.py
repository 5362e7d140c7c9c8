"""Generated modules for the tests: the committed ones, and those of the example cells made on the spot."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from derive.cells import CELLS
from derive.emit.files import render
from derive.index import Stack
from derive.program import Array
from tests.example_cells import ALL

Sizes = dict[str, int]
SMALL: Sizes = {"T": 4, "N": 2, "D": 3, "H": 2}
OTHER_NAMES = {"B": "N", "F": "D", "K": "H", "P": "D"}  # a cell may call its dimensions what it likes
POSITIVE = {("slstm", "n_prev")}  # arguments that are divided by, or of which the logarithm is taken


@cache
def files(name: str) -> dict[str, str]:
    """What is generated from a cell."""
    return render(ALL[name])


@cache
def module(name: str) -> ModuleType:
    """The NumPy module of a cell."""
    if name in CELLS:
        return importlib.import_module(f"generated.{name}_numpy")
    return module_of(f"{name}_numpy", files(name))


def module_of(name: str, texts: Mapping[str, str]) -> ModuleType:
    """The module of one of the generated files."""
    made = ModuleType(name)
    sys.modules[name] = made
    exec(compile(texts[f"{name}.py"], name, "exec"), made.__dict__)  # our own, rendered a moment ago
    return made


def shape(array: Array, sizes: Sizes, whole: bool) -> tuple[int, ...]:
    """The shape of an argument of ``forward`` (whole sequences) or of ``step_forward``."""
    sizes = {**sizes, **{name: sizes[usual] for name, usual in OTHER_NAMES.items()}}
    own = tuple(len(s.labels) * sizes[str(s.dim)] if isinstance(s, Stack) else sizes[str(s)] for s in array.sizes)
    return (sizes["T"], *own) if whole and array.role == "sequence" else own


def arguments(name: str, sizes: Sizes, dtype: Any = np.float64, whole: bool = True, seed: int = 0) -> list[np.ndarray]:
    """Random arguments in the order of ``forward`` or ``step_forward``."""
    chance = np.random.default_rng(seed)
    values = [chance.standard_normal(shape(array, sizes, whole)) for array in ALL[name].inputs]
    return [in_domain(name, array, value).astype(dtype) for array, value in zip(ALL[name].inputs, values, strict=True)]


def in_domain(name: str, array: Array, value: np.ndarray) -> np.ndarray:
    """The values, where the cell has any at them."""
    return 1 + np.abs(value) if (name, array.name) in POSITIVE else np.asarray(value)


def cotangents_for(results: Any, seed: int = 1) -> list[np.ndarray]:
    """Random cotangents of all results but the cache."""
    chance = np.random.default_rng(seed)
    return [chance.standard_normal(result.shape).astype(result.dtype) for result in results[:-1]]


def relative_error(value: np.ndarray, reference: np.ndarray) -> float:
    """max|y − ref| / max|ref|, the error that all tolerances are about."""
    scale = np.abs(reference).max(initial=0.0)
    difference = np.abs(value - reference).max(initial=0.0)
    return float(difference / scale) if scale else float(difference)
