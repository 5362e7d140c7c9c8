"""The LSTMs that `training.py` times, all of the same weights: ours, PyTorch's, and the equations as a loop."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from generated.lstm_torch import LSTM
from generated.torch_weights import to_torch

from .problem import Size


def ours(size: Size) -> LSTM:
    """Our layer."""
    torch.manual_seed(1)
    return LSTM(size.D, size.H)


def theirs(size: Size) -> Any:
    """PyTorch's, whose second bias stays at zero: trained both would move our one twice as far."""
    made = nn.LSTM(size.D, size.H)
    made.load_state_dict(to_torch(ours(size)))
    made.bias_hh_l0.requires_grad_(False)
    return made


class Loop(nn.Module):  # type: ignore[misc]
    """What one writes for a cell that no library has; the products with the inputs are one."""

    def __init__(self, same: LSTM) -> None:
        super().__init__()
        self.input_size, self.hidden_size = same.input_size, same.hidden_size
        self.W_x, self.W_h, self.b = (
            nn.Parameter(one.detach().clone()) for one in (same.W_x_l0, same.W_h_l0, same.b_l0)
        )

    def forward(self, x: Any) -> tuple[Any, tuple[Any, Any]]:
        """(T, N, D) to (T, N, H), and the last states."""
        a_x = x @ self.W_x + self.b
        h = c = x.new_zeros(x.shape[1], self.hidden_size)
        outputs = []
        for a_x_t in a_x.unbind():
            i, g, f, o = (a_x_t + h @ self.W_h).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), (h, c)
