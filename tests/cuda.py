"""Where the CUDA tests get PyCUDA and a device from: this one file decides.

``tests.cuda_on_cpu`` runs kernels on the CPU, or leaves them to a GPU. Until it is there, CUDA_ON_CPU_FOLDER names a
folder with ``lib/libcuda.so.1`` and ``bin/nvcc`` that do the same.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FOLDER = "CUDA_ON_CPU_FOLDER"
ORDERS = {"forward": "0", "reverse": "1"}  # of threads and blocks; "random:7" is the seed 7


def require() -> None:
    """Make PyCUDA usable in this process, or skip the calling test module and say why."""
    if importlib.util.find_spec("tests.cuda_on_cpu") is not None:
        importlib.import_module("tests.cuda_on_cpu").require()
    elif FOLDER not in os.environ:
        pytest.skip(f"no CUDA: neither tests/cuda_on_cpu nor {FOLDER}", allow_module_level=True)
    elif importlib.util.find_spec("pycuda") is None:
        pytest.skip("no CUDA: PyCUDA is not installed", allow_module_level=True)
    else:
        folder = Path(os.environ[FOLDER])
        ctypes.CDLL(str(folder / "lib" / "libcuda.so.1"), mode=ctypes.RTLD_GLOBAL)
        if str(folder) not in os.environ["PATH"]:
            os.environ["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"


@contextmanager
def thread_order(order: str) -> Iterator[None]:
    """Run kernels' threads and blocks ``forward``, in ``reverse``, or as ``random:SEED`` says."""
    if importlib.util.find_spec("tests.cuda_on_cpu") is not None:
        with importlib.import_module("tests.cuda_on_cpu").thread_order(order):
            yield
        return
    before = os.environ.get("FAKECUDA_SEED", "0")
    os.environ["FAKECUDA_SEED"] = ORDERS.get(order) or order.removeprefix("random:")
    try:
        yield
    finally:
        os.environ["FAKECUDA_SEED"] = before


def reports(sanitizer: str, *script: str) -> list[str] | None:
    """What a sanitizer, ``address`` or ``thread``, reports about the kernels of a script; None without sanitizers."""
    if importlib.util.find_spec("tests.cuda_on_cpu") is None:
        return None
    found: list[str] = importlib.import_module("tests.cuda_on_cpu.sanitize").sanitize(sanitizer, *script).reports
    return found
