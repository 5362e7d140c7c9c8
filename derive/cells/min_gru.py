"""The gated recurrent unit whose gate sees the input alone."""

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state

N, D, H = dims("N D H")
parts = stack("zn", H)


class MinGRU(Cell):
    """Minimal gated recurrent unit without hidden state dependence (Feng et al. 2024)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_x = parameter(D, parts)
    b = parameter(parts)

    a = x @ W_x + b
    z = sigmoid(a.z)
    h = (1 - z) * h_prev + z * a.n

    outputs = ("h",)
