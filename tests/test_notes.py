"""The notes as data: complete, spelled by a table of which nothing is idle, and refused where they are broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from derive.cells import CELLS
from derive.errors import NotesError
from derive.functions import FUNCTIONS
from derive.notes import load_notes, respell
from derive.notes.latex import parse_claim
from derive.notes.syntax import Symbol, walk
from derive.verify.check import reader_of

NOTES = load_notes("lstm")
BY_ID = {statement.id: statement for statement in NOTES.statements}
ASIDES = ["eq 7/as", "eq 10/as"]
UNNUMBERED = [
    *("h_t", "∂h_t/∂o_t", "∂h_t/∂c_t", "k_t", "∂k_t/∂i_t", "∂k_t/∂g_t", "L_t", "∂L_t/∂f_t", "∂L_t/∂c_prev"),
    *("dσ", "d tanh", "a", "da", "∂a/∂x_t", "∂a/∂w_x", "∂a/∂w_h", "∂a/∂h_prev", "∂a/∂b"),
]


def test_the_fifteen_equations_in_order() -> None:
    """Exit code 0 says that all 15 hold: one that is not there would hold unseen."""
    numbered = [statement.id for statement in NOTES.statements if statement.numbered]
    assert numbered == [f"eq {number}" for number in range(1, 16)]


def test_every_unnumbered_line_is_a_claim_too() -> None:
    """The errors in these lines must be found as well."""
    assert {s.id for s in NOTES.statements if not s.numbered} == {*UNNUMBERED, *ASIDES}


def test_numbers_stand_in_the_transcription() -> None:
    """The id is the number that the writer gave, not one that we count."""
    for statement in NOTES.statements:
        number = re.search(r"(?:\beq\s*|\\#_\{e_2\} )(\d+)", statement.latex)
        if statement.numbered and statement.id not in {"eq 7", "eq 10"}:  # there it stands behind the aside
            assert number is not None
            assert statement.id == f"eq {number[1]}"


def test_every_spelling_is_used() -> None:
    """A spelling that nothing needs would be there to hide something."""
    used = set()
    for statement in NOTES.statements:
        text = statement.latex
        for position, spelling in enumerate(NOTES.spellings):
            changed = spelling.pattern.sub(spelling.becomes, text).strip()
            if changed != text.strip():
                used.add(position)
            text = changed
    assert [s.meaning for k, s in enumerate(NOTES.spellings) if k not in used] == []


def test_no_spelling_is_superfluous() -> None:
    """Without any one of them some claim is read differently or not at all."""
    for left_out in NOTES.spellings:
        others = tuple(spelling for spelling in NOTES.spellings if spelling is not left_out)
        assert any(respell(s.latex, others) != respell(s.latex, NOTES.spellings) for s in NOTES.statements)


def test_spellings_do_not_repair() -> None:
    """The errata must survive the spelling: each of them is still in what is judged as written."""
    assert BY_ID["∂h_t/∂c_t"].written.endswith(r"[1 - \tanh(c_{t})]")
    assert r"\odot \overset{(N,H)}{\partial i_{t}}" in BY_ID["eq 4"].written
    assert BY_ID["d tanh"].written.startswith(r"\tanh x =")
    assert BY_ID["eq 10/as"].written == r"g_{t} = \tanh(da_{g})"
    assert r"\frac{\partial a}{\partial b}" in BY_ID["eq 15"].written


def test_readings_and_only_where_needed() -> None:
    """A reading belongs to what cannot be meant literally; one that only repairs spelling has no place."""
    assert {s.id for s in NOTES.statements if s.reading} == {"∂h_t/∂c_t", "eq 4", "d tanh", "eq 10/as", "eq 15"}
    grammar = reader_of(NOTES).grammar
    for statement in NOTES.statements:
        if statement.reading:
            assert parse_claim(statement.written, grammar) != parse_claim(statement.reading, grammar)
            assert statement.reason
            assert "\n" not in statement.reason


def test_every_claim_is_parsed_with_declared_symbols() -> None:
    """Both forms of all claims; the only symbols without a declaration are the notes' own and a rule's variable."""
    reader = reader_of(NOTES)
    own = {statement.defines for statement in NOTES.statements if statement.defines}
    assert own == {"k_t", "L_t"}
    for statement in NOTES.statements:
        for text in filter(None, (statement.written, statement.reading)):
            claim = parse_claim(text, reader.grammar)
            names = {node.name for side in (claim.left, claim.right) for node in walk(side) if isinstance(node, Symbol)}
            assert names - set(reader.symbols) - set(reader.functions) - own <= (
                {"x"} if statement.id == "d tanh" else set()
            )


def test_symbols_stand_for_things_of_the_cell() -> None:
    """A symbol for nothing would be an error at the first use only."""
    names = {array.name for array in CELLS["lstm"].arrays.values()}
    for target in NOTES.symbols.values():
        name, _, label = target.partition(".")
        assert name in names | set(FUNCTIONS) | {"d_next_h", "d_next_c"}
        assert not label or label in CELLS["lstm"].arrays[name].labels


def test_asides_are_claims_of_their_own() -> None:
    """“as i_t = σ(a_i)” is judged apart from eq 7, with its own part of the transcription."""
    assert BY_ID["eq 7"].written == r"da_i = di_{t} \odot i_{t} \odot (1-i_{t})"
    assert BY_ID["eq 7/as"].written == r"i_{t} = \sigma(a_{i})"
    assert BY_ID["eq 7/as"].reading is None
    assert "da_i" not in BY_ID["eq 7/as"].latex
    assert BY_ID["eq 10"].reading is None


HEAD = 'title = "t"\ncell = "lstm"\n[symbols]\n"b" = "b"\n'
BROKEN: dict[str, tuple[str, str]] = {
    "no TOML": ("title = ", "Invalid value"),
    "no cell": ('title = "t"', "should have a str 'cell'"),
    "an equation without an id": (HEAD + '[[equations]]\nlatex = "b = b"', "an equation: the field 'id' is missing"),
    "an equation without LaTeX": (HEAD + '[[equations]]\nid = "eq 1"', "eq 1: the field 'latex' is missing"),
    "a number for LaTeX": (HEAD + '[[equations]]\nid = "eq 1"\nlatex = 3', "eq 1: the field 'latex' is missing"),
    "an unknown field": (HEAD + '[[equations]]\nid = "eq 1"\nlatex = "b = b"\nlatx = ""', "eq 1: unknown field 'latx'"),
    "a reading without a reason": (
        HEAD + '[[equations]]\nid = "eq 1"\nlatex = "b = b"\nreading = "b = b"',
        "eq 1: a reading and its reason",
    ),
    "a reading with another aside": (
        HEAD + "[[equations]]\nid = 'eq 1'\nlatex = 'b = b'\nreading = 'b = b \\text{as} b = b'\nreason = 'r'",
        "eq 1: as written there are 1 claims, in the reading 2",
    ),
    "an id twice": (
        HEAD + '[[equations]]\nid = "eq 1"\nlatex = "b = b"\n[[equations]]\nid = "eq 1"\nlatex = "b = b"',
        "'eq 1' is given to two",
    ),
    "a spelling that is no pattern": (
        HEAD + '[[equations]]\nid = "1"\nlatex = ""\n[[spellings]]\nmeaning = "m"\npattern = "("\nbecomes = ""',
        "unterminated subpattern",
    ),
    "half a spelling": (
        HEAD + '[[equations]]\nid = "1"\nlatex = ""\n[[spellings]]\nmeaning = "m"\npattern = "("',
        "the spelling 'm': the field 'becomes' is missing",
    ),
    "a megabyte": (HEAD + f'[[equations]]\nid = "eq 1"\nlatex = "b = {"b" * 10**6}"', "characters"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_notes_are_refused(case: str, tmp_path: Path) -> None:
    """Whoever writes notes of their own is told which entry is wrong, and not by a KeyError."""
    text, message = BROKEN[case]
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(NotesError, match=message):
        load_notes(str(file))


def test_notes_in_another_encoding_are_refused(tmp_path: Path) -> None:
    """A file saved as Latin-1 is a usual accident."""
    file = tmp_path / "own.toml"
    file.write_bytes("title = 'für'".encode("latin-1"))
    with pytest.raises(NotesError, match="utf-8"):
        load_notes(str(file))


def test_unknown_notes() -> None:
    """handgrad verify of a cell without notes."""
    with pytest.raises(NotesError, match="no notes on 'gru'"):
        load_notes("gru")
