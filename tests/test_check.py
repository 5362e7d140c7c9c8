"""Checking a document on a known cell: findings, corrections, what is inherited, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from derive.errors import NotesError
from derive.notes.document import read_document
from derive.verify.documents import Found, examine
from derive.verify.report import counts

ROOT = Path(__file__).resolve().parent.parent

RIGHT = {
    "1": r"a_t = x_t W_x + h_{t-1} W_h + b",
    "2": r"\delta c^{(t)} = \delta h^{(t)} \odot o_t \odot (1 - \tanh^2(c_t)) + d_{next-c}",
    "3": r"\frac{\partial L}{\partial f_t} = \frac{\partial L}{\partial c_t} \odot c_{t-1}",
    "4": r"\partial o_t = \tanh(c_t) \circ \partial h_t",
    "5": r"da_{f} = df_t \odot \sigma'(a_f)",
    "6": r"\delta W_x = x_t^\top \delta a_t",
    "7": r"dW_h^T = da^T h_{prev}",
    "8": r"db = \sum_n da_t",
    "9": r"dc_{\langle t-1 \rangle} = dc_t f_t",
}
WRONG = {
    "2": (r"\delta c_t = \delta h_t \odot o_t \odot (1 - \tanh(c_t))^2 + d_{next-c}", "should be 1 − tanh²(c_t)"),
    "3": (r"\delta f_t = \delta c_t \odot c_t", "c_t should be c_t-1"),
    "5": (r"da_{f} = df_t \odot (1 - f_t)", "the factor f_t is missing"),
    "6": (r"dW_x = da_t^T x_t", "should be x_tᵀ · ∂a_t"),
    "8": (r"db = da_t", "the sum over n is missing"),
}


def check(equations: dict[str, str], front: str = "cell: lstm") -> tuple[Found, ...]:
    rows = "\n\n".join(f"$$ {latex} \\tag{{{number}}} $$" for number, latex in equations.items())
    return examine(read_document(f"---\n{front}\n---\n{rows}\n")).findings


def test_right_notes_in_mixed_notation_hold() -> None:
    """Broken if one of the usual ways of writing time, cotangents, products or transposes is misread."""
    assert {one.verdict.statement.id: one.finding for one in check(RIGHT)} == dict.fromkeys(RIGHT, "holds")


@pytest.mark.parametrize("number", WRONG)
def test_each_mistake_is_named_and_corrected(number: str) -> None:
    """Broken if the wrong term is not the one named, or the correction does not hold itself."""
    latex, sentence = WRONG[number]
    (one,) = check({number: latex})
    assert one.finding == "wrong"
    assert sentence in (one.verdict.difference or "")
    (corrected,) = check({number: one.verdict.correction or ""})
    assert corrected.finding == "holds"


def test_what_builds_on_a_wrong_equation_is_told_apart() -> None:
    """Broken if a right equation is blamed for the one that it uses, or a block is not seen in its stack."""
    findings = {one.verdict.statement.id: one for one in check({**RIGHT, "5": WRONG["5"][0]})}
    assert [number for number, one in findings.items() if one.finding == "wrong"] == ["5"]
    assert [number for number, one in findings.items() if "5" in one.inherits] == ["6", "7", "8"]


def test_unknown_symbols_and_tokens_are_counted_not_skipped() -> None:
    findings = check({"1": "da = q", "2": r"dc_t = \frobnicate", "3": RIGHT["8"]})
    assert [one.finding for one in findings] == ["not_understood", "not_understood", "holds"]
    assert "'q' is not declared" in (findings[0].verdict.difference or "")
    assert "frobnicate" in (findings[1].verdict.difference or "")
    assert counts(findings) == "3 equations: 1 hold, 2 not understood"


def test_symbols_from_the_front_matter() -> None:
    front = "cell: lstm\nsymbols:\n  \\Gamma_u: i\n  \\tilde{c}: g"
    (one,) = check({"1": r"d\Gamma_u = dc_t \odot \tilde{c}^{\langle t \rangle}"}, front.replace("c}:", "c}_t:"))
    assert one.finding == "holds"


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ("cell: gru2", "the cell 'gru2'; known cells: rnn_tanh, rnn_relu, lstm"),
        ("cell: lstm\nlayers: 2", "unknown setting 'layers'"),
        ("vectors: diagonal", "should be rows or columns, not 'diagonal'"),
        ("cell: lstm\nsymbols: 3", "'symbols' should be a dict, not 3"),
        ("cell: lstm\nsymbols: {q: nothing}", "the cell lstm has no array 'nothing'"),
        ("symbols: {q: nothing}", "binds a symbol to 'nothing'; the notes' cell has"),
    ],
)
def test_bad_settings_are_named(front: str, message: str) -> None:
    with pytest.raises(NotesError, match=message):
        check(RIGHT, front)


# -- the command ----------------------------------------------------------------------------------------------------


def run(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "derive", "check", str(path), *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, encoding="utf-8", check=False, timeout=30)


def written(folder: Path, *equations: str) -> Path:
    path = folder / "notes.md"
    path.write_text("---\ncell: lstm\n---\n" + "\n".join(f"$${e}$$" for e in equations), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("equations", "code"),
    [
        ((RIGHT["8"],), 0),
        ((RIGHT["8"], WRONG["8"][0], "da = q"), 1),
        ((RIGHT["8"], "da = q"), 3),
    ],
)
def test_exit_codes(tmp_path: Path, equations: tuple[str, ...], code: int) -> None:
    assert run(written(tmp_path, *equations)).returncode == code


def test_json(tmp_path: Path) -> None:
    path = written(tmp_path, WRONG["8"][0], "da = q")
    first, second = objects = json.loads(run(path, "--json").stdout)
    assert all({"id", "verdict", "line", "inherits", "difference", "derived"} <= set(one) for one in objects)
    found: dict[str, Any] = {one["id"]: (one["verdict"], one["line"]) for one in (first, second)}
    assert found == {"line 4": ("wrong", 4), "line 5": ("not_understood", 5)}


@pytest.mark.parametrize("content", [b"\xff\xfe\x00rubbish" * 1000, b"{" * 10**6])
def test_unreadable_files_end_with_one_error(tmp_path: Path, content: bytes) -> None:
    """Broken if rubbish ends in a traceback or takes long."""
    path = tmp_path / "notes.md"
    path.write_bytes(content)
    result = run(path)
    assert result.returncode == 2
    assert result.stderr.startswith("handgrad: ")
    assert "Traceback" not in result.stderr


def test_an_endless_formula_is_not_understood(tmp_path: Path) -> None:
    """Broken if a formula that nobody wrote by hand is parsed for ever, or takes the right ones with it."""
    result = run(written(tmp_path, RIGHT["8"], "x = " + "{" * 10**6, "da = " + " + ".join(["da"] * 10_000)))
    assert result.returncode == 3
    assert "3 equations: 1 hold, 2 not understood" in result.stdout


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    result = run(tmp_path / "none.md")
    assert result.returncode == 2
    assert "none.md" in result.stderr
