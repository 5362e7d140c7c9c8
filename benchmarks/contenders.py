"""What is timed. Every contender computes one forward and one backward pass from inputs in memory."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from . import stepwise
from .problem import Array, Problem, Results

DEFAULT_MODULE = "generated.lstm_numpy"


class Place(StrEnum):
    """Where something is computed, by PyTorch's name."""

    CPU = "cpu"
    CUDA = "cuda"


class Contender(Protocol):
    """Construction takes the inputs over and warms the library up; the rest counts as the contender's own."""

    def allocate(self) -> None:
        """Get the memory that is kept between runs."""

    def run(self) -> Any:
        """One forward and one backward pass: what is timed."""

    def results(self, raw: Any) -> Results | None:
        """What `run` returned as NumPy arrays; None where it computes no gradients."""


class Generated:
    """The generated module, allocating afresh in every run."""

    def __init__(self, problem: Problem, module: str) -> None:
        self.problem = problem
        self.module: Any = load_module(module)
        self.options: dict[str, Any] = {}
        _warm_numpy(problem)

    def allocate(self) -> None:
        """Nothing is kept."""

    def run(self) -> Any:
        h, c, cache = self.module.forward(*self.problem.inputs, **self.options)
        return h, c, self.module.backward(self.problem.dh, self.problem.dc, cache, **self.options)

    def results(self, raw: Any) -> Results:
        h, c, g = raw
        return Results(h, c, g.dx, g.dh0, g.dc0, g.dW_x, g.dW_h, g.db)


class GeneratedWorkspace(Generated):
    """The generated module, working in memory that it keeps."""

    def allocate(self) -> None:
        size = self.problem.size
        workspace = self.module.Workspace(size.T, size.N, size.D, size.H, self.problem.x.dtype)
        self.options = {"workspace": workspace}


class Products:
    """The matrix products of the generated module alone, in its layouts and into kept memory: the floor."""

    def __init__(self, problem: Problem, module: str) -> None:
        del module
        self.problem = problem
        _warm_numpy(problem)

    def allocate(self) -> None:
        size, dtype = self.problem.size, self.problem.x.dtype
        rows, gates = size.T * size.N, 4 * size.H
        self.a = np.empty((rows, gates), dtype)
        self.h_W = np.empty((size.N, gates), dtype)
        # Column-major, as in the generated module: BLAS forms this thin product faster so.
        self.dh = np.empty((size.H, size.N), dtype).T
        self.dx = np.empty((rows, size.D), dtype)
        self.dW_x, self.dW_h = np.empty_like(self.problem.W_x), np.empty_like(self.problem.W_h)

    def run(self) -> None:
        p, size = self.problem, self.problem.size
        rows = size.T * size.N
        x, h = p.x.reshape(rows, size.D), p.dh.reshape(rows, size.H)
        np.matmul(x, p.W_x, out=self.a)
        for h_prev in p.dh:  # any (T, N, H) array does: the values have no influence on the time
            np.matmul(h_prev, p.W_h, out=self.h_W)
        for da in self.a.reshape(size.T, size.N, -1)[::-1]:
            np.matmul(da, p.W_h.T, out=self.dh)
        np.matmul(self.a, p.W_x.T, out=self.dx)
        np.matmul(x.T, self.a, out=self.dW_x)
        np.matmul(h.T, self.a, out=self.dW_h)

    def results(self, raw: Any) -> None:
        """None: the products alone are no gradients."""


class Stepwise:
    """The LSTM written step by step."""

    def __init__(self, problem: Problem, module: str) -> None:
        del module
        self.problem = problem
        _warm_numpy(problem)

    def allocate(self) -> None:
        """Nothing is kept."""

    def run(self) -> Results:
        return stepwise.solve(self.problem)

    def results(self, raw: Results) -> Results:
        return raw


class Torch:
    """PyTorch's nn.LSTM, on the CPU unless another device is named."""

    def __init__(self, problem: Problem, module: str, device: str = "cpu") -> None:
        del module
        self.torch: Any = importlib.import_module("torch")
        self.device = device
        self.lstm = self.torch.nn.LSTM(problem.size.D, problem.size.H, device=device)
        self.load(problem)
        self.torch.matmul(self.x.detach(), self.lstm.weight_ih_l0.detach().T)

    def load(self, problem: Problem) -> None:
        """Take inputs and cotangents over."""
        weights = (_swap_gates(problem.W_x).T, _swap_gates(problem.W_h).T, _swap_gates(problem.b))
        biases = (np.zeros_like(problem.b),)  # nn.LSTM has two; ours is the first
        with self.torch.no_grad():
            for parameter, value in zip(self.lstm.parameters(), weights + biases, strict=True):
                parameter.copy_(self.torch.tensor(value))
        self.x, self.h0, self.c0 = (
            self.torch.tensor(value, device=self.device, requires_grad=True)
            for value in (problem.x, problem.h0[None], problem.c0[None])
        )
        self.cotangents = [self.torch.tensor(v, device=self.device) for v in (problem.dh, problem.dc[None])]

    def allocate(self) -> None:
        """Nothing is kept."""

    def forward(self) -> tuple[Any, Any]:
        """h of every step and the last c, and what PyTorch keeps for the gradients."""
        h, (_, c) = self.lstm(self.x, (self.h0, self.c0))
        return h, c

    def run(self) -> Any:
        h, c = self.forward()
        inputs = [self.x, self.h0, self.c0, *self.lstm.parameters()]
        return h, c, self.torch.autograd.grad([h, c], inputs, self.cotangents)

    def results(self, raw: Any) -> Results:
        h, c, gradients = raw
        dx, dh0, dc0, dW_x, dW_h, db, _ = (gradient.cpu().numpy() for gradient in gradients)
        h, last_c = (value.detach().cpu().numpy() for value in (h, c[0]))
        weights = (_swap_gates(dW_x.T), _swap_gates(dW_h.T), _swap_gates(db))
        return Results(h, last_c, dx, dh0[0], dc0[0], *weights)


FLOOR, STEPWISE, TORCH = "products", "stepwise", "torch"
CONTENDERS: dict[str, Callable[[Problem, str], Contender]] = {
    FLOOR: Products,
    "generated": Generated,
    "generated_workspace": GeneratedWorkspace,
    STEPWISE: Stepwise,
    TORCH: Torch,
}
TITLES = {
    FLOOR: "matrix products alone",
    "generated": "generated",
    "generated_workspace": "generated, workspace",
    STEPWISE: "step by step",
    TORCH: "PyTorch nn.LSTM",
}


def torch_installed() -> bool:
    return importlib.util.find_spec("torch") is not None


def load_module(module: str) -> ModuleType:
    """The module of that dotted name, or in that file where it ends in `.py`."""
    if not module.endswith(".py"):
        return importlib.import_module(module)
    spec = importlib.util.spec_from_file_location(Path(module).stem, module)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {module}")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def _swap_gates(stacked: Array) -> Array:
    """From our gate order i, g, f, o on the last axis to PyTorch's i, f, g, o, or back."""
    i, second, third, o = np.split(stacked, 4, axis=-1)
    return np.concatenate([i, third, second, o], axis=-1)


def _warm_numpy(problem: Problem) -> None:
    """Let BLAS start its threads and get their buffers, which are no contender's own memory."""
    np.matmul(problem.x[0], problem.W_x)
    np.matmul(problem.x.reshape(-1, problem.size.D).T, problem.dh.reshape(-1, problem.size.H))
