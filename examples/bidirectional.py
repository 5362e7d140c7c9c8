"""A bidirectional LSTM of two layers over sequences of different lengths, composed of the generated module's calls.

``python -m examples.bidirectional`` checks its gradients: against PyTorch where it is installed, and by a complex step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.outcome import check
from generated import lstm_numpy

Array = np.ndarray[Any, Any]
Weights = tuple[Array, Array, Array]  # W_x, W_h, b
Layers = list[tuple[Weights, Weights]]  # of every layer those of both directions, forward and reversed

T, N, D, H = 7, 4, 3, 5
LENGTHS = np.array([4, 7, 1, 5])


def forward(x: Array, layers: Layers, lengths: Array) -> tuple[Array, list[list[lstm_numpy.Cache]]]:
    """The outputs of the last layer, (T, N, 2H), and the caches of all."""
    caches = []
    for layer in layers:
        zeros = np.zeros((x.shape[1], layer[0][1].shape[0]), x.dtype)
        results = [
            lstm_numpy.forward(x, zeros, zeros, *weights, lengths=lengths, reverse=reverse)
            for weights, reverse in zip(layer, (False, True), strict=True)
        ]
        x = np.concatenate([h for h, _, _ in results], axis=2)
        caches.append([cache for _, _, cache in results])
    return x, caches


def backward(dh: Array, caches: list[list[lstm_numpy.Cache]]) -> tuple[Array, Layers]:
    """The cotangents of x and of all weights, from those of the outputs; ``forward`` told the caches the lengths."""
    gradients: Layers = []
    for layer in reversed(caches):
        one, two = (
            lstm_numpy.backward(part, None, cache) for part, cache in zip(np.split(dh, 2, axis=2), layer, strict=True)
        )
        dh = one.dx + two.dx
        gradients.insert(0, ((one.dW_x, one.dW_h, one.db), (two.dW_x, two.dW_h, two.db)))
    return dh, gradients


def problem() -> tuple[Array, Layers, Array]:
    """Inputs, weights, and a cotangent of the outputs."""
    chance = np.random.default_rng(0)

    def weights(inputs: int) -> Weights:
        shapes = ((inputs, 4 * H), (H, 4 * H), (4 * H,))
        W_x, W_h, b = (0.5 * chance.standard_normal(shape) for shape in shapes)
        return W_x, W_h, b

    layers = [(weights(inputs), weights(inputs)) for inputs in (D, 2 * H)]
    return chance.standard_normal((T, N, D)), layers, chance.standard_normal((T, N, 2 * H))


def flat(x: Array, layers: Layers) -> list[Array]:
    return [x, *(array for layer in layers for weights in layer for array in weights)]


def error_by_complex_step() -> float:
    """How far ⟨gradient, v⟩ is from the derivative of ⟨dh, h⟩ along a random v, relatively."""
    x, layers, dh = problem()
    _, caches = forward(x, layers, LENGTHS)
    gradients = flat(*backward(dh, caches))
    chance = np.random.default_rng(1)
    v = [chance.standard_normal(gradient.shape) for gradient in gradients]
    moved = iter(array + 1e-30j * along for array, along in zip(flat(x, layers), v, strict=True))
    x_moved = next(moved)
    layers_moved = [tuple(tuple(next(moved) for _ in weights) for weights in layer) for layer in layers]
    h, _ = forward(x_moved, layers_moved, LENGTHS)  # type: ignore[arg-type]
    derivative = float((dh * h.imag).sum()) / 1e-30
    return abs(sum(float((g * along).sum()) for g, along in zip(gradients, v, strict=True)) / derivative - 1)


def error_by_pytorch() -> float:
    """The largest difference of outputs and gradients to torch.nn.LSTM on the packed batch, relatively.

    Raises:
        ImportError: where there is no PyTorch.
    """
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    def theirs(stacked: Array) -> Any:
        """Our blocks i, g, f, o along the last axis as PyTorch's i, f, g, o along the first."""
        i, g, f, o = np.split(stacked, 4, axis=-1)
        return torch.from_numpy(np.concatenate([i, f, g, o], axis=-1).T.copy())

    x, layers, dh = problem()
    lstm = torch.nn.LSTM(D, H, num_layers=2, bidirectional=True, dtype=torch.float64)
    kinds = ("weight_ih", "weight_hh", "bias_ih")
    ends = [f"_l{k}{end}" for k in range(2) for end in ("", "_reverse")]
    parameters = [getattr(lstm, kind + end) for end in ends for kind in kinds]
    with torch.no_grad():
        for parameter, array in zip(parameters, flat(x, layers)[1:], strict=True):
            parameter.copy_(theirs(array))
        for end in ends:
            getattr(lstm, f"bias_hh{end}").zero_()
    x_torch = torch.from_numpy(x).requires_grad_()
    packed, _ = lstm(pack_padded_sequence(x_torch, torch.from_numpy(LENGTHS), enforce_sorted=False))
    h_torch, _ = pad_packed_sequence(packed)
    h_torch.backward(torch.from_numpy(dh))

    h, caches = forward(x, layers, LENGTHS)
    dx, gradients = backward(dh, caches)
    pairs = [(torch.from_numpy(h), h_torch.detach()), (torch.from_numpy(dx), x_torch.grad)]
    ours = flat(dx, gradients)[1:]
    pairs += [(theirs(array), parameter.grad) for array, parameter in zip(ours, parameters, strict=True)]
    return max(float((value - due).abs().max() / due.abs().max()) for value, due in pairs)


def main() -> None:
    check("difference of gradients and a complex step", error_by_complex_step(), 1e-12)
    try:
        error = error_by_pytorch()
    except ImportError:
        return
    check("difference of results, gradients and torch.nn.LSTM's", error, 1e-12)


if __name__ == "__main__":
    main()
