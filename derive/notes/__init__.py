"""Handwritten notes as data: equations as transcribed, how they are spelled, and what they are taken to mean."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from derive.errors import NotesError
from derive.notes.tokens import check_length

_ASIDE = re.compile(r"(?:\\quad\s*)?\\text\{\s*as\s*\}")


@dataclass(frozen=True)
class Spelling:
    """A way of writing that does not change the mathematics, and what it is mapped to."""

    meaning: str
    pattern: re.Pattern[str]
    becomes: str


@dataclass(frozen=True)
class Statement:
    """One claim of the notes.

    Attributes:
        id: ``eq 7`` for a numbered equation, ``eq 7/as`` for the aside in it, any other name for the rest.
        latex: as transcribed, number and all.
        written: ``latex`` with the spellings mapped, ready to be parsed.
        reading: what it is taken to mean, in the same spelling, where it cannot be meant literally.
        reason: why it is read so.
        defines: the symbol that it introduces, if it is a definition of the notes' own.
    """

    id: str
    latex: str
    written: str
    reading: str | None = None
    reason: str | None = None
    defines: str | None = None

    @property
    def numbered(self) -> bool:
        return re.fullmatch(r"eq \d+", self.id) is not None


@dataclass(frozen=True)
class Notes:
    """A set of notes on one cell."""

    title: str
    cell: str
    symbols: Mapping[str, str]
    spellings: tuple[Spelling, ...]
    statements: tuple[Statement, ...]


def load_notes(name: str) -> Notes:
    """The notes in a TOML file, or by the name of a cell those that handgrad ships.

    Raises:
        NotesError: if there are none, or the file is not as it should be.
    """
    source = Path(name) if name.endswith(".toml") else files("derive.notes") / f"{name}.toml"
    if not source.is_file():
        raise NotesError(f"there are no notes on {name!r}")
    try:
        return read_notes(source.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, re.error) as error:
        raise NotesError(f"{name}: {error}") from None


def read_notes(text: str) -> Notes:
    """Notes from the text of a TOML file.

    Raises:
        NotesError: naming the entry that is wrong.
    """
    data = tomllib.loads(text)
    for key, kind in {"title": str, "cell": str, "symbols": dict, "equations": list}.items():
        if not isinstance(data.get(key), kind):
            raise NotesError(f"the notes should have a {kind.__name__} {key!r}")
    spellings = tuple(map(_spelling, data.get("spellings", ())))
    statements = [statement for entry in data["equations"] for statement in _statements(entry, spellings)]
    ids = [statement.id for statement in statements]
    repeated = sorted({one for one in ids if ids.count(one) > 1})
    if repeated:
        raise NotesError(f"the id {repeated[0]!r} is given to two equations")
    return Notes(data["title"], data["cell"], data["symbols"], spellings, tuple(statements))


def _spelling(entry: Mapping[str, Any]) -> Spelling:
    if missing := sorted({"meaning", "pattern", "becomes"} - set(entry)):
        raise NotesError(f"the spelling {entry.get('meaning', '')!r}: the field {missing[0]!r} is missing")
    return Spelling(entry["meaning"], re.compile(entry["pattern"]), entry["becomes"])


def respell(latex: str, spellings: tuple[Spelling, ...]) -> str:
    """The LaTeX with every spelling mapped, in the order of the table.

    Raises:
        NotesError: if it is too long for a formula.
    """
    check_length(latex)
    text = latex.strip()
    for spelling in spellings:
        text = spelling.pattern.sub(spelling.becomes, text).strip()
    return text


def _statements(entry: Mapping[str, Any], spellings: tuple[Spelling, ...]) -> list[Statement]:
    """The claim of an entry, and the aside (“as g_t = …”) behind it as a claim of its own."""
    for key in ("id", "latex"):
        if not isinstance(entry.get(key), str):
            raise NotesError(f"{entry.get('id', 'an equation')}: the field {key!r} is missing")
    unknown = sorted(set(entry) - {"id", "latex", "reading", "reason", "defines"})
    if unknown:
        raise NotesError(f"{entry.get('id')}: unknown field {unknown[0]!r}")
    if ("reading" in entry) != ("reason" in entry):
        raise NotesError(f"{entry['id']}: a reading and its reason go together")
    transcribed = _parts(entry["latex"])
    written = _parts(respell(entry["latex"], spellings))
    reading = _parts(respell(entry["reading"], spellings)) if "reading" in entry else written
    if len(reading) != len(written):
        raise NotesError(f"{entry['id']}: as written there are {len(written)} claims, in the reading {len(reading)}")
    found = []
    for position, (text, meant) in enumerate(zip(written, reading, strict=True)):
        read, reason = (meant, entry["reason"]) if meant != text else (None, None)
        name, defines = (entry["id"], entry.get("defines")) if position == 0 else (f"{entry['id']}/as", None)
        # An equation that is introduced by "as" has its bullet as the part before.
        latex = transcribed[position] if len(transcribed) == len(written) else entry["latex"].strip()
        found.append(Statement(name, latex, text, read, reason, defines))
    return found


def _parts(text: str) -> list[str]:
    return [part.strip() for part in _ASIDE.split(text) if part.strip()]
