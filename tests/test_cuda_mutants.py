"""Planted defects are caught: broken if the tests of the CUDA modules would let one of these through."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import cuda
from tests.cuda_modules import cuda_module
from tests.cuda_mutants import CELL, IN_HOST, IN_KERNELS, IN_SECOND, Mutant, mutants, trouble

cuda.require()

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "generated"
NAMES = (f"{CELL}.cu", f"{CELL}_second.cu", f"{CELL}_cuda.py")
FILES = {name: (GENERATED / name).read_text(encoding="utf-8") for name in NAMES}
MUTANTS = list(mutants(FILES))


def test_there_are_defects_of_every_kind() -> None:
    """Broken if a change of the templates leaves a pattern without a match: its defects would not be planted."""
    for file, defects in ((f"{CELL}.cu", IN_KERNELS), (f"{CELL}_cuda.py", IN_HOST)):
        for pattern, _ in itertools.chain(*defects.values()):
            assert re.search(pattern, FILES[file]), pattern
    kinds = Counter(map(kind_of, MUTANTS))
    assert set(kinds) == {*IN_KERNELS, *IN_SECOND, *IN_HOST}
    assert kinds["a barrier that is missing"] == len(re.findall(r"__sync|Tile::wait", FILES[f"{CELL}.cu"]))
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_nothing_is_found_where_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if the search for defects finds one in the module as it is."""
    made = cuda_module(CELL)
    monkeypatch.setattr(made, "_empty", made._empty)
    assert trouble(made) is None


def written(files: dict[str, str], folder: Path) -> str:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return str(folder)


@pytest.mark.full
@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_sanitizers_find_nothing(sanitizer: str, tmp_path: Path) -> None:
    """Broken if a kernel reads or writes outside of its arrays, or two threads race for an entry."""
    reports = cuda.reports(sanitizer, "-m", "tests.cuda_mutants", written(FILES, tmp_path), "exact")
    assert reports == []


def outcome(mutant: Mutant, folder: Path) -> str | None:
    """How a defect is found: by values or guards, in a process of its own, which it may well end; else by a sanitizer.

    None if it is not.
    """
    script = ["-m", "tests.cuda_mutants", written(mutant.files, folder)]
    done = subprocess.run([sys.executable, *script], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert "SyntaxError" not in done.stderr
    assert "CompileError" not in done.stderr, done.stderr[-2000:]
    if done.returncode:
        return done.stdout or done.stderr or f"it ends with {done.returncode}"
    return "".join(cuda.reports("address", *script, "exact")) or None


def sampled() -> Iterator[object]:
    """All defects; the first of each kind and every third are full, the rest exhaustive."""
    for _, some in itertools.groupby(sorted(MUTANTS, key=kind_of), key=kind_of):
        for k, mutant in enumerate(some):
            mark = pytest.mark.exhaustive if k % 3 else pytest.mark.full
            yield pytest.param(mutant, marks=mark, id=mutant.name)


def kind_of(mutant: Mutant) -> str:
    return mutant.name.partition(":")[0]


@pytest.mark.parametrize("mutant", list(sampled()))
def test_a_planted_defect_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    """Broken if a defect of this kind in a kernel or in the host module could pass the tests."""
    assert outcome(mutant, tmp_path), f"{mutant.name} survived"
