"""A cell on tensors: what its results are, on which device whatever computes them.

Part of handgrad; `handgrad generate` puts it beside the cells' PyTorch modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .torch_autograd import Forward
from .torch_cuda import Cuda
from .torch_engine import Engine, NumPy, Shapes, Signature, Tensors
from .torch_operators import operator

__all__ = ["Cell", "Shapes", "Signature"]

_DTYPES = (torch.float32, torch.float64)


class Cell:
    """A cell as a function of tensors.

    Attributes:
        name: the cell's.
        signature: what it takes, gives and keeps.
        arguments, results: the names of what it takes and gives.
        gate_order: the order of the blocks of stacked arguments, a letter each.
        engines: what computes it, by the kind of device.
        operators: the same in a compiled model.
    """

    def __init__(self, signature: Signature, gate_order: str) -> None:
        self.name, self.signature, self.gate_order = signature.name, signature, gate_order
        self.engines: dict[str, Engine] = {"cpu": NumPy(signature), "cuda": Cuda(signature)}
        self.operators = {device: operator(engine) for device, engine in self.engines.items()}
        self.arguments, self.results = self.engines["cpu"].arguments, self.engines["cpu"].results

    def __call__(self, *arguments: Tensor, lengths: Any = None, reverse: bool = False) -> Tensors:
        """The results of the generated modules' `forward`, which see; lengths may be a tensor too.

        Raises:
            TypeError: for what is no tensor, or of another dtype than float32 and float64 or than the rest.
            ValueError: for a shape that does not fit the others, or for another device than the CPU, a GPU or that of
                the rest.
        """
        _check(self.arguments, arguments)
        counts, device = None if lengths is None else torch.as_tensor(lengths), arguments[0].device.type
        if torch.compiler.is_compiling():
            made = self.operators[device](*arguments, counts, reverse)
            results = (made,) if isinstance(made, Tensor) else tuple(made)
        else:
            results = Forward.apply(self.engines[device], counts, reverse, *arguments)
        return results[: len(self.results)]


def _check(names: Sequence[str], arguments: Sequence[Tensor]) -> None:
    if len(arguments) != len(names):
        raise TypeError(f"expected {len(names)} tensors, {', '.join(names)}, got {len(arguments)}")
    for name, one in zip(names, arguments, strict=True):
        if not isinstance(one, Tensor):
            raise TypeError(f"{name} should be a tensor, got {type(one).__name__}")
        if one.device.type not in ("cpu", "cuda"):
            raise ValueError(f"{name} is on device {one.device}, expected cpu or cuda")
        if one.dtype not in _DTYPES:
            autocast = torch.is_autocast_enabled(one.device.type)
            hint = "; autocast is not supported, convert it with .float()" if autocast else ""
            raise TypeError(f"{name} has dtype {one.dtype}, expected torch.float32 or torch.float64{hint}")
        if one.dtype != arguments[0].dtype:
            raise TypeError(f"{name} has dtype {one.dtype}, but {names[0]} has {arguments[0].dtype}")
        if one.device != arguments[0].device:
            raise ValueError(f"{name} is on device {one.device}, but {names[0]} is on {arguments[0].device}")
        if one.layout != torch.strided:
            raise ValueError(f"{name} has layout {one.layout}, expected torch.strided")
