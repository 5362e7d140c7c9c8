"""torch.nn.LSTM with our weights: the oracle of the NumPy module and of the CUDA module."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

Arrays = Sequence[np.ndarray]


def torch_lstm(
    args: Arrays, cotangents: Arrays, lengths: np.ndarray | None = None, reverse: bool = False
) -> dict[str, np.ndarray]:
    """Results and gradients of nn.LSTM in float64 on the CPU, in our layouts; skips where there is no PyTorch.

    Args:
        lengths: those of a batch that is packed; none of them is 0.
        reverse: whether they are those of the second direction of a bidirectional one.
    """
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: the oracle nn.LSTM did not run")
    x, h0, c0, W_x, W_h, b = args
    T, _, D = x.shape
    H = h0.shape[1]
    lstm = torch.nn.LSTM(D, H, dtype=torch.float64, bidirectional=reverse)
    # Of two directions the second is ours.
    end, own = ("_reverse", 1) if reverse else ("", 0)
    weights = {name: getattr(lstm, f"{name}_l0{end}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    with torch.no_grad():
        weights["weight_ih"].copy_(torch.from_numpy(_torch_order(W_x).T.copy()))
        weights["weight_hh"].copy_(torch.from_numpy(_torch_order(W_h).T.copy()))
        weights["bias_ih"].copy_(torch.from_numpy(_torch_order(b)))
        weights["bias_hh"].zero_()
    inputs = [torch.from_numpy(a.copy()).requires_grad_() for a in (x, h0, c0)]
    batch, states = inputs[0], [torch.stack([s] * (own + 1)) for s in inputs[1:]]
    if lengths is not None:
        batch = torch.nn.utils.rnn.pack_padded_sequence(batch, torch.from_numpy(lengths), enforce_sorted=False)
    output, (_, last) = lstm(batch, tuple(states))
    if lengths is not None:
        output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, total_length=T)
    output, last = output[..., own * H :], last[own]
    dh, dc = map(torch.from_numpy, cotangents)
    ((output * dh).sum() + (last * dc).sum()).backward()

    found = {"h": output.detach().numpy(), "c": last.detach().numpy()}
    found |= {name: tensor.grad.numpy() for name, tensor in zip(("dx", "dh0", "dc0"), inputs, strict=True)}
    for name, parameter in zip(("dW_x", "dW_h", "db"), list(weights.values())[:3], strict=True):
        found[name] = _torch_order(parameter.grad.numpy().T)
    return found


def _torch_order(stacked: np.ndarray) -> np.ndarray:
    """Blocks i, g, f, o in PyTorch's order i, f, g, o, or back."""
    i, second, third, o = np.split(stacked, 4, axis=-1)
    return np.concatenate([i, third, second, o], axis=-1)
