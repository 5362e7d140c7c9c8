"""The gated unit with one gate."""

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state, tanh

N, D, H = dims("N D H")
parts = stack("fn", H)


class MGU(Cell):
    """Minimal gated unit (Zhou et al. 2016)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_x = parameter(D, parts)
    b = parameter(parts)
    U_f = parameter(H, H)
    U_n = parameter(H, H)

    a = x @ W_x + b
    f = sigmoid(a.f + h_prev @ U_f)
    n = tanh(a.n + (f * h_prev) @ U_n)
    h = (1 - f) * h_prev + f * n

    outputs = ("h",)
