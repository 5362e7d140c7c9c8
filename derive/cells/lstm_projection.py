"""Long short-term memory whose state is projected to fewer numbers."""

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state, tanh

N, D, H, P = dims("N D H P")
gates = stack("igfo", H)


class LSTMProjection(Cell):
    """Long short-term memory with a recurrent projection layer (Sak, Senior & Beaufays 2014)."""

    x = sequence(N, D)
    h_prev = state(N, P)
    c_prev = state(N, H)
    W_x = parameter(D, gates)
    W_h = parameter(P, gates)
    b = parameter(gates)
    W_p = parameter(H, P)

    a = x @ W_x + h_prev @ W_h + b
    i = sigmoid(a.i)
    g = tanh(a.g)
    f = sigmoid(a.f)
    o = sigmoid(a.o)
    c = f * c_prev + i * g
    h = (o * tanh(c)) @ W_p

    outputs = ("h",)
