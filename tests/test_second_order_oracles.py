"""Second derivatives of the LSTM against others': PyTorch's double backward, and formulas written down by hand."""

from __future__ import annotations

import numpy as np
import pytest

from derive.calculus import prefixed, vjp
from derive.cell import Cell, dims, sequence, state
from derive.cell import sigmoid as sigmoid_of
from derive.cell import tanh as tanh_of
from derive.evaluate import REAL, random_inputs, run
from generated import lstm_numpy
from tests.modules import arguments, cotangents_for
from tests.second_order import assert_all_close, directions, names, tangents

SIZES = {"T": 6, "N": 3, "D": 4, "H": 5}
N, H = dims("N H")


def torch_twice(args: list[np.ndarray], cotangents: list[np.ndarray], v: list[np.ndarray]) -> list[np.ndarray]:
    """PyTorch's gradient of ⟨gradient, v⟩, by the cotangents and by the arguments."""
    torch = pytest.importorskip("torch")
    x, h, c, W_x, W_h, b = leaves = [torch.tensor(a, requires_grad=True) for a in args]
    given = [torch.tensor(w, requires_grad=True) for w in cotangents]
    outputs = []
    for x_t in x:
        a_i, a_g, a_f, a_o = (x_t @ W_x + h @ W_h + b).chunk(4, dim=-1)
        c = torch.sigmoid(a_f) * c + torch.sigmoid(a_i) * torch.tanh(a_g)
        h = torch.sigmoid(a_o) * torch.tanh(c)
        outputs.append(h)
    gradients = torch.autograd.grad([torch.stack(outputs), c], leaves, given, create_graph=True)
    second = torch.autograd.grad(gradients, [*given, *leaves], [torch.tensor(one) for one in v])
    return [one.numpy() for one in second]


def test_double_backward_against_pytorch() -> None:
    """Broken if double backward is not that of the whole sequence, in PyTorch's own sense of the word."""
    args = [0.5 * a for a in arguments("lstm", SIZES)]
    results = lstm_numpy.forward(*args)
    cotangents = cotangents_for(results)
    v = directions(args, 1)
    lstm_numpy.backward(*cotangents, results[-1])
    double = lstm_numpy.backward_backward(
        results[-1], **{f"dd{name}": one for name, one in zip(names(lstm_numpy), v, strict=True)}
    )
    # Both are float64 sums of some hundred products.
    assert_all_close(list(double), torch_twice(args, cotangents, v), 1e-12, "double backward")
    hessian = lstm_numpy.hvp(*cotangents, results[-1], **tangents(lstm_numpy, v))
    assert_all_close(list(hessian), list(double)[len(cotangents) :], 1e-13, "hvp")


class Pointwise(Cell):
    """The LSTM behind its products, whose second derivatives Chainer has by hand."""

    a = sequence(N, H)
    i = sequence(N, H)
    f = sequence(N, H)
    o = sequence(N, H)
    c_prev = state(N, H)
    c = sigmoid_of(f) * c_prev + sigmoid_of(i) * tanh_of(a)
    h = sigmoid_of(o) * tanh_of(c)
    outputs = ("h",)


def test_pointwise_part_against_formulas_by_hand() -> None:
    """The second derivatives that Chainer publishes for its LSTM (lstm_grad_grad), as formulas with our names.

    There the gradient is a function of the saved c too, so what reaches c goes on to the rest through c's equation.
    """
    backward = vjp(Pointwise.program)
    twice = vjp(backward, outputs=backward.outputs, cotangent=prefixed("g_"), seed=prefixed("gg_"))
    sizes = {N: 2, H: 3}
    values = random_inputs(twice, sizes, REAL, seed=0)
    found = run(twice, values, sizes, REAL)
    a, i, f, o, c_prev = (np.asarray(values[name], float) for name in ("a", "i", "f", "o", "c_prev"))
    gh, gc = (np.asarray(values[name], float) for name in ("d_next_h", "d_next_c"))
    gga, ggi, ggf, ggo, ggc_prev = (np.asarray(values[f"gg_{d}"], float) for d in backward.outputs)

    def sigma(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    A, I, F, O = np.tanh(a), sigma(i), sigma(f), sigma(o)  # noqa: E741 (as one writes them)
    C = np.tanh(F * c_prev + I * A)
    s1, s2 = (lambda y: y * (1 - y)), (lambda y: y * (1 - y) * (1 - 2 * y))  # σ′ and σ″ by σ
    t1, t2 = (lambda y: 1 - y**2), (lambda y: -2 * y * (1 - y**2))  # tanh′ and tanh″ by tanh
    dc = gh * O * t1(C) + gc
    ggc = ggc_prev * F + gga * I * t1(A) + ggi * A * s1(I) + ggf * c_prev * s1(F)
    to_c = ggc * gh * O * t2(C) + ggo * gh * s1(O) * t1(C)
    due = {
        "c_prev": ggf * dc * s1(F) + to_c * F,
        "a": (gga * I * t2(A) + ggi * s1(I) * t1(A)) * dc + to_c * I * t1(A),
        "i": (gga * s1(I) * t1(A) + ggi * s2(I) * A) * dc + to_c * A * s1(I),
        "f": (ggc_prev * s1(F) + ggf * s2(F) * c_prev) * dc + to_c * c_prev * s1(F),
        "o": ggc * gh * s1(O) * t1(C) + ggo * gh * C * s2(O),
        "d_next_h": ggc * O * t1(C) + ggo * C * s1(O),
        "d_next_c": ggc,
    }
    for name, value in due.items():
        assert np.allclose(np.asarray(found[f"g_{name}"], float), value, rtol=1e-12, atol=1e-14), name
