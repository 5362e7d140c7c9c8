"""A leaky cell whose rate each unit learns, normalised over the units."""

from fractions import Fraction

from derive.cell import Cell, dims, mean, parameter, sequence, sigmoid, sqrt, state, tanh

N, D, H = dims("N D H")
eps = Fraction(1, 10**5)  # equations are exact: no floats


class Leaky(Cell):
    """Leaky units with learned rates."""

    x = sequence(N, D)  # new at every step; the batch N comes first
    h_prev = state(N, H)  # the previous value of what the equation h computes
    W_x = parameter(D, H)
    W_h = parameter(H, H)
    b = parameter(H)
    u = parameter(H)

    a = x @ W_x + h_prev @ W_h + b  # @ is the matrix product, * is elementwise
    s = sqrt(mean(a**2) + eps)  # over the units, the last axis
    g = tanh(a / s)
    r = sigmoid(u)
    h = (1 - r) * h_prev + r * g

    outputs = ("h",)
