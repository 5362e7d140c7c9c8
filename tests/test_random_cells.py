"""Random cells, generated, imported and compared: the values of every step, and every entry of every gradient."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from derive.emit.files import render
from derive.emit.numpy.module import numpy_module
from derive.evaluate import REAL, Values, run
from derive.evaluate import shape as extents
from derive.index import Stack
from derive.printing import environment
from derive.program import Array, Program
from tests import cuda
from tests.cuda_cells import HARD
from tests.cuda_modules import host, load
from tests.modules import cotangents_for, module_of, relative_error
from tests.ragged import alone
from tests.random_cells import RandomCell, random_cell

T = 3
STEP = 1e-200
# Sums of some hundred products of powers, in float64, whose terms may be larger than they are.
TOLERANCE = 1e-11
SEEDS = range(30)
MORE = range(1000, 1100)
CUDA_SEEDS = range(100, 112)


@cache
def made(seed: int) -> tuple[RandomCell, ModuleType]:
    """A random cell and its NumPy module."""
    cell = random_cell(seed)
    return cell, imported(cell.program)


def imported(program: Program) -> ModuleType:
    text = environment().get_template("numpy/cell_numpy.py.jinja").render(numpy_module(program, {}))
    name = f"{program.name}_numpy"
    return module_of(name, {f"{name}.py": text})


def shape(array: Array, sizes: dict[str, int], whole: bool = False) -> tuple[int, ...]:
    own = tuple(len(s.labels) * sizes[str(s.dim)] if isinstance(s, Stack) else sizes[str(s)] for s in array.sizes)
    return (T, *own) if whole and array.role == "sequence" else own


def arguments(cell: RandomCell, whole: bool = True, seed: int = 0) -> list[np.ndarray]:
    chance = np.random.default_rng(seed)
    return [np.asarray(0.4 * chance.standard_normal(shape(a, cell.sizes, whole))) for a in cell.program.inputs]


def by_equations(cell: RandomCell, args: list[np.ndarray]) -> list[np.ndarray]:
    """The results of ``forward``, every step by the equations alone."""
    program = cell.program
    dims = {index.dim for array in program.inputs for index in array.indices if not index.dim.is_number}
    sizes = {dim: cell.sizes[str(dim)] for dim in dims}
    given = dict(zip([a.name for a in program.inputs], args, strict=True))
    steps: list[Values] = []
    for t in range(T):
        values = {a.name: given[a.name][t] if a.role == "sequence" else given[a.name] for a in program.inputs}
        # An equation has two indices along a stacked axis, an array one.
        split = {a.name: values[a.name].reshape(extents(a, sizes)) for a in program.inputs}
        results = run(program, split, sizes, REAL)
        merged = {n: np.reshape(results[n], shape(program.arrays[n], cell.sizes)) for n in _results(cell)}
        steps.append({name: np.array(value) for name, value in merged.items()})
        given |= {s.name: steps[-1][s.next] for s in program.having("state") if s.next}
    last = [s.next for s in program.having("state") if s.next and s.next not in program.outputs]
    return [*(np.array([step[n] for step in steps]) for n in program.outputs), *(steps[-1][n] for n in last)]


def _results(cell: RandomCell) -> list[str]:
    following = [s.next for s in cell.program.having("state") if s.next]
    return list(dict.fromkeys([*cell.program.outputs, *following]))


def error_of(value: np.ndarray, due: np.ndarray) -> float:
    """The relative error; of what cancels to nothing, such as Σ (e − mean e), the absolute one."""
    nothing = np.abs(due).max(initial=0.0) < 1e-14
    return float(np.abs(value - due).max(initial=0.0)) if nothing else relative_error(value, due)


def check_values(cell: RandomCell, made_from: ModuleType) -> None:
    args = arguments(cell)
    *results, _ = made_from.forward(*args)
    for value, due in zip(results, by_equations(cell, args), strict=True):
        assert value.shape == due.shape, cell.source
        assert relative_error(value, due) <= TOLERANCE, cell.source


def check_gradients(cell: RandomCell, made_from: ModuleType, whole: bool) -> None:
    """Every entry by complex step; the reference differentiates the forward code alone."""
    forward = made_from.forward if whole else made_from.step_forward
    backward = made_from.backward if whole else made_from.step_backward
    args = arguments(cell, whole)
    results = forward(*args)
    cotangents = cotangents_for(results)
    gradients = backward(*cotangents, results[-1])
    for k, argument in enumerate(args):
        name = gradients._fields[k]
        assert gradients[k].shape == argument.shape, f"{name} in\n{cell.source}"
        assert gradients[k].dtype == argument.dtype, f"{name} in\n{cell.source}"
        reference = np.empty_like(argument)
        for place in np.ndindex(argument.shape):
            moved = [a.astype(np.complex128) for a in args]
            moved[k][place] += 1j * STEP
            tangents = [np.imag(result) / STEP for result in forward(*moved)[:-1]]
            reference[place] = sum(float((w * t).sum()) for w, t in zip(cotangents, tangents, strict=True))
        error = error_of(np.asarray(gradients[k]), reference)
        assert error <= TOLERANCE, f"{name} is off by {error:.1e} ({'sequence' if whole else 'step'}) in\n{cell.source}"


def check_memory(cell: RandomCell, made_from: ModuleType, chunk: Any) -> None:
    """Neither a used workspace nor the size of chunks changes a result."""
    args, others = arguments(cell), arguments(cell, seed=1)
    plain = made_from.forward(*args)
    cotangents = cotangents_for(plain)
    expected = made_from.backward(*cotangents, plain[-1])
    sizes = [T if name == "T" else cell.sizes[name] for name in dims_of(made_from)]
    workspace = made_from.Workspace(*sizes, np.float64)
    chunk.setattr(made_from, "_CHUNK", 1)
    for one in (others, args):
        results = made_from.forward(*one, workspace=workspace)
        gradients = made_from.backward(*cotangents, results[-1], workspace=workspace)
    for value, due in zip((*results[:-1], *gradients), (*plain[:-1], *expected), strict=True):
        assert relative_error(value, due) <= TOLERANCE, cell.source


def check_lengths(cell: RandomCell, made_from: ModuleType) -> None:
    """A batch of sequences with lengths of their own, in both directions, is these sequences one by one."""
    args, lengths = arguments(cell), np.array([2, 0, T])
    cotangents = cotangents_for(made_from.forward(*args))
    for reverse in (False, True):
        results, gradients = alone(made_from, cell.program, args, cotangents, lengths, reverse)
        *values, cache = made_from.forward(*args, lengths=lengths, reverse=reverse)
        values += made_from.backward(*cotangents, cache)
        for value, due in zip(values, (*results, *gradients), strict=True):
            assert relative_error(value, due) <= TOLERANCE, cell.source


def dims_of(made_from: ModuleType) -> list[str]:
    names = made_from.Workspace.__init__.__annotations__
    return [name for name, kind in names.items() if kind == "int"]


@pytest.mark.parametrize("seed", [*SEEDS, *(pytest.param(seed, marks=pytest.mark.full) for seed in MORE)])
def test_random_cells(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if a plan or an emitter counts on the shape of the cells it was written for; prints the cell."""
    cell, made_from = made(seed)
    check_values(cell, made_from)
    check_gradients(cell, made_from, whole=False)
    check_gradients(cell, made_from, whole=True)
    check_lengths(cell, made_from)
    check_memory(cell, made_from, monkeypatch)


@pytest.mark.parametrize("seed", CUDA_SEEDS)
def test_random_cells_in_cuda(seed: int) -> None:
    """Broken if a stage, a sum or an address counts on the shape of the cells it was written for; prints the cell."""
    cuda.require()
    cell = random_cell(seed)
    texts = render(cell.program)
    numpy_made = module_of(f"{cell.program.name}_numpy", texts)
    cuda_made = load(f"{cell.program.name}_cuda", texts)
    args = arguments(cell)
    *expected, numpy_cache = numpy_made.forward(*args)
    cotangents = [np.random.default_rng(1).standard_normal(r.shape) for r in expected]
    *results, cache = cuda_made.forward(*args)
    gradients = cuda_made.backward(*cotangents, cache)
    due = numpy_made.backward(*cotangents, numpy_cache)
    names = [*(f"result {k}" for k in range(len(results))), *gradients._fields]
    for name, value, one in zip(names, (*results, *gradients), (*expected, *due), strict=True):
        error = error_of(host(value), one)
        assert error <= TOLERANCE, f"{name} is off by {error:.1e} in\n{cell.source}"


@pytest.mark.parametrize("name", sorted(HARD))
def test_hard_cells(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if constants get an axis over steps, or what is begun before the loop is lost after it."""
    cell = RandomCell(HARD[name], name, {"N": 3, "D": 2, "H": 4, "P": 5, "K": 6})
    made_from = imported(cell.program)
    check_gradients(cell, made_from, whole=False)
    check_gradients(cell, made_from, whole=True)
    check_memory(cell, made_from, monkeypatch)
