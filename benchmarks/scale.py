"""Time the tool itself on ever larger cells: ``python -m benchmarks.scale --help``."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table

from derive.emit.files import render
from derive.emit.signature import with_backward
from derive.equality import Ground
from derive.functions import FUNCTIONS
from derive.index import dims
from derive.plan.schedule import schedule
from derive.plan.tangents import tangents
from derive.program import Array, Equation, Program, define
from derive.tensor import Tensor, elementwise

from . import environment
from .report import write_json

RESULTS = Path(__file__).parent / "results" / "scale.json"
SIZES = (10, 30, 100, 300)
N, D, H = dims("N D H")


def family(count: int) -> Program:
    """A cell of so many equations, of five kinds in turn: products, σ, tanh, a convex combination, a sum."""
    x, h_prev, c_prev = Array("x", (N, D), "sequence"), *(Array(f"{s}_prev", (N, H), "state", s) for s in "hc")
    W, U, b = Array("W", (D, H), "parameter"), Array("U", (H, H), "parameter"), Array("b", (H,), "parameter")
    equations: list[Equation] = []

    def add(name: str, value: Tensor) -> Tensor:
        array = Array(name, tuple(axis.size for axis in value.axes))
        equations.append(define(array, value))
        return array.tensor

    earlier, latest = c_prev.tensor, h_prev.tensor
    kinds: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
        lambda one, _: x.tensor @ W.tensor + one @ U.tensor + b.tensor,
        lambda one, _: elementwise(FUNCTIONS["sigmoid"], one),
        lambda one, other: elementwise(FUNCTIONS["tanh"], one + other),
        lambda one, other: one * other + (1 - one) * h_prev.tensor,
        lambda one, other: one * other / 2 + b.tensor,
    )
    while len(equations) < count - 2:
        name = f"q_{len(equations)}"
        earlier, latest = latest, add(name, kinds[len(equations) % len(kinds)](latest, earlier))
    c = add("c", latest * c_prev.tensor + earlier)
    add("h", elementwise(FUNCTIONS["tanh"], c))
    return Program(f"family_{count}", (x, h_prev, c_prev, W, U, b), tuple(equations), ("h",))


@dataclass(frozen=True)
class Timing:
    """Seconds of processor time by stage, for a cell of so many equations, and the process's memory after it."""

    equations: int
    seconds: Mapping[str, float]
    megabytes: float

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def stages(cell: Program) -> Iterator[tuple[str, Callable[[], object]]]:
    """What the tool does with a cell, one after the other; what is derived or planned once is there for the next."""
    yield "derive", lambda: with_backward(cell)
    yield "verify", lambda: verify(with_backward(cell))
    yield "plan", lambda: tangents(schedule(cell))
    yield "emit", lambda: render(cell)


def verify(program: Program) -> None:
    """Every equation against itself, as a writer's would be checked.

    Raises:
        AssertionError: if one is not found equal to itself.
    """
    ground = Ground(program)
    for equation in program.equations:
        assert ground.decide(equation.array.tensor.expr, equation.value, equation.array.indices).equal


def measure(count: int) -> Timing:
    seconds = {}
    cell = family(count)
    for name, work in stages(cell):
        start = time.process_time()
        work()
        seconds[name] = time.process_time() - start
    return Timing(count, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def exponent(one: Timing, other: Timing) -> float:
    """p where time grows like n^p between two sizes."""
    return math.log(other.total / one.total) / math.log(other.equations / one.equations)


def table(timings: Sequence[Timing]) -> Table:
    result = Table(title="Time of the tool by the number of a cell's equations")
    for column in ("equations", *timings[0].seconds, "seconds", "n^p", "MB", ""):
        result.add_column(column, justify="right")
    for before, one in zip((None, *timings), timings, strict=False):
        result.add_row(
            str(one.equations),
            *(f"{value:.2f}" for value in one.seconds.values()),
            f"{one.total:.2f}",
            f"{exponent(before, one):.2f}" if before else "",
            f"{one.megabytes:.0f}",
            ProgressBar(total=timings[-1].total, completed=one.total, width=24),
        )
    return result


def main(
    sizes: Annotated[list[int] | None, typer.Argument(help="Numbers of equations; 10, 30, 100, 300.")] = None,
    json: Annotated[Path, typer.Option(help="Where to write the measurements.", show_default=False)] = RESULTS,
) -> None:
    """Derive, check, plan and print cells of a family, for both targets and both orders."""
    description = environment.describe()
    console = Console()
    with console.status("measuring"):
        timings = [measure(count) for count in sizes or SIZES]
    write_json(
        json,
        {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "time": "processor time of one process",
            "environment": asdict(description),
            "sizes": [asdict(one) for one in timings],
        },
    )
    console.print(table(timings))


if __name__ == "__main__":
    typer.run(main)
