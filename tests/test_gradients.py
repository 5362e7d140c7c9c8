"""Rungs 2 and 3 of the ladder of trust: complex step, Taylor remainders, dot products, for every cell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.example_cells import ALL
from tests.modules import SMALL, arguments, cotangents_for, module, relative_error

STEP = 1e-200  # a complex step has no cancellation, so it can be as small as the exponent range allows
CELL_NAMES = sorted(ALL)


def functions(name: str, whole: bool) -> tuple[Callable, Callable]:
    made = module(name)
    return (made.forward, made.backward) if whole else (made.step_forward, made.step_backward)


def complex_step(forward: Callable, args: list[np.ndarray], k: int, direction: np.ndarray) -> list[np.ndarray]:
    """The tangents of all results along a direction of argument k."""
    moved = [a.astype(np.complex128) for a in args]
    moved[k] = np.asarray(moved[k] + 1j * STEP * direction)
    *results, _ = forward(*moved)
    return [np.imag(result) / STEP for result in results]


@pytest.mark.parametrize("whole", [False, True], ids=["step", "sequence"])
@pytest.mark.parametrize("name", CELL_NAMES)
def test_every_entry_of_every_gradient_by_complex_step(name: str, whole: bool) -> None:
    """Broken if any entry of any derived gradient is wrong; the reference differentiates the forward code alone."""
    forward, backward = functions(name, whole)
    args = arguments(name, SMALL, whole=whole)
    results = forward(*args)
    cotangents = cotangents_for(results)
    gradients = backward(*cotangents, results[-1])
    for k, argument in enumerate(args):
        reference = np.empty_like(argument)
        for place in np.ndindex(argument.shape):
            direction = np.zeros_like(argument)
            direction[place] = 1
            tangents = complex_step(forward, args, k, direction)
            reference[place] = sum(float((w * t).sum()) for w, t in zip(cotangents, tangents, strict=True))
        # Both sides are float64 sums of some ten products; 1e-12 leaves three digits for them.
        assert relative_error(gradients[k], reference) <= 1e-12, f"{name}: {gradients._fields[k]}"


@pytest.mark.parametrize("name", CELL_NAMES)
def test_dot_products(name: str) -> None:
    """⟨J v, w⟩ = ⟨v, Jᵀ w⟩ at odd sizes: broken if a sum over t or the batch is cut short or doubled."""
    made = module(name)
    args = arguments(name, {"T": 5, "N": 3, "D": 4, "H": 7}, seed=2)
    results = made.forward(*args)
    cotangents = cotangents_for(results, seed=3)
    gradients = made.backward(*cotangents, results[-1])
    directions = [np.random.default_rng(k).standard_normal(a.shape) for k, a in enumerate(args)]
    tangents = [complex_step(made.forward, args, k, v) for k, v in enumerate(directions)]
    left = sum(float((w * t).sum()) for each in tangents for w, t in zip(cotangents, each, strict=True))
    terms = [float((g * v).sum()) for g, v in zip(gradients, directions, strict=True)]
    # The sum of terms may cancel, so it is compared with the sum of their sizes.
    assert abs(left - sum(terms)) <= 1e-12 * sum(map(abs, terms))


@pytest.mark.parametrize("name", CELL_NAMES)
def test_taylor_remainders_have_slopes_one_and_two(name: str) -> None:
    """|f(p + εv) − f(p)| ~ ε and |… − ε⟨g, v⟩| ~ ε²: broken if the gradient is not that of this function."""
    made = module(name)
    args = arguments(name, SMALL, seed=4)
    results = made.forward(*args)
    cotangents = cotangents_for(results, seed=5)
    gradients = made.backward(*cotangents, results[-1])
    directions = [np.random.default_rng(9 + k).standard_normal(a.shape) for k, a in enumerate(args)]
    slope = sum(float((g * v).sum()) for g, v in zip(gradients, directions, strict=True))

    def loss(epsilon: float) -> float:
        moved = [np.asarray(a + epsilon * v) for a, v in zip(args, directions, strict=True)]
        values = made.forward(*moved)[:-1]
        return sum(float((w * r).sum()) for w, r in zip(cotangents, values, strict=True))

    # Halving from 3e-4 stays far above rounding (1e-16 / ε² < 1e-6) and in the quadratic range.
    steps = 3e-4 * 0.5 ** np.arange(5)
    zeroth = [abs(loss(e) - loss(0.0)) for e in steps]
    first = [abs(loss(e) - loss(0.0) - e * slope) for e in steps]
    assert np.allclose(np.diff(np.log2(zeroth)), -1, atol=0.1)
    assert np.allclose(np.diff(np.log2(first)), -2, atol=0.1)
