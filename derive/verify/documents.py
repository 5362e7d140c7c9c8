"""Checking a document: somebody's Markdown or LaTeX, against the cell that it defines or one that handgrad knows.

The front matter may name the cell, and what symbols stand for that are not spelled as the cell spells them. Without
a cell, the document's own forward equations are it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from derive.calculus import SEED, vjp
from derive.cells import CELLS
from derive.equality import Ground
from derive.errors import NotesError
from derive.notes import Notes, Statement
from derive.notes.document import Document, Passage
from derive.notes.infer import FUNCTION_NAMES, infer_cell
from derive.notes.latex import parse_claim, symbol_name
from derive.notes.meaning import Reader
from derive.notes.syntax import Claim
from derive.program import Program
from derive.unroll import NEXT, backward_through_time
from derive.verify.check import Verdict, judge_statements, reader_of

Finding = Literal["holds", "wrong", "not_understood", "undecided"]

_NO_BRACES = str.maketrans("", "", "{}")
_SETTINGS = {"title": str, "cell": str, "symbols": dict, "vectors": str, "batch": bool}
_BATCH_SUM = re.compile(r"\\sum(?!_?\s*\{?\s*t\b)")


@dataclass(frozen=True)
class Found:
    """A verdict with its place, and the wrong equations that it builds on."""

    verdict: Verdict
    line: int
    inherits: tuple[str, ...]

    @property
    def finding(self) -> Finding:
        if self.verdict.holds_as_written is not None:
            return "holds" if self.verdict.holds_as_written else "wrong"
        understood = self.verdict.difference is None
        return "undecided" if understood else "not_understood"


def check_document(document: Document, progress: Callable[[Statement], None] = lambda _: None) -> tuple[Found, ...]:
    """Judge every equation of a document, in order.

    Raises:
        NotesError: for a wrong setting in the front matter, or if there is no cell to judge against.
    """
    verdicts, _ = judge_statements(_statements(document.passages), reader_for(document), progress)
    lines = [passage.line for passage in document.passages]
    return tuple(Found(v, line, _inherits(v, verdicts)) for v, line in zip(verdicts, lines, strict=True))


def reader_for(document: Document) -> Reader:
    """A reader of the document's formulas, on the cell that it names or defines.

    Raises:
        NotesError: for a wrong setting in the front matter, or if there is no cell to judge against.
    """
    settings = _checked(document.settings)
    return _bound(settings, document) if "cell" in settings else _defined_by(document, settings)


def _bound(settings: dict[str, Any], document: Document) -> Reader:
    """A reader on a cell that handgrad ships."""
    name = settings["cell"]
    if name not in CELLS:
        raise NotesError(f"the front matter names the cell {name!r}; known cells: {', '.join(CELLS)}")
    if settings.get("vectors", "rows") != "rows":
        raise NotesError("handgrad's own cells are written with rows; leave out the cell to have yours taken")
    symbols = {**standard_symbols(CELLS[name]), **settings.get("symbols", {})}
    reader = reader_of(Notes("", name, _familiar_first(symbols, document), (), ()))
    return _looking_ahead(reader, CELLS[name])


def _defined_by(document: Document, settings: dict[str, Any]) -> Reader:
    """A reader on the cell that the document's own forward equations define."""
    claims, unread = _read(document)
    summed = any(_BATCH_SUM.search(passage.latex) for passage in document.passages)
    orientation = {"rows": False, "columns": True}.get(settings.get("vectors", ""))
    inferred = infer_cell(claims, "notes", settings.get("batch", summed), orientation, unread)
    bound = {symbol_name(latex): str(target) for latex, target in settings.get("symbols", {}).items()}
    symbols = _familiar_first({**inferred.symbols, **bound}, document)
    reader = Reader(Ground(vjp(inferred.cell)), symbols, inferred.broadcast)
    return _looking_ahead(reader, inferred.cell)


def _looking_ahead(reader: Reader, cell: Program) -> Reader:
    """The reader with one beside it that knows step t + 1: c_{t+1} is c at the step after."""
    ground = Ground(backward_through_time(cell))
    later = {
        f"{name.removesuffix('_t')}_t+1": _later_target(target)
        for name, target in reader.symbols.items()
        if name.endswith("_t") and target.partition(".")[0] + NEXT in ground.program.arrays
    }
    return replace(reader, ahead=Reader(ground, {**reader.symbols, **later}, reader.defined))


def _later_target(target: str) -> str:
    name, dot, label = target.partition(".")
    return f"{name}{NEXT}{dot}{label}"


def _read(document: Document) -> tuple[list[Claim], dict[str, str]]:
    """The claims that can be parsed, and the left sides of those that cannot and might define something."""
    claims: list[Claim] = []
    unread: dict[str, str] = {}
    for passage in document.passages:
        try:
            claims.append(parse_claim(passage.latex, FUNCTION_NAMES))
        except NotesError:  # it is reported when its turn comes
            with suppress(NotesError):
                unread[symbol_name(passage.latex.partition("=")[0].strip())] = passage.latex
    return claims, unread


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    for key, value in settings.items():
        if key not in _SETTINGS:
            raise NotesError(f"the front matter has an unknown setting {key!r}; known: {', '.join(_SETTINGS)}")
        if not isinstance(value, _SETTINGS[key]):
            raise NotesError(f"the front matter's {key!r} should be a {_SETTINGS[key].__name__}, not {value!r}")
    if settings.get("vectors", "rows") not in {"rows", "columns"}:
        raise NotesError(f"the front matter's 'vectors' should be rows or columns, not {settings['vectors']!r}")
    return settings


def _statements(passages: Iterable[Passage]) -> Iterator[Statement]:
    """Passages as statements; an id that is given twice gets a count."""
    seen: dict[str, int] = {}
    for passage in passages:
        seen[passage.id] = seen.get(passage.id, 0) + 1
        count = seen[passage.id]
        yield Statement(passage.id if count == 1 else f"{passage.id}/{count}", passage.latex, passage.latex)


def _inherits(verdict: Verdict, verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """The wrong equations whose left side an equation uses; an array and its blocks count for each other."""
    wrong = [v for v in verdicts if v.holds_as_written is False and v.gives and v is not verdict]
    return tuple(v.statement.id for v in wrong if any(_overlap(str(v.gives), used) for used in verdict.uses))


def _overlap(one: str, other: str) -> bool:
    """Whether two of ``da``, ``da[0]``, ``da[1]`` have an entry in common."""
    return one == other or one.startswith(f"{other}[") or other.startswith(f"{one}[")


def _familiar_first(symbols: dict[str, str], document: Document) -> dict[str, str]:
    """Symbols that the document uses before those that it does not, so that corrections are in its own spelling."""
    text = "".join(passage.latex for passage in document.passages).translate(_NO_BRACES)
    return dict(sorted(symbols.items(), key=lambda item: (item[0].translate(_NO_BRACES) not in text, -len(item[0]))))


def standard_symbols(cell: Program) -> dict[str, str]:
    """A cell's own spellings: x_t, h_{t-1} or h_{prev}, c_t, W_x, b_i, d_{next-h}, σ and tanh."""
    symbols = {r"\sigma": "sigmoid", r"\text{sigmoid}": "sigmoid", r"\tanh": "tanh", r"\text{tanh}": "tanh"}
    for array in cell.arrays.values():
        plain = _latex(array.name)
        if array.role == "state":
            before = _latex(str(array.next))
            symbols |= {f"{before}_{{t-1}}": array.name, f"{before}_{{prev}}": array.name}
            continue
        symbols[plain] = array.name
        if array.role != "parameter":
            symbols[_with_script(plain, "t")] = array.name
        for label in array.labels:
            symbols[_with_script(plain, label)] = f"{array.name}.{label}"
            if array.role != "parameter":
                symbols[_with_script(_with_script(plain, label), "t")] = f"{array.name}.{label}"
    for array in vjp(cell).having("cotangent"):
        symbols[f"d_{{next-{array.name.removeprefix(SEED)}}}"] = array.name
    return symbols


def _latex(name: str) -> str:
    letter, _, script = name.partition("_")
    return f"{letter}_{{{script.replace('_', ',')}}}" if script else letter


def _with_script(symbol: str, script: str) -> str:
    return f"{symbol[:-1]},{script}}}" if symbol.endswith("}") else f"{symbol}_{{{script}}}"
