"""Every cell of the zoo beside an implementation that shares nothing with ours, in NumPy and in CUDA."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from derive import weights
from derive.cells import CELLS
from tests import cuda
from tests.cuda_modules import cuda_module, host
from tests.modules import Sizes, arguments, module, relative_error

torch_cells = pytest.importorskip("tests.torch_cells", reason="PyTorch is not installed: the zoo has no oracle")
import torch  # noqa: E402

SIZES: Sizes = {"T": 6, "N": 3, "D": 4, "H": 5}
TOLERANCE = 1e-10  # float64; PyTorch orders its sums otherwise
NAMES = list(CELLS)
MODULES = {
    "rnn_tanh": torch.nn.RNN,
    "rnn_relu": lambda d, h, **o: torch.nn.RNN(d, h, nonlinearity="relu", **o),
    "lstm": torch.nn.LSTM,
    "lstm_projection": torch.nn.LSTM,
    "gru_reset_after": torch.nn.GRU,
}


def made(name: str, target: str) -> Any:
    if target == "numpy":
        return module(name)
    cuda.require()
    return cuda_module(name)


def by_name(name: str, args: list[np.ndarray], role: str) -> dict[str, np.ndarray]:
    """The arguments of one role; states by the name of their next value."""
    return {a.next or a.name: v for a, v in zip(CELLS[name].inputs, args, strict=True) if a.role == role}


@cache
def problem(name: str) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray], dict[str, np.ndarray]]:
    """Arguments, cotangents, and the results and gradients of the cell written by hand."""
    cell, args = CELLS[name], arguments(name, SIZES, seed=20)
    chance = np.random.default_rng(21)
    last = [s.next for s in cell.having("state") if s.next and s.next not in cell.outputs]
    states = by_name(name, args, "state")
    width = states["h"].shape if "h" in states else (SIZES["N"], SIZES["H"])
    cotangents = [chance.standard_normal((SIZES["T"], *width))]
    cotangents += [chance.standard_normal(states[one].shape) for one in last]
    parameters = by_name(name, args, "parameter")
    results, gradients = torch_cells.run(torch_cells.STEPS[name], args[0], states, parameters, last, cotangents)
    return args, cotangents, results, gradients


@pytest.mark.parametrize("target", ["numpy", "cuda"])
@pytest.mark.parametrize("name", NAMES)
def test_by_hand_in_pytorch(name: str, target: str) -> None:
    """Broken if a cell is not the one of its paper, or a gradient is not that of PyTorch's autograd."""
    args, cotangents, expected, due = problem(name)
    *results, state = made(name, target).forward(*args)
    gradients = made(name, target).backward(*cotangents, state)
    get = host if target == "cuda" else np.asarray
    for value, one in zip(results, expected, strict=True):
        assert relative_error(get(value), one) <= TOLERANCE
    for array, (field, gradient) in zip(CELLS[name].inputs, gradients._asdict().items(), strict=True):
        assert relative_error(get(gradient), due[array.next or array.name]) <= TOLERANCE, field


@pytest.mark.parametrize("target", ["numpy", "cuda"])
@pytest.mark.parametrize("name", sorted(MODULES))
def test_pytorchs_own_module(name: str, target: str) -> None:
    """Broken if a cell differs from PyTorch's, or weights are not in the order that PyTorch has them in."""
    args, cotangents, _, _ = problem(name)
    states, parameters = by_name(name, args, "state"), by_name(name, args, "parameter")
    options = {"proj_size": states["h"].shape[1]} if name == "lstm_projection" else {}
    hidden = parameters["W_p"].shape[0] if options else states["h"].shape[1]
    layer = MODULES[name](args[0].shape[2], hidden, dtype=torch.float64, **options)
    layer.load_state_dict({k: torch.from_numpy(v) for k, v in weights.to_torch(name, parameters).items()})
    x, *first = (torch.from_numpy(a.copy()).requires_grad_() for a in (args[0], *states.values()))
    given = [s[None] for s in first]
    output, last = layer(x, tuple(given) if len(given) > 1 else given[0])
    results = [output, *(last[1] if len(given) > 1 else ())]
    sum((r * torch.from_numpy(w)).sum() for r, w in zip(results, cotangents, strict=True)).backward()

    *values, cache_ = made(name, target).forward(*args)
    gradients = made(name, target).backward(*cotangents, cache_)._asdict()
    get = host if target == "cuda" else np.asarray
    for value, one in zip(values, results, strict=True):
        assert relative_error(get(value), one.detach().numpy().reshape(value.shape)) <= TOLERANCE
    for field, leaf in zip(gradients, (x, *first), strict=False):
        assert relative_error(get(gradients[field]), leaf.grad.numpy()) <= TOLERANCE, field
    theirs = {k: p.grad.numpy() for k, p in layer.named_parameters()}
    if name != "gru_reset_after":  # both of PyTorch's biases have the gradient of our one
        theirs["bias_hh_l0"] = np.zeros_like(theirs["bias_hh_l0"])
    for key, due in weights.from_torch(name, theirs).items():
        assert relative_error(get(gradients[f"d{key}"]), due) <= TOLERANCE, key


def test_ties_and_kinks() -> None:
    """relu′(0) = 0, and what a maximum of equals receives is shared: broken if a kernel or NumPy decides otherwise."""
    for target in ("numpy", "cuda"):
        get = host if target == "cuda" else np.asarray
        zeros = [np.zeros_like(a) for a in arguments("indrnn", SIZES)]
        *_, state = made("indrnn", target).forward(*zeros)
        gradients = made("indrnn", target).backward(np.ones((SIZES["T"], SIZES["N"], SIZES["H"])), state)
        assert not get(gradients.db).any()
        args = [np.zeros_like(a) for a in arguments("slstm", SIZES)]
        args[3][:] = 1
        args[4][:] = np.log(2)  # m_prev + log σ(0) = 0 is equal to a_i
        first = [a[:1] if k == 0 else a for k, a in enumerate(args)]
        *results, state = made("slstm", target).forward(*first)
        dm = np.ones(results[-1].shape)
        gradients = made("slstm", target).backward(None, None, None, dm, state)
        assert np.allclose(get(gradients.dm0), 0.5)
