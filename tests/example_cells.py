"""Cells that the tests plan and generate beside the LSTM, each for something that the LSTM lacks."""

from __future__ import annotations

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state, tanh
from derive.cells import CELLS
from derive.program import Program

N, D, H = dims("N D H")
B, F, K = dims("B F K")
two = stack("rz", H)
pair = stack("uv", K)
three = stack("rzn", H)
four = stack("igfo", H)


class RNN(Cell):
    """No stacked axis, a product inside of a function."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_x = parameter(D, H)
    W_h = parameter(H, H)
    b = parameter(H)

    h = tanh(x @ W_x + h_prev @ W_h + b)
    outputs = ("h",)


class GRU(Cell):
    """A product that waits for another one in the same step; two hoisted products."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_x = parameter(D, two)
    W_h = parameter(H, two)
    b = parameter(two)
    U_x = parameter(D, H)
    U_h = parameter(H, H)
    e = parameter(H)

    a = x @ W_x + h_prev @ W_h + b
    r = sigmoid(a.r)
    z = sigmoid(a.z)
    n = tanh(x @ U_x + (r * h_prev) @ U_h + e)
    h = (1 - z) * n + z * h_prev
    outputs = ("h",)


class GRUResetAfter(Cell):
    """A stacked array that is hoisted whole, one that the tape keeps, a cotangent wanted for all t."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_x = parameter(D, three)
    W_h = parameter(H, three)
    b = parameter(three)
    b_h = parameter(three)

    a = x @ W_x + b
    q = h_prev @ W_h + b_h
    r = sigmoid(a.r + q.r)
    z = sigmoid(a.z + q.z)
    n = tanh(a.n + r * q.n)
    h = (1 - z) * n + z * h_prev
    outputs = ("h",)


class Peephole(Cell):
    """Parameters that broadcast over the batch, gates that are not functions of a block alone."""

    x = sequence(N, D)
    h_prev = state(N, H)
    c_prev = state(N, H)
    W_x = parameter(D, four)
    W_h = parameter(H, four)
    b = parameter(four)
    p_i = parameter(H)
    p_f = parameter(H)
    p_o = parameter(H)

    a = x @ W_x + h_prev @ W_h + b
    i = sigmoid(a.i + p_i * c_prev)
    g = tanh(a.g)
    f = sigmoid(a.f + p_f * c_prev)
    c = f * c_prev + i * g
    o = sigmoid(a.o + p_o * c)
    h = o * tanh(c)
    outputs = ("h",)


class Readout(Cell):
    """An output that is no state, a state that is no output, a gate hoisted whole, equations after the loop."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, H)
    V = parameter(H, D)

    h = h_prev * sigmoid(x @ W)
    y = tanh(h @ V)
    outputs = ("y",)


class TwoOutputs(Cell):
    """Two outputs, both of them states, one feeding the other; an input that is not used."""

    x = sequence(N, H)
    u_prev = state(N, H)
    v_prev = state(N, H)
    w = parameter(H)
    unused = parameter(H)

    u = tanh(w * u_prev + x)
    v = v_prev * sigmoid(u) + u / 2
    outputs = ("u", "v")


class OtherDims(Cell):
    """Dimensions of other names than N, D, H, the batch too; a stacked bias, a product before a sum over the batch."""

    x = sequence(B, F)
    s_prev = state(B, K)
    W = parameter(F, pair)
    U = parameter(K, pair)
    b = parameter(pair)
    p = parameter(K)

    a = x @ W + s_prev @ U + b
    u = sigmoid(a.u)
    v = tanh(a.v + p * s_prev)
    s = u * s_prev + (1 - u) * v
    outputs = ("s",)


EXAMPLES: dict[str, Program] = {
    cell.program.name: cell.program for cell in (RNN, GRU, GRUResetAfter, Peephole, Readout, TwoOutputs, OtherDims)
}
ALL: dict[str, Program] = {**CELLS, **EXAMPLES}
