"""An LSTM as one would write it from the equations: step by step, every operation into a fresh array."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .problem import Array, Problem, Results


class Step(NamedTuple):
    """What the backward pass needs of one step."""

    x: Array
    h_prev: Array
    c_prev: Array
    i: Array
    g: Array
    f: Array
    o: Array
    tanh_c: Array


def sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def forward(problem: Problem) -> tuple[Array, Array, list[Step]]:
    """h of every step, the last c, and the tape."""
    x, h, c, W_x, W_h, b = problem.inputs
    hs, tape = [], []
    for x_t in x:
        a_i, a_g, a_f, a_o = np.split(x_t @ W_x + h @ W_h + b, 4, axis=1)
        i, g, f, o = sigmoid(a_i), np.tanh(a_g), sigmoid(a_f), sigmoid(a_o)
        h_prev, c_prev = h, c
        c = f * c_prev + i * g
        tanh_c = np.tanh(c)
        h = o * tanh_c
        hs.append(h)
        tape.append(Step(x_t, h_prev, c_prev, i, g, f, o, tanh_c))
    return np.stack(hs), c, tape


def backward(problem: Problem, tape: list[Step]) -> tuple[Array, Array, Array, Array, Array, Array]:
    """dx, dh0, dc0, dW_x, dW_h, db."""
    W_x, W_h, dc = problem.W_x, problem.W_h, problem.dc
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(problem.b)
    dh = np.zeros_like(dc)
    dxs = []
    for s, dh_t in zip(reversed(tape), reversed(problem.dh), strict=True):
        dh = dh + dh_t
        dc = dc + dh * s.o * (1 - s.tanh_c**2)
        da_i = dc * s.g * s.i * (1 - s.i)
        da_g = dc * s.i * (1 - s.g**2)
        da_f = dc * s.c_prev * s.f * (1 - s.f)
        da_o = dh * s.tanh_c * s.o * (1 - s.o)
        da = np.concatenate([da_i, da_g, da_f, da_o], axis=1)
        dW_x += s.x.T @ da
        dW_h += s.h_prev.T @ da
        db += da.sum(axis=0)
        dxs.append(da @ W_x.T)
        dh = da @ W_h.T
        dc = dc * s.f
    return np.stack(dxs[::-1]), dh, dc, dW_x, dW_h, db


def solve(problem: Problem) -> Results:
    """Forward and backward pass; in double precision it is the reference for every contender."""
    h, c, tape = forward(problem)
    return Results(h, c, *backward(problem, tape))
