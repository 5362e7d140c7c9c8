"""What is timed on a GPU: the generated module, its floor, and cuDNN. Work is queued on the default stream."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from generated import lstm_cuda

from . import step_product
from .contenders import Torch, torch_installed
from .problem import Problem, Results, Size, make_problem

DTYPE = np.dtype(np.float32)


class GpuContender(Protocol):
    """An LSTM of one size, or a part of its work."""

    def load(self, problem: Problem) -> None:
        """Take fresh inputs to the device: before every turn, untimed."""

    def forward(self) -> Any:
        """Queue a forward pass after which a backward pass could follow."""

    def run(self) -> Any:
        """Queue a forward and a backward pass."""

    def results(self, raw: Any) -> Results | None:
        """What `run` returned as NumPy arrays; None where it computes no gradients."""


class _OnDevice:
    """Inputs as GPUArrays, and a workspace of the generated module."""

    def __init__(self, size: Size) -> None:
        lstm_cuda._driver()  # before the first import of gpuarray: it makes the context
        self.size = size
        self.workspace = lstm_cuda.Workspace(size.T, size.N, size.D, size.H, DTYPE)
        self.load(make_problem(size))

    def load(self, problem: Problem) -> None:
        from pycuda import gpuarray

        self.inputs = [gpuarray.to_gpu(value) for value in problem.inputs]
        self.cotangents = [gpuarray.to_gpu(value) for value in (problem.dh, problem.dc)]

    def results(self, raw: Any) -> Results | None:
        del raw
        return None


class Generated(_OnDevice):
    """The generated module with device arrays and a workspace."""

    def forward(self) -> Any:
        x, h0, c0, W_x, W_h, b = self.inputs
        return lstm_cuda.forward(x, h0, c0, W_x, W_h, b, workspace=self.workspace)

    def run(self) -> Any:
        h, c, cache = self.forward()
        dh, dc = self.cotangents
        return h, c, lstm_cuda.backward(dh, dc, cache, workspace=self.workspace)

    def results(self, raw: Any) -> Results:
        h, c, gradients = raw
        return Results(*(value.get() for value in (h, c, *gradients)))


class OwnProducts(_OnDevice):
    """The matrix products alone, by the generated module's kernels for products."""

    def __init__(self, size: Size) -> None:
        super().__init__(size)
        self.step = step_product.prepare(size.N, size.H)

    def forward(self) -> None:
        """x · W_x for all steps, then h · W_h for each."""
        size, rows = self.size, self.size.T * self.size.N
        x, W_x, W_h, h = self._addresses()
        gates, da = self.workspace.tape.gates, self.workspace.buffers.da
        gpu = lstm_cuda._gpu(DTYPE)
        gpu.prepare("forward_before", rows, size.H)(x, W_x, gates.at(0), size.D, size.H, rows)
        for t in range(size.T):
            self.step(h + t * size.N * size.H * DTYPE.itemsize, W_h, da.at(t))

    def _addresses(self) -> tuple[int, int, int, int]:
        """Of x, W_x, W_h and h, for which any (T, N, H) array does: the cotangent is there."""
        x, _, _, W_x, W_h, _ = self.inputs
        return int(x.gpudata), int(W_x.gpudata), int(W_h.gpudata), int(self.cotangents[0].gpudata)

    def run(self) -> None:
        self.forward()
        size, rows = self.size, self.size.T * self.size.N
        x, W_x, W_h, h = self._addresses()
        buffers, gradients = self.workspace.buffers, self.workspace.gradients
        gpu, da = lstm_cuda._gpu(DTYPE), buffers.da
        step = gpu.prepare("backward_start", size.N, size.H)
        for t in range(size.T - 1, -1, -1):
            step(da.at(t), W_h, gradients.dh0.at(0), size.N, size.H)
        gpu.prepare("backward_after_dx", rows, size.D)(da.at(0), W_x, gradients.dx.at(0), size.D, size.H, rows)
        parts = buffers.dW_x_parts.shape[0]
        gpu.prepare("backward_after_dW_x_parts", size.D, size.H, parts=parts)(
            x, da.at(0), buffers.dW_x_parts.at(0), size.D, size.H, rows, parts
        )
        gpu.prepare("backward_after_dW_x", size.D * size.H)(
            buffers.dW_x_parts.at(0), gradients.dW_x.at(0), size.D, size.H, parts
        )
        parts = buffers.dW_h_parts.shape[0]
        gpu.prepare("backward_after_dW_h_parts", size.H, size.H, parts=parts)(
            h, da.at(0), buffers.dW_h_parts.at(0), size.H, rows, parts
        )
        gpu.prepare("backward_after_dW_h", size.H * size.H)(
            buffers.dW_h_parts.at(0), gradients.dW_h.at(0), size.H, parts
        )


class Launches:
    """A launch of an empty kernel for each step, and for the backward pass as many again."""

    def __init__(self, size: Size) -> None:
        lstm_cuda._driver()
        from pycuda.compiler import SourceModule

        self.size = size
        module = SourceModule('extern "C" __global__ void nothing() {}', no_extern_c=True)
        self.kernel = module.get_function("nothing")
        self.kernel.prepare("")

    def load(self, problem: Problem) -> None:
        """It reads nothing."""

    def forward(self) -> None:
        for _ in range(self.size.T):
            self.kernel.prepared_async_call((1, 1), (32, 1, 1), None)

    def run(self) -> None:
        self.forward()
        self.forward()

    def results(self, raw: Any) -> None:
        """None: it computes nothing."""


class TorchProducts:
    """The matrix products alone by torch.matmul (cuBLAS), TF32 off.

    On a GPU they are replayed as a CUDA graph, so that PyTorch's own time for queueing each one does not count.
    """

    def __init__(self, size: Size, device: str) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.size, self.device = size, device
        rows, gates = size.T * size.N, 4 * size.H
        shapes = {"x": (rows, size.D), "h": (rows, size.H), "W_x": (size.D, gates), "W_h": (size.H, gates)}
        shapes |= {"a": (rows, gates), "da": (rows, gates), "dh": (size.N, size.H)}
        shapes |= {"dx": (rows, size.D), "dW_x": (size.D, gates), "dW_h": (size.H, gates)}
        self.arrays = {name: self.torch.empty(shape, device=device) for name, shape in shapes.items()}
        self.load(make_problem(size))
        self.forward, self.run = self._replayed(self._forward), self._replayed(self._both)

    def load(self, problem: Problem) -> None:
        """Into the same memory every time, which the graph has written down."""
        for name, value in (("x", problem.x), ("h", problem.dh), ("W_x", problem.W_x), ("W_h", problem.W_h)):
            self.arrays[name].copy_(self.torch.tensor(value).reshape(self.arrays[name].shape))

    def results(self, raw: Any) -> None:
        """None: the products alone are no gradients."""

    def _replayed(self, products: Callable[[], None]) -> Callable[[], None]:
        if self.device == "cpu":
            return products
        use_tf32(self.torch, False)  # cuBLAS chooses when the graph is captured
        products()  # gives cuBLAS its memory, which must not happen during the capture
        gc.collect()  # nor must memory be freed
        self.torch.cuda.synchronize()
        graph = self.torch.cuda.CUDAGraph()
        with self.torch.cuda.graph(graph):
            products()
        replay: Callable[[], None] = graph.replay
        return replay

    def _steps(self, name: str) -> Any:
        return self.arrays[name].view(self.size.T, self.size.N, -1)

    def _forward(self) -> None:
        matmul, arrays = self.torch.matmul, self.arrays
        matmul(arrays["x"], arrays["W_x"], out=arrays["a"])
        for h, da in zip(self._steps("h"), self._steps("da"), strict=True):
            matmul(h, arrays["W_h"], out=da)

    def _both(self) -> None:
        self._forward()
        matmul, arrays = self.torch.matmul, self.arrays
        for da in self._steps("da").unbind()[::-1]:
            matmul(da, arrays["W_h"].T, out=arrays["dh"])
        matmul(arrays["da"], arrays["W_x"].T, out=arrays["dx"])
        matmul(arrays["x"].T, arrays["da"], out=arrays["dW_x"])
        matmul(arrays["h"].T, arrays["da"], out=arrays["dW_h"])


class Cudnn(Torch):
    """PyTorch's nn.LSTM on the GPU, which is cuDNN's; its forward pass keeps what the backward pass needs."""

    def __init__(self, size: Size, device: str, tf32: bool) -> None:
        self.tf32 = tf32
        super().__init__(make_problem(size), "", device)

    def load(self, problem: Problem) -> None:
        use_tf32(self.torch, self.tf32)  # until another contender's turn
        super().load(problem)


def use_tf32(torch: Any, allowed: bool) -> None:
    """Whether matrix products of float32 may round their factors to TF32's ten bits from now on."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


GENERATED, OWN_PRODUCTS, LAUNCHES = "generated_workspace", "own_products", "launches"
TORCH_PRODUCTS, CUDNN, CUDNN_TF32 = "torch_products", "cudnn", "cudnn_tf32"
OF_TORCH = (TORCH_PRODUCTS, CUDNN, CUDNN_TF32)
PRODUCTS = (OWN_PRODUCTS, TORCH_PRODUCTS)
TITLES = {
    LAUNCHES: "one launch per step",
    OWN_PRODUCTS: "products alone, own kernels",
    TORCH_PRODUCTS: "products alone, torch.matmul",
    GENERATED: "generated, workspace",
    CUDNN: "PyTorch nn.LSTM",
    CUDNN_TF32: "PyTorch nn.LSTM, TF32",
}


def contenders(size: Size, torch_device: str | None) -> dict[str, GpuContender]:
    """All of one size, those of PyTorch among them if it has a device."""
    found: dict[str, GpuContender] = {
        LAUNCHES: Launches(size),
        OWN_PRODUCTS: OwnProducts(size),
        GENERATED: Generated(size),
    }
    if torch_device is not None:
        found[TORCH_PRODUCTS] = TorchProducts(size, torch_device)
        found[CUDNN] = Cudnn(size, torch_device, tf32=False)
        found[CUDNN_TF32] = Cudnn(size, torch_device, tf32=True)
    return {name: found[name] for name in TITLES if name in found}


def torch_cuda_device() -> str | None:
    """PyTorch's name for the GPU; None without PyTorch, or where it has no CUDA."""
    if not torch_installed():
        return None
    torch: Any = importlib.import_module("torch")
    return "cuda" if torch.cuda.is_available() else None
