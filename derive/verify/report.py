"""A report as a table for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from derive.notes.syntax import Span
from derive.verify.check import Report, Verdict
from derive.verify.difference import differing
from derive.verify.documents import Found

_MARKS = {True: Text("✓ holds", "green"), False: Text("✗ wrong", "bold red"), None: Text("? undecided", "yellow")}

_FINDINGS = {
    "holds": Text("✓ holds", "green"),
    "holds_under_reading": Text("≈ holds as read", "green"),
    "wrong": Text("✗ wrong", "bold red"),
    "not_understood": Text("? not understood", "yellow"),
    "undecided": Text("? undecided", "yellow"),
}


def as_json(report: Report) -> list[dict[str, Any]]:
    """One object per claim, in the notes' order."""
    return [_object(verdict) for verdict in report.verdicts]


def findings_as_json(findings: Sequence[Found]) -> list[dict[str, Any]]:
    """One object per equation of a document: a claim's, with its line, the finding and what it inherits."""
    return [
        {
            **_object(one.verdict),
            "verdict": one.finding,
            "under": one.under,
            "correction": one.verdict.correction,
            "line": one.line,
            "inherits": list(one.inherits),
            "differs": differing(one.verdict.statement.written, one.verdict.correction or "")[0],
        }
        for one in findings
    ]


def _object(verdict: Verdict) -> dict[str, Any]:
    return {
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


def print_findings(findings: Sequence[Found], title: str, console: Console) -> None:
    """The table of a document's equations, then each that is wrong or not understood, then the counts."""
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("equation", no_wrap=True)
    table.add_column("line", justify="right")
    table.add_column("reads", ratio=1)
    table.add_column("verdict", no_wrap=True)
    for one in findings:
        inherits = Text(f"\n  builds on {', '.join(one.inherits)}", "dim") if one.inherits else ""
        verdict = Text.assemble(_FINDINGS[one.finding], inherits)
        table.add_row(Text(one.verdict.statement.id), str(one.line), Text(one.verdict.text), verdict)
    console.print(table)
    for one in findings:
        if one.finding == "wrong":
            _print_erratum(one.verdict, console, "as written")
        elif one.finding == "holds_under_reading":
            console.print(Text.assemble((f"\n{one.verdict.statement.id}", "green"), f": read so that {one.under}"))
        elif one.finding != "holds":
            console.print(Text(f"\n{one.verdict.statement.id}: {one.verdict.difference or 'undecided'}", "yellow"))
    console.print("\n" + counts(findings))


def counts(findings: Sequence[Found]) -> str:
    """“17 equations: 13 hold, 3 wrong, 1 not understood”."""
    said = {
        "holds": "hold",
        "holds_under_reading": "hold under a reading",
        "wrong": "wrong",
        "not_understood": "not understood",
        "undecided": "undecided",
    }
    numbers = {finding: sum(one.finding == finding for one in findings) for finding in said}
    parts = [f"{number} {said[finding]}" for finding, number in numbers.items() if number or finding == "holds"]
    return f"{len(findings)} equations: {', '.join(parts)}"


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


def _print_erratum(verdict: Verdict, console: Console, written: str = "as transcribed") -> None:
    console.print(Text.assemble(("\n" + verdict.statement.id, "bold red"), ": ", verdict.difference or ""))
    console.print(Text(f"  {written:<14}  {verdict.text}"))
    if verdict.correction and (span := differing(verdict.statement.written, verdict.correction)[0]):
        console.print(Text.assemble(f"  {'in it':<14}  ", _marked(verdict.statement.written, span)))
    console.print(Text(f"  corrected       {verdict.correction}", "green"))
    if verdict.statement.reason:
        console.print(Text(f"  read so because {verdict.statement.reason}"))
    example = verdict.counterexample
    if example:
        inputs = ", ".join(f"{name} = {value}" for name, value in example.inputs.items())
        console.print(Text(f"  for example     {inputs}: written gives {example.written}, derived {example.derived}"))


def _marked(latex: str, span: Span) -> Text:
    """A formula with a part set off, by colour and by brackets."""
    start, end = span
    return Text.assemble(latex[:start], ("⟦", "red"), (latex[start:end], "bold red"), ("⟧", "red"), latex[end:])


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
