"""The simple recurrent network with relu."""

from derive.cell import Cell, dims, parameter, relu, sequence, state

N, D, H = dims("N D H")


class RNNRelu(Cell):
    """Simple recurrent network (Elman 1990) with relu, to be started with W_h = 1 (Le, Jaitly & Hinton 2015)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_x = parameter(D, H)
    W_h = parameter(H, H)
    b = parameter(H)

    h = relu(x @ W_x + h_prev @ W_h + b)

    outputs = ("h",)
