"""The gated recurrent unit that resets its state before the product."""

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state, tanh

N, D, H = dims("N D H")
gates = stack("rz", H)


class GRU(Cell):
    """Gated recurrent unit, reset before the product (Cho et al. 2014)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_x = parameter(D, gates)
    W_h = parameter(H, gates)
    b = parameter(gates)
    U_x = parameter(D, H)
    U_h = parameter(H, H)
    e = parameter(H)

    a = x @ W_x + h_prev @ W_h + b
    r = sigmoid(a.r)
    z = sigmoid(a.z)
    n = tanh(x @ U_x + (r * h_prev) @ U_h + e)
    h = (1 - z) * n + z * h_prev

    outputs = ("h",)
