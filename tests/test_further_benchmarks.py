"""The benchmarks of second order, of training and of the tool itself: that they run, and say what they measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import second_order
from benchmarks.scale import family, measure
from derive.cells import CELLS
from derive.plan.schedule import schedule


def test_the_family_has_as_many_equations_as_it_says() -> None:
    """Broken if larger cells are not larger, or a kind of equation is never there."""
    cell = family(23)
    assert len(cell.equations) == 23
    assert [e.name for e in cell.equations[-2:]] == ["c", "h"]
    assert len(schedule(cell).recurrence) > len(schedule(CELLS["lstm"]).recurrence)


def test_every_stage_is_timed() -> None:
    """Broken if a stage of the tool fails on a cell of the family, or is left out."""
    timing = measure(8)
    assert list(timing.seconds) == ["derive", "verify", "plan", "emit"]
    assert all(value >= 0 for value in timing.seconds.values())


@pytest.mark.full
def test_second_order_writes_what_it_measured(tmp_path: Path) -> None:
    """Broken if a contender fails, or PyTorch's second derivatives and ours differ."""
    pytest.importorskip("torch")
    target = tmp_path / "second.json"
    run = CliRunner().invoke(second_order.app, ["--quick", "--sizes", "4x3x5x6", "--json", str(target)])
    assert run.exit_code == 0, run.output
    (size,) = json.loads(target.read_text())["sizes"]
    assert (size["T"], size["N"], size["D"], size["H"]) == (4, 3, 5, 6)
    assert set(size["seconds"]) == set(second_order.CONTENDERS["cpu"])
    assert size["difference"] <= second_order.TOLERANCE


@pytest.mark.full
def test_training_writes_what_it_measured(tmp_path: Path) -> None:
    """Broken if a contender fails, or does not train as the others do."""
    pytest.importorskip("torch", reason="PyTorch is not installed: the benchmark of training did not run")
    from benchmarks import training

    target = tmp_path / "training.json"
    run = CliRunner().invoke(training.app, ["--quick", "--sizes", "4x3x5x6", "--json", str(target)])
    assert run.exit_code == 0, run.output
    (size,) = json.loads(target.read_text())["sizes"]
    for task, kinds in training.TASKS.items():
        found = size["tasks"][task]
        assert set(found["seconds"]) | set(found["failed"]) == set(kinds)
        assert set(found["failed"]) <= {training.COMPILED}
        assert max(found["difference"].values()) <= training.TOLERANCE


def test_what_is_trained_is_the_same() -> None:
    """Broken if the loop or nn.LSTM begins with other weights than ours, so that another problem is timed."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: the benchmark of training did not run")
    from benchmarks import loop
    from benchmarks.problem import Size

    size = Size(4, 3, 5, 6)
    x, same = torch.randn(4, 3, 5), loop.ours(size)
    due = same(x)[0]
    for other in (loop.theirs(size), loop.Loop(same)):
        assert (other(x)[0] - due).abs().max() < 1e-6
