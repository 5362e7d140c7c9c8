"""Long short-term memory whose gates see the cell."""

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state, tanh

N, D, H = dims("N D H")
gates = stack("igfo", H)


class LSTMPeephole(Cell):
    """Long short-term memory with peepholes (Gers, Schraudolph & Schmidhuber 2002)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    c_prev = state(N, H)
    W_x = parameter(D, gates)
    W_h = parameter(H, gates)
    b = parameter(gates)
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
