"""Notes as strangers write them: documents in as many notations, many of them with the usual mistakes.

What is true of them is decided by autograd (tests/note_sets.py) and written down in tests/notes/verdicts.yaml.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from derive.notes.document import Document, read_document
from derive.verify.documents import Found, examine
from derive.verify.fix import corrected_text

pytest.importorskip("torch", reason="PyTorch is not installed: strangers' notes, whose truths it decides, did not run")

from tests.note_cells import FURTHER_RIGHT, FURTHER_WRONG
from tests.note_deltas import DELTAS, DELTAS_WRONG
from tests.note_formulas import parse
from tests.note_mistakes import WRONG
from tests.note_sets import FOLDER, NoteSet
from tests.note_table import RIGHT

ROOT = Path(__file__).resolve().parent.parent
WRONG_SETS = (*WRONG, *FURTHER_WRONG, DELTAS_WRONG)
SETS = {notes.name: notes for notes in (*RIGHT, *FURTHER_RIGHT, DELTAS, *WRONG_SETS)}
VERDICTS: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "verdicts.yaml").read_text(encoding="utf-8"))
WRONG_EQUATIONS = [(name, number) for name, one in VERDICTS.items() for number in one.get("wrong", {})]


def text_of(name: str) -> str:
    return SETS[name].path.read_text(encoding="utf-8")


def document(name: str, text: str) -> Document:
    return read_document(text, is_tex=name.endswith(".tex"))


@cache
def findings(name: str) -> tuple[Found, ...]:
    return examine(document(name, text_of(name))).findings


def found(name: str, number: str) -> Found:
    (one,) = (one for one in findings(name) if one.verdict.statement.id == number)
    return one


def spelled(latex: str) -> str:
    """The letters of a formula alone."""
    return re.sub(r"\s|&|\\tag\{[^{}]*\}|\\?#eq \d+|[.,]$", "", latex)


# -- the documents themselves ---------------------------------------------------------------------------------------


def test_every_document_is_listed() -> None:
    """Broken if a set of notes lies in the folder and is never checked."""
    files = {path.name for path in FOLDER.iterdir()} - {"verdicts.yaml"}
    assert files == set(SETS) == set(VERDICTS)


@pytest.mark.parametrize("notes", SETS.values(), ids=lambda notes: notes.name)
def test_truths(notes: NoteSet) -> None:
    """Broken if a document's equations are not those that were differentiated, or autograd says something else."""
    passages = [spelled(passage.latex) for passage in document(notes.name, text_of(notes.name)).passages]
    typed = [spelled(notes.spelling.claim(parse(text))) for text in (*notes.forward, *notes.backward.values())]
    assert Counter(typed) <= Counter(passages)
    wrong = VERDICTS[notes.name].get("wrong", {})
    assert {number for number, claim in notes.claims.items() if not notes.holds(claim)} == set(wrong)
    for number, one in wrong.items():
        assert notes.holds(notes.right[number])
        assert one["should"] == notes.spelling.claim(notes.right[number])


def test_every_usual_mistake_is_in_one() -> None:
    """Broken if one of the mistakes that people make is planted nowhere."""
    assert len(WRONG_EQUATIONS) == sum(len(notes.corrected) for notes in WRONG_SETS) >= 11


# -- what is said of them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_verdicts(name: str) -> None:
    """Broken if a right equation is called wrong, a wrong one right, or one is not understood."""
    said = {one.verdict.statement.id: one.finding for one in findings(name)}
    wrong = dict.fromkeys(VERDICTS[name].get("wrong", {}), "wrong")
    read = dict.fromkeys(VERDICTS[name].get("as_read", []), "holds_under_reading")
    assert said == {**dict.fromkeys(said, "holds"), **read, **wrong}
    assert len(said) == VERDICTS[name]["equations"]


@pytest.mark.parametrize(("name", "number"), WRONG_EQUATIONS)
def test_what_is_wrong_is_named(name: str, number: str) -> None:
    """Broken if the sentence is about another place, or there are no numbers to see it by."""
    verdict = found(name, number).verdict
    assert all(word in (verdict.difference or "") for word in VERDICTS[name]["wrong"][number]["says"])
    if SETS[name].fits(SETS[name].claims[number]):
        assert verdict.counterexample is not None
        assert verdict.counterexample.written != verdict.counterexample.derived


@pytest.mark.parametrize("name", [notes.name for notes in WRONG_SETS])
def test_corrections_hold_when_pasted_in(name: str) -> None:
    """Broken if a suggested correction does not hold itself, in the document that it is for."""
    corrected, missed = corrected_text(text_of(name), findings(name))
    assert missed == ()
    after = examine(document(name, corrected)).findings
    assert {one.verdict.statement.id: one.finding for one in after if not one.verdict.holds_as_written} == {}


@pytest.mark.parametrize("name", [notes.name for notes in WRONG_SETS])
def test_what_is_inherited(name: str) -> None:
    """Broken if a right equation that builds on a wrong one is not told apart from those that build on none."""
    said = {one.verdict.statement.id: list(one.inherits) for one in findings(name) if one.inherits}
    assert said == VERDICTS[name].get("inherits", {})


@pytest.mark.parametrize(
    ("name", "more", "code"),
    [(RIGHT[-1].name, "", 0), (RIGHT[-1].name, r"$$ \nabla_{b} L = \kappa $$", 3), (WRONG[-1].name, "", 1)],
)
def test_exit_codes(tmp_path: Path, name: str, more: str, code: int) -> None:
    """Broken if a script that looks at the exit code alone is misled."""
    path = tmp_path / name
    path.write_text(text_of(name) + more + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "derive", "check", str(path)]
    assert subprocess.run(command, capture_output=True, cwd=ROOT, check=False, timeout=60).returncode == code
