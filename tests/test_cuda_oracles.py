"""The CUDA LSTM beside what shares nothing with it: torch.nn.LSTM, and complex steps through the NumPy forward."""

from __future__ import annotations

import numpy as np
import pytest

from generated import lstm_cuda, lstm_numpy
from tests import cuda
from tests.cuda_modules import cotangents_of, run, scaled_arguments
from tests.modules import Sizes, relative_error
from tests.torch_lstm import torch_lstm

cuda.require()

NAMES = ("h", "c", *lstm_cuda.Gradients._fields)


@pytest.mark.parametrize(
    "sizes",
    [{"T": 7, "N": 3, "D": 5, "H": 17}, {"T": 3, "N": 17, "D": 33, "H": 65}, {"T": 70, "N": 1, "D": 1, "H": 3}],
    ids=lambda sizes: "-".join(map(str, sizes.values())),
)
def test_pytorch(sizes: Sizes) -> None:
    """Broken if a gate has another's place, a step is left out, or a gradient is that of another function."""
    args = scaled_arguments("lstm", sizes, seed=7)
    cotangents = cotangents_of("lstm", args, seed=8)
    expected = torch_lstm(args, cotangents)
    values = dict(zip(NAMES, run(lstm_cuda, args, cotangents), strict=True))
    assert values.keys() == expected.keys()
    for name, value in values.items():
        assert relative_error(value, expected[name]) <= 1e-10, name


def test_complex_steps_through_numpy() -> None:
    """Broken if any entry of any gradient by the kernels is wrong; the reference differentiates NumPy's forward."""
    args = scaled_arguments("lstm", {"T": 3, "N": 3, "D": 5, "H": 3}, seed=9)
    cotangents = cotangents_of("lstm", args, seed=10)
    gradients = dict(zip(NAMES, run(lstm_cuda, args, cotangents), strict=True))
    for k, name in enumerate(lstm_cuda.Gradients._fields):
        reference = np.empty_like(args[k])
        for place in np.ndindex(reference.shape):
            moved = [a.astype(np.complex128) for a in args]
            moved[k][place] += 1e-200j
            results = lstm_numpy.forward(*moved)[:-1]
            reference[place] = sum(np.sum(w * (r.imag / 1e-200)) for w, r in zip(cotangents, results, strict=True))
        assert relative_error(gradients[name], reference) <= 1e-12, name
