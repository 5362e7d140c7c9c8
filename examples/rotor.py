"""A cell of one's own, from its equations to a trained model: `rotor_cell.py` counts modulo five.

The input is digits from 0 to 4, and the answer at every step is what those up to it add up to modulo 5.
``python -m examples.rotor`` generates the cell's modules into a folder, as ``handgrad generate`` does, checks first and
second derivatives against differences, trains, and checks the answers to new sequences. An LSTM of the same size
trains beside it. It needs PyTorch.
"""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import typer
from rich.progress import track
from torch import nn

from examples.outcome import PLOTS, check, plot
from generated.lstm_torch import LSTM

CELL = Path(__file__).with_name("rotor_cell.py")
T, N, DIGITS, HIDDEN = 50, 64, 5, 16


def generate(folder: Path) -> Any:
    """The cell's PyTorch module, made in a package ``folder/counting``."""
    made = folder / "counting"
    subprocess.run([sys.executable, "-m", "derive", "generate", f"{CELL}:Rotor", "-o", str(made)], check=True)
    sys.path.insert(0, str(folder))
    return importlib.import_module("counting.rotor_torch")


def derivatives_are_right(module: Any) -> bool:
    """Whether gradients, tangents and gradients of gradients are what differences say."""
    sizes = module.CELL.signature.shapes(T=3, N=2, D=2, H=2).arguments
    arguments = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in sizes.values()]
    first = torch.autograd.gradcheck(module.rotor, arguments, check_forward_ad=True)
    return first and torch.autograd.gradgradcheck(module.rotor, arguments)


class Counter(nn.Module):
    """The sum's logits at every step."""

    def __init__(self, recurrent: nn.Module, states: tuple[float, ...]) -> None:
        super().__init__()
        self.recurrent, self.states = recurrent, states
        self.head = nn.Linear(HIDDEN, DIGITS)

    def forward(self, digits: torch.Tensor) -> torch.Tensor:
        """(T, N) digits to (T, N, 5)."""
        x = nn.functional.one_hot(digits, DIGITS).float()
        states = tuple(x.new_full((1, x.shape[1], HIDDEN), value) for value in self.states)
        logits: torch.Tensor = self.head(self.recurrent(x, states)[0])
        return logits


def counter(kind: type[nn.Module]) -> Counter:
    """A model to be trained; the points of a rotor begin at (1, 0) and turn by any angle."""
    torch.manual_seed(0)
    recurrent = kind(DIGITS, HIDDEN)
    if kind is LSTM:
        return Counter(recurrent, (0, 0))
    nn.init.uniform_(recurrent.W_l0, -2, 2)
    return Counter(recurrent, (1, 0))


def batch(chance: torch.Generator, count: int = N) -> tuple[torch.Tensor, torch.Tensor]:
    """Digits and sums, (T, count) both."""
    digits = torch.randint(DIGITS, (T, count), generator=chance)
    return digits, digits.cumsum(dim=0) % DIGITS


def train(model: Counter, steps: int, progress: Callable[[Any], Any] = iter) -> tuple[list[float], float]:
    """The loss at every step of training, and at the end the share of wrong sums of a thousand new sequences."""
    chance = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    slower = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.01, total_iters=steps)
    losses = []
    for _ in progress(range(steps)):
        digits, sums = batch(chance)
        loss = nn.functional.cross_entropy(model(digits).flatten(0, 1), sums.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        slower.step()
        losses.append(loss.item())
    with torch.no_grad():
        digits, sums = batch(chance, 1000)
        return losses, (model(digits)[-1].argmax(dim=1) != sums[-1]).double().mean().item()


def angles(model: Counter) -> torch.Tensor:
    """By what part of a whole turn every digit turns every unit, (5, H), those first that are looked at most."""
    recurrent = model.recurrent
    looked_at = model.head.weight.norm(dim=0) * torch.hypot(recurrent.p_l0, recurrent.q_l0)
    turns = torch.atan(recurrent.W_l0) / math.pi
    return turns[:, looked_at.argsort(descending=True)].detach()


def main(steps: int = 800, file: Path = PLOTS / "rotor.png", most: float = 0.01) -> None:
    """Generate, check, train; `most` is the share of wrong sums that is allowed."""
    with tempfile.TemporaryDirectory() as folder:
        module = generate(Path(folder))
        check("derivatives that are not what differences say", float(not derivatives_are_right(module)), 0)
        rotor, lstm = counter(module.Rotor), counter(LSTM)
        curves, wrong = {}, {}
        for title, model in (("rotor", rotor), ("LSTM", lstm)):
            curves[title], wrong[title] = train(model, steps, lambda one: track(one, "training", transient=True))
    plot(file, f"Sums of {T} digits modulo {DIGITS}", curves, "loss", log=True)
    print("turns by the digits 0 to 4, in fifths of a whole one, of the unit that is looked at most:")
    print("  ".join(f"{5 * turn:.2f}" for turn in angles(rotor)[:, 0]))
    print(f"wrong sums of {T} digits by an LSTM of the same size: {wrong['LSTM']:.2g}")
    check(f"wrong sums of {T} digits", wrong["rotor"], most)


if __name__ == "__main__":
    typer.run(main)
