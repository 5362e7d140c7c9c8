"""Cells in files of a user's own: the one kind of file that handgrad executes, because the user named it."""

from __future__ import annotations

import importlib.util
import traceback
from pathlib import Path
from types import ModuleType

from derive.cell import Cell
from derive.errors import CellError, HandgradError
from derive.program import Program


def is_user_cell(name: str) -> bool:
    """Whether a cell is named by its file, ``my_cells.py:MyCell``, and not by a name of handgrad's own."""
    return ".py" in name or ":" in name


def user_cell(name: str) -> Program:
    """The cell that ``my_cells.py:MyCell`` names.

    Raises:
        HandgradError: if there is no such file or class, the class is no cell, or the file cannot be executed.
    """
    file, _, wanted = name.rpartition(":") if not name.endswith(".py") else (name, "", "")
    path = Path(file)
    if not path.is_file():
        raise HandgradError(f"there is no file {file!r}; a cell of your own is named as in my_cells.py:MyCell")
    module = _executed(path)
    own = [n for n, value in vars(module).items() if _is_cell(value) and value.__module__ == module.__name__]
    cells = f"its cells: {', '.join(own)}" if own else "it has no cells"
    if not wanted:
        raise HandgradError(f"{file}: which cell? Say {file}:NAME; {cells}")
    if not hasattr(module, wanted):
        raise HandgradError(f"{file} has no class {wanted!r}; {cells}")
    found = getattr(module, wanted)
    if not _is_cell(found):
        kind = "class that is no Cell" if isinstance(found, type) else type(found).__name__
        raise HandgradError(f"{wanted} in {file} is a {kind}, expected a class that is derived from Cell; {cells}")
    program: Program = found.program
    return program


def _is_cell(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Cell) and value is not Cell


def _executed(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"cells_in_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise HandgradError(f"{path} is no Python file: expected a name that ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except CellError as error:
        raise CellError(f"{path}: {error}") from None
    except Exception as error:
        place = next(
            (f.lineno for f in reversed(traceback.extract_tb(error.__traceback__)) if f.filename == str(path)), 0
        )
        line = getattr(error, "lineno", None) or place
        raise HandgradError(f"{path}, line {line}: {type(error).__name__}: {error}") from None
    return module
