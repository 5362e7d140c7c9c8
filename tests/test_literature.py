"""Cells of the literature, written down and generated: values, gradients, tangents, Hessians, on both targets."""

from __future__ import annotations

import numpy as np
import pytest

from tests import cuda, fuzz
from tests.literature import CELLS, SIZES
from tests.random_cells import RandomCell


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
