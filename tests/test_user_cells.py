"""Cells in a file of a user's own: generated, or one clear error that names what is wrong where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from derive.emit.files import shared
from derive.errors import HandgradError
from derive.user import user_cell
from tests.modules import module_of

ROOT = Path(__file__).resolve().parent.parent
LEAKY = '''
from derive.cell import Cell, dims, parameter, sequence, state, tanh

N, D, H = dims("N D H")
rate = 3


class Leaky(Cell):
    """Leaky integrator."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, H)

    h = h_prev / 2 + tanh(x @ W) / 2
    outputs = ("h",)


class Plain:
    pass
'''


def test_a_cell_of_ones_own(tmp_path: Path) -> None:
    """Broken if the command does not write the modules of a user's cell, or they do not compute it."""
    (tmp_path / "my_cells.py").write_text(LEAKY, encoding="utf-8")
    command = [sys.executable, "-m", "derive", "generate", f"{tmp_path / 'my_cells.py'}:Leaky"]
    where = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert where.returncode == 2
    assert "say where to write the modules of" in where.stderr
    made = subprocess.run([*command, "-o", str(tmp_path / "out")], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "leaky_numpy.py" in made.stdout
    texts = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir()}
    own = ["leaky.cu", "leaky_cuda.py", "leaky_numpy.py", "leaky_second.cu", "leaky_torch.py"]
    assert sorted(texts) == sorted([*own, *shared()])
    leaky = module_of("leaky_numpy", texts)
    x, h0, W = np.ones((2, 1, 3)), np.ones((1, 2)), np.ones((3, 2))
    h, _ = leaky.forward(x, h0, W)
    assert np.allclose(h[:, 0, 0], [0.5 + np.tanh(3) / 2, 0.25 + 0.75 * np.tanh(3)])


@pytest.mark.parametrize(
    ("text", "wanted", "message"),
    [
        (None, ":Leaky", r"there is no file '.*my_cells.py'; a cell of your own is named as in my_cells.py:MyCell"),
        (LEAKY, ":Leeky", r"my_cells.py has no class 'Leeky'; its cells: Leaky"),
        (LEAKY, "", r"which cell\? Say .*my_cells.py:NAME; its cells: Leaky"),
        (
            LEAKY,
            ":Plain",
            r"Plain in .*my_cells.py is a class that is no Cell, expected a class that is derived from Cell",
        ),
        (LEAKY, ":rate", r"rate in .*my_cells.py is a int, expected a class"),
        ("x = 1\n", ":Leaky", r"has no class 'Leaky'; it has no cells"),
        (LEAKY.replace("h_prev / 2", "q / 2"), ":Leaky", r"my_cells.py: cell leaky, equation h: unknown symbol 'q'"),
        (LEAKY.replace("x @ W", "W @ x"), ":Leaky", r"my_cells.py: cell leaky, equation h: matrix product of shapes"),
        ("\n1 / 0\n", ":Leaky", r"my_cells.py, line 2: ZeroDivisionError: division by zero"),
        ("def\n", ":Leaky", r"my_cells.py, line 1: SyntaxError"),
    ],
)
def test_errors_name_what_is_wrong(tmp_path: Path, text: str | None, wanted: str, message: str) -> None:
    """Broken if a mistake in a user's file or its name is a traceback, or does not say what was expected."""
    if text is not None:
        (tmp_path / "my_cells.py").write_text(text, encoding="utf-8")
    with pytest.raises(HandgradError, match=message):
        user_cell(f"{tmp_path / 'my_cells.py'}{wanted}")
