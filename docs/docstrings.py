"""Docstrings are plain text: what is indented in them is set as it stands.

Sections such as ``Args:`` are Napoleon's; this is for the equations and calls in the docstrings of modules and classes.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

_BEFORE_NAPOLEON = 400  # of Sphinx's priorities, of which 500 is the usual one


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("autodoc-process-docstring", _process, priority=_BEFORE_NAPOLEON)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    if what in {"module", "class"}:
        lines[:] = with_literal_blocks(lines, headed=what == "module")


def with_literal_blocks(lines: list[str], headed: bool) -> list[str]:
    """reStructuredText in which every indented run of lines is a literal block.

    Args:
        headed: whether a line right above such a run is its heading; else that is a section of a docstring, as ``Args:``.
    """
    made: list[str] = []
    inside = False
    for line in lines:
        indented = line.startswith(" ")
        above = made[-1] if made else ""
        if indented and not inside and (not above or headed):
            inside = True
            made += ["", "::", ""]
        elif inside and line and not indented:
            inside = False
            made += [""] if above else []
        made.append(line)
    return made
