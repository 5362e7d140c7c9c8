"""Time the generated LSTM on a GPU: ``python -m benchmarks.gpu --help``."""

from __future__ import annotations

import importlib
import re
import shutil
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from generated import lstm_cuda

from . import environment, stepwise
from .gpu_contenders import (
    CUDNN,
    CUDNN_TF32,
    LAUNCHES,
    OF_TORCH,
    PRODUCTS,
    TITLES,
    contenders,
    torch_cuda_device,
)
from .measure import TOLERANCE, DisagreementError, Plan
from .problem import Size, make_problem, parse_sizes, relative_error
from .report import result_file, write_json

PIPE_WIDTH = 140  # a pipe has no width of its own, and rich's guess of 80 columns would cut the table
SIZES = (Size(1024, 16, 768, 768), Size(100, 64, 512, 512), Size(50, 128, 1024, 1024), Size(150, 16, 256, 256))
PASSES = ("forward", "forward_backward")
THOROUGH = Plan(rounds=11, turn_seconds=0.1)
QUICK = Plan(rounds=3, turn_seconds=0.03)
WARM_UP = 3  # compiles, gets memory, lets cuDNN choose its algorithms, raises the clock
TF32_TOLERANCE = 5e-2  # factors of ten bits: about 1e-3 at these sizes
CPU_DRIVER = "CUDA on the CPU"  # the name that the device of tests/cuda_on_cpu gives itself

Timings = dict[str, dict[str, list[float]]]  # seconds by pass and contender


class NoGpuError(Exception):
    """There is nothing to measure, or no compiler for it."""


@dataclass(frozen=True)
class Device:
    """The GPU, and the versions that a timing on it depends on."""

    name: str
    compute_capability: str
    multiprocessors: int
    memory_bytes: int
    driver: str | None
    driver_cuda: str
    nvcc: str | None
    pycuda: str
    torch_cuda: str | None
    cudnn: int | None


@dataclass(frozen=True)
class Measurement:
    """One contender in one kind of pass. The ratios are medians over the rounds of ratios within a round."""

    name: str
    median_seconds: float
    quartiles_seconds: tuple[float, float]
    repetitions: int
    time_over_floor: float
    speed_over_cudnn: float | None
    speed_over_cudnn_tf32: float | None
    relative_error: float | None


@dataclass(frozen=True)
class PassOutcome:
    """All contenders in one kind of pass."""

    kind: str
    floor_seconds: float
    measurements: list[Measurement]


Outcome = Mapping[Size, Sequence[PassOutcome]]


def find_gpu() -> str:
    """The name of the GPU.

    Raises:
        NoGpuError: if there is none, or it is the CPU in disguise.
    """
    try:
        name = str(lstm_cuda._driver().Context.get_device().name())
    except lstm_cuda.CudaUnavailable as error:
        raise NoGpuError(str(error)) from error
    if name == CPU_DRIVER:
        raise NoGpuError("this device is the CPU driver of the tests, whose times say nothing about a GPU")
    if shutil.which("nvcc") is None:
        raise NoGpuError(f"{name} is there, but no nvcc is in PATH, which PyCUDA compiles kernels with")
    return name


def describe() -> Device:
    driver = lstm_cuda._driver()
    device = driver.Context.get_device()
    major, minor = divmod(driver.get_driver_version(), 1000)
    torch: Any = importlib.import_module("torch") if torch_cuda_device() else None
    return Device(
        name=device.name(),
        compute_capability="{}.{}".format(*device.compute_capability()),
        multiprocessors=device.multiprocessor_count,
        memory_bytes=device.total_memory(),
        driver=_kernel_driver(),
        driver_cuda=f"{major}.{minor // 10}",
        nvcc=_nvcc(),
        pycuda=importlib.import_module("pycuda").VERSION_TEXT,
        torch_cuda=torch.version.cuda if torch else None,
        cudnn=torch.backends.cudnn.version() if torch else None,
    )


def _kernel_driver() -> str | None:
    try:
        match = re.search(r"Kernel Module.*?\s(\d+\.[\d.]+)", Path("/proc/driver/nvidia/version").read_text())
    except OSError:
        return None
    return match[1] if match else None


def _nvcc() -> str | None:
    said = subprocess.run(["nvcc", "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"release ([\d.]+)", said)
    return match[1] if match else None


def timings(work: Callable[[], Any], repetitions: int) -> list[float]:
    """Seconds of each repetition by CUDA events, after an untimed one. The device is idle at each start."""
    driver = lstm_cuda._driver()
    work()
    driver.Context.synchronize()
    seconds = []
    for _ in range(repetitions):
        start, end = driver.Event(), driver.Event()
        start.record()
        work()
        end.record()
        end.synchronize()
        seconds.append(1e-3 * start.time_till(end))
    return seconds


def measure(size: Size, torch_device: str | None, plan: Plan, advance: Callable[[], None]) -> list[PassOutcome]:
    """Time all contenders; `advance` is called after every turn, `plan.rounds` times for each of them.

    Raises:
        DisagreementError: if one of them computes something else.
    """
    entered = contenders(size, torch_device)
    reference = stepwise.solve(make_problem(size, np.float64))
    errors: dict[str, float] = {}
    repetitions = {}
    for name, contender in entered.items():
        contender.load(make_problem(size))
        if results := contender.results(contender.run()):
            errors[name] = _checked(f"{TITLES[name]} at {size}", relative_error(results, reference), name == CUDNN_TF32)
        repetitions[name] = [
            plan.repetitions(timings(work, WARM_UP)[-1]) for work in (contender.forward, contender.run)
        ]
    rounds = []
    for number in range(plan.rounds):
        problem = make_problem(size, seed=1 + number)
        found: Timings = {kind: {} for kind in PASSES}
        # Every other round backwards, so that no one always follows the same neighbour.
        for name in list(entered)[:: -1 if number % 2 else 1]:
            contender = entered[name]
            contender.load(problem)
            works = (contender.forward, contender.run)
            for kind, work, count in zip(PASSES, works, repetitions[name], strict=True):
                found[kind][name] = timings(work, count)
            advance()
        rounds.append(found)
    return [summary(kind, [found[kind] for found in rounds], errors) for kind in PASSES]


def _checked(what: str, error: float, tf32: bool) -> float:
    allowed = TF32_TOLERANCE if tf32 else TOLERANCE
    if not error <= allowed:
        raise DisagreementError(f"{what}: relative error {error:.1e}, allowed {allowed:.0e}")
    return error


def summary(kind: str, rounds: Sequence[Mapping[str, Sequence[float]]], errors: Mapping[str, float]) -> PassOutcome:
    """What the timings of one kind of pass, by round and contender, come to."""
    medians = [{name: statistics.median(seconds) for name, seconds in turns.items()} for turns in rounds]
    floors = [max(min(turns[name] for name in PRODUCTS if name in turns), turns[LAUNCHES]) for turns in medians]

    def speed_over(other: str, name: str) -> float | None:
        return statistics.median(turns[other] / turns[name] for turns in medians) if other in medians[0] else None

    measurements = []
    for name in medians[0]:
        seconds = [second for turns in rounds for second in turns[name]]
        low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
        over_floor = statistics.median(turns[name] / floor for turns, floor in zip(medians, floors, strict=True))
        measurements.append(
            Measurement(
                name=name,
                median_seconds=middle,
                quartiles_seconds=(low, high),
                repetitions=len(seconds),
                time_over_floor=over_floor,
                speed_over_cudnn=speed_over(CUDNN, name),
                speed_over_cudnn_tf32=speed_over(CUDNN_TF32, name),
                relative_error=errors.get(name),
            )
        )
    return PassOutcome(kind, statistics.median(floors), measurements)


def document(outcome: Outcome, device: Device, host: environment.Environment) -> dict[str, Any]:
    """Everything measured, ready for JSON."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "dtype": "float32",
        "times": "CUDA events, from an idle device to the last kernel's end",
        "ratios": "median over rounds of the ratio of the medians within a round",
        "floor": "in each round the larger of the faster matrix products alone and one empty launch per step",
        "device": asdict(device),
        "environment": asdict(host),
        "sizes": [{**asdict(size), "passes": [asdict(one) for one in passes]} for size, passes in outcome.items()],
    }


def table(outcome: Outcome, device: Device, host: environment.Environment) -> Table:
    """One row per size, kind of pass and contender."""
    torch = f"PyTorch {host.torch}, cuDNN {device.cudnn}" if device.torch_cuda else "PyTorch with CUDA absent"
    result = Table(
        title="LSTM on a GPU, float32",
        caption=f"{device.name}, driver {device.driver or 'unknown'}, CUDA {device.nvcc or 'unknown'}; {torch}",
    )
    for column in ("T x N x D x H", "pass", "contender"):
        result.add_column(column, no_wrap=True)
    for column in ("ms", "time / floor", "speed / nn.LSTM", "speed / nn.LSTM, TF32", "error"):
        result.add_column(column, justify="right")
    for size, passes in outcome.items():
        for one in passes:
            for row, m in enumerate(one.measurements):
                labels = (str(size), one.kind.replace("_", " + ")) if row == 0 else ("", "")
                result.add_row(*labels, *_cells(m), end_section=row == len(one.measurements) - 1)
    return result


def _cells(m: Measurement) -> list[str]:
    ratios = (m.time_over_floor, m.speed_over_cudnn, m.speed_over_cudnn_tf32)
    error = "-" if m.relative_error is None else f"{m.relative_error:.1e}"
    return [
        TITLES[m.name],
        f"{1e3 * m.median_seconds:.3f}",
        *("-" if r is None else f"{r:.2f}" for r in ratios),
        error,
    ]


app = typer.Typer(add_completion=False)
errors = Console(stderr=True)


def wanted_gpu() -> str:
    """The name of the GPU; without one the command ends, and says why."""
    try:
        return find_gpu()
    except NoGpuError as error:
        errors.print(f"No GPU to measure: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None


def _measure(sizes: Sequence[Size], torch_device: str | None, plan: Plan) -> dict[Size, list[PassOutcome]]:
    number = len(TITLES) if torch_device else len(TITLES) - len(OF_TORCH)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=len(sizes) * number * plan.rounds)
        outcome = {}
        for size in sizes:
            progress.update(task, description=str(size))
            outcome[size] = measure(size, torch_device, plan, lambda: progress.advance(task))
        return outcome


@app.command()
def main(
    sizes: Annotated[
        list[str] | None, typer.Option(metavar="TxNxDxH", help="Sizes, with commas or repeated; all four by default.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Where to write; results/gpu-<device>.json by default.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rounds; the ratios then wobble.")] = False,
) -> None:
    """Time forward and forward + backward of an LSTM over a whole sequence on a GPU, in single precision.

    Beside PyTorch's nn.LSTM (cuDNN) where PyTorch has CUDA, and beside the floor: the matrix products alone,
    or one launch per step where that takes longer. All of them are first seen to agree with a
    double-precision LSTM.
    """
    try:
        chosen = parse_sizes(sizes or [], SIZES)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--sizes") from None
    name = wanted_gpu()
    torch_device = torch_cuda_device()
    if torch_device is None:
        errors.print("[bold yellow]PyTorch with CUDA is not installed: measuring without it.[/]")
    device, host = describe(), environment.describe()
    try:
        outcome = _measure(chosen, torch_device, QUICK if quick else THOROUGH)
    except DisagreementError as error:
        errors.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    write_json(json or result_file("gpu", name), document(outcome, device, host))
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table(outcome, device, host))


if __name__ == "__main__":
    app()
