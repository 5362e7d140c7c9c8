"""The examples in a page of Markdown, run as a reader would run them, one after the other in one folder.

Python is executed, a Python session's results and a console's output are compared with what the page shows. A line
``…`` stands for any lines that were left out, and a line may be cut off at its end; blanks and the frames of tables do
not count. Blocks that begin with a comment that is a file's name are that file.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests import cuda_on_cpu

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
_FILE = re.compile(r"(?:#|<!--) ([\w.]+\.\w+)(?: -->)?\n")
_FRAME = re.compile(r"[\s━─│┃┏┓┗┛┡┩┳╇┴┼┬└┘├┤╞╡]+")
_PROMPT = "$ "


@dataclass(frozen=True)
class Block:
    """A fenced block: its language or directive, its text, and where it begins."""

    info: str
    text: str
    place: str

    @property
    def kind(self) -> str:
        return self.info.split()[0] if self.info else ""

    @property
    def file(self) -> str | None:
        """The name of the file that it is, if it is one."""
        match = _FILE.match(self.text)
        return match[1] if match else None


def blocks(path: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    for token in MarkdownIt().parse(path.read_text(encoding="utf-8")):
        if token.type == "fence" and token.map:
            yield Block(token.info, token.content, f"{path.name}:{token.map[0] + 1}")


def run_page(path: Path, folder: Path) -> None:
    """Run what a page shows.

    Raises:
        AssertionError: if something does not do what the page says, or nobody knows how to run it.
    """
    text = path.read_text(encoding="utf-8")
    if "lstm_cuda.forward(" in text:
        cuda_on_cpu.require()
    if "import torch" in text:
        pytest.importorskip("torch", reason=f"PyTorch is not installed: {path.name} did not run")
    reader = _Reader(folder)
    for block in blocks(path):
        if block.kind.startswith("{") or block.kind == "text":  # a directive, which Sphinx checks; a drawing
            continue
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            exec(compile(block.text, block.place, "exec"), reader.names)
        elif block.kind == "pycon":
            reader.session(block)
        elif block.kind == "console":
            reader.console(block)
        elif block.kind == "sh":
            _check_targets(block)
        else:
            raise AssertionError(f"{block.place}: a block of {block.kind or 'no language'} cannot be run")


def _check_targets(block: Block) -> None:
    """What sets a checkout up is not done here; but make has to know it."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in block.text.splitlines():
        tool, target, *_ = [*line.partition("#")[0].split(), "all"]
        assert (tool, target in targets) == ("make", True), f"{block.place}: {line}: there is no such target"


class _Reader:
    """Somebody at a terminal and at Python's prompt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "page"}
        self.exit_code = 0
        tools = folder / ".tools"
        tools.mkdir()
        for name, command in {"handgrad": "-m derive", "python": ""}.items():
            (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
            (tools / name).chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "80",
        }

    def session(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(block.text, self.names, block.place, None, 0)
        said: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        runner.run(test, out=said.append, clear_globs=False)
        self.names.update(test.globs)
        assert not said, "".join(said)

    def console(self, block: Block) -> None:
        first, *commands = re.split(rf"^{re.escape(_PROMPT)}", block.text, flags=re.MULTILINE)
        assert not first, f"{block.place}: a console's block begins with a prompt"
        for command, _, shown in (one.partition("\n") for one in commands):
            done = subprocess.run(
                ["bash", "-c", f"(exit {self.exit_code})\n{command}"],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                check=False,
            )
            self.exit_code = done.returncode
            problem = difference(shown, done.stdout)
            assert problem is None, f"{block.place}: {command}\n{problem}\n--- it printed\n{done.stdout}"


def difference(shown: str, printed: str) -> str | None:
    """Why a shown output is not what was printed; None if it is."""
    left = [line for line in map(_plain, printed.splitlines()) if line]
    anywhere = False
    for line in filter(None, map(_plain, shown.splitlines())):
        if line == "…":
            anywhere = True
            continue
        found = next((k for k, one in enumerate(left) if one.startswith(line)), None)
        if found is None or (found and not anywhere):
            return f"--- the page shows\n{line}\n--- where it printed\n{left[0] if left else 'nothing'}"
        left, anywhere = left[found + 1 :], False
    return None if anywhere or not left else f"--- the page does not show\n{left[0]}"


def _plain(line: str) -> str:
    return _FRAME.sub(" ", line).strip()
