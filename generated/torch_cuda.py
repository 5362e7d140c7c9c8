"""A cell's functions on tensors of a GPU, computed by its generated CUDA module, in the tensors' memory.

Three things have to fit. *Memory*: all that the module allocates comes from PyTorch's allocator, so that results are
tensors like any other, freed by whoever holds them last, on any thread. *Streams*: PyCUDA can only name streams of its
own, so that the kernels run on one that takes its turn in PyTorch's current stream, by events; nothing waits for the
device. *Contexts*: the device's primary one, PyTorch's own, is pushed for every call, since autograd calls from threads
that PyCUDA has never seen.

Part of handgrad; `handgrad generate` puts it beside the cells' PyTorch modules.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .torch_engine import Engine, Optional, Shapes, Tensors

# PyCUDA's, made when they are first needed: of every device, and of every thread and stream of PyTorch's.
_CONTEXTS: dict[int, Any] = {}
_STREAMS: dict[tuple[int, int, int], Any] = {}

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: such a stream does not wait for the default one


class _Block:
    """A piece of PyTorch's memory, as PyCUDA's arrays hold theirs: something that is an address."""

    def __init__(self, memory: Tensor) -> None:
        self.memory = memory

    def __int__(self) -> int:
        return int(self.memory.data_ptr())


class _Pool:
    """Where the module's memory comes from during a call.

    Everything is held to the end of the call, when PyTorch's stream knows of the work in it: freed before, PyTorch
    might give it to somebody who does not wait for that.
    """

    def __init__(self, memory: Callable[[int], Tensor]) -> None:
        self.memory, self.blocks = memory, list[_Block]()

    def allocate(self, size: int) -> _Block:
        """So many bytes."""
        self.blocks.append(_Block(self.memory(size)))
        return self.blocks[-1]

    def free_held(self) -> None:
        """Nothing: PyTorch's allocator holds what is free."""


class Cuda(Engine):
    """A cell's functions on tensors of a GPU."""

    kind = "cuda"

    @staticmethod
    def taped(shapes: Shapes) -> dict[str, tuple[int, ...]]:
        return shapes.cuda_tape

    @contextmanager
    def at_work(self, like: Tensor) -> Iterator[dict[str, Any]]:
        driver, index = self._driver(), like.device.index or 0
        with self.on_device(like), _pushed(driver, index):
            key = threading.get_ident(), index, self.current(like)
            if key not in _STREAMS:
                _STREAMS[key] = driver.Stream(_NON_BLOCKING)
            stream, pools = _STREAMS[key], self._gpu(like).pools
            pools[stream] = _Pool(lambda size: self.memory(size, like))
            try:
                with self.in_turn(stream, like):
                    yield {"stream": stream}
            finally:
                del pools[stream]

    def arrays(self, tensors: Optional) -> list[Any]:
        """The tensors themselves, which have __cuda_array_interface__."""
        return [None if one is None else one.detach().resolve_neg().contiguous() for one in tensors]

    def held(self, tensors: Optional, options: dict[str, Any]) -> list[Any]:
        return [None if one is None else self._memory(one, options["stream"]) for one in self.arrays(tensors)]

    def tensors(self, arrays: Iterable[Any], like: Tensor) -> Tensors:
        return tuple(_tensor(one, like) for one in arrays)

    def whole(self, kept: Any) -> Any:
        return kept.whole()

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """The null pointer, which the kernels take for zeros."""
        del shape, dtype
        return self.module._NONE

    def order(self, lengths: Any, reverse: bool, T: int, like: Tensor, options: dict[str, Any]) -> Any:
        return self.module._Order(lengths, reverse, T, {}, self._gpu(like), options["stream"])

    def _memory(self, array: Any, stream: Any) -> Any:
        given = self.module._given("a tensor", array, stream)
        return self.module._gpu(given.dtype).memory(given, stream)

    def _gpu(self, like: Tensor) -> Any:
        """The module's kernels for a tensor's dtype."""
        return self.module._gpu(np.dtype(str(like.dtype).removeprefix("torch.")))

    def _driver(self) -> Any:
        try:
            import pycuda.driver as driver
        except ImportError as error:
            raise self.module.CudaUnavailable(
                f"CUDA tensors need PyCUDA and a CUDA toolkit's nvcc: pip install pycuda (importing it says: {error})"
            ) from error
        driver.init()
        return driver

    # -- what asks PyTorch for its device, its stream and its memory ------------------------------------------------

    def on_device(self, like: Tensor) -> AbstractContextManager[Any]:
        """Make a tensor's device PyTorch's current one: changed within a call, it would take the context with it."""
        return torch.cuda.device(like.device)  # type: ignore[no-any-return]

    def current(self, like: Tensor) -> int:
        """PyTorch's current stream."""
        return int(torch.cuda.current_stream(like.device).cuda_stream)

    @contextmanager
    def in_turn(self, stream: Any, like: Tensor) -> Iterator[None]:
        """Let a stream of PyCUDA's wait for PyTorch's current one, and that for what is queued meanwhile."""
        current = torch.cuda.current_stream(like.device)
        ours = torch.cuda.ExternalStream(stream.handle, device=like.device)
        ours.wait_stream(current)
        try:
            yield
        finally:
            current.wait_stream(ours)

    def memory(self, size: int, like: Tensor) -> Tensor:
        """So many bytes, of the current stream."""
        return torch.empty(size, dtype=torch.uint8, device=like.device)


@contextmanager
def _pushed(driver: Any, index: int) -> Iterator[None]:
    """With the primary context of a device."""
    if index not in _CONTEXTS:
        _CONTEXTS[index] = driver.Device(index).retain_primary_context()
    _CONTEXTS[index].push()
    try:
        yield
    finally:
        _CONTEXTS[index].pop()


def _tensor(array: Any, like: Tensor) -> Tensor:
    """A GPUArray in a block as a tensor that shares the memory, and holds it."""
    if not array.size:
        return like.new_empty(array.shape)
    memory = (array if array.base is None else array.base).gpudata.memory
    start = (int(array.gpudata) - memory.data_ptr()) // array.dtype.itemsize
    return like.new_empty(0).set_(memory.untyped_storage(), start, array.shape)
