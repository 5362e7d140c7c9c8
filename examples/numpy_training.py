"""Training in plain NumPy, no framework: an LSTM learns to add binary numbers digit by digit.

The two numbers come in from their last binary digits on, and every step answers with a digit of the sum, so that the
state has to carry. ``python -m examples.numpy_training`` trains with numbers of 12 digits and checks every digit of
sums of 40. One workspace holds all results, so that a step allocates next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.progress import track

from examples.outcome import PLOTS, check, plot
from generated import lstm_numpy

Array = np.ndarray[Any, Any]
Parameters = dict[str, Array]

T, N, D, H = 12, 64, 2, 16
LONG = 40


def beginning(chance: np.random.Generator) -> Parameters:
    """The LSTM's weights, and those of the answer's log odds, h · w + v."""
    shapes = {"W_x": (D, 4 * H), "W_h": (H, 4 * H), "b": (4 * H,), "w": (H,), "v": ()}
    return {name: (chance.standard_normal(shape) / H**0.5).astype(np.float32) for name, shape in shapes.items()}


def sums(chance: np.random.Generator, digits: int) -> tuple[Array, Array]:
    """Pairs of numbers, (digits, N, 2), the last digits first, and their sums without what is carried out."""
    pairs = chance.integers(0, 1 << digits, (2, N), dtype=np.int64)
    place = np.arange(digits)[:, None]
    x = np.stack([one >> place & 1 for one in pairs], axis=2)
    return x.astype(np.float32), pairs.sum(axis=0) >> place & 1


def answers(p: Parameters, x: Array, workspace: lstm_numpy.Workspace | None = None) -> tuple[Array, Array, Any]:
    """The log odds of every digit, (T, N), with the states and the cache that they come from."""
    zeros = np.zeros((x.shape[1], H), x.dtype)
    h, _, cache = lstm_numpy.forward(x, zeros, zeros, p["W_x"], p["W_h"], p["b"], workspace=workspace)
    return h @ p["w"] + p["v"], h, cache


def gradient(p: Parameters, x: Array, due: Array, workspace: lstm_numpy.Workspace) -> tuple[float, Parameters]:
    """The mean of −log of the due digits' probabilities, and its derivatives."""
    odds, h, cache = answers(p, x, workspace)
    loss = np.logaddexp(0, odds) - due * odds
    d_odds = ((1 / (1 + np.exp(-odds)) - due) / due.size).astype(x.dtype)
    g = lstm_numpy.backward(d_odds[:, :, None] * p["w"], None, cache, workspace=workspace)
    found = {"W_x": g.dW_x, "W_h": g.dW_h, "b": g.db, "w": np.tensordot(d_odds, h, 2), "v": d_odds.sum()}
    return float(loss.mean()), found


class Adam:
    """Kingma & Ba 2015."""

    def __init__(self, p: Parameters, rate: float) -> None:
        self.rate, self.steps = rate, 0
        self.means, self.squares = ({name: np.zeros_like(one) for name, one in p.items()} for _ in range(2))

    def step(self, p: Parameters, g: Parameters) -> None:
        """Move the parameters, in place."""
        self.steps += 1
        for name, one in g.items():
            self.means[name] += 0.1 * (one - self.means[name])
            self.squares[name] += 0.001 * (one**2 - self.squares[name])
            mean, square = self.means[name] / (1 - 0.9**self.steps), self.squares[name] / (1 - 0.999**self.steps)
            p[name] -= self.rate * mean / (np.sqrt(square) + 1e-8)


def train(steps: int, progress: Callable[[Any], Any] = iter) -> tuple[Parameters, list[float]]:
    """Trained parameters, and the loss at every step."""
    chance, workspace = np.random.default_rng(0), lstm_numpy.Workspace(T, N, D, H, np.float32)
    p = beginning(chance)
    optimizer, losses = Adam(p, 0.01), []
    for _ in progress(range(steps)):
        loss, g = gradient(p, *sums(chance, T), workspace)
        optimizer.step(p, g)
        losses.append(loss)
    return p, losses


def main(steps: int = 1500, file: Path = PLOTS / "numpy_training.png", most: float = 0.001) -> None:
    """Train, then add long numbers; `most` is the share of wrong digits that is allowed."""
    p, losses = train(steps, lambda one: track(one, "training", transient=True))
    plot(file, "Adding binary numbers, in NumPy", {"training": losses}, "loss", log=True)
    x, due = sums(np.random.default_rng(1), LONG)
    wrong = (answers(p, x)[0] > 0) != due
    check(f"wrong digits of {N} sums of {LONG} digits", float(wrong.mean()), most)


if __name__ == "__main__":
    typer.run(main)
