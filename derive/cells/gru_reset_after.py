"""The gated recurrent unit that resets its state after the product."""

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state, tanh

N, D, H = dims("N D H")
gates = stack("rzn", H)


class GRUResetAfter(Cell):
    """Gated recurrent unit, reset after the product (Cho et al. 2014, as in cuDNN, PyTorch and Keras)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_x = parameter(D, gates)
    W_h = parameter(H, gates)
    b_x = parameter(gates)
    b_h = parameter(gates)

    a = x @ W_x + b_x
    q = h_prev @ W_h + b_h
    r = sigmoid(a.r + q.r)
    z = sigmoid(a.z + q.z)
    n = tanh(a.n + r * q.n)
    h = (1 - z) * n + z * h_prev

    outputs = ("h",)
