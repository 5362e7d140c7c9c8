"""How text leaves handgrad: rendered from the templates, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from textwrap import wrap

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def environment(autoescape: bool = False) -> Environment:
    """The templates; an undefined name is an error. Source code is printed as it is, pages are escaped."""
    made = Environment(
        loader=PackageLoader("templates", ""),
        undefined=StrictUndefined,
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["folded"] = folded
    return made


def folded(text: str, width: int = 104) -> list[str]:
    """A long line as several, of which the later ones are indented; it is broken at blanks alone."""
    return wrap(text, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False) or [""]


def replace_file(path: Path, text: str) -> None:
    """Write a file so that it appears whole or not at all.

    Raises:
        OSError: if it cannot be written; what was there stays, and no temporary file is left.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
