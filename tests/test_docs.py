"""What the manual and the README show is so: their examples are run."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import DOCS, PAGES, blocks, difference, run_page

FILES = sorted((DOCS / "files").iterdir())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a reader of a page is: beside the files that it shows, which can be imported."""
    for file in FILES:
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:  # another page may have a file of the same name
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.filterwarnings("ignore:.torch.jit.script.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_shows_is_so(page: Path, folder: Path) -> None:
    """Broken if a page's code does not run, or something prints what the page does not show."""
    run_page(page, folder)


def test_every_file_is_shown_and_used() -> None:
    """Broken if a file beside the pages is not in any of them, or in none of what they run."""
    found = [block for page in PAGES for block in blocks(page)]
    shown = {block.info.removeprefix("{literalinclude} files/") for block in found if "literalinclude" in block.info}
    used = " ".join(block.text for block in found if block.kind in {"console", "python"})
    assert {file.name for file in FILES} <= shown
    assert [file.name for file in FILES if file.name not in used] == []


@pytest.mark.parametrize(
    ("shown", "printed", "due"),
    [
        ("a b", "│ a   b │", None),
        ("a", "a 17 ms", None),
        ("a\n…\nd", "a\nb\nc\nd", None),
        ("…\nd\n…", "c\nd\ne", None),
        ("a\nc", "a\nb\nc", "shows\nc"),
        ("a", "a\nb", "does not show\nb"),
        ("…\ne", "c\nd", "shows\ne"),
        ("a\nb", "a", "printed\nnothing"),
        ("a b c", "a b", "shows\na b c"),
    ],
)
def test_differences_are_found(shown: str, printed: str, due: str | None) -> None:
    """Broken if an output that is not what a page shows passes, or one that is does not."""
    found = difference(shown, printed)
    assert (found is None) if due is None else (found is not None and due in found)


@pytest.mark.parametrize(
    "lie",
    [
        "```python\nassert 1 + 1 == 3\n```",
        "```pycon\n>>> 1 + 1\n3\n```",
        "```console\n$ echo one\ntwo\n```",
        "```console\n$ false; echo $?\n0\n```",
        "```console\n$ false\n$ echo $?\n0\n```",
        "```console\n$ handgrad show gur\n```",
        "```console\n$ python missing.py\n```",
        "```console\nno prompt\n```",
        "```sh\nmake coffee\n```",
        "```fortran\nEND\n```",
    ],
)
def test_a_page_that_lies_fails(lie: str, tmp_path: Path) -> None:
    """Broken if examples are not really run, or one that nobody can run passes."""
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{lie}\n", encoding="utf-8")
    with pytest.raises(AssertionError):
        run_page(page, tmp_path)


def test_what_a_page_names_is_a_file(tmp_path: Path) -> None:
    """Broken if the blocks of a page do not see the files that it shows, or one another's names."""
    page = tmp_path / "page.md"
    shown = "```python\n# one.py\nprint(17)\n```\n```console\n$ python one.py\n17\n```\n```python\na = 4\n```\n"
    page.write_text(f"{shown}```pycon\n>>> a\n4\n```\n", encoding="utf-8")
    run_page(page, tmp_path)
