"""The adding problem (Hochreiter & Schmidhuber 1997) with two LSTMs that PyTorch does not have.

At every step there is a number from 0 to 1 and a mark; two steps are marked, one in each half, and the answer is the
sum of their numbers. Who always answers 1 has a mean squared error of 1/6. ``python -m examples.adding_problem``
trains an LSTM with peepholes and one with layer normalisation, and checks that their errors on new sequences are at
most a tenth of that. It needs PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import typer
from rich.progress import track
from torch import nn

from examples.outcome import PLOTS, check, plot
from generated.lstm_layernorm_torch import LSTMLayernorm
from generated.lstm_peephole_torch import LSTMPeephole
from generated.torch_layers import Recurrent

T, N, HIDDEN = 50, 64, 32
CHANCE = 1 / 6


class Adder(nn.Module):
    """A number from the last state of every sequence."""

    def __init__(self, recurrent: Recurrent) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.head = nn.Linear(HIDDEN, 1)
        # The forget gate begins open, so that a number is not lost before it is clear what it is for.
        order = recurrent.cell.gate_order
        with torch.no_grad():
            recurrent.b_l0.view(len(order), HIDDEN)[order.index("f")] = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(T, N, 2) to (N,)."""
        answer: torch.Tensor = self.head(self.recurrent(x)[0][-1])
        return answer.squeeze(1)


def batch(chance: torch.Generator, count: int = N) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers and marks, (T, count, 2), and the sums, (count,)."""
    numbers, marks = torch.rand(T, count, generator=chance), torch.zeros(T, count)
    for first, last in ((0, T // 2), (T // 2, T)):
        marks[torch.randint(first, last, (count,), generator=chance), torch.arange(count)] = 1
    return torch.stack([numbers, marks], dim=2), (numbers * marks).sum(dim=0)


def error(model: Adder, given: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    x, due = given
    return (model(x) - due).square().mean()


def train(kind: type[Recurrent], steps: int, progress: Callable[[Any], Any] = iter) -> tuple[list[float], float]:
    """The error at every step of training, and that on a thousand new sequences at the end."""
    torch.manual_seed(0)
    model, chance = Adder(kind(2, HIDDEN)), torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    slower = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.01, total_iters=steps)
    errors = []
    for _ in progress(range(steps)):
        loss = error(model, batch(chance))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        slower.step()
        errors.append(loss.item())
    with torch.no_grad():
        return errors, error(model, batch(chance, 1000)).item()


def main(steps: int = 1000, file: Path = PLOTS / "adding_problem.png", most: float = CHANCE / 10) -> None:
    """Train both; `most` is the error that is allowed at the end."""
    curves, ends = {}, {}
    for title, kind in (("with peepholes", LSTMPeephole), ("with layer normalisation", LSTMLayernorm)):
        curves[title], ends[title] = train(kind, steps, lambda one: track(one, "training", transient=True))
    plot(file, "The adding problem, 50 steps", curves, "mean squared error", log=True)
    for title, end in ends.items():
        check(f"mean squared error on new sequences {title}", end, most)


if __name__ == "__main__":
    typer.run(main)
