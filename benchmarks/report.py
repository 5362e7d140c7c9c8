"""The measurements as a table and as JSON."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from . import memory
from .contenders import TITLES
from .environment import Environment
from .measure import Measurement
from .problem import Size

Outcome = Mapping[Size, Sequence[Measurement]]
RESULTS = Path(__file__).parent / "results"


def table(outcome: Outcome, environment: Environment) -> Table:
    """One row per size and contender."""
    result = Table(
        title="LSTM, forward + backward, float32",
        caption=f"{environment.cpu}, {environment.threads} threads; NumPy {environment.numpy}, "
        f"PyTorch {environment.torch or 'absent'}",
    )
    for column in ("T x N x D x H", "contender"):
        result.add_column(column, no_wrap=True)
    for column in ("ms", "time / products", "speed / PyTorch", "speed / step by step", "extra MiB"):
        result.add_column(column, justify="right")
    for size, measurements in outcome.items():
        for row, measurement in enumerate(measurements):
            label = str(size) if row == 0 else ""
            result.add_row(label, *_cells(measurement), end_section=row == len(measurements) - 1)
    return result


def _cells(m: Measurement) -> list[str]:
    mebibytes = None if m.peak_extra_bytes is None else m.peak_extra_bytes / 2**20
    return [
        TITLES[m.name],
        f"{1e3 * m.median_seconds:.2f}",
        f"{m.time_over_floor:.2f}",
        _number(m.speed_over_torch, ".2f"),
        f"{m.speed_over_stepwise:.2f}",
        _number(mebibytes, ".1f"),
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def document(outcome: Outcome, environment: Environment, module: str, skipped: Sequence[str]) -> dict[str, Any]:
    """Everything measured, ready for JSON."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        # A file's folder would say where somebody keeps things.
        "module": Path(module).name if module.endswith(".py") else module,
        "dtype": "float32",
        "ratios": "median over rounds of the ratio of the medians within a round",
        "memory": memory.METHOD,
        "environment": asdict(environment),
        "skipped": list(skipped),
        "sizes": [
            {**asdict(size), "measurements": [asdict(measurement) for measurement in measurements]}
            for size, measurements in outcome.items()
        ],
    }


def result_file(benchmark: str, device: str | None = None) -> Path:
    """Where the results of a benchmark go, those on a device of this name beside those on the CPU."""
    parts = (benchmark,) if device is None else (benchmark, re.sub("[^a-z0-9]+", "-", device.lower()).strip("-"))
    return RESULTS / f"{'-'.join(parts)}.json"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
        Path(name).chmod(0o644)  # mkstemp gives 0600
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
