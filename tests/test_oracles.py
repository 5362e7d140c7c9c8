"""Rung 4 of the ladder of trust: the LSTM beside implementations that share nothing with ours."""

from __future__ import annotations

import numpy as np
import pytest
from autograd import numpy as anp
from autograd import value_and_grad

from generated import lstm_numpy
from tests.modules import arguments, cotangents_for, relative_error

SIZES = {"T": 7, "N": 3, "D": 5, "H": 6}
TOLERANCE = 1e-12  # float64, sums of a few hundred products


def test_hips_autograd() -> None:
    """Forward and every gradient against the equations written by hand and differentiated by HIPS autograd."""
    args = arguments("lstm", SIZES)
    h, c, cache = lstm_numpy.forward(*args)
    dh, dc = cotangents_for((h, c, cache))

    def loss(parameters: tuple) -> float:
        x, h_t, c_t, W_x, W_h, b = parameters
        total = 0.0
        for t in range(SIZES["T"]):
            a = anp.dot(x[t], W_x) + anp.dot(h_t, W_h) + b
            i, g, f, o = (a[:, k * SIZES["H"] : (k + 1) * SIZES["H"]] for k in range(4))
            i, f, o = (1 / (1 + anp.exp(-gate)) for gate in (i, f, o))
            c_t = f * c_t + i * anp.tanh(g)
            h_t = o * anp.tanh(c_t)
            total = total + anp.sum(dh[t] * h_t)
        return total + anp.sum(dc * c_t)

    value, expected = value_and_grad(loss)(tuple(args))
    assert abs(value - ((dh * h).sum() + (dc * c).sum())) <= TOLERANCE * abs(value)
    for gradient, due in zip(lstm_numpy.backward(dh, dc, cache), expected, strict=True):
        assert relative_error(gradient, due) <= TOLERANCE


def _torch_order(stacked: np.ndarray) -> np.ndarray:
    """Blocks i, g, f, o in PyTorch's order i, f, g, o."""
    i, g, f, o = np.split(stacked, 4, axis=-1)
    return np.concatenate([i, f, g, o], axis=-1)


def test_pytorch() -> None:
    """Forward and every gradient against torch.nn.LSTM with the same weights."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: the oracle nn.LSTM did not run")
    x, h0, c0, W_x, W_h, b = arguments("lstm", SIZES, seed=5)
    h, c, cache = lstm_numpy.forward(x, h0, c0, W_x, W_h, b)
    dh, dc = cotangents_for((h, c, cache), seed=6)
    gradients = lstm_numpy.backward(dh, dc, cache)

    lstm = torch.nn.LSTM(SIZES["D"], SIZES["H"], dtype=torch.float64)
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(torch.from_numpy(_torch_order(W_x).T.copy()))
        lstm.weight_hh_l0.copy_(torch.from_numpy(_torch_order(W_h).T.copy()))
        lstm.bias_ih_l0.copy_(torch.from_numpy(_torch_order(b)))
        lstm.bias_hh_l0.zero_()
    inputs = [torch.from_numpy(a.copy()).requires_grad_() for a in (x, h0, c0)]
    output, (_, last) = lstm(inputs[0], (inputs[1][None], inputs[2][None]))
    ((output * torch.from_numpy(dh)).sum() + (last[0] * torch.from_numpy(dc)).sum()).backward()

    assert relative_error(h, output.detach().numpy()) <= TOLERANCE
    assert relative_error(c, last[0].detach().numpy()) <= TOLERANCE
    for name, tensor in zip(("dx", "dh0", "dc0"), inputs, strict=True):
        assert relative_error(getattr(gradients, name), tensor.grad.numpy()) <= TOLERANCE, name
    for name, parameter in (("dW_x", lstm.weight_ih_l0), ("dW_h", lstm.weight_hh_l0), ("db", lstm.bias_ih_l0)):
        assert relative_error(_torch_order(getattr(gradients, name)), parameter.grad.numpy().T) <= TOLERANCE, name
