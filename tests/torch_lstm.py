"""torch.nn.LSTM with our weights: the oracle of the NumPy module and of the CUDA module."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

Arrays = Sequence[np.ndarray]


def torch_lstm(args: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
    """Results and gradients of nn.LSTM in float64 on the CPU, in our layouts; skips where there is no PyTorch."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: the oracle nn.LSTM did not run")
    x, h0, c0, W_x, W_h, b = args
    lstm = torch.nn.LSTM(x.shape[2], h0.shape[1], dtype=torch.float64)
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(torch.from_numpy(_torch_order(W_x).T.copy()))
        lstm.weight_hh_l0.copy_(torch.from_numpy(_torch_order(W_h).T.copy()))
        lstm.bias_ih_l0.copy_(torch.from_numpy(_torch_order(b)))
        lstm.bias_hh_l0.zero_()
    inputs = [torch.from_numpy(a.copy()).requires_grad_() for a in (x, h0, c0)]
    output, (_, last) = lstm(inputs[0], (inputs[1][None], inputs[2][None]))
    dh, dc = map(torch.from_numpy, cotangents)
    ((output * dh).sum() + (last[0] * dc).sum()).backward()

    found = {"h": output.detach().numpy(), "c": last[0].detach().numpy()}
    found |= {name: tensor.grad.numpy() for name, tensor in zip(("dx", "dh0", "dc0"), inputs, strict=True)}
    for name, parameter in (("dW_x", lstm.weight_ih_l0), ("dW_h", lstm.weight_hh_l0), ("db", lstm.bias_ih_l0)):
        found[name] = _torch_order(parameter.grad.numpy().T)
    return found


def _torch_order(stacked: np.ndarray) -> np.ndarray:
    """Blocks i, g, f, o in PyTorch's order i, f, g, o, or back."""
    i, second, third, o = np.split(stacked, 4, axis=-1)
    return np.concatenate([i, third, second, o], axis=-1)
