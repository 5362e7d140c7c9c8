"""Checkpoints of `torch.nn.LSTM`, `nn.GRU` and `nn.RNN` for the layers of `<cell>_torch.py`, and back.

    ours.load_state_dict(from_torch(theirs.state_dict(), ours))
    theirs.load_state_dict(to_torch(ours))

PyTorch's weights are (blocks · H, D), ours (D, blocks · H), and the blocks may stand in another order. Where the cell
has one bias it is the sum of PyTorch's two; back it is the first of them, and the second is zero.

Part of handgrad; `handgrad generate` puts it beside the cells' PyTorch modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from .torch_layers import Recurrent


class Layout(NamedTuple):
    """How PyTorch keeps what a cell of ours has.

    Attributes:
        module: PyTorch's module.
        order: its blocks; a letter each, the same as in our GATE_ORDER.
        names: our parameters' names, and what theirs are called; of several the sum is ours.
    """

    module: str
    order: str
    names: dict[str, tuple[str, ...]]

    def blocks(self, name: str, module: Recurrent) -> tuple[str, str]:
        """The order of a parameter's blocks in ours and in theirs; the projection has none."""
        return ("", "") if name == "W_p" else (module.cell.gate_order, self.order)


_WEIGHTS = {"W_x": ("weight_ih",), "W_h": ("weight_hh",)}
_ONE_BIAS = {"b": ("bias_ih", "bias_hh")}
_TWO_BIASES = {"b_x": ("bias_ih",), "b_h": ("bias_hh",)}

LAYOUTS = {
    "lstm": Layout("nn.LSTM", "ifgo", {**_WEIGHTS, **_ONE_BIAS}),
    "lstm_projection": Layout("nn.LSTM with proj_size", "ifgo", {**_WEIGHTS, **_ONE_BIAS, "W_p": ("weight_hr",)}),
    "gru_reset_after": Layout("nn.GRU", "rzn", {**_WEIGHTS, **_TWO_BIASES}),
    "rnn_tanh": Layout("nn.RNN", "", {**_WEIGHTS, **_ONE_BIAS}),
    "rnn_relu": Layout("nn.RNN with nonlinearity='relu'", "", {**_WEIGHTS, **_ONE_BIAS}),
}


def from_torch(state: Mapping[str, Tensor], module: Recurrent, prefix: str = "") -> dict[str, Tensor]:
    """A state dictionary for a module of ours from one of PyTorch's; tensors of their own.

    Args:
        state: what `state_dict` of PyTorch's module returns, or of one that has it within.
        prefix: what the names in `state` begin with, such as "encoder.lstm."; other entries are left alone.

    Raises:
        ValueError: for a cell that PyTorch does not have, and if a weight is missing, left over or of another shape.
    """
    layout, found, used = _layout(module), {}, set()
    for name, parameter in module.named_parameters():
        own, end = name.rsplit("_l", 1)
        parts = [f"{prefix}{theirs}_l{end}" for theirs in layout.names[own]]
        used.update(parts)
        some = [_checked(state, part, tuple(reversed(parameter.shape))) for part in parts]
        theirs = _in_order(sum(some[1:], some[0]), *layout.blocks(own, module)[::-1])
        found[name] = theirs.t().clone(memory_format=torch.contiguous_format)
    left = sorted(name for name in state if name.startswith(prefix) and name not in used)
    if left:
        raise ValueError(f"{left[0]} has no place in {module}")
    return found


def to_torch(module: Recurrent, prefix: str = "") -> dict[str, Tensor]:
    """A state dictionary for PyTorch's module from one of ours; tensors of their own.

    Raises:
        ValueError: for a cell that PyTorch does not have.
    """
    layout, found = _layout(module), {}
    for name, parameter in module.named_parameters():
        own, end = name.rsplit("_l", 1)
        first, *others = (f"{prefix}{theirs}_l{end}" for theirs in layout.names[own])
        ours = _in_order(parameter.detach().t(), *layout.blocks(own, module))
        found[first] = ours.clone(memory_format=torch.contiguous_format)
        found |= {other: torch.zeros_like(found[first]) for other in others}
    return found


def _layout(module: Recurrent) -> Layout:
    if module.cell.name not in LAYOUTS:
        known = ", ".join(f"{name} ({layout.module})" for name, layout in LAYOUTS.items())
        raise ValueError(f"PyTorch has no {module.cell.name}, only {known}")
    return LAYOUTS[module.cell.name]


def _checked(state: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    if name not in state:
        raise ValueError(f"{name} is missing, expected with shape {shape}")
    if tuple(state[name].shape) != shape:
        raise ValueError(f"{name} has shape {tuple(state[name].shape)}, expected {shape}")
    return state[name].detach()


def _in_order(stacked: Tensor, order: str, wanted: str) -> Tensor:
    """The blocks of the first axis in another order; there are none where there is no order."""
    if not order:
        return stacked
    blocks = dict(zip(order, stacked.chunk(len(order)), strict=True))
    return torch.cat([blocks[label] for label in wanted])
