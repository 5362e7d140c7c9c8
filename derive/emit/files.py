"""The generated files: rendered from the templates, written whole or not at all, compared with what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import templates
from derive.emit.cuda.module import cuda_module
from derive.emit.numpy.module import numpy_module
from derive.emit.torch.module import torch_module
from derive.errors import HandgradError
from derive.printing import environment, replace_file
from derive.program import Program
from derive.verify.numbers import equation_numbers

HERE = "__init__.py"  # the one file in generated/ that is not generated
SHARED = Path(templates.__file__).with_name("torch")  # of the files in it, Python's are the same for all cells


def render(cell: Program) -> dict[str, str]:
    """The text of every file that is generated from a cell, by file name."""
    numbers = equation_numbers(cell)
    cuda = cuda_module(cell, numbers)
    return {
        f"{cell.name}_numpy.py": _text("numpy/cell_numpy.py.jinja", numpy_module(cell, numbers)),
        f"{cell.name}.cu": _text("cuda/cell.cu.jinja", cuda),
        f"{cell.name}_second.cu": _text("cuda/second.cu.jinja", cuda),
        f"{cell.name}_cuda.py": _text("cuda/cell_cuda.py.jinja", cuda),
        f"{cell.name}_torch.py": _text("torch/cell_torch.py.jinja", torch_module(cell)),
    }


def shared() -> dict[str, str]:
    """The text of the files that the modules of all cells use, by file name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(SHARED.glob("*.py"))}


def _text(template: str, context: Mapping[str, object]) -> str:
    return environment().get_template(template).render(context)


def render_all(cells: Iterable[Program], progress: Callable[[str], None] = lambda _: None) -> dict[str, str]:
    """The files of several cells, and those that all of them use."""
    files = shared()
    for cell in cells:
        progress(cell.name)
        files.update(render(cell))
    return files


def write(files: Mapping[str, str], folder: Path) -> list[str]:
    """Write the files whose text has changed; each appears whole or not at all. Returns their names.

    Raises:
        HandgradError: if the folder cannot be written to.
    """
    changed = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            path = folder / name
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                replace_file(path, text)
                changed.append(name)
    except OSError as error:
        raise HandgradError(f"cannot write to {folder}: {error.strerror}") from error
    return changed


@dataclass(frozen=True)
class Drift:
    """How a folder differs from what would be generated: one unified diff per file."""

    diffs: tuple[str, ...]


def compare(files: Mapping[str, str], folder: Path, orphans: bool = True) -> Drift:
    """Compare a folder with the files that belong there, byte for byte; files that do not belong count."""
    there = {path.name for path in folder.iterdir() if path.is_file()} - {HERE} if folder.is_dir() else set()
    names = sorted(set(files) | (there if orphans else set()))
    diffs = []
    for name in names:
        path = folder / name
        old = path.read_bytes().decode("utf-8", "replace") if name in there else ""
        new = files.get(name, "")
        if old != new or name not in there or name not in files:
            lines = unified_diff(
                old.splitlines(keepends=True), new.splitlines(keepends=True), f"{folder.name}/{name}", f"new/{name}"
            )
            diffs.append("".join(lines) or f"{name}: {'not there' if name not in there else 'does not belong here'}\n")
    return Drift(tuple(diffs))
