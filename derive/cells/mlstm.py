"""Long short-term memory whose cell is a matrix."""

from derive.cell import (
    Cell,
    absolute,
    dims,
    exp,
    maximum,
    parameter,
    sequence,
    sigmoid,
    softplus,
    sqrt,
    stack,
    state,
    sum,
)

N, D, H = dims("N D H")
parts = stack("qkvo", H)


class MLSTM(Cell):
    """xLSTM's long short-term memory with a matrix for its cell (Beck et al. 2024)."""

    x = sequence(N, D)
    C_prev = state(N, H, H)
    n_prev = state(N, H)  # normaliser
    m_prev = state(N)  # stabiliser
    W = parameter(D, parts)
    b = parameter(parts)
    w_i = parameter(D)
    b_i = parameter()
    w_f = parameter(D)
    b_f = parameter()

    a = x @ W + b
    k = a.k / sqrt(H)
    o = sigmoid(a.o)
    a_i = x @ w_i + b_i
    s = m_prev - softplus(-(x @ w_f + b_f))  # −softplus(−z) is log σ(z)
    m = maximum(s, a_i)
    i = exp(a_i - m)[:, None]
    f = exp(s - m)[:, None]
    C = f[:, None] * C_prev + i[:, None] * a.v[:, :, None] * k[:, None, :]
    n = f * n_prev + i * k
    y = C @ a.q
    r = sum(n * a.q)
    z = maximum(absolute(r), exp(-m)[:, None])
    h = o * y / z

    outputs = ("h",)
