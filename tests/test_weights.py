"""Weights in the layouts of PyTorch, Keras and ONNX; PyTorch's own modules are in ``test_zoo``."""

from __future__ import annotations

import numpy as np
import pytest

from derive import weights
from derive.cells import CELLS
from derive.weights import KERAS, ONNX, TORCH, blocks
from tests.modules import SMALL, arguments, module, relative_error

OF = {
    "torch": (TORCH, weights.to_torch, weights.from_torch),
    "keras": (KERAS, weights.to_keras, weights.from_keras),
    "onnx": (ONNX, weights.to_onnx, weights.from_onnx),
}


def parameters(name: str) -> dict[str, np.ndarray]:
    pairs = zip(CELLS[name].inputs, arguments(name, SMALL, seed=3), strict=True)
    return {array.name: value for array, value in pairs if array.role == "parameter"}


@pytest.mark.parametrize(
    ("library", "name"), [(library, name) for library, (cells, *_) in OF.items() for name in cells]
)
def test_there_and_back(library: str, name: str) -> None:
    """Broken if a gate or an axis comes back in another place."""
    _, to, back = OF[library]
    given = parameters(name)
    found = back(name, to(name, given))  # type: ignore[operator]
    assert found.keys() == given.keys()
    # Keras' LSTM and SimpleRNN have one bias, as our cells have.
    assert all(np.array_equal(found[key], given[key]) for key in given)


def test_a_cell_that_a_library_lacks_is_named() -> None:
    with pytest.raises(ValueError, match="Keras has no cell 'mgu'; it has rnn_tanh, rnn_relu, lstm, gru_reset_after"):
        weights.to_keras("mgu", {})
    with pytest.raises(ValueError, match="blocks 'ifgo' in the order 'ifg' of an axis of length 8"):
        blocks(np.zeros((3, 8)), "ifgo", "ifg")


def keras_lstm(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray
):  # type: ignore[no-untyped-def]
    """keras.layers.LSTM as its documentation has it: gates i, f, c, o."""
    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=1)
    s = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    c = s(f) * c + s(i) * np.tanh(g)
    return s(o) * np.tanh(c), c


def keras_gru(x: np.ndarray, h: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """keras.layers.GRU with reset_after, its default: gates z, r, h; the bias of the input, then of the recurrence."""
    (x_z, x_r, x_h), (h_z, h_r, h_h) = (np.split(a, 3, axis=1) for a in (x @ kernel + bias[0], h @ recurrent + bias[1]))
    s = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    z = s(x_z + h_z)
    return np.asarray(z * h + (1 - z) * np.tanh(x_h + s(x_r + h_r) * h_h))


def test_keras_equations_with_keras_weights() -> None:
    """Broken if our weights in Keras' order are not those of the same cell."""
    x, h0, c0, *_ = arguments("lstm", SMALL, whole=False, seed=3)
    h, c, _ = module("lstm").step_forward(x, h0, c0, *parameters("lstm").values())
    due = keras_lstm(x, h0, c0, *weights.to_keras("lstm", parameters("lstm")))
    assert max(map(relative_error, (h, c), due)) <= 1e-14
    x, h0, *_ = arguments("gru_reset_after", SMALL, whole=False, seed=3)
    h, _ = module("gru_reset_after").step_forward(x, h0, *parameters("gru_reset_after").values())
    assert (
        relative_error(h, keras_gru(x, h0, *weights.to_keras("gru_reset_after", parameters("gru_reset_after"))))
        <= 1e-14
    )


@pytest.mark.parametrize("name", sorted(set(ONNX) - {"rnn_relu"}))  # the evaluator has no Relu inside of an RNN
def test_onnx_reference(name: str) -> None:
    """Broken if a cell is not the operator of ONNX, peepholes included, or its weights are in another order there."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: its reference evaluator did not run")
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    args, given = arguments(name, SMALL, seed=3), parameters(name)
    states = {a.next: v for a, v in zip(CELLS[name].inputs, args, strict=True) if a.role == "state"}
    theirs = weights.to_onnx(name, given)
    feed = {"X": args[0], **theirs, **{f"initial_{k}": v[None] for k, v in states.items()}}
    kind = {"r": "RNN", "l": "LSTM", "g": "GRU"}[name[0]]
    # Inputs are given by position, and sequence_lens is left out.
    inputs = ["X", "W", "R", "B", "", *(f"initial_{k}" for k in states), *(["P"] if "P" in theirs else [])]
    options = {"linear_before_reset": 1} if kind == "GRU" else {}
    if kind == "RNN":
        options = {"activations": ["Tanh"]}
    outputs = ["Y", "Y_h", "Y_c"][: 3 if kind == "LSTM" else 2]
    node = helper.make_node(kind, inputs, outputs, hidden_size=SMALL["H"], **options)
    infos = [[helper.make_tensor_value_info(n, TensorProto.DOUBLE, None) for n in names] for names in (feed, outputs)]
    model = helper.make_model(
        helper.make_graph([node], name, *infos), opset_imports=[helper.make_opsetid("", 14)], ir_version=8
    )
    Y, *last = ReferenceEvaluator(model).run(None, feed)
    h, *rest = module(name).forward(*args)[:-1]
    assert relative_error(h, Y[:, 0]) <= 1e-10
    for value, due in zip(rest, last[1:], strict=True):
        assert relative_error(value, due[0]) <= 1e-10
    assert onnx.__version__
