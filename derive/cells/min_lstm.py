"""The long short-term memory whose gates see the input alone."""

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state

N, D, H = dims("N D H")
parts = stack("fin", H)


class MinLSTM(Cell):
    """Minimal long short-term memory without hidden state dependence (Feng et al. 2024)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_x = parameter(D, parts)
    b = parameter(parts)

    a = x @ W_x + b
    f = sigmoid(a.f)
    i = sigmoid(a.i)
    h = (f * h_prev + i * a.n) / (f + i)

    outputs = ("h",)
