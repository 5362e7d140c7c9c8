"""A report as a table for the terminal and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from derive.verify.check import Report, Verdict

_MARKS = {True: Text("✓ holds", "green"), False: Text("✗ wrong", "bold red"), None: Text("? undecided", "yellow")}


def as_json(report: Report) -> list[dict[str, Any]]:
    """One object per claim, in the notes' order."""
    return [
        {
            "id": verdict.statement.id,
            "as_written": verdict.statement.latex,
            "reading": verdict.statement.reading,
            "holds_as_written": verdict.holds_as_written,
            "holds_as_read": verdict.holds_as_read,
            "derived": verdict.derived,
            "method": verdict.method,
            "difference": verdict.difference,
            "counterexample": asdict(verdict.counterexample) if verdict.counterexample else None,
        }
        for verdict in report.verdicts
    ]


def print_report(report: Report, console: Console) -> None:
    """The table of verdicts, the errata in words, and the composition."""
    console.print(_table(report))
    errata = [verdict for verdict in report.verdicts if verdict.holds_as_written is False]
    if errata:
        console.print(Text(f"\n{len(errata)} errata in the notes as transcribed", "bold"))
    for verdict in errata:
        _print_erratum(verdict, console)
    for verdict in report.verdicts:
        if verdict.holds_as_written is None:
            console.print(Text(f"\n{verdict.statement.id}: {verdict.difference or 'undecided'}", "yellow"))
        for remark in verdict.remarks:
            console.print(Text(f"\n{verdict.statement.id}: remark: {remark}", "dim"))
    console.print()
    _print_summary(report, console)


def _table(report: Report) -> Table:
    table = Table(title=report.notes.title, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("claim", no_wrap=True)
    table.add_column("equation", ratio=1)
    table.add_column("as transcribed", no_wrap=True)
    table.add_column("as read", no_wrap=True)
    table.add_column("decided", no_wrap=True)
    table.add_column("ms", justify="right")
    for verdict in report.verdicts:
        table.add_row(
            Text(verdict.statement.id, "bold" if verdict.statement.numbered else ""),
            Text(verdict.text),
            _MARKS[verdict.holds_as_written],
            _MARKS[verdict.holds_as_read],
            verdict.method,
            f"{1000 * verdict.seconds:.0f}",
        )
    return table


def _print_erratum(verdict: Verdict, console: Console) -> None:
    console.print(Text.assemble(("\n" + verdict.statement.id, "bold red"), ": ", verdict.difference or ""))
    console.print(Text(f"  as transcribed  {verdict.text}"))
    console.print(Text(f"  corrected       {verdict.correction}", "green"))
    if verdict.statement.reason:
        console.print(Text(f"  read so because {verdict.statement.reason}"))
    example = verdict.counterexample
    if example:
        inputs = ", ".join(f"{name} = {value}" for name, value in example.inputs.items())
        console.print(Text(f"  for example     {inputs}: written gives {example.written}, derived {example.derived}"))


def _print_summary(report: Report, console: Console) -> None:
    numbered = [verdict for verdict in report.verdicts if verdict.statement.numbered]
    written = sum(verdict.holds_as_written is True for verdict in numbered)
    read = sum(verdict.holds_as_read is True for verdict in numbered)
    console.print(
        f"{len(numbered)} numbered equations: {written} hold as transcribed, {read} as read; "
        f"{len(report.verdicts) - len(numbered)} further claims"
    )
    wrong = [reason for reason in report.composition.results.values() if reason]
    if wrong:
        console.print(Text("composed: " + "; ".join(wrong), "bold red"))
    else:
        results = ", ".join(report.composition.results)
        console.print(f"composed, they give the derivative of the whole step: {results} (exact, at small shapes)")
