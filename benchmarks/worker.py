"""One process per contender, which works only while it is asked to.

The thread pools of two libraries in one process would disturb each other, and so would two processes
working at once; so each contender has its own process, and the parent asks one at a time.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from . import memory
from .contenders import CONTENDERS, Contender
from .problem import Problem, Results, Size, make_problem

Kind = Callable[[Problem, str], Contender]


class WorkerError(Exception):
    """A contender failed; the message holds its traceback."""


@dataclass(frozen=True)
class FirstRun:
    """What the first run tells: the results, a rough time, and the memory it took."""

    results: Results | None
    seconds: float
    peak_bytes: int | None


def _first_run(contender: Contender) -> FirstRun:
    start = memory.mark()
    contender.allocate()
    raw = contender.run()
    peak = memory.growth(start)
    results = contender.results(raw)
    return FirstRun(results, _timed(contender), peak)


def _timed(contender: Contender) -> float:
    start = time.perf_counter()
    contender.run()
    return time.perf_counter() - start


def _timings(contender: Contender, repetitions: int) -> list[float]:
    contender.run()  # brings the caches and the thread pool back from the other processes' turns
    return [_timed(contender) for _ in range(repetitions)]


def _serve(connection: Connection, name: str, kind: Kind, size: Size, module: str) -> None:
    """The worker's life: a first run, then timings on request until None comes."""
    try:
        contender = kind(make_problem(size), module)
        connection.send(_first_run(contender))
        while (repetitions := connection.recv()) is not None:
            connection.send(_timings(contender, repetitions))
    except (EOFError, KeyboardInterrupt):
        return  # the parent has gone or is going
    except Exception:
        connection.send(WorkerError(f"{name} failed:\n{traceback.format_exc()}"))


class Worker:
    """The parent's end of one contender's process."""

    def __init__(self, name: str, size: Size, module: str, kinds: Mapping[str, Kind] = CONTENDERS) -> None:
        # A forked child would inherit the parent's BLAS in mid-flight; a spawned one starts afresh.
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, name, kinds[name], size, module), daemon=True)
        self.process.start()
        theirs.close()
        first = self._receive()
        assert isinstance(first, FirstRun)
        self.first = first

    def timings(self, repetitions: int) -> list[float]:
        """Seconds of each repetition, after an untimed one."""
        self.connection.send(repetitions)
        seconds = self._receive()
        assert isinstance(seconds, list)
        return seconds

    def close(self) -> None:
        """Ask the process to end and wait until it has."""
        with contextlib.suppress(OSError):  # it may have ended already
            self.connection.send(None)
        self.process.join()
        self.connection.close()

    def _receive(self) -> Any:
        try:
            answer = self.connection.recv()
        except EOFError:
            self.process.join()
            raise WorkerError(f"{self.name} ended with exit status {self.process.exitcode}") from None
        if isinstance(answer, WorkerError):
            raise answer
        return answer
