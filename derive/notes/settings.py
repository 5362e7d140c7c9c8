"""A document's front matter: the settings, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from derive.cells import CELLS
from derive.errors import SettingError
from derive.notes.document import Document

_SETTINGS = {"title": str, "cell": str, "symbols": dict, "vectors": str, "batch": bool}


@dataclass(frozen=True)
class Settings:
    """A document's front matter, checked."""

    cell: str | None
    symbols: Mapping[str, str]
    columns: bool | None
    batch: bool | None


def checked(document: Document) -> Settings:
    """The settings of a document.

    Raises:
        SettingError: naming the setting that is wrong.
    """
    given = document.settings
    for key, value in given.items():
        if key not in _SETTINGS:
            raise SettingError(f"the front matter has an unknown setting {key!r}; known: {', '.join(_SETTINGS)}")
        if not isinstance(value, _SETTINGS[key]):
            raise SettingError(f"the front matter's {key!r} should be a {_SETTINGS[key].__name__}, not {value!r}")
    if given.get("vectors", "rows") not in {"rows", "columns"}:
        raise SettingError(f"the front matter's 'vectors' should be rows or columns, not {given['vectors']!r}")
    if given.get("cell", "lstm") not in CELLS:
        raise SettingError(f"the front matter names the cell {given['cell']!r}; known cells: {', '.join(CELLS)}")
    symbols = {str(latex): str(target) for latex, target in given.get("symbols", {}).items()}
    columns = {"rows": False, "columns": True}.get(given.get("vectors", ""))
    return Settings(given.get("cell"), symbols, columns, given.get("batch"))
