"""Generated CUDA modules for the tests, and what their results are compared with."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from derive.cells import CELLS
from derive.emit.files import render
from tests.example_cells import ALL
from tests.modules import Sizes, files, in_domain, module, relative_error, shape
from tests.ragged import CELLS as KNOWN

Order = Mapping[str, Any]
"""The arguments ``lengths`` and ``reverse`` of ``forward``."""

IN_ORDER: Order = {}

# The kernels that the tests change live beside the module, as a user's would.
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


@cache
def cuda_module(name: str) -> ModuleType:
    """The CUDA module of a cell: the committed one, or one made on the spot."""
    if name in CELLS:
        return importlib.import_module(f"generated.{name}_cuda")
    return load(f"{name}_cuda", files(name) if name in ALL else render(KNOWN[name]))


def load(name: str, texts: dict[str, str]) -> ModuleType:
    """Import a module from files in a folder of its own."""
    folder = tempfile.TemporaryDirectory(prefix="handgrad-")
    _FOLDERS.append(folder)
    for file, text in texts.items():
        Path(folder.name, file).write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, Path(folder.name, f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


def scaled_arguments(name: str, sizes: Sizes, dtype: Any = np.float64, seed: int = 0) -> list[np.ndarray]:
    """Random arguments of ``forward``; matrices small enough that long sequences stay tame at every size."""
    chance = np.random.default_rng(seed)
    found = []
    for array in ALL[name].inputs:
        value = chance.standard_normal(shape(array, sizes, whole=True))
        if array.role == "parameter" and value.ndim == 2:
            value /= max(1, value.shape[0]) ** 0.5
        found.append(in_domain(name, array, value).astype(dtype))
    return found


def host(array: Any) -> np.ndarray:
    """The values of a result."""
    return array.get() if array.size else np.zeros(array.shape, array.dtype)


def run(
    made: ModuleType, args: list[Any], cotangents: list[Any], order: Order = IN_ORDER, **options: Any
) -> tuple[np.ndarray, ...]:
    """Results and gradients of a module, on the host."""
    results = made.forward(*args, **order, **options)
    gradients = made.backward(*cotangents, results[-1], **options)
    return tuple(map(host, (*results[:-1], *gradients)))


def run_numpy(
    name: str, args: list[np.ndarray], cotangents: list[np.ndarray], order: Order = IN_ORDER
) -> tuple[np.ndarray, ...]:
    results = module(name).forward(*args, **order)
    return (*results[:-1], *module(name).backward(*cotangents, results[-1]))


def cotangents_of(name: str, args: list[np.ndarray], seed: int = 1) -> list[np.ndarray]:
    """Random cotangents for the results of ``forward``, of the arguments' dtype."""
    chance = np.random.default_rng(seed)
    return [chance.standard_normal(r.shape).astype(args[0].dtype) for r in module(name).forward(*args)[:-1]]


# mLSTM divides by a sum that may cancel; a thread adds it up term by term, BLAS in several parts, which rounds less.
# Layer normalisation of a single entry multiplies by 1/√ε what cancels, and a GPU rounds that otherwise: products are
# added without being rounded first.
FACTORS = {"mlstm": 10, "lstm_layernorm": 10}


def excess(
    name: str,
    values: tuple[np.ndarray, ...],
    args: list[np.ndarray],
    cotangents: list[np.ndarray],
    order: Order = IN_ORDER,
) -> float:
    """The largest error of any array by what is allowed for it; above 1 is too much.

    The reference is the NumPy module in float64. Allowed is 1e-12 in float64; in float32 2e-6, or four times the error
    that the NumPy module itself has in float32. ``FACTORS`` has cells to which more than the fourfold is allowed.
    """
    exact = run_numpy(name, [a.astype(np.float64) for a in args], [w.astype(np.float64) for w in cotangents], order)
    factor = FACTORS.get(name, 4)
    allowed = [factor / 4 * 1e-12] * len(exact)
    if args[0].dtype == np.float32:
        own = run_numpy(name, args, cotangents, order)
        floor = factor / 4 * 2e-6
        allowed = [max(floor, factor * relative_error(low, due)) for low, due in zip(own, exact, strict=True)]
    errors = [relative_error(value, due) for value, due in zip(values, exact, strict=True)]
    # NaN is above any bound.
    return max((e / a if e == e else np.inf for e, a in zip(errors, allowed, strict=True)), default=0.0)
