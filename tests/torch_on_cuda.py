"""Tensors for the generated CUDA modules: on the GPU, or without one on the CPU, whose tensors then stand for a GPU's.

Without a GPU PyTorch has no CUDA tensors, and PyCUDA runs on the CPU driver, which knows its own memory alone. So the
things that `torch_cuda.py` asks PyTorch for are done otherwise: tensors are uploaded, a call's memory is the driver's,
and the stream is waited for. Everything else is what runs on a GPU.
"""

from __future__ import annotations

import ctypes
import importlib
from contextlib import nullcontext
from typing import Any

import pytest

from tests.cuda_on_cpu import on_cpu

torch = pytest.importorskip("torch", reason="PyTorch is not installed: its modules did not run on CUDA")

from generated.torch_cell import Cell  # noqa: E402
from generated.torch_cuda import Cuda, _Block  # noqa: E402

# Memory of the driver's. It is freed when the process ends: PyCUDA frees nothing on a thread without a context.
_ALLOCATED: list[Any] = []


class OnTheCpu(Cuda):
    """Tensors of the CPU, computed by the CUDA module."""

    def arrays(self, tensors: Any) -> list[Any]:
        return [None if one is None else self._uploaded(one) for one in super().arrays(tensors)]

    def on_device(self, like: Any) -> Any:
        del like
        return nullcontext()

    def current(self, like: Any) -> int:
        del like
        return 0

    def follow(self, stream: Any, like: Any) -> None:
        del stream, like

    def lead(self, stream: Any, like: Any) -> None:
        del like
        stream.synchronize()

    def memory(self, size: int, like: Any) -> Any:
        import pycuda.driver as driver

        del like
        _ALLOCATED.append(driver.mem_alloc(size))
        return torch.frombuffer((ctypes.c_char * size).from_address(int(_ALLOCATED[-1])), dtype=torch.uint8)

    def _uploaded(self, tensor: Any) -> Any:
        import pycuda.driver as driver
        from pycuda.gpuarray import GPUArray

        array = tensor.numpy()
        if not array.size:
            return GPUArray(array.shape, array.dtype)
        block = _Block(self.memory(array.nbytes, tensor))
        driver.memcpy_htod(int(block), array)
        return GPUArray(array.shape, array.dtype, gpudata=int(block), base=block)


def device() -> str:
    """Where the tests' tensors are; skips where there is a GPU that PyTorch cannot use."""
    if on_cpu():
        return "cpu"
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA")
    return "cuda"


def cell(name: str, engine: type[OnTheCpu] = OnTheCpu) -> Cell:
    """A cell that its CUDA module computes, on the tests' device."""
    made = importlib.import_module(f"generated.{name}_torch").CELL
    if not on_cpu():
        return made
    # One of its own: the shared one goes on to compute with NumPy.
    other = object.__new__(Cell)
    vars(other).update(vars(made), engines={"cpu": engine(made.signature)})
    return other
