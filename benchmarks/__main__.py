"""Time the generated LSTM: `python -m benchmarks --help`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from . import environment, report
from .contenders import CONTENDERS, DEFAULT_MODULE, TITLES, TORCH, load_module, torch_installed
from .measure import QUICK, THOROUGH, DisagreementError, Measurement, Plan, checked_workers, measure
from .problem import SIZES, Size, parse_sizes
from .worker import WorkerError

DEFAULT_JSON = Path(__file__).parent / "results" / "cpu.json"
PIPE_WIDTH = 120  # a pipe has no width of its own, and rich's guess of 80 columns would cut the table

app = typer.Typer(add_completion=False)
errors = Console(stderr=True)


def _sizes(texts: Sequence[str]) -> list[Size]:
    try:
        return parse_sizes(texts, SIZES)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--sizes") from None


def _check(sizes: Sequence[Size], names: Sequence[str], module: str, console: Console) -> None:
    for size in sizes:
        with checked_workers(size, names, module) as (_, deviations):
            for name, deviation in deviations.items():
                console.print(f"{size}  {TITLES[name]}: relative error {deviation:.1e}")


def _measure(sizes: Sequence[Size], names: Sequence[str], module: str, plan: Plan) -> dict[Size, list[Measurement]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=len(sizes) * len(names) * plan.rounds)
        outcome = {}
        for size in sizes:
            progress.update(task, description=str(size))
            outcome[size] = measure(size, names, module, plan, lambda: progress.advance(task))
        return outcome


def _run(sizes: Sequence[Size], module: str, json: Path, plan: Plan, check: bool) -> None:
    skipped = [] if torch_installed() else [TORCH]
    if skipped:
        errors.print("[bold yellow]PyTorch is not installed: measuring without it.[/]")
    names = [name for name in CONTENDERS if name not in skipped]
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    if check:
        _check(sizes, names, module, console)
        return
    description = environment.describe()  # before the workers raise the load
    outcome = _measure(sizes, names, module, plan)
    report.write_json(json, report.document(outcome, description, module, skipped))
    console.print(report.table(outcome, description))


@app.command()
def main(
    sizes: Annotated[
        list[str] | None, typer.Option(metavar="TxNxDxH", help="Sizes, with commas or repeated; all five by default.")
    ] = None,
    json: Annotated[Path, typer.Option(help="Where to write the measurements.", show_default=False)] = DEFAULT_JSON,
    module: Annotated[str, typer.Option(help="The module to time: a dotted name or a .py file.")] = DEFAULT_MODULE,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rounds; the ratios then wobble.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare the contenders' results, and time nothing.")] = False,
) -> None:
    """Time forward + backward of an LSTM over a whole sequence on the CPU, in single precision.

    Every contender runs in a process of its own, one at a time and in turns, once all of them
    have been seen to agree with a double-precision LSTM.
    """
    chosen = _sizes(sizes or [])
    try:
        load_module(module)
    except (ImportError, FileNotFoundError) as error:
        errors.print(f"[bold red]Cannot load {module}:[/] {error}", highlight=False)
        raise typer.Exit(2) from None
    try:
        _run(chosen, module, json, QUICK if quick else THOROUGH, check)
    except (WorkerError, DisagreementError) as error:
        errors.print(str(error), style="bold red", markup=False, highlight=False)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app()
