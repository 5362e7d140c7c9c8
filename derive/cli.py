"""The command line: ``handgrad verify``, ``check``, ``show`` and ``generate``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from derive.calculus import vjp
from derive.cells import CELLS
from derive.emit.files import compare, render_all, write
from derive.errors import HandgradError
from derive.notes import load_notes
from derive.notes.document import read_document
from derive.page.html import findings_page, report_page, write_page
from derive.printing import replace_file
from derive.program import Program
from derive.show import UNICODE, equation_text, latex_style
from derive.user import is_user_cell, user_cell
from derive.verify.check import check_notes
from derive.verify.documents import examine
from derive.verify.fix import corrected_text
from derive.verify.report import as_json, findings_as_json, print_findings, print_report

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Derive recurrent cells' backward equations, check handwritten ones, generate NumPy modules.",
)

_WIDTH_IN_A_PIPE = 150


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on stderr where that is a terminal; nothing in a pipe."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(title, total=total)
        yield lambda step: bar.update(task, advance=1, description=f"{title}: {step}")


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH_IN_A_PIPE)


@app.command()
def verify(
    notes: Annotated[str, typer.Argument(help="A TOML file of notes, or a cell whose notes handgrad ships.")] = "lstm",
    as_json_: Annotated[bool, typer.Option("--json", help="Print one array of objects instead of a table.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as a page as well.")] = None,
) -> None:
    """Re-derive every equation of the notes and say which hold. Exit 1 if a numbered one does not, as read."""
    loaded = load_notes(notes)
    with progress("verify", len(loaded.statements)) as step:
        report = check_notes(loaded, lambda statement: step(statement.id))
    if html:
        write_page(html, report_page(report))
    if as_json_:
        print(json.dumps(as_json(report), ensure_ascii=False, indent=2))
    else:
        print_report(report, _console())
    raise typer.Exit(0 if report.holds else 1)


@app.command()
def check(
    notes: Annotated[Path, typer.Argument(help="A Markdown or LaTeX file, with front matter if it likes.")],
    as_json_: Annotated[bool, typer.Option("--json", help="Print one array of objects instead of a table.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as a page as well.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Write corrected notes beside the original.")] = False,
) -> None:
    """Judge every equation of a document. Exit 1 if one is wrong, else 3 if one is not understood or undecided."""
    document = read_document(_text(notes), is_tex=notes.suffix == ".tex")
    with progress("check", len(document.passages)) as step:
        examined = examine(document, lambda statement: step(statement.id))
    findings = examined.findings
    if html:
        write_page(html, findings_page(examined, document, notes.name))
    if fix:
        fixed = notes.with_name(f"{notes.stem}.fixed{notes.suffix}")
        corrected, missed = corrected_text(_text(notes), findings)
        replace_file(fixed, corrected)
        print(f"wrote {fixed}", file=sys.stderr)
        for id_ in missed:
            print(
                f"handgrad: {id_}: not found in the text as it was read; its correction is for you to paste",
                file=sys.stderr,
            )
    if as_json_:
        print(json.dumps(findings_as_json(findings), ensure_ascii=False, indent=2))
    else:
        print_findings(findings, notes.name, _console())
    kinds = {one.finding for one in findings}
    raise typer.Exit(1 if "wrong" in kinds else 3 if kinds - {"holds", "holds_under_reading"} else 0)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise HandgradError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise HandgradError(f"cannot read {path}: it is no UTF-8 text") from None


@app.command()
def show(
    cell: Annotated[str, typer.Argument(help="A cell that handgrad ships.")] = "lstm",
    latex: Annotated[bool, typer.Option("--latex", help="LaTeX instead of Unicode.")] = False,
) -> None:
    """Print a cell's forward equations and the derived backward equations."""
    program = vjp(_cell(cell))
    style = latex_style() if latex else UNICODE
    forward = len(_cell(cell).equations)
    for heading, equations in (("forward", program.equations[:forward]), ("backward", program.equations[forward:])):
        print(f"% {heading}" if latex else heading)
        for equation in equations:
            text = equation_text(equation, program, style)
            print(rf"\[ {text} \]" if latex else f"  {text}    {equation.array.tensor.shape}")


@app.command()
def generate(
    cells: Annotated[
        list[str] | None, typer.Argument(help="Cells to generate, or my_cells.py:MyCell; all of handgrad's by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The folder to write to.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Compare with what is there; exit 1 on drift.")] = False,
) -> None:
    """Write the generated modules, or check that they are up to date. The file of a cell of your own is executed."""
    own = [name for name in cells or [] if is_user_cell(name)]
    if own and out is None:
        raise HandgradError(f"say where to write the modules of {own[0]}: handgrad generate {own[0]} -o DIR")
    chosen = [user_cell(name) if name in own else _cell(name) for name in cells or CELLS]
    folder = out or _generated_folder()
    with progress("generate", len(chosen)) as step:
        files = render_all(chosen, step)
    if not check:
        for name in write(files, folder):
            print(f"wrote {folder / name}")
        return
    drift = compare(files, folder, orphans=not cells)
    for diff in drift.diffs:
        print(diff, end="")
    if drift.diffs:
        print(f"{len(drift.diffs)} files of {folder} are not what would be generated", file=sys.stderr)
        raise typer.Exit(1)


def _cell(name: str) -> Program:
    if name not in CELLS:
        raise HandgradError(f"there is no cell {name!r}; known cells: {', '.join(CELLS)}")
    return CELLS[name]


def _generated_folder() -> Path:
    """The checkout's generated/; an installed handgrad has none to write to."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "pyproject.toml").is_file():
        raise HandgradError("outside of a checkout, say where to write: handgrad generate -o DIR")
    return root / "generated"


def main() -> None:
    """Run the command line; an error of the user's is one line on stderr and exit code 2."""
    try:
        app(prog_name="handgrad")
    except HandgradError as error:
        print(f"handgrad: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
