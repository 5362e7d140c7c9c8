"""Long short-term memory that forgets what it replaces."""

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state, tanh

N, D, H = dims("N D H")
gates = stack("gfo", H)


class LSTMCoupled(Cell):
    """Long short-term memory with coupled input and forget gate, i = 1 − f (Greff et al. 2017)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    c_prev = state(N, H)
    W_x = parameter(D, gates)
    W_h = parameter(H, gates)
    b = parameter(gates)

    a = x @ W_x + h_prev @ W_h + b
    g = tanh(a.g)
    f = sigmoid(a.f)
    o = sigmoid(a.o)
    c = f * c_prev + (1 - f) * g
    h = o * tanh(c)

    outputs = ("h",)
