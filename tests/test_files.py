"""Regeneration: committed files are what would be generated, drift is found, output is deterministic."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from derive.cells import CELLS
from derive.emit.cuda.module import cuda_module
from derive.emit.files import compare, render_all, shared, write
from derive.emit.numpy.module import numpy_module
from derive.errors import CellError, HandgradError
from derive.printing import environment
from derive.program import Array, Equation, Program
from tests.example_cells import EXAMPLES
from tests.modules import files as rendered

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return render_all(CELLS.values())


def test_the_committed_files_are_current(files: dict[str, str]) -> None:
    """Broken if somebody edits generated/ by hand, or a template without regenerating."""
    assert compare(files, ROOT / "generated").diffs == ()


def test_drift_orphans_and_gaps_are_found(files: dict[str, str], tmp_path: Path) -> None:
    assert sorted(write(files, tmp_path)) == sorted(files)
    assert {"lstm.cu", "lstm_cuda.py", "lstm_numpy.py", "lstm_torch.py", "torch_layers.py"} < set(files)
    assert write(files, tmp_path) == []
    assert compare(files, tmp_path).diffs == ()
    target = tmp_path / "lstm_numpy.py"
    target.write_text(files["lstm_numpy.py"].replace("GATE_ORDER", "ORDER"), encoding="utf-8")
    (drift,) = compare(files, tmp_path).diffs
    assert '-ORDER = "igfo"' in drift
    assert '+GATE_ORDER = "igfo"' in drift
    target.write_bytes(files["lstm_numpy.py"].replace("\n", "\r\n").encode())
    assert compare(files, tmp_path).diffs
    target.unlink()
    (tmp_path / "old_numpy.py").write_text("", encoding="utf-8")
    gap, orphan = compare(files, tmp_path).diffs
    assert gap.startswith("---")
    assert "old_numpy.py: does not belong here" in orphan


def test_a_failed_write_leaves_nothing_half_written(files: dict[str, str], tmp_path: Path) -> None:
    """Broken if a file that cannot be replaced is lost, or a temporary file stays behind."""
    (tmp_path / "lstm_numpy.py").mkdir()
    with pytest.raises(HandgradError, match="cannot write to"):
        write({"lstm_numpy.py": files["lstm_numpy.py"]}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lstm_numpy.py"]


def test_the_same_bytes_under_every_hash_seed(tmp_path: Path) -> None:
    """Broken if the order of a set reaches the output."""
    outputs = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        subprocess.run(
            [sys.executable, "-m", "derive", "generate", "lstm_layernorm", "mlstm", "-o", str(folder)],
            check=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        outputs.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert outputs[0] == outputs[1] == {name: (ROOT / "generated" / name).read_bytes() for name in outputs[0]}


@pytest.mark.parametrize("name", [*CELLS, *EXAMPLES])
def test_every_line_fits_a_page(files: dict[str, str], name: str) -> None:
    """Every line of generated code fits a page and compiles."""
    kinds = ("_numpy", ".cu", "_cuda", "_torch")
    own = {file: files[file] for file in files if file.startswith(tuple(name + kind for kind in kinds))}
    for file, text in (own or rendered(name)).items():
        if file.endswith(".py"):
            compile(text, name, "exec")
        assert max(map(len, text.splitlines())) <= 120
        assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_files_of_all_cells_fit_a_page(files: dict[str, str]) -> None:
    """Every line of what is the same for all cells fits a page and compiles."""
    for file, text in shared().items():
        assert files[file] == text
        compile(text, file, "exec")
        assert max(map(len, text.splitlines())) <= 120


def test_a_name_that_generated_code_needs_is_refused() -> None:
    taken = Array("tape", ())
    cell = Program("odd", (Array("x", ()),), (Equation(taken, Array("x", ()).tensor.expr),), ("tape",))
    with pytest.raises(CellError, match="cell odd: generated code needs the name 'tape' itself"):
        numpy_module(cell, {})


def test_a_name_that_cuda_needs_is_refused() -> None:
    taken = Array("stream", ())
    cell = Program("odd", (Array("x", ()),), (Equation(taken, Array("x", ()).tensor.expr),), ("stream",))
    with pytest.raises(CellError, match="cell odd: generated CUDA needs the name 'stream' itself"):
        cuda_module(cell, {})


def test_templates_are_strict() -> None:
    """Broken if a misspelt name in a template prints as nothing."""
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        environment().from_string("{{ no_such_name }}").render()
