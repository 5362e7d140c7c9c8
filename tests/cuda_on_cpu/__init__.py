"""CUDA without a GPU: unmodified PyCUDA on a driver and a compiler that run CUDA C on the CPU. README.md explains it.

``require()`` at the top of a test module, before PyCUDA is imported, is all that a test needs.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cuda_on_cpu import build
from tests.cuda_on_cpu.build import UnavailableError

__all__ = ["UnavailableError", "activate", "on_cpu", "require", "thread_order"]

_driver: ctypes.CDLL | None = None


def require() -> None:
    """Make PyCUDA usable in this process, or skip the calling test module and say why."""
    try:
        activate()
    except UnavailableError as why:
        pytest.skip(f"no CUDA: {why}", allow_module_level=True)


def activate() -> None:
    """Let ``import pycuda.driver`` find a driver: the GPU's if there is a GPU, else the CPU's.

    CUDA_ON_CPU=1 forces the CPU's. Raises UnavailableError where PyCUDA or what the CPU driver needs is missing.
    """
    global _driver
    if importlib.util.find_spec("pycuda") is None:
        raise UnavailableError("PyCUDA is not installed: python -m tests.cuda_on_cpu.install")
    if _driver is not None or _use_gpu():
        return
    if "pycuda._driver" in sys.modules:
        raise RuntimeError("PyCUDA was imported before the CPU driver was active")
    # PyCUDA asks for a library called libcuda.so.1, and the loader takes one of that name that is already there for it.
    # Unlike LD_LIBRARY_PATH, which is read when a process starts, this works from inside, whatever started it.
    _driver = ctypes.CDLL(str(build.driver()), mode=ctypes.RTLD_GLOBAL)
    os.environ["PATH"] = f"{Path(__file__).parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    os.environ["CUDA_ON_CPU_PYTHON"] = sys.executable
    if "PYCUDA_CACHE_DIR" not in os.environ:
        kernels = build.CACHE / "kernels"
        kernels.mkdir(exist_ok=True)
        os.environ["PYCUDA_CACHE_DIR"] = str(kernels)


def on_cpu() -> bool:
    """Whether the CPU driver is the one in use, so that a kernel's mistakes are errors and not undefined behaviour."""
    return _driver is not None


@contextmanager
def thread_order(order: str) -> Iterator[None]:
    """Run threads and blocks ``forward``, in ``reverse``, or as ``random:SEED`` says. A GPU takes no such orders."""
    before = os.environ.get("CUDA_ON_CPU_ORDER")
    os.environ["CUDA_ON_CPU_ORDER"] = order
    try:
        yield
    finally:
        if before is None:
            del os.environ["CUDA_ON_CPU_ORDER"]
        else:
            os.environ["CUDA_ON_CPU_ORDER"] = before


def _use_gpu() -> bool:
    if os.environ.get("CUDA_ON_CPU") == "1" or shutil.which("nvcc") is None:
        return False
    # In a process of its own: once loaded here, a driver without a device would stand in the CPU driver's way.
    count = (
        "import ctypes; cuda = ctypes.CDLL('libcuda.so.1'); n = ctypes.c_int();"
        " assert cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(n)) == 0 and n.value > 0"
    )
    return subprocess.run([sys.executable, "-c", count], capture_output=True, check=False).returncode == 0
