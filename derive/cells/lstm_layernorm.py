"""Long short-term memory, normalised."""

from fractions import Fraction

from derive.cell import Cell, dims, mean, parameter, sequence, sigmoid, sqrt, stack, state, tanh

N, D, H = dims("N D H")
gates = stack("igfo", H)
eps = Fraction(1, 10**5)


class LSTMLayernorm(Cell):
    """Long short-term memory with layer normalisation (Ba, Kiros & Hinton 2016)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    c_prev = state(N, H)
    W_x = parameter(D, gates)
    W_h = parameter(H, gates)
    b = parameter(gates)
    g_x = parameter(gates)  # gains
    g_h = parameter(gates)
    g_c = parameter(H)
    b_c = parameter(H)

    p = x @ W_x
    p_0 = p - mean(p)
    p_s = sqrt(mean(p_0**2) + eps)
    p_1 = p_0 / p_s
    q = h_prev @ W_h
    q_0 = q - mean(q)
    q_s = sqrt(mean(q_0**2) + eps)
    q_1 = q_0 / q_s
    a = g_x * p_1 + g_h * q_1 + b
    i = sigmoid(a.i)
    g = tanh(a.g)
    f = sigmoid(a.f)
    o = sigmoid(a.o)
    c = f * c_prev + i * g
    c_0 = c - mean(c)
    c_s = sqrt(mean(c_0**2) + eps)
    c_1 = c_0 / c_s
    h = o * tanh(g_c * c_1 + b_c)

    outputs = ("h",)
