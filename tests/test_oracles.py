"""Rung 4 of the ladder of trust: the LSTM beside implementations that share nothing with ours."""

from __future__ import annotations

from autograd import numpy as anp
from autograd import value_and_grad

from generated import lstm_numpy
from tests.modules import arguments, cotangents_for, relative_error
from tests.torch_lstm import torch_lstm

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


def test_pytorch() -> None:
    """Forward and every gradient against torch.nn.LSTM with the same weights."""
    args = arguments("lstm", SIZES, seed=5)
    h, c, cache = lstm_numpy.forward(*args)
    cotangents = cotangents_for((h, c, cache), seed=6)
    values = {"h": h, "c": c, **lstm_numpy.backward(*cotangents, cache)._asdict()}
    expected = torch_lstm(args, cotangents)
    assert values.keys() == expected.keys()
    for name, value in values.items():
        assert relative_error(value, expected[name]) <= TOLERANCE, name
