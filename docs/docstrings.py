"""Docstrings are plain text: what is indented in them is set as it stands.

Sections such as ``Args:`` are Napoleon's; this is for the equations and calls in the docstrings of modules and classes,
and for functions with several results.
"""

from __future__ import annotations

import inspect
import re
from inspect import isfunction

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

RESULTS = "Results"  # a section of names, which Napoleon would take for types
SECTIONS = [(RESULTS, "params_style"), ("Class attributes, which the cells set", "params_style")]
_RESULT = re.compile(r" +\w+ \([^()]*\)$")
_NAMED = re.compile(r" +\w+: ")
_BEFORE_NAPOLEON = 400  # of Sphinx's priorities, of which 500 is the usual one


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("autodoc-process-docstring", _process, priority=_BEFORE_NAPOLEON)
    app.connect("autodoc-process-signature", _signature)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _process(_app: Sphinx, what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    if what in {"module", "class"}:
        lines[:] = with_literal_blocks(lines, headed=what == "module")
    for k, line in enumerate(lines[:-1]):
        if line.strip() == "Returns:" and _NAMED.match(lines[k + 1]):
            lines[k] = line.replace("Returns", RESULTS)
        elif _RESULT.match(line) and _RESULT.match(lines[k + 1]):
            lines[k] += ","


def _signature(
    _app: Sphinx, what: str, _name: str, obj: object, _options: object, signature: str, returns: str
) -> tuple[str, str]:
    """That of a class is its own ``__init__``'s, whatever stands in for a base class that is not installed."""
    begin = getattr(obj, "__init__", None)
    if what != "class" or not isfunction(begin):
        return signature, returns
    _, *arguments = inspect.signature(begin).parameters.values()
    own = inspect.Signature([one.replace(annotation=one.empty) for one in arguments])
    return str(own), returns


def with_literal_blocks(lines: list[str], headed: bool) -> list[str]:
    """reStructuredText in which every indented run of lines is a literal block.

    Args:
        headed: whether a line right above such a run is its heading; else it is a section's, as ``Args:``.
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
