"""The report as a page: one file that loads nothing, with the notes, the derivation and the computation graph."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from markupsafe import Markup

from derive.equality import Ground
from derive.errors import HandgradError
from derive.notes.document import Document
from derive.notes.meaning import Reader
from derive.page.cards import FINDINGS, Card, Finding, cards
from derive.page.picture import picture
from derive.page.rows import row
from derive.page.steps import derivation
from derive.printing import environment, replace_file
from derive.program import Program
from derive.verify.check import Report, reader_of
from derive.verify.documents import Examination
from derive.verify.report import counts
from derive.verify.spelling import spelled_by

# Where the notes define no cell and name none, there is nothing to derive and to draw.
_READER_OF_NOTHING = Reader(Ground(Program("nothing", (), (), ())), {})
_ASSETS = {"style": ("html/derivation.css", "html/page.css"), "script": ("html/page.js",)}
_ILLEGIBLE = re.compile(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Outcome:
    """A sentence at the head of the page."""

    finding: Finding
    text: str


def report_page(report: Report) -> str:
    """The page of a set of notes, as transcribed and as read."""
    numbered = [verdict for verdict in report.verdicts if verdict.statement.numbered]
    written = sum(verdict.holds_as_written is True for verdict in numbered)
    read = sum(verdict.holds_as_read is True for verdict in numbered)
    summary = (
        f"{len(numbered)} numbered equations: {written} hold as transcribed, {read} as read; "
        f"{len(report.verdicts) - len(numbered)} further claims"
    )
    wrong = [reason for reason in report.composition.results.values() if reason]
    results = ", ".join(report.composition.results)
    composed = "; ".join(wrong) or f"they give the derivative of the whole step: {results} (exact, at small shapes)"
    outcome = Outcome(FINDINGS["wrong" if wrong else "holds"], f"Composed, {composed}")
    reader = reader_of(report.notes)
    return _page(report.notes.title, summary, (outcome,), cards(report.verdicts, reader), reader)


def findings_page(examined: Examination, document: Document, name: str) -> str:
    """The page of a document; its title is the front matter's, or the file's name."""
    reader = examined.reader or _READER_OF_NOTHING
    title = str(document.settings.get("title", name))
    return _page(title, counts(examined.findings), (), cards(examined.findings, reader), reader)


def write_page(path: Path, text: str) -> None:
    """Write a page so that it appears whole or not at all.

    Raises:
        HandgradError: if it cannot be written.
    """
    path = Path(os.path.realpath(path))  # a link stays one
    if path.exists() and not path.is_file():
        raise HandgradError(f"cannot write {path}: it is not a file")
    try:
        replace_file(path, text)
    except OSError as error:
        raise HandgradError(f"cannot write {path}: {error.strerror}") from None


def _page(title: str, summary: str, outcomes: tuple[Outcome, ...], shown: tuple[Card, ...], reader: Reader) -> str:
    forward, backward = derivation(reader.ground.program, spelled_by(reader))
    context = {
        "title": title,
        "summary": summary,
        "outcomes": outcomes,
        "cards": shown,
        "filters": _filters(shown),
        "forward": [row(one, shown, "values") for one in forward],
        "backward": [row(one, shown, "gradients") for one in backward],
        "picture": picture(reader.ground.program, partial(_symbol, reader), shown),
        **_assets(),
    }
    text = environment(autoescape=True).get_template("html/page.html.jinja").render(context)
    return _legible(text)


def _symbol(reader: Reader, name: str) -> str:
    """An array as the notes write it."""
    return reader.spellings.get(name, ("", name))[1]


def _filters(shown: Sequence[Card]) -> list[tuple[Finding, int]]:
    """The findings that occur, worst first, and how often."""
    numbers = {finding: sum(card.finding == finding for card in shown) for finding in FINDINGS.values()}
    return [(finding, number) for finding, number in numbers.items() if number]


def _assets() -> dict[str, Any]:
    """The style sheet and the script as they stand in the page, and the policy that lets only these two run."""
    loader = environment().loader
    assert loader is not None
    texts = {
        name: "\n".join(loader.get_source(environment(), path)[0] for path in paths) for name, paths in _ASSETS.items()
    }
    digests = {name: b64encode(sha256(text.encode()).digest()).decode() for name, text in texts.items()}
    allowed = "; ".join(f"{name}-src 'sha256-{digest}'" for name, digest in digests.items())
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    return {"policy": policy, **{name: Markup(text) for name, text in texts.items()}}


def _legible(text: str) -> str:
    """The text with a sign for every character that no page may have."""
    return _ILLEGIBLE.sub("\N{REPLACEMENT CHARACTER}", text)
