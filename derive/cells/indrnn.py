"""The recurrent network whose neurons see no others' states."""

from derive.cell import Cell, dims, parameter, relu, sequence, state

N, D, H = dims("N D H")


class Indrnn(Cell):
    """Independently recurrent neural network (Li et al. 2018)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_x = parameter(D, H)
    u = parameter(H)
    b = parameter(H)

    h = relu(x @ W_x + u * h_prev + b)

    outputs = ("h",)
