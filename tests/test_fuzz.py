"""The long run over random cells: broken if it lost its place, or called a cell sound, rough or failed that is not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests import cuda, fuzz
from tests.random_cells import cell_of, random_cell

DIMENSIONS = "N K D H"
STEEP = """class Steep(Cell):
    x = sequence(N, K)
    s_prev = state(N, K)
    e = mean(x - mean(x))
    s = s_prev + x * sign(e)
    outputs = ('s',)
"""
PLAIN = STEEP.replace("sign(e)", "tanh(x)")


@pytest.mark.parametrize("seed", range(7_000_000, 7_000_080))
def test_random_cells_of_any_order(seed: int) -> None:
    """Broken if values, gradients, tangents or Hessians are wrong for a cell that nobody chose; prints it."""
    check(seed, in_cuda=False)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(8_000_000, 8_000_040))
def test_random_cells_of_any_order_in_cuda(seed: int) -> None:
    """Broken if a kernel or the order of kernels counts on the cells that they were written for; prints the cell."""
    cuda.require()
    check(seed, in_cuda=True)


def check(seed: int, in_cuda: bool) -> None:
    kind, text = fuzz.problem(lambda: random_cell(seed), in_cuda)
    assert kind == "sound", f"{kind}: {text} in\n{random_cell(seed).source}"


def test_the_sign_of_rounding_is_no_failure() -> None:
    """Broken if a cell whose right values nobody can tell is reported as one of ours that is wrong."""
    assert not fuzz.is_smooth(cell_of(STEEP, DIMENSIONS))


def test_a_wrong_gradient_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if a difference in a cell that is smooth were not believed."""

    def differ(*_: object) -> None:
        raise AssertionError("dx")

    monkeypatch.setattr(fuzz, "check_gradient", differ)
    assert fuzz.problem(lambda: cell_of(PLAIN, DIMENSIONS), in_cuda=False) == ("failed", "AssertionError: dx")


def test_a_run_goes_on_where_the_last_one_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if cells were tried twice, or a report were overwritten by one of fewer cells."""
    report = tmp_path / "fuzz.json"
    tried: list[int] = []
    monkeypatch.setattr(fuzz, "random_cell", lambda seed: tried.append(seed))
    monkeypatch.setattr(fuzz, "problem", lambda make, _: ("sound", str(make())))
    for cells in (3, 5, 5):
        monkeypatch.setattr(sys, "argv", ["fuzz", "--cells", str(cells), "--start", "40", "--report", str(report)])
        assert fuzz.main() == 0
    assert tried == [40, 41, 42, 43, 44]
    assert json.loads(report.read_text())["sound"] == 5
