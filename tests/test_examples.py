"""The examples run, and what they print is what they claim."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples import bidirectional, numpy_training, outcome

ROOT = Path(__file__).parents[1]
# Those that take options: how many steps of training are enough to see that it goes on, and what is then due.
SMALL: dict[str, dict[str, Any]] = {
    "adding_problem": {"steps": 3, "most": 10},
    "character_model": {"steps": 6},
    "gradient_penalty": {"steps": 3},
    "numpy_training": {"steps": 3, "most": 1},
    "rotor": {"steps": 3, "most": 1},
}


def run(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """An example as a user runs it."""
    command = [sys.executable, "-m", f"examples.{name}", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_bidirectional(capsys: pytest.CaptureFixture[str]) -> None:
    """Broken if a bidirectional stack of calls with lengths has other gradients than a complex step gives."""
    bidirectional.main()
    assert "difference of gradients and a complex step: " in capsys.readouterr().out


def test_bidirectional_is_pytorchs() -> None:
    """Broken if the composition is not what nn.LSTM computes on a packed batch."""
    pytest.importorskip("torch", reason="PyTorch is not installed: the oracle nn.LSTM did not run")
    assert bidirectional.error_by_pytorch() < 1e-12


# PyTorch itself warns when it first loads its formulas of forward mode.
@pytest.mark.filterwarnings("ignore:.torch.jit.script.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", SMALL)
def test_in_a_small_size(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Broken if an example cannot be run, draws nothing or checks nothing."""
    if name != "numpy_training":
        pytest.importorskip("torch", reason=f"PyTorch is not installed: the example {name} did not run")
    pytest.importorskip("matplotlib", reason=f"matplotlib is not installed: the example {name} drew nothing")
    file = tmp_path / "plots" / "curves.png"
    importlib.import_module(f"examples.{name}").main(file=file, **SMALL[name])
    assert file.read_bytes().startswith(b"\x89PNG")
    assert "expected at most" in capsys.readouterr().out


@pytest.mark.full
@pytest.mark.parametrize("name", SMALL)
def test_as_it_is(name: str, tmp_path: Path) -> None:
    """Broken if an example does not end in the number that it is there for."""
    if name != "numpy_training":
        pytest.importorskip("torch", reason=f"PyTorch is not installed: the example {name} did not run")
    ended = run(name, "--file", str(tmp_path / "curves.png"))
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_character_model() -> None:
    """Broken if our LSTM does not train as nn.LSTM does from the same start, step for step."""
    pytest.importorskip("torch", reason="PyTorch is not installed: the character model did not run")
    from examples import character_model

    ours, theirs = character_model.run(6)
    assert max(abs(one - other) for one, other in zip(ours, theirs, strict=True)) < 1e-11
    assert ours[-1] < ours[0] - 0.1


def test_distributed() -> None:
    """Broken if DistributedDataParallel does not see or average our gradients: two processes over gloo."""
    pytest.importorskip("torch", reason="PyTorch is not installed: training in two processes did not run")
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    command = [sys.executable, *launch, "examples.distributed", "--steps", "3"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for rank in range(2):
        assert f"process {rank} of 2" in ended.stdout
    assert ended.stdout.count("expected at most 1e-12") == 2


def test_numpy_training_learns() -> None:
    """Broken if the gradients that the workspace holds are not those of the loss, or it is read after its next call."""
    _, losses = numpy_training.train(300)
    assert losses[-1] < losses[0] / 10


def test_numpy_training_needs_no_framework() -> None:
    """Broken if the generated module, or the example, imports PyTorch or anything of handgrad's symbolic half."""
    script = (
        "import sys; from examples import numpy_training; numpy_training.train(2); "
        "print([name for name in ('torch', 'sympy', 'derive') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert ended.stdout.strip() == "[]", ended.stderr


def test_a_number_that_is_not_held(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Broken if an example that fails, or ends in NaN, has exit code 0."""
    for value in (2.0, float("nan")):
        with pytest.raises(SystemExit, match="1"):
            outcome.check("an error", value, 1)
    assert "an error: nan, expected at most 1" in capsys.readouterr().out
    ended = run("numpy_training", "--steps", "1", "--file", str(tmp_path / "plot.png"), "--most", "0")
    assert ended.returncode == 1
    assert "expected at most 0" in ended.stdout
