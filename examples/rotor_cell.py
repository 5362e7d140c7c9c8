"""A cell that no library has: a memory that the input turns.

Gates of an LSTM shrink what is remembered, by factors between 0 and 1. Here the memory of a unit is a point (u, v) of
the plane, and the input turns it about the origin by an angle φ of its own:

    k = x W,    cos φ = (1 − k²) / (1 + k²),    sin φ = 2k / (1 + k²)

so k is the tangent of φ/2, and any angle but half a turn is reached by some k. Nothing shrinks and nothing grows, so
gradients neither vanish nor explode; an input of zeros leaves the memory as it is; and after a whole turn the memory is
where it was, so that a unit can count modulo a number, which gates that shrink can only imitate.
"""

from __future__ import annotations

from derive.cell import Cell, dims, parameter, sequence, state

N, D, H = dims("N D H")


class Rotor(Cell):
    """A memory that the input turns."""

    x = sequence(N, D)
    u_prev = state(N, H)
    v_prev = state(N, H)
    W = parameter(D, H)
    p = parameter(H)
    q = parameter(H)

    k = x @ W
    cosine = (1 - k**2) / (1 + k**2)
    sine = 2 * k / (1 + k**2)
    u = cosine * u_prev - sine * v_prev
    v = sine * u_prev + cosine * v_prev
    h = p * u + q * v  # the point, seen from a direction
    outputs = ("h",)
