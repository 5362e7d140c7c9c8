"""Long short-term memory with exponential gates."""

from derive.cell import Cell, dims, exp, maximum, parameter, sequence, sigmoid, softplus, stack, state, tanh

N, D, H = dims("N D H")
gates = stack("zifo", H)


class SLSTM(Cell):
    """xLSTM's long short-term memory with exponential gates, normaliser and stabiliser (Beck et al. 2024)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    c_prev = state(N, H)
    n_prev = state(N, H)  # normaliser
    m_prev = state(N, H)  # stabiliser
    W_x = parameter(D, gates)
    W_h = parameter(H, gates)
    b = parameter(gates)

    a = x @ W_x + h_prev @ W_h + b
    z = tanh(a.z)
    o = sigmoid(a.o)
    s = m_prev - softplus(-a.f)  # −softplus(−z) is log σ(z)
    m = maximum(s, a.i)
    i = exp(a.i - m)
    f = exp(s - m)
    c = f * c_prev + i * z
    n = f * n_prev + i
    h = o * c / n

    outputs = ("h",)
