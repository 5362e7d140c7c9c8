"""What the numbers were taken with. Nothing that names the machine or a place on it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# These change which BLAS kernels run, or on how many threads.
VARIABLES = re.compile(r"(OPENBLAS|OMP|MKL|BLIS|GOTO|VECLIB)_[A-Z0-9_]+")


@dataclass(frozen=True)
class Environment:
    """Versions and hardware that a timing depends on."""

    cpu: str
    architecture: str
    system: str
    threads: int
    python: str
    numpy: str
    blas: str
    torch: str | None
    variables: dict[str, str]
    load: float | None  # runnable processes over the last minute: near 0, or the timings are disturbed


def describe() -> Environment:
    return Environment(
        cpu=_cpu_model(),
        architecture=platform.machine(),
        system=platform.system(),
        threads=_threads(),
        python=platform.python_version(),
        numpy=np.__version__,
        blas=_blas(),
        torch=_version("torch"),
        variables={name: value for name, value in sorted(os.environ.items()) if VARIABLES.fullmatch(name)},
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    )


def _cpu_model() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1].strip() if match else platform.processor() or "unknown"


def _threads() -> int:
    """Processors this process may use: the threads BLAS and PyTorch start unless a variable says otherwise."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _blas() -> str:
    configuration = np.show_config(mode="dicts") or {}
    blas = configuration.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
