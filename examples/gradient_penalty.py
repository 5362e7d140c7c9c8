"""A gradient penalty through an LSTM: the loss contains ‖∂score/∂x‖, so training differentiates a gradient.

cuDNN's nn.LSTM cannot do that. ``python -m examples.gradient_penalty`` trains a critic that tells sine waves from
noise, its gradient's norm held near one as in WGAN-GP (Gulrajani et al. 2017), and checks the gradient of the penalty
against nn.LSTM's on the CPU. It needs PyTorch.
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
from generated.lstm_torch import LSTM
from generated.torch_weights import from_torch, to_torch

T, N, HIDDEN = 20, 32, 24


class Critic(nn.Module):  # type: ignore[misc]
    """A score of every sequence, from the last state."""

    def __init__(self, recurrent: Any, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.head = nn.Linear(recurrent.hidden_size, 1, dtype=dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(T, N, …) to (N, 1)."""
        score: torch.Tensor = self.head(self.recurrent(x)[0][-1])
        return score


def penalty(critic: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(‖∂score/∂x‖ − 1)² on average, and the norms of the sequences."""
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    norms = slope.square().sum(dim=(0, 2)).sqrt()
    return (norms - 1).square().mean(), norms


def waves(chance: torch.Generator) -> torch.Tensor:
    """Sine waves of random phases, (T, N, 1)."""
    phase = 6.28 * torch.rand(N, generator=chance, dtype=torch.float64)
    return torch.sin(0.6 * torch.arange(T)[:, None] + phase)[:, :, None]


def train(critic: Critic, steps: int, progress: Callable[[Any], Any] = iter) -> tuple[list[float], list[float]]:
    """The mean norm of the gradient, and how far apart the scores are, at every step."""
    chance = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(critic.parameters(), lr=0.005)
    lengths, gaps = [], []
    for _ in progress(range(steps)):
        real, noise = waves(chance), torch.randn(T, N, 1, generator=chance, dtype=torch.float64)
        between = torch.rand(1, N, 1, generator=chance, dtype=torch.float64)
        cost, norms = penalty(critic, between * real + (1 - between) * noise)
        gap = critic(real).mean() - critic(noise).mean()
        optimizer.zero_grad()
        (10 * cost - gap).backward()
        optimizer.step()
        lengths.append(norms.mean().item())
        gaps.append(gap.item())
    return lengths, gaps


def difference(critic: Critic) -> float:
    """The largest difference of the penalty's gradient from that through nn.LSTM, of the largest entry."""
    theirs = nn.LSTM(1, HIDDEN, dtype=torch.float64)
    theirs.load_state_dict(to_torch(critic.recurrent))
    other = Critic(theirs)
    other.head.load_state_dict(critic.head.state_dict())
    x = waves(torch.Generator().manual_seed(2))
    names, weights = zip(*theirs.named_parameters(), strict=True)
    given = dict(zip(names, torch.autograd.grad(penalty(other, x)[0], weights), strict=True))
    given["bias_hh_l0"] = torch.zeros_like(given["bias_hh_l0"])  # our one bias has the gradient of either of theirs
    due = from_torch(given, critic.recurrent)
    found = torch.autograd.grad(penalty(critic, x)[0], [getattr(critic.recurrent, name) for name in due])
    pairs = zip(found, due.values(), strict=True)
    return max(float((one - reference).abs().max() / reference.abs().max()) for one, reference in pairs)


def main(steps: int = 100, file: Path = PLOTS / "gradient_penalty.png") -> None:
    """Train a critic, and check its gradient of a gradient before and after."""
    torch.manual_seed(0)
    critic = Critic(LSTM(1, HIDDEN, dtype=torch.float64))
    first = difference(critic)
    norms, gaps = train(critic, steps, lambda one: track(one, "training", transient=True))
    curves = {"‖∂score/∂x‖, to be held near 1": norms, "score of waves − score of noise": gaps}
    plot(file, "A critic with a gradient penalty", curves, "")
    print(f"after {steps} steps real and noise are {gaps[-1]:.2f} apart, and the gradient's norm is {norms[-1]:.3f}")
    check("difference of the penalty's gradient from nn.LSTM's", max(first, difference(critic)), 1e-10)


if __name__ == "__main__":
    typer.run(main)
