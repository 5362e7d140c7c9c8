"""Cells whose sums are of kinds that those of ``example_cells`` lack, for the generality of the CUDA emitter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from derive.cell import Cell, dims, exp, maximum, parameter, sequence, sigmoid, sqrt, stack, state, step, tanh
from derive.cell import max as largest
from derive.cell import min as smallest
from derive.cell import sum as total
from derive.program import Program
from tests.modules import Sizes

N, D, H, P, K = dims("N D H P K")
four = stack("igfo", H)
# Rows enough for sums in two parts.
SIZES: Sizes = {"T": 5, "N": 13, "D": 3, "H": 2, "P": 4, "K": 2}


class Projection(Cell):
    """A state of another size than the cell's inside: two stages for every step."""

    x = sequence(N, D)
    r_prev = state(N, P)
    c_prev = state(N, H)
    W_x = parameter(D, four)
    W_r = parameter(P, four)
    b = parameter(four)
    W_p = parameter(H, P)

    a = x @ W_x + r_prev @ W_r + b
    i = sigmoid(a.i)
    g = tanh(a.g)
    f = sigmoid(a.f)
    o = sigmoid(a.o)
    c = f * c_prev + i * g
    m = o * tanh(c)
    r = m @ W_p
    outputs = ("r",)


class Scalar(Cell):
    """A parameter without axes, whose gradient is a sum over everything; a third, exactly."""

    x = sequence(N, H)
    s_prev = state(N, H)
    w = parameter()
    v = parameter(H)

    s = tanh(w * s_prev + v * x) / 3
    outputs = ("s",)


class Skip(Cell):
    """An output that is begun before the loop and completed after it."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, H)
    U = parameter(H, H)
    V = parameter(H, K)
    Q = parameter(D, K)
    e = parameter(K)

    h = tanh(x @ W + h_prev @ U)
    y = sigmoid(h @ V + x @ Q + e)
    outputs = ("y",)


class Tied(Cell):
    """Equations of parameters alone, a parameter used as it is and transposed."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, H)
    U = parameter(H, H)
    g = parameter(H)

    S = U @ U.T
    h = tanh(x @ W + h_prev @ S + g * g)
    z = h @ W.T
    outputs = ("z",)


class RowStack(Cell):
    """Blocks along the first axis of a parameter."""

    x = sequence(N, D)
    h_prev = state(N, H)
    V = parameter(four, D)
    U = parameter(H, H)

    a = x @ V.T
    h = tanh(a.i * a.g + a.f * sigmoid(a.o) + h_prev @ U)
    outputs = ("h",)


class Mixed(Cell):
    """Sums over all steps of which one is a product and one is none, over the same points; a sum with its transpose."""

    x = sequence(N, D)
    h_prev = state(N, H)
    V = parameter(four, D)
    Q = parameter(H, D)
    U = parameter(H, H)

    a = x @ V.T
    S = U + U.T
    h = tanh(a.i + a.g * a.f * a.o + x @ Q.T + h_prev @ S)
    outputs = ("h",)


class Attend(Cell):
    """A number per row: a sum that is no product of matrices, an equation that nothing needs."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, H)
    v = parameter(H)
    U = parameter(H, H)

    s = h_prev @ v
    u = x @ W
    h = tanh(u + h_prev @ U)
    q = (h * u) @ v
    outputs = ("q", "h")


class Quotient(Cell):
    """Powers, also negative ones, and a state that is no output but reaches one through a sum."""

    x = sequence(N, H)
    s_prev = state(N, H)
    U = parameter(H, H)
    p = parameter(H)

    s = (x + s_prev @ U) / (1 + p**2) ** 2
    y = tanh(s) ** 3
    outputs = ("y",)


class Linear(Cell):
    """A state that is begun before the loop."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, H)
    U = parameter(H, H)

    h = x @ W + h_prev @ U
    y = tanh(h)
    outputs = ("y",)


class Wide(Cell):
    """Six blocks side by side, which no set of threads divides."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, stack("abcdef", H))
    U = parameter(H, stack("abcdef", H))

    z = x @ W + h_prev @ U
    h = tanh(z.a + z.b * z.c) * sigmoid(z.d + z.e * z.f)
    outputs = ("h",)


class Wider(Cell):
    """Twelve blocks, too many for slices of the sums."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, stack("abcdefghijkl", H))
    U = parameter(H, stack("abcdefghijkl", H))

    z = x @ W + h_prev @ U
    h = tanh(z.a + z.b * z.c + z.d * z.e + z.f * z.g) * sigmoid(z.h + z.i * z.j + z.k * z.l)
    outputs = ("h",)


class Constant(Cell):
    """Outputs that are the same at all steps, as it turns out: what is subtracted is what is there."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, H)

    e = x @ W - x @ W
    f = exp(e)
    h = tanh(h_prev + x @ W)
    outputs = ("f", "h", "e")


class Shared(Cell):
    """A stacked array whose tangent has a term that is the same for all blocks, a sum."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, H)
    Q = parameter(four, K)
    R = parameter()
    w = parameter(K)

    e = (Q + R) @ sigmoid(w)
    h = tanh(x @ W * e.g + h_prev * e.o)
    outputs = ("h",)


class Flat(Cell):
    """A function that only tangents differentiate: what it is in has no derivative."""

    x = sequence(N, H)
    h_prev = state(N, H)
    w = parameter(H)

    s = step(maximum(x, w))
    h = h_prev / 2 + s * x
    outputs = ("h",)


class Coupled(Cell):
    """A cotangent that a step hands on and reads itself: ∂v_prev = ∂u_prev + …, both with sums."""

    x = sequence(N, D)
    u_prev = state(N, H)
    v_prev = state(N, H)
    W = parameter(H, H)
    U = parameter(H, H)
    V = parameter(D, H)

    u = tanh((u_prev + v_prev) @ W + x @ V)
    v = sigmoid(u @ U - v_prev @ U)
    outputs = ("u",)


class Maxima(Cell):
    """A maximum of every kind: over both blocks of a stack, over slots, of parameters, of sums, of another maximum."""

    x = sequence(N, D)
    M_prev = state(N, K, H)
    W = parameter(D, four)
    U = parameter(H, H)
    V = parameter(K, H)
    b = parameter(K)

    a = x @ W
    top = largest(a)
    r = largest(M_prev, K)[:, 0]
    low = smallest(tanh(a.i) @ U + r)
    e = exp(a.o - largest(a.o))
    s = largest(largest(a.g[:, None, :] + M_prev), 1)[:, 0, 0]
    h = e / total(e) * low + (a.f - top) * sigmoid(largest(V, K)) + s[:, None] / 8
    M = M_prev / 2 + tanh(h)[:, None, :] * V * largest(b)[:, None]
    outputs = ("h",)


class Normed(Cell):
    """Blocks of a stack in the loop, and all of it: over its norm, less its maximum; the smallest product."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, four)
    U = parameter(H, four)

    a = x @ W + h_prev @ U
    n = sqrt(1 + total(a**2) / 9)
    h = tanh(a.i) * sigmoid(a.f) / n + tanh(a.o - largest(a)) * h_prev + smallest(a.g * h_prev) / 3
    outputs = ("h",)


HARD: dict[str, Program] = {
    cell.program.name: cell.program
    for cell in (
        Projection,
        Scalar,
        Skip,
        Tied,
        RowStack,
        Mixed,
        Attend,
        Quotient,
        Linear,
        Wide,
        Wider,
        Constant,
        Shared,
        Flat,
        Coupled,
        Maxima,
        Normed,
    )
}


def by_steps(cell: Program, step_forward: object, args: list[np.ndarray]) -> list[np.ndarray]:
    """The results of ``forward`` by one NumPy step after the other."""
    assert callable(step_forward)
    following = list(dict.fromkeys([*cell.outputs, *(s.next for s in cell.having("state"))]))
    states = {a.name: v for a, v in zip(cell.inputs, args, strict=True) if a.role == "state"}
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in cell.outputs}
    for t in range(SIZES["T"]):
        step = [
            states[a.name] if a.role == "state" else v[t] if a.role == "sequence" else v
            for a, v in zip(cell.inputs, args, strict=True)
        ]
        values = dict(zip(following, step_forward(*step), strict=False))
        states = {s.name: values[s.next] for s in cell.having("state")}
        for name in cell.outputs:
            outputs[name].append(values[name])
    last = [states[s.name] for s in cell.having("state") if s.next not in cell.outputs]
    return [*(np.array(outputs[name]) for name in cell.outputs), *last]


def complex_steps(
    cell: Program, step_forward: object, args: list[np.ndarray], cotangents: list[np.ndarray]
) -> Iterator[np.ndarray]:
    """The gradients of all arguments, entry by entry, exact to rounding."""
    for k, argument in enumerate(args):
        gradient = np.empty_like(argument)
        for place in np.ndindex(argument.shape):
            moved = [a.astype(complex) for a in args]
            moved[k][place] += 1e-30j
            results = by_steps(cell, step_forward, moved)
            gradient[place] = sum(float((w * r.imag).sum()) for w, r in zip(cotangents, results, strict=True)) / 1e-30
        yield gradient
