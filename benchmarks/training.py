"""Steps of training in PyTorch, beside its own nn.LSTM and beside the same cell written as a loop.

`python -m benchmarks.training` times a step of the character model of `examples/`, forward, backward and Adam, with our
LSTM, with nn.LSTM, and with the equations written step by step in PyTorch, as they are and under torch.compile; and a
step with a gradient penalty, whose loss contains a gradient, with ours and with nn.LSTM. All start from the same
weights, and their first losses must agree. `--device cuda` does so on a GPU.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from . import environment, loop
from .contenders import Place
from .gpu import wanted_gpu
from .measure import QUICK, THOROUGH, DisagreementError, Plan, one_round
from .problem import Array, Problem, Size, parse_sizes
from .report import result_file, write_json
from .worker import Kind, Worker, WorkerError

SIZES = (Size(50, 16, 32, 64), Size(50, 64, 256, 256), Size(35, 20, 650, 650))
# Three steps of Adam in single precision: its first ones divide gradients by themselves, small ones too.
TOLERANCE = 1e-3

errors = Console(stderr=True)
app = typer.Typer(add_completion=False)


class Training:
    """A step of training the character model."""

    def __init__(self, problem: Problem, module: str, device: str = Place.CPU) -> None:
        import torch

        del module
        self.torch: Any = torch
        torch.manual_seed(0)
        self.size, self.device = problem.size, device
        self.start()
        self.model.to(device)
        self.optimizer = torch.optim.Adam([p for p in self.model.parameters() if p.requires_grad], lr=1e-3)

    def start(self) -> None:
        """Make the model and its data."""
        from examples.character_model import ALPHABET, CharacterModel

        characters = self.torch.randint(len(ALPHABET), (self.size.T + 1, self.size.N)).to(self.device)
        self.given, self.due = characters[:-1], characters[1:].flatten()
        self.model: Any = CharacterModel(self.recurrent(), self.torch.float32)

    def recurrent(self) -> Any:
        """What is timed."""
        raise NotImplementedError

    def loss(self) -> Any:
        return self.torch.nn.functional.cross_entropy(self.model(self.given).flatten(0, 1), self.due)

    def allocate(self) -> None:
        """Nothing is kept."""

    def run(self) -> float:
        """One step; a GPU is waited for, when the loss is read."""
        loss = self.loss()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def results(self, raw: float) -> Array:
        """The losses of the first three steps."""
        return np.array([raw, self.run(), self.run()])


class Penalty(Training):
    """A step of training a critic whose gradient's norm is held near one."""

    def start(self) -> None:
        from examples.gradient_penalty import Critic, penalty

        self.penalty = penalty
        self.x = self.torch.randn(self.size.T, self.size.N, self.size.D).to(self.device)
        self.model = Critic(self.recurrent(), self.torch.float32)

    def loss(self) -> Any:
        return self.penalty(self.model, self.x)[0]


class WithOurs(Training):
    def recurrent(self) -> Any:
        return loop.ours(self.size)


class WithTorch(Training):
    def recurrent(self) -> Any:
        return loop.theirs(self.size)


class WithLoop(Training):
    def recurrent(self) -> Any:
        return loop.Loop(loop.ours(self.size))


class WithCompiledLoop(Training):
    def recurrent(self) -> Any:
        made = loop.Loop(loop.ours(self.size))
        made.compile()
        return made


class PenaltyWithOurs(Penalty, WithOurs):
    """Ours is differentiated twice."""


class PenaltyWithTorch(Penalty, WithTorch):
    """nn.LSTM is too, where it is not cuDNN's."""

    def start(self) -> None:
        self.torch.backends.cudnn.enabled = False
        super().start()


OURS, TORCH, LOOP, COMPILED = "ours", "nn.LSTM", "loop", "loop, compiled"
TASKS: dict[str, dict[str, Callable[..., Any]]] = {
    "training": {OURS: WithOurs, TORCH: WithTorch, LOOP: WithLoop, COMPILED: WithCompiledLoop},
    "gradient penalty": {OURS: PenaltyWithOurs, TORCH: PenaltyWithTorch},
}


@dataclass(frozen=True)
class Outcome:
    """Medians over rounds, and medians of ratios within a round.

    Attributes:
        seconds: of one step, by contender.
        speed_over: our speed by the others'.
        difference: of the losses of the first steps from nn.LSTM's, relative, by contender.
        failed: why a contender could not be timed.
    """

    seconds: Mapping[str, float]
    speed_over: Mapping[str, float]
    difference: Mapping[str, float]
    failed: Mapping[str, str]


def measure(size: Size, kinds: Mapping[str, Kind], plan: Plan, advance: Callable[[], None]) -> Outcome:
    """Time a task; a loop that cannot be compiled is left out."""
    failed: dict[str, str] = {}
    with ExitStack() as stack:
        workers = []
        for name in kinds:
            try:
                workers.append(stack.enter_context(closing(Worker(name, size, "", kinds))))
            except WorkerError as error:
                if name != COMPILED:
                    raise
                failed[name] = str(error).strip().splitlines()[-1]
        losses = {worker.name: np.asarray(worker.first.results) for worker in workers}
        difference = {name: _difference(name, one, losses[TORCH]) for name, one in losses.items()}
        rounds = [one_round(workers, plan, number, advance) for number in range(plan.rounds)]
    medians = [{name: statistics.median(seconds) for name, seconds in turns.items()} for turns in rounds]
    names = [worker.name for worker in workers]
    return Outcome(
        seconds={name: statistics.median(turns[name] for turns in medians) for name in names},
        speed_over={
            name: statistics.median(turns[name] / turns[OURS] for turns in medians) for name in names if name != OURS
        },
        difference=difference,
        failed=failed,
    )


def _difference(name: str, losses: Array, due: Array) -> float:
    found = float(np.max(np.abs(losses - due)) / np.max(np.abs(due)))
    if not found <= TOLERANCE:
        raise DisagreementError(f"{name}: losses differ from nn.LSTM's by {found:.1e}, allowed {TOLERANCE:.0e}")
    return found


def table(outcomes: Mapping[Size, Mapping[str, Outcome]], device: str) -> Table:
    result = Table(title=f"A step of training, LSTM, float32, {device}")
    columns = ("ms, ours", "speed / nn.LSTM", "speed / loop", "speed / loop, compiled")
    for column in ("T x N x D x H", "task", *columns):
        result.add_column(column, justify="right", no_wrap=True)
    for size, tasks in outcomes.items():
        for task, one in tasks.items():
            ratios = (
                f"{one.speed_over[name]:.2f}" if name in one.speed_over else "-" for name in (TORCH, LOOP, COMPILED)
            )
            result.add_row(str(size), task, f"{1e3 * one.seconds[OURS]:.1f}", *ratios)
    return result


@app.command()
def main(
    sizes: Annotated[list[str] | None, typer.Option(metavar="TxNxDxH", help="Sizes; three by default.")] = None,
    json: Annotated[
        Path | None, typer.Option(help="Where to write; results/training[-<device>].json by default.")
    ] = None,
    device: Annotated[Place, typer.Option(help="PyTorch's name for it.")] = Place.CPU,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rounds; the ratios then wobble.")] = False,
    compiled: Annotated[bool, typer.Option(help="Compile the loop too, which takes minutes.")] = True,
) -> None:
    """Time a step of training with our LSTM beside nn.LSTM and a loop, and one with a gradient penalty."""
    try:
        chosen = parse_sizes(sizes or [], SIZES)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--sizes") from None
    tasks = {
        task: {name: partial(kind, device=device) for name, kind in kinds.items() if compiled or name != COMPILED}
        for task, kinds in TASKS.items()
    }
    plan = QUICK if quick else THOROUGH
    gpu = None if device == Place.CPU else wanted_gpu()
    description = environment.describe()
    outcomes: dict[Size, dict[str, Outcome]] = {}
    bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*bar, console=errors, disable=not errors.is_terminal, transient=True) as progress:
        row = progress.add_task("", total=len(chosen) * sum(map(len, tasks.values())) * plan.rounds)
        for size in chosen:
            outcomes[size] = {}
            for task, kinds in tasks.items():
                progress.update(row, description=f"{size} {task}")
                outcomes[size][task] = measure(size, kinds, plan, lambda: progress.advance(row))
    write_json(
        json or result_file("training", gpu),
        {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "ratios": "median over rounds of the ratio of the medians within a round",
            "device": gpu,
            "environment": asdict(description),
            "sizes": [
                {**asdict(size), "tasks": {task: asdict(one) for task, one in found.items()}}
                for size, found in outcomes.items()
            ],
        },
    )
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table(outcomes, gpu or "CPU"))
    for size, found in outcomes.items():
        for name, reason in (item for one in found.values() for item in one.failed.items()):
            errors.print(f"{size}: no {name}: {reason}", markup=False)


if __name__ == "__main__":
    app()
