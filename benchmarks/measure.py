"""Run the contenders of one size against each other, turn by turn."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import numpy as np

from . import stepwise
from .contenders import FLOOR, STEPWISE, TORCH
from .problem import Size, make_problem, relative_error
from .worker import Worker

# OpenBLAS's and OpenMP's threads spin for some ten milliseconds after their last product, which would
# take a core from the next process.
SETTLE_SECONDS = 0.15
# Single precision over a hundred steps deviates by about 1e-6.
TOLERANCE = 2e-5


class DisagreementError(Exception):
    """A contender's results are wrong, so that its time means nothing."""


@dataclass(frozen=True)
class Plan:
    """How long to measure: rounds, and about how many seconds of timed work each turn shall hold."""

    rounds: int
    turn_seconds: float
    max_repetitions: int = 50

    def repetitions(self, seconds: float) -> int:
        return min(self.max_repetitions, max(2, math.ceil(self.turn_seconds / seconds)))


THOROUGH = Plan(rounds=11, turn_seconds=0.2)
QUICK = Plan(rounds=3, turn_seconds=0.05)


@dataclass(frozen=True)
class Measurement:
    """One contender at one size. The ratios are medians over the rounds of ratios within a round."""

    name: str
    median_seconds: float
    quartiles_seconds: tuple[float, float]
    repetitions: int
    time_over_floor: float
    speed_over_torch: float | None
    speed_over_stepwise: float
    peak_extra_bytes: int | None
    relative_error: float | None


@contextmanager
def checked_workers(size: Size, names: Sequence[str], module: str) -> Iterator[tuple[list[Worker], dict[str, float]]]:
    """The processes of these contenders, and the error of each one that computes gradients."""
    reference = stepwise.solve(make_problem(size, np.float64))
    with ExitStack() as stack:
        workers = [stack.enter_context(closing(Worker(name, size, module))) for name in names]
        errors = {w.name: relative_error(w.first.results, reference) for w in workers if w.first.results}
        for name, error in errors.items():
            if not error <= TOLERANCE:
                raise DisagreementError(f"{name} at {size}: relative error {error:.1e}, allowed {TOLERANCE:.0e}")
        yield workers, errors


def measure(
    size: Size, names: Sequence[str], module: str, plan: Plan, advance: Callable[[], None]
) -> list[Measurement]:
    """Time these contenders; `advance` is called after every turn, `plan.rounds` times for each contender."""
    with checked_workers(size, names, module) as (workers, errors):
        rounds = [one_round(workers, plan, number, advance) for number in range(plan.rounds)]
        return [_summary(worker, rounds, errors.get(worker.name)) for worker in workers]


def one_round(
    workers: Sequence[Worker], plan: Plan, number: int, advance: Callable[[], None]
) -> dict[str, list[float]]:
    """One turn of each, every other round backwards, so that no one always follows the same neighbour."""
    timings = {}
    for worker in workers[:: -1 if number % 2 else 1]:
        time.sleep(SETTLE_SECONDS)
        timings[worker.name] = worker.timings(plan.repetitions(worker.first.seconds))
        advance()
    return timings


def _summary(worker: Worker, rounds: Sequence[dict[str, list[float]]], error: float | None) -> Measurement:
    medians = [{name: statistics.median(seconds) for name, seconds in turns.items()} for turns in rounds]
    seconds = [second for turns in rounds for second in turns[worker.name]]
    low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")

    def speed_over(other: str) -> float:
        return statistics.median(turns[other] / turns[worker.name] for turns in medians)

    return Measurement(
        name=worker.name,
        median_seconds=middle,
        quartiles_seconds=(low, high),
        repetitions=len(seconds),
        time_over_floor=statistics.median(turns[worker.name] / turns[FLOOR] for turns in medians),
        speed_over_torch=speed_over(TORCH) if TORCH in medians[0] else None,
        speed_over_stepwise=speed_over(STEPWISE),
        peak_extra_bytes=worker.first.peak_bytes,
        relative_error=error,
    )
