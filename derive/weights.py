"""Weights in other libraries' layouts: PyTorch's, Keras's and ONNX's, to and from those of the generated modules.

Ours have the input first, W_x (D, 4H) and W_h (H, 4H), and the blocks in the order of the module's GATE_ORDER. The
others differ in the order of the gates, in which axis is which, and in how many biases there are. Needs NumPy alone.

    args = {"W_x": W_x, "W_h": W_h, "b": b}
    theirs = to_torch("lstm", args)          # weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0
    args = from_torch("lstm", theirs)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Weights = Mapping[str, Array]


@dataclass(frozen=True)
class Layout:
    """How a library stores a cell.

    Attributes:
        ours, theirs: the gates in our order and in the library's, in our letters.
        biases: whether it has a second bias, of the recurrent product.
    """

    ours: str
    theirs: str
    biases: bool


# Where a cell has two biases with us, b_x and b_h, so has the library.
TORCH: Mapping[str, Layout] = {
    "rnn_tanh": Layout("h", "h", True),
    "rnn_relu": Layout("h", "h", True),
    "lstm": Layout("igfo", "ifgo", True),
    "lstm_projection": Layout("igfo", "ifgo", True),
    "gru_reset_after": Layout("rzn", "rzn", True),
}
KERAS: Mapping[str, Layout] = {
    "rnn_tanh": Layout("h", "h", False),
    "rnn_relu": Layout("h", "h", False),
    "lstm": Layout("igfo", "ifgo", False),
    "gru_reset_after": Layout("rzn", "zrn", True),
}
ONNX: Mapping[str, Layout] = {
    "rnn_tanh": Layout("h", "h", True),
    "rnn_relu": Layout("h", "h", True),
    "lstm": Layout("igfo", "iofg", True),
    "lstm_peephole": Layout("igfo", "iofg", True),
    "gru_reset_after": Layout("rzn", "zrn", True),
}


def to_torch(cell: str, weights: Weights) -> dict[str, Array]:
    """The parameters of torch.nn.RNN, LSTM or GRU by their names, for a layer that begins with these weights."""
    layout = _layout(TORCH, "PyTorch", cell)
    W_x, W_h, b_x, b_h = _reordered(weights, layout.ours, layout.theirs)
    found = {
        "weight_ih_l0": W_x.T.copy(),
        "weight_hh_l0": W_h.T.copy(),
        "bias_ih_l0": b_x,
        "bias_hh_l0": b_h,
    }
    if "W_p" in weights:
        found["weight_hr_l0"] = weights["W_p"].T.copy()
    return found


def from_torch(cell: str, theirs: Weights) -> dict[str, Array]:
    """The parameters of our cell from those of torch.nn.RNN, LSTM or GRU."""
    layout = _layout(TORCH, "PyTorch", cell)
    stacked = (theirs["weight_ih_l0"].T, theirs["weight_hh_l0"].T, theirs["bias_ih_l0"], theirs["bias_hh_l0"])
    found = _ours(cell, stacked, layout)
    if "weight_hr_l0" in theirs:
        found["W_p"] = theirs["weight_hr_l0"].T.copy()
    return found


def to_keras(cell: str, weights: Weights) -> list[Array]:
    """What ``layer.set_weights`` of keras.layers.SimpleRNN, LSTM or GRU takes: kernel, recurrent_kernel, bias."""
    layout = _layout(KERAS, "Keras", cell)
    W_x, W_h, b_x, b_h = _reordered(weights, layout.ours, layout.theirs)
    return [W_x, W_h, np.stack([b_x, b_h]) if layout.biases else b_x + b_h]


def from_keras(cell: str, theirs: list[Array]) -> dict[str, Array]:
    """The parameters of our cell from ``layer.get_weights()``."""
    layout = _layout(KERAS, "Keras", cell)
    kernel, recurrent, bias = theirs
    b_x, b_h = bias if layout.biases else (bias, np.zeros_like(bias))
    return _ours(cell, (kernel, recurrent, b_x, b_h), layout)


def to_onnx(cell: str, weights: Weights) -> dict[str, Array]:
    """The inputs W, R, B (and P) of the operators RNN, LSTM and GRU, for one direction.

    GRU's attribute linear_before_reset has to be 1, and RNN's activations Tanh or Relu.
    """
    layout = _layout(ONNX, "ONNX", cell)
    W_x, W_h, b_x, b_h = _reordered(weights, layout.ours, layout.theirs)
    found = {"W": W_x.T[None].copy(), "R": W_h.T[None].copy(), "B": np.concatenate([b_x, b_h])[None]}
    if "p_i" in weights:
        found["P"] = np.concatenate([weights[name] for name in ("p_i", "p_o", "p_f")])[None]
    return found


def from_onnx(cell: str, theirs: Weights) -> dict[str, Array]:
    """The parameters of our cell from the inputs W, R, B (and P) of an operator, for one direction."""
    layout = _layout(ONNX, "ONNX", cell)
    b_x, b_h = np.split(theirs["B"][0], 2)
    found = _ours(cell, (theirs["W"][0].T, theirs["R"][0].T, b_x, b_h), layout)
    if "P" in theirs:
        found |= dict(zip(("p_i", "p_o", "p_f"), np.split(theirs["P"][0], 3), strict=True))
    return found


def _layout(layouts: Mapping[str, Layout], library: str, cell: str) -> Layout:
    if cell not in layouts:
        raise ValueError(f"{library} has no cell {cell!r}; it has {', '.join(layouts)}")
    return layouts[cell]


def _reordered(weights: Weights, old: str, new: str) -> tuple[Array, Array, Array, Array]:
    """W_x, W_h and both biases with their gates in another order; a cell with one bias has zeros for the second."""
    b_x = weights["b_x"] if "b_x" in weights else weights["b"]
    b_h = weights["b_h"] if "b_h" in weights else np.zeros_like(b_x)
    W_x, W_h, b_x, b_h = (blocks(a, old, new) for a in (weights["W_x"], weights["W_h"], b_x, b_h))
    return W_x, W_h, b_x, b_h


def _ours(cell: str, theirs: tuple[Array, Array, Array, Array], layout: Layout) -> dict[str, Array]:
    """Our parameters from W_x, W_h and both biases in the library's order; where we have one bias, it is their sum."""
    W_x, W_h, b_x, b_h = (blocks(a, layout.theirs, layout.ours) for a in theirs)
    biases = {"b_x": b_x, "b_h": b_h} if cell == "gru_reset_after" else {"b": b_x + b_h}
    return {"W_x": W_x, "W_h": W_h, **biases}


def blocks(stacked: Array, old: str, new: str) -> Array:
    """The blocks along the last axis in another order, ``blocks(W_x, "igfo", "ifgo")``; always a copy.

    Raises:
        ValueError: if the letters differ, or the axis has no such blocks.
    """
    if sorted(old) != sorted(new) or stacked.shape[-1] % len(old):
        raise ValueError(f"blocks {old!r} in the order {new!r} of an axis of length {stacked.shape[-1]}")
    parts = dict(zip(old, np.split(stacked, len(old), axis=-1), strict=True))
    return np.concatenate([parts[label] for label in new], axis=-1)
