"""Long short-term memory."""

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state, tanh

N, D, H = dims("N D H")
gates = stack("igfo", H)


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers et al. 2000)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    c_prev = state(N, H)
    W_x = parameter(D, gates)
    W_h = parameter(H, gates)
    b = parameter(gates)

    a = x @ W_x + h_prev @ W_h + b
    i = sigmoid(a.i)
    g = tanh(a.g)
    f = sigmoid(a.f)
    o = sigmoid(a.o)
    c = f * c_prev + i * g
    h = o * tanh(c)

    outputs = ("h",)
