"""Time tangents and Hessian products of the LSTM: ``python -m benchmarks.second_order --help``."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from . import environment, memory
from .contenders import DEFAULT_MODULE, Generated, Place, Torch, torch_installed
from .gpu import SIZES as GPU_SIZES
from .gpu import wanted_gpu
from .measure import QUICK, THOROUGH, DisagreementError, Plan, one_round
from .problem import Array, Problem, Results, Size, make_problem, parse_sizes, relative_error
from .report import result_file, write_json
from .worker import Kind, Worker

CUDA_MODULE = "generated.lstm_cuda"
SIZES = (Size(50, 64, 256, 256), Size(35, 20, 650, 650), Size(100, 32, 512, 512))
PIPE_WIDTH = 120
# Second derivatives of single precision: a few digits fewer than the gradients'.
TOLERANCE = 2e-4

errors = Console(stderr=True)
app = typer.Typer(add_completion=False)


class Gradient(Generated):
    """Forward and backward, with tangents of all inputs at hand: the inputs of another problem of the same size."""

    def allocate(self) -> None:
        other = make_problem(self.problem.size, self.problem.x.dtype, seed=1)
        self.directions = {f"{name}_dot": getattr(other, name) for name in ("x", "h0", "c0", "W_x", "W_h", "b")}


class Forward(Gradient):
    """The forward pass alone."""

    def run(self) -> Any:
        return self.module.forward(*self.problem.inputs)

    def results(self, raw: Any) -> Results | None:  # type: ignore[override]
        del raw
        return None


class Tangents(Forward):
    """The tangents of the results along the tangents of the inputs."""

    def run(self) -> Any:
        return self.module.jvp(*self.problem.inputs, **self.directions)


class GradientAndHessian(Gradient):
    """Forward, backward, and the Hessian times the tangents."""

    def run(self) -> Any:
        h, c, cache = self.module.forward(*self.problem.inputs)
        self.module.backward(self.problem.dh, self.problem.dc, cache)
        return h, c, self.module.hvp(self.problem.dh, self.problem.dc, cache, **self.directions)


class OnGpu:
    """One of these by the CUDA module: its arrays are there before, and the device is waited for."""

    def __init__(self, problem: Problem, module: str, kind: Callable[[Problem, str], Gradient]) -> None:
        self.contender = kind(problem, module)
        self.driver = self.contender.module._driver()
        self.contender.problem = replace(
            problem, **{one.name: self._on_gpu(getattr(problem, one.name)) for one in fields(problem)}
        )

    def _on_gpu(self, array: Array) -> Any:
        from pycuda import gpuarray

        return gpuarray.to_gpu(array)

    def allocate(self) -> None:
        self.contender.allocate()
        self.contender.directions = {name: self._on_gpu(one) for name, one in self.contender.directions.items()}

    def run(self) -> Any:
        raw = self.contender.run()
        self.driver.Context.synchronize()
        return raw

    def results(self, raw: Any) -> Results | None:
        found: Any = self.contender.results(raw)
        return None if found is None else Results(*(one.get() for one in found))


class TorchDouble(Torch):
    """PyTorch's nn.LSTM, its gradient, and the gradient of that times the tangents, which cuDNN's has not."""

    def __init__(self, problem: Problem, module: str, device: str = Place.CPU) -> None:
        self.problem = problem
        super().__init__(problem, module, device)
        self.torch.backends.cudnn.enabled = False

    def allocate(self) -> None:
        """Tangents in PyTorch's layouts: those of another problem loaded for a moment."""
        mine, other = self.problem, make_problem(self.problem.size, self.problem.x.dtype, seed=1)
        self.load(other)
        moved = [self.x, self.h0, self.c0, *self.lstm.parameters()]
        self.tangents = [tensor.detach().clone() for tensor in moved]
        self.load(mine)

    def run(self) -> Any:
        h, c = self.forward()
        inputs = [self.x, self.h0, self.c0, *self.lstm.parameters()]
        gradients = self.torch.autograd.grad([h, c], inputs, self.cotangents, create_graph=True)
        second = self.torch.autograd.grad(gradients, inputs, self.tangents)
        if self.device != Place.CPU:
            self.torch.cuda.synchronize()
        return h, c, second


FORWARD, GRADIENT, JVP, HESSIAN, TORCH = "forward", "gradient", "jvp", "gradient + hvp", "PyTorch, twice"
OURS = {FORWARD: Forward, GRADIENT: Gradient, JVP: Tangents, HESSIAN: GradientAndHessian}
CONTENDERS: dict[str, dict[str, Kind]] = {
    Place.CPU: {**OURS, TORCH: TorchDouble},
    Place.CUDA: {
        **{name: partial(OnGpu, kind=kind) for name, kind in OURS.items()},
        TORCH: partial(TorchDouble, device=Place.CUDA),
    },
}


@dataclass(frozen=True)
class Outcome:
    """Medians over rounds, and medians of ratios within a round.

    Attributes:
        seconds: of one run, by contender.
        extra_bytes: how far the first run raised the process's memory, by contender.
        jvp_over_forward, hessian_over_gradient: times.
        torch_over_hessian: PyTorch's time for gradient and Hessian product over ours.
        difference: between PyTorch's Hessian product and ours, relative.
    """

    seconds: Mapping[str, float]
    extra_bytes: Mapping[str, int | None]
    jvp_over_forward: float
    hessian_over_gradient: float
    torch_over_hessian: float | None
    difference: float | None


def measure(size: Size, kinds: Mapping[str, Kind], module: str, plan: Plan, advance: Callable[[], None]) -> Outcome:
    with ExitStack() as stack:
        workers = [stack.enter_context(closing(Worker(name, size, module, kinds))) for name in kinds]
        first = {worker.name: worker.first for worker in workers}
        difference = _difference(first[HESSIAN].results, first[TORCH].results) if TORCH in first else None
        rounds = [one_round(workers, plan, number, advance) for number in range(plan.rounds)]
    medians = [{name: statistics.median(seconds) for name, seconds in turns.items()} for turns in rounds]

    def ratio(one: str, other: str) -> float:
        return statistics.median(turns[one] / turns[other] for turns in medians)

    return Outcome(
        seconds={name: statistics.median(turns[name] for turns in medians) for name in kinds},
        # What a process takes of the CPU's memory, where nothing is if a GPU computes.
        extra_bytes={} if module == CUDA_MODULE else {name: run.peak_bytes for name, run in first.items()},
        jvp_over_forward=ratio(JVP, FORWARD),
        hessian_over_gradient=ratio(HESSIAN, GRADIENT),
        torch_over_hessian=ratio(TORCH, HESSIAN) if TORCH in first else None,
        difference=difference,
    )


def _difference(ours: Results | None, theirs: Results | None) -> float:
    assert ours is not None
    assert theirs is not None
    found = relative_error(theirs, ours)
    if not found <= TOLERANCE:
        raise DisagreementError(f"PyTorch's Hessian product and ours differ by {found:.1e}, allowed {TOLERANCE:.0e}")
    return found


COLUMNS = (
    "T x N x D x H",
    "jvp / forward",
    "(gradient + hvp) / gradient",
    "PyTorch / (gradient + hvp)",
    "MiB, ours",
    "MiB, PyTorch",
)


def table(outcomes: Mapping[Size, Outcome], device: str) -> Table:
    result = Table(title=f"LSTM, second order, float32, {device}")
    for column in COLUMNS:
        result.add_column(column, justify="right", no_wrap=column.startswith("T"))
    for size, one in outcomes.items():
        mebibytes = [one.extra_bytes.get(name) for name in (HESSIAN, TORCH)]
        result.add_row(
            str(size),
            f"{one.jvp_over_forward:.2f}",
            f"{one.hessian_over_gradient:.2f}",
            "-" if one.torch_over_hessian is None else f"{one.torch_over_hessian:.2f}",
            *("-" if count is None else f"{count / 2**20:.0f}" for count in mebibytes),
        )
    return result


@app.command()
def main(
    sizes: Annotated[list[str] | None, typer.Option(metavar="TxNxDxH", help="Sizes; three by default.")] = None,
    json: Annotated[
        Path | None, typer.Option(help="Where to write; results/second_order[-<device>].json by default.")
    ] = None,
    device: Annotated[Place, typer.Option(help="PyTorch's name for it.")] = Place.CPU,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rounds; the ratios then wobble.")] = False,
) -> None:
    """Time jvp beside forward, and gradient + hvp beside the gradient and beside PyTorch's double backward."""
    try:
        chosen = parse_sizes(sizes or [], SIZES if device == Place.CPU else GPU_SIZES)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--sizes") from None
    gpu = None if device == Place.CPU else wanted_gpu()
    kinds = {name: kind for name, kind in CONTENDERS[device].items() if name != TORCH or torch_installed()}
    plan = QUICK if quick else THOROUGH
    description = environment.describe()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    outcomes = {}
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=len(chosen) * len(kinds) * plan.rounds)
        for size in chosen:
            progress.update(task, description=str(size))
            outcomes[size] = measure(
                size, kinds, DEFAULT_MODULE if gpu is None else CUDA_MODULE, plan, lambda: progress.advance(task)
            )
    write_json(
        json or result_file("second_order", gpu),
        {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "ratios": "median over rounds of the ratio of the medians within a round",
            "memory": memory.METHOD,
            "device": gpu,
            "environment": asdict(description),
            "sizes": [{**asdict(size), **asdict(outcome)} for size, outcome in outcomes.items()],
        },
    )
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table(outcomes, gpu or "CPU"))


if __name__ == "__main__":
    app()
