"""What the functions of second order are compared with: complex steps of the forward pass and of the gradient."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from tests.modules import relative_error

STEP = 1e-200  # a complex step has no cancellation, so it can be as small as the exponent range allows
Arrays = list[np.ndarray]


def directions(arrays: Arrays, seed: int) -> Arrays:
    chance = np.random.default_rng(seed)
    return [np.asarray(chance.standard_normal(array.shape)) for array in arrays]


def names(made: ModuleType) -> list[str]:
    """The arguments of ``forward``, by the fields of the gradients."""
    return [field.removeprefix("d") for field in made.Gradients._fields]


def tangents(made: ModuleType, moved: Arrays) -> dict[str, np.ndarray]:
    return {f"{name}_dot": value for name, value in zip(names(made), moved, strict=True)}


def stepped(arrays: Arrays, moved: Arrays) -> Arrays:
    return [np.asarray(a + 1j * STEP * v) for a, v in zip(arrays, moved, strict=True)]


def imaginary(values: Arrays) -> Arrays:
    return [np.imag(value) / STEP for value in values]


def gradient(made: ModuleType, args: Arrays, cotangents: Arrays, **order: Any) -> Arrays:
    return list(made.backward(*cotangents, made.forward(*args, **order)[-1]))


def pairing(ones: Arrays, others: Arrays) -> float:
    """⟨u, v⟩ over several arrays."""
    return sum(float((one * other).sum()) for one, other in zip(ones, others, strict=True))


def assert_all_close(found: Arrays, due: Arrays, tolerance: float, what: str) -> None:
    """Each array by its own size, or where it should vanish by that of the largest."""
    scale = max((float(np.abs(one).max(initial=0)) for one in due), default=0.0)
    for value, reference in zip(found, due, strict=True):
        assert value.shape == reference.shape, what
        if np.abs(reference).max(initial=0) > 1e-3 * max(scale, 1e-6):
            assert relative_error(value, reference) <= tolerance, what
        else:
            assert np.abs(value - reference).max(initial=0) <= tolerance * max(scale, 1.0), what


def check(made: ModuleType, args: Arrays, cotangents: Arrays, tolerance: float, what: str, **order: Any) -> None:
    """jvp, hvp and backward_backward of a module against complex steps, along all arguments and along each alone.

    Args:
        order: lengths and reverse.
    """
    v, w_dot = directions(args, 3), directions(cotangents, 4)
    flat = [np.asarray(w + 0j) for w in cotangents]
    cache = made.forward(*args, **order)[-1]
    cotangents_dot = {f"d{f}": w for f, w in zip(made.Tangents._fields, w_dot, strict=True)}

    forward_due = imaginary(list(made.forward(*stepped(args, v), **order)[:-1]))
    assert_all_close(list(made.jvp(*args, **tangents(made, v), **order)), forward_due, tolerance, f"jvp of {what}")
    due = imaginary(gradient(made, stepped(args, v), stepped(cotangents, w_dot), **order))
    found = made.hvp(*cotangents, cache, **tangents(made, v), **cotangents_dot)
    assert_all_close(list(found), due, tolerance, f"hvp of {what}")

    for k, name in enumerate(names(made)):
        alone = [one if j == k else np.zeros_like(one) for j, one in enumerate(v)]
        only = {f"{name}_dot": v[k]}
        one_due = imaginary(list(made.forward(*stepped(args, alone), **order)[:-1]))
        assert_all_close(list(made.jvp(*args, **only, **order)), one_due, tolerance, f"jvp along {name} of {what}")
        due = imaginary(gradient(made, stepped(args, alone), flat, **order))
        assert_all_close(list(made.hvp(*cotangents, cache, **only)), due, tolerance, f"hvp along {name} of {what}")
    check_double_backward(made, args, cotangents, tolerance, what, **order)


def check_double_backward(
    made: ModuleType, args: Arrays, cotangents: Arrays, tolerance: float, what: str, **order: Any
) -> None:
    """⟨backward_backward(dd), (w, v)⟩ is the derivative of ⟨dd, backward⟩ along (w, v), by its definition alone."""
    cache = made.forward(*args, **order)[-1]
    gradients = list(made.backward(*cotangents, cache))
    given = directions(gradients, 5)
    double = made.backward_backward(cache, **{f"dd{name}": u for name, u in zip(names(made), given, strict=True)})
    w, v = directions(cotangents, 6), directions(args, 7)
    moved = imaginary(gradient(made, stepped(args, v), stepped(cotangents, w), **order))
    terms = [pairing([one], [other]) for one, other in zip(double, [*w, *v], strict=True)]
    scale = sum(map(abs, terms)) + sum(abs(pairing([u], [m])) for u, m in zip(given, moved, strict=True))
    assert abs(sum(terms) - pairing(given, moved)) <= tolerance * max(scale, 1e-3), f"double backward of {what}"
