"""Cells that the tests plan and generate beside those of the zoo, each for something that these lack."""

from __future__ import annotations

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state, tanh
from derive.cells import CELLS
from derive.program import Program

N, D, H = dims("N D H")
B, F, K = dims("B F K")
pair = stack("uv", K)


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


EXAMPLES: dict[str, Program] = {cell.program.name: cell.program for cell in (Readout, TwoOutputs, OtherDims)}
ALL: dict[str, Program] = {**CELLS, **EXAMPLES}
