"""Train the leaky cell to add up 12 numbers, in plain NumPy."""

import numpy as np
from leaky import leaky_numpy

T, N, D, H = 12, 64, 1, 16
chance = np.random.default_rng(0)
p = {
    "W_x": chance.standard_normal((D, H)),
    "W_h": chance.standard_normal((H, H)) / 4,
    "b": np.zeros(H),
    "u": np.zeros(H),
}
v = chance.standard_normal(H) / 4  # reads h_T
for step in range(1001):
    x = chance.standard_normal((T, N, D))
    h, cache = leaky_numpy.forward(x, np.zeros((N, H)), *p.values())
    error = h[-1] @ v - x.sum(axis=(0, 2)) / T**0.5
    dh = np.zeros_like(h)
    dh[-1] = np.outer(error, v) / N
    g = leaky_numpy.backward(dh, cache)
    v -= 0.1 * h[-1].T @ error / N
    for name in p:
        p[name] -= 0.1 * getattr(g, f"d{name}")
    if step % 250 == 0:
        print(step, round(float(np.mean(error**2)), 3))
