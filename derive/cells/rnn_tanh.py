"""The simple recurrent network with tanh."""

from derive.cell import Cell, dims, parameter, sequence, state, tanh

N, D, H = dims("N D H")


class RNNTanh(Cell):
    """Simple recurrent network (Elman 1990) with tanh."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_x = parameter(D, H)
    W_h = parameter(H, H)
    b = parameter(H)

    h = tanh(x @ W_x + h_prev @ W_h + b)

    outputs = ("h",)
