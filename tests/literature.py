"""Recurrences of the literature that are not in the zoo, each as one would write it down from its paper.

None of them was at hand when the language was made: state spaces, linear attention, fast weights, memory slots.
"""

from __future__ import annotations

from fractions import Fraction

from derive.cell import (
    Cell,
    dims,
    exp,
    max,
    maximum,
    mean,
    min,
    parameter,
    relu,
    sequence,
    sigmoid,
    softplus,
    sqrt,
    stack,
    state,
    sum,
    tanh,
)
from derive.program import Program

N, D, H, S, K = dims("N D H S K")
SIZES = {"N": 3, "D": 2, "H": 4, "S": 3, "K": 5}
gates = stack("ifog", H)


class Mamba(Cell):
    """Selective state space (Gu and Dao 2023)."""

    x = sequence(N, D)
    s_prev = state(N, D, S)
    A = parameter(D, S)
    W_B = parameter(D, S)
    W_C = parameter(D, S)
    W_d = parameter(D, D)
    b_d = parameter(D)
    d_skip = parameter(D)
    delta = softplus(x @ W_d + b_d)
    B = x @ W_B
    C = x @ W_C
    s = exp(-delta[:, :, None] * exp(A)) * s_prev + (delta * x)[:, :, None] * B[:, None, :]
    y = s @ C + d_skip * x
    outputs = ("y",)


class RWKV4(Cell):
    """RWKV-4's wkv with its stabiliser (Peng et al. 2023)."""

    k = sequence(N, H)
    v = sequence(N, H)
    aa_prev = state(N, H)
    bb_prev = state(N, H)
    pp_prev = state(N, H)
    w = parameter(H)
    u = parameter(H)
    ww = u + k
    q = maximum(pp_prev, ww)
    e1 = exp(pp_prev - q)
    e2 = exp(ww - q)
    wkv = (e1 * aa_prev + e2 * v) / (e1 * bb_prev + e2)
    w2 = pp_prev - exp(w)
    pp = maximum(w2, k)
    e3 = exp(w2 - pp)
    e4 = exp(k - pp)
    aa = e3 * aa_prev + e4 * v
    bb = e3 * bb_prev + e4
    outputs = ("wkv",)


class DeltaNet(Cell):
    """Delta rule fast weights (Schlag et al. 2021)."""

    x = sequence(N, D)
    S_prev = state(N, H, K)
    W_q = parameter(D, K)
    W_k = parameter(D, K)
    W_v = parameter(D, H)
    w_b = parameter(D)
    q = x @ W_q
    e = exp(x @ W_k)
    k = e / sum(e)
    v = x @ W_v
    beta = sigmoid(x @ w_b)
    S = S_prev + beta[:, None, None] * (v - S_prev @ k)[:, :, None] * k[:, None, :]
    h = S @ q
    outputs = ("h",)


class RHN(Cell):
    """Recurrent highway network of depth 2 (Zilly et al. 2017)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_h = parameter(D, H)
    W_t = parameter(D, H)
    R_h1 = parameter(H, H)
    R_t1 = parameter(H, H)
    R_h2 = parameter(H, H)
    R_t2 = parameter(H, H)
    b_t = parameter(H)
    u1 = tanh(x @ W_h + h_prev @ R_h1)
    t1 = sigmoid(x @ W_t + h_prev @ R_t1 + b_t)
    s1 = u1 * t1 + h_prev * (1 - t1)
    u2 = tanh(s1 @ R_h2)
    t2 = sigmoid(s1 @ R_t2)
    h = u2 * t2 + s1 * (1 - t2)
    outputs = ("h",)


class MultiplicativeLSTM(Cell):
    """Multiplicative LSTM (Krause et al. 2016)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    c_prev = state(N, H)
    W_mx = parameter(D, H)
    W_mh = parameter(H, H)
    W_x = parameter(D, gates)
    W_m = parameter(H, gates)
    b = parameter(gates)
    m = (x @ W_mx) * (h_prev @ W_mh)
    a = x @ W_x + m @ W_m + b
    c = sigmoid(a.f) * c_prev + sigmoid(a.i) * tanh(a.g)
    h = tanh(c) * sigmoid(a.o)
    outputs = ("h",)


class SRU(Cell):
    """Simple recurrent unit (Lei et al. 2018)."""

    x = sequence(N, H)
    c_prev = state(N, H)
    W = parameter(H, H)
    W_f = parameter(H, H)
    W_r = parameter(H, H)
    v_f = parameter(H)
    v_r = parameter(H)
    b_f = parameter(H)
    b_r = parameter(H)
    f = sigmoid(x @ W_f + v_f * c_prev + b_f)
    c = f * c_prev + (1 - f) * (x @ W)
    r = sigmoid(x @ W_r + v_r * c_prev + b_r)
    h = r * c + (1 - r) * x
    outputs = ("h",)


class FastWeights(Cell):
    """Fast weights with layer norm (Ba et al. 2016), one inner step."""

    x = sequence(N, D)
    h_prev = state(N, H)
    A_prev = state(N, H, H)
    W = parameter(H, H)
    C = parameter(D, H)
    lam = parameter()
    eta = parameter()
    g = parameter(H)
    b = parameter(H)
    z = h_prev @ W + x @ C
    f = relu(z)
    s = z + A_prev @ f
    mu = mean(s)
    h = relu(g * (s - mu) / sqrt(mean((s - mu) ** 2) + Fraction(1, 100000)) + b)
    A = lam * A_prev + eta * h[:, :, None] * h[:, None, :]
    outputs = ("h",)


class LMU(Cell):
    """Legendre memory unit (Voelker et al. 2019)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    m_prev = state(N, K)
    e_x = parameter(D)
    e_h = parameter(H)
    e_m = parameter(K)
    A = parameter(K, K)
    B = parameter(K)
    W_x = parameter(D, H)
    W_h = parameter(H, H)
    W_m = parameter(K, H)
    u = x @ e_x + h_prev @ e_h + m_prev @ e_m
    m = m_prev @ A + u[:, None] * B
    h = tanh(x @ W_x + h_prev @ W_h + m @ W_m)
    outputs = ("h",)


class Slots(Cell):
    """Attention over memory slots with a gated write (after NTM)."""

    x = sequence(N, D)
    M_prev = state(N, K, H)
    W_q = parameter(D, H)
    W_v = parameter(D, H)
    W_g = parameter(D, K)
    q = x @ W_q
    e = exp((M_prev @ q) / sqrt(H))
    p = e / sum(e)
    r = sum(p[:, :, None] * M_prev, K)
    g = sigmoid(x @ W_g)
    M = M_prev + (g * p)[:, :, None] * ((x @ W_v)[:, None, :] - M_prev)
    outputs = ("r",)


class StableSlots(Cell):
    """Attention over slots by a softmax that cannot overflow, and a write where least is read."""

    x = sequence(N, D)
    M_prev = state(N, K, H)
    W_q = parameter(D, H)
    W_v = parameter(D, H)
    beta = parameter()
    q = x @ W_q
    s = softplus(beta) * (M_prev @ q)
    e = exp(s - max(s))
    p = e / sum(e)
    r = sum(p[:, :, None] * M_prev, K)
    u = exp(min(p) - p)
    M = M_prev + (u / sum(u))[:, :, None] * ((x @ W_v)[:, None, :] - M_prev)
    outputs = ("r",)


class Maxout(Cell):
    """A recurrent network of maxout units, each of S linear pieces (Goodfellow et al. 2013)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, S, H)
    U = parameter(H, S, H)
    b = parameter(S, H)
    z = sum(x[:, :, None, None] * W, D)[:, 0] + sum(h_prev[:, :, None, None] * U, 1)[:, 0] + b
    h = max(z, S)[:, 0]
    outputs = ("h",)


class MaxPool(Cell):
    """A matrix of features that the input is written into, of which the largest of every row is read."""

    x = sequence(N, D)
    C_prev = state(N, H, K)
    W_i = parameter(D, H)
    W_k = parameter(D, K)
    lam = parameter(H, K)
    i = tanh(x @ W_i)
    C = sigmoid(lam) * C_prev + i[:, :, None] * (x @ W_k)[:, None, :]
    h = max(C)[:, :, 0]
    outputs = ("h",)


class UGRNN(Cell):
    """Update gate RNN (Collins et al. 2017)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, H)
    U = parameter(H, H)
    W_g = parameter(D, H)
    U_g = parameter(H, H)
    b = parameter(H)
    b_g = parameter(H)
    c = tanh(x @ W + h_prev @ U + b)
    g = sigmoid(x @ W_g + h_prev @ U_g + b_g)
    h = g * h_prev + (1 - g) * c
    outputs = ("h", "g")


class RetNet(Cell):
    """Retention (Sun et al. 2023)."""

    q = sequence(N, K)
    k = sequence(N, K)
    v = sequence(N, H)
    S_prev = state(N, K, H)
    S = Fraction(31, 32) * S_prev + k[:, :, None] * v[:, None, :]
    o = q @ S
    outputs = ("o",)


class Bistable(Cell):
    """Bistable recurrent cell (Vecoven et al. 2021)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W_a = parameter(D, H)
    w_a = parameter(H)
    W_c = parameter(D, H)
    w_c = parameter(H)
    W = parameter(D, H)
    a = 1 + tanh(x @ W_a + w_a * h_prev)
    c = sigmoid(x @ W_c + w_c * h_prev)
    h = c * h_prev + (1 - c) * tanh(x @ W + a * h_prev)
    outputs = ("h",)


class CfC(Cell):
    """Closed-form continuous-time cell (Hasani et al. 2022), with time gaps."""

    x = sequence(N, D)
    dt = sequence(N)
    h_prev = state(N, H)
    W_b = parameter(D, K)
    U_b = parameter(H, K)
    W_f = parameter(K, H)
    W_g = parameter(K, H)
    W_h = parameter(K, H)
    W_t = parameter(K, H)
    z = tanh(x @ W_b + h_prev @ U_b)
    s = sigmoid(-(z @ W_f) * dt[:, None] - z @ W_t)
    h = s * tanh(z @ W_g) + (1 - s) * tanh(z @ W_h)
    outputs = ("h",)


class AntisymmetricRNN(Cell):
    """Antisymmetric recurrent network (Chang et al. 2019)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(H, H)
    V = parameter(D, H)
    gamma = parameter()
    b = parameter(H)
    h = h_prev + Fraction(1, 10) * tanh(h_prev @ W - h_prev @ W.T - gamma * h_prev + x @ V + b)
    outputs = ("h",)


class BilinearRNN(Cell):
    """Second-order network: a bilinear form of x and h (Giles et al. 1992)."""

    x = sequence(N, D)
    h_prev = state(N, H)
    T_3 = parameter(D, H, H)
    b = parameter(H)
    h = tanh(sum(sum(x[:, :, None, None] * h_prev[:, None, :, None] * T_3, D), 2)[:, 0, 0] + b)
    outputs = ("h",)


CELLS: dict[str, Program] = {
    cell.__name__: cell.program
    for cell in (
        AntisymmetricRNN, BilinearRNN, Bistable, CfC, DeltaNet, FastWeights, LMU, Mamba, MaxPool, Maxout,
        MultiplicativeLSTM, RHN, RWKV4, RetNet, SRU, Slots, StableSlots, UGRNN,
    )
}  # fmt: skip
