"""The cells of the zoo written by hand in PyTorch, one step each, from the papers: nothing of handgrad is in them.

A step takes the input, the states by name and the parameters by name, and returns the new states; ``h`` is the output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: the cells written by hand did not run")

Tensors = Mapping[str, "torch.Tensor"]
Step = Callable[["torch.Tensor", Tensors, Tensors], dict[str, "torch.Tensor"]]


def gates(x: torch.Tensor, s: Tensors, p: Tensors, count: int) -> tuple[torch.Tensor, ...]:
    return (x @ p["W_x"] + s["h"] @ p["W_h"] + p["b"]).chunk(count, dim=1)


def rnn_tanh(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    return {"h": torch.tanh(x @ p["W_x"] + s["h"] @ p["W_h"] + p["b"])}


def rnn_relu(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    return {"h": torch.relu(x @ p["W_x"] + s["h"] @ p["W_h"] + p["b"])}


def lstm(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    i, g, f, o = gates(x, s, p, 4)
    c = torch.sigmoid(f) * s["c"] + torch.sigmoid(i) * torch.tanh(g)
    return {"h": torch.sigmoid(o) * torch.tanh(c), "c": c}


def lstm_peephole(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    i, g, f, o = gates(x, s, p, 4)
    i, f = torch.sigmoid(i + p["p_i"] * s["c"]), torch.sigmoid(f + p["p_f"] * s["c"])
    c = f * s["c"] + i * torch.tanh(g)
    return {"h": torch.sigmoid(o + p["p_o"] * c) * torch.tanh(c), "c": c}


def lstm_coupled(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    g, f, o = gates(x, s, p, 3)
    c = torch.lerp(torch.tanh(g), s["c"], torch.sigmoid(f))
    return {"h": torch.sigmoid(o) * torch.tanh(c), "c": c}


def lstm_projection(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    new = lstm(x, s, p)
    return {"h": new["h"] @ p["W_p"], "c": new["c"]}


def lstm_layernorm(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    norm = torch.nn.functional.layer_norm
    of_x, of_h = x @ p["W_x"], s["h"] @ p["W_h"]
    a = norm(of_x, of_x.shape[1:], weight=p["g_x"]) + norm(of_h, of_h.shape[1:], weight=p["g_h"]) + p["b"]
    i, g, f, o = a.chunk(4, dim=1)
    c = torch.sigmoid(f) * s["c"] + torch.sigmoid(i) * torch.tanh(g)
    return {"h": torch.sigmoid(o) * torch.tanh(norm(c, c.shape[1:], weight=p["g_c"], bias=p["b_c"])), "c": c}


def gru(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    r, z = map(torch.sigmoid, gates(x, s, p, 2))
    n = torch.tanh(x @ p["U_x"] + (r * s["h"]) @ p["U_h"] + p["e"])
    return {"h": torch.lerp(n, s["h"], z)}


def gru_reset_after(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    of_x, of_h = (x @ p["W_x"] + p["b_x"]).chunk(3, dim=1), (s["h"] @ p["W_h"] + p["b_h"]).chunk(3, dim=1)
    r, z = torch.sigmoid(of_x[0] + of_h[0]), torch.sigmoid(of_x[1] + of_h[1])
    return {"h": torch.lerp(torch.tanh(of_x[2] + r * of_h[2]), s["h"], z)}


def mgu(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    of_f, of_n = (x @ p["W_x"] + p["b"]).chunk(2, dim=1)
    f = torch.sigmoid(of_f + s["h"] @ p["U_f"])
    return {"h": torch.lerp(s["h"], torch.tanh(of_n + (f * s["h"]) @ p["U_n"]), f)}


def indrnn(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    return {"h": torch.relu(x @ p["W_x"] + p["u"] * s["h"] + p["b"])}


def min_gru(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    z, n = (x @ p["W_x"] + p["b"]).chunk(2, dim=1)
    return {"h": torch.lerp(s["h"], n, torch.sigmoid(z))}


def min_lstm(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    f, i, n = (x @ p["W_x"] + p["b"]).chunk(3, dim=1)
    f, i = torch.sigmoid(f), torch.sigmoid(i)
    return {"h": f / (f + i) * s["h"] + i / (f + i) * n}


def slstm(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    z, i, f, o = gates(x, s, p, 4)
    log_f = torch.nn.functional.logsigmoid(f)
    m = torch.maximum(log_f + s["m"], i)
    i, f = torch.exp(i - m), torch.exp(log_f + s["m"] - m)
    c, n = f * s["c"] + i * torch.tanh(z), f * s["n"] + i
    return {"h": torch.sigmoid(o) * (c / n), "c": c, "n": n, "m": m}


def mlstm(x: torch.Tensor, s: Tensors, p: Tensors) -> dict[str, torch.Tensor]:
    q, k, v, o = (x @ p["W"] + p["b"]).chunk(4, dim=1)
    k = k / k.shape[1] ** 0.5
    i, f = x @ p["w_i"] + p["b_i"], torch.nn.functional.logsigmoid(x @ p["w_f"] + p["b_f"])
    m = torch.maximum(f + s["m"], i)
    i, f = torch.exp(i - m), torch.exp(f + s["m"] - m)
    C = f[:, None, None] * s["C"] + i[:, None, None] * torch.einsum("ni,nj->nij", v, k)
    n = f[:, None] * s["n"] + i[:, None] * k
    bound = torch.maximum(torch.einsum("nj,nj->n", n, q).abs(), torch.exp(-m))
    h = torch.sigmoid(o) * torch.einsum("nij,nj->ni", C, q) / bound[:, None]
    return {"h": h, "C": C, "n": n, "m": m}


STEPS: dict[str, Step] = {
    step.__name__: step
    for step in (
        rnn_tanh, rnn_relu, lstm, lstm_peephole, lstm_coupled, lstm_projection, lstm_layernorm, gru, gru_reset_after,
        mgu, indrnn, min_gru, min_lstm, slstm, mlstm,
    )
}  # fmt: skip


def run(
    step: Step, x: np.ndarray, states: dict[str, np.ndarray], parameters: dict[str, np.ndarray], last: list[str],
    cotangents: list[np.ndarray],
) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:  # fmt: skip
    """Results (h for all t, the last value of each of ``last``) and gradients by name, of x, states and parameters."""
    leaves = {n: torch.from_numpy(a.copy()).requires_grad_() for n, a in {"x": x, **states, **parameters}.items()}
    current, outputs = {name: leaves[name] for name in states}, []
    for x_t in leaves["x"]:
        current = step(x_t, current, {name: leaves[name] for name in parameters})
        outputs.append(current["h"])
    results = [torch.stack(outputs), *(current[name] for name in last)]
    sum((r * torch.from_numpy(w)).sum() for r, w in zip(results, cotangents, strict=True)).backward()
    gradients = {name: leaf.grad.numpy() for name, leaf in leaves.items() if leaf.grad is not None}
    return [r.detach().numpy() for r in results], gradients
