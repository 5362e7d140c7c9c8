"""Documents in as many conventions: right as they stand, and with a mistake planted that has to be found.

``tests/conventions/mistakes.yaml`` says for each which part is replaced by what.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from derive.notes.document import read_document
from derive.verify.documents import Found, examine

FOLDER = Path(__file__).resolve().parent / "conventions"
DOCUMENTS: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "mistakes.yaml").read_text(encoding="utf-8"))
MISTAKES = [
    pytest.param(name, number, marks=pytest.mark.full if number else (), id=f"{name}-{number}")
    for name, one in DOCUMENTS.items()
    for number in range(len(one["mistakes"]))
]


def text_of(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def check(name: str, text: str) -> list[Found]:
    return list(examine(read_document(text, is_tex=name.endswith(".tex"))).findings)


def test_every_document_is_listed() -> None:
    """Broken if a document lies in the folder and is never checked."""
    assert {path.name for path in FOLDER.iterdir()} == {*DOCUMENTS, "mistakes.yaml"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_right_as_it_stands(name: str) -> None:
    """Broken if a right equation is called wrong, or is not understood, for the way in which it is written."""
    found = check(name, text_of(name))
    assert [(one.verdict.text, one.finding) for one in found if not one.verdict.holds_as_written] == []
    assert {one.under for one in found} - {None} == {*filter(None, [DOCUMENTS[name].get("reading")])}


@pytest.mark.parametrize(("name", "number"), MISTAKES)
def test_mistake_is_found(name: str, number: int) -> None:
    """Broken if a wrong equation passes, or a right one is called wrong because of another."""
    right, wrong = DOCUMENTS[name]["mistakes"][number]
    text = text_of(name)
    assert text.count(right) == 1
    found = [one for one in check(name, text.replace(right, wrong)) if not one.verdict.holds_as_written]
    assert [one.finding for one in found] == ["wrong"]
    line = text[: text.index(right)].count("\n") + 1
    assert found[0].line == line
