"""Cells of the literature, written down and generated: values, gradients, tangents, Hessians, on both targets."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from derive.emit.files import render, shared, write
from tests import cuda, fuzz
from tests.literature import CELLS, SIZES
from tests.random_cells import RandomCell
from tests.test_random_cells import arguments


@pytest.mark.parametrize("name", sorted(CELLS))
def test_in_numpy(name: str) -> None:
    """Broken if a plan or an emitter counts on the cells it was written for; against equations and complex steps."""
    with np.errstate(all="ignore"):
        fuzz.check(RandomCell(CELLS[name], name, SIZES), in_cuda=False)


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(CELLS))
def test_in_cuda(name: str) -> None:
    """Broken if a kernel of such a cell is wrong."""
    cuda.require()
    fuzz.check(RandomCell(CELLS[name], name, SIZES), in_cuda=True)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Modules of cells from the literature are not there for the next test."""
    yield
    for module in [one for one in sys.modules if one.startswith("literature_")]:
        del sys.modules[module]


@pytest.mark.parametrize("name", ["RWKV4", *(pytest.param(one, marks=pytest.mark.full) for one in sorted(CELLS))])
@pytest.mark.filterwarnings("ignore:.torch.jit.script.* is deprecated:DeprecationWarning")
def test_in_torch(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if the bridge to PyTorch counts on the shapes of the zoo's cells."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: cells of the literature did not run in it")
    cell = RandomCell(CELLS[name], name, SIZES)
    package = f"literature_{name.lower()}"
    write({"__init__.py": "", **shared(), **render(cell.program)}, tmp_path / package)
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module(f"{package}.{cell.program.name}_torch")
    function = getattr(made, cell.program.name)
    args = [torch.tensor(one, requires_grad=True) for one in arguments(cell)]
    assert torch.autograd.gradcheck(function, args, check_forward_ad=True, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, args, fast_mode=True)
