"""The command line as a user meets it: output, exit codes, errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def handgrad(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "derive", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, encoding="utf-8", check=False)


@pytest.fixture(scope="module")
def verdicts() -> list[dict[str, Any]]:
    result = handgrad("verify", "--json")
    assert result.returncode == 0
    assert result.stderr == "", "progress belongs on a terminal"
    return list(json.loads(result.stdout))


def test_verify_prints_the_verdicts_and_the_errata() -> None:
    result = handgrad("verify")
    assert result.returncode == 0
    for text in ("eq 15", "5 errata", "∂i_t should be i_t", "13 hold as transcribed, 15 as read", "composed"):
        assert text in result.stdout
    assert result.stderr == ""


def test_json_has_every_field_of_every_claim(verdicts: list[dict[str, Any]]) -> None:
    fields = {
        "id", "as_written", "reading", "holds_as_written", "holds_as_read", "derived", "method", "difference",
        "counterexample",
    }  # fmt: skip
    assert all(set(verdict) == fields for verdict in verdicts)
    ids = [verdict["id"] for verdict in verdicts]
    assert [i for i in ids if i.startswith("eq") and "/" not in i] == [f"eq {k}" for k in range(1, 16)]
    assert {"eq 7/as", "eq 10/as"} <= set(ids)
    assert len(ids) == len(set(ids))


def test_json_of_a_wrong_claim(verdicts: list[dict[str, Any]]) -> None:
    (fourth,) = [verdict for verdict in verdicts if verdict["id"] == "eq 4"]
    assert fourth["holds_as_written"] is False
    assert fourth["holds_as_read"] is True
    assert "∂i_t" in fourth["difference"]
    assert set(fourth["counterexample"]) == {"inputs", "written", "derived"}
    (third,) = [verdict for verdict in verdicts if verdict["id"] == "eq 3"]
    assert third["reading"] is third["difference"] is third["counterexample"] is None


def test_show_in_both_notations() -> None:
    plain, latex = handgrad("show", "lstm"), handgrad("show", "lstm", "--latex")
    assert "dc = d_next_h ⊙ o ⊙ (1 − tanh²(c)) + d_next_c" in plain.stdout
    assert r"dW_{x} = x^T \cdot da" in latex.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "gru"), "there are no notes on 'gru'"),
        (("show", "gur"), "there is no cell 'gur'; known cells: rnn_tanh, rnn_relu, lstm,"),
        (("generate", "gur"), "there is no cell 'gur'"),
        (("verify", "--no-such-option"), "No such option"),
        (("no-such-command",), "No such command"),
    ],
)
def test_usage_errors_are_one_clear_message_and_exit_2(arguments: tuple[str, ...], message: str) -> None:
    result = handgrad(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_generate_and_check(tmp_path: Path) -> None:
    assert handgrad("generate", "lstm", "--check").returncode == 0
    made = handgrad("generate", "lstm", "-o", str(tmp_path))
    assert made.returncode == 0
    assert "lstm_numpy.py" in made.stdout
    (tmp_path / "lstm_numpy.py").write_text("", encoding="utf-8")
    drifted = handgrad("generate", "lstm", "--check", "-o", str(tmp_path))
    assert drifted.returncode == 1
    assert "+def step_forward(" in drifted.stdout
