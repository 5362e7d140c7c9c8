"""A character model on the standard library's own documentation, with our LSTM and with nn.LSTM from the same start.

``python -m examples.character_model`` trains both on the same batches, draws their losses and checks that they are the
same, step for step. It needs PyTorch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import typer
from rich.progress import track
from torch import nn

from examples.outcome import PLOTS, check, plot
from generated.lstm_torch import LSTM
from generated.torch_weights import from_torch

MODULES = (
    "argparse", "asyncio", "collections", "datetime", "decimal", "difflib", "email", "heapq", "logging", "random",
    "statistics", "string", "textwrap", "unittest", "zipfile",
)  # fmt: skip
ALPHABET = "\n " + "".join(chr(code) for code in range(33, 127))
HIDDEN = 64
# In float64 both differ in the last digits alone, by another order of sums, and training lets that grow.
TOLERANCE = 1e-10


def text() -> str:
    """The documentation strings of some modules and of what they have."""
    found = []
    for name in MODULES:
        module = import_module(name)
        for thing in (module, *(one for _, one in inspect.getmembers(module, inspect.isclass))):
            found.append(inspect.getdoc(thing) or "")
    return "".join(letter for letter in "\n\n".join(found) if letter in ALPHABET)


class CharacterModel(nn.Module):  # type: ignore[misc]
    """The next character's logits from those before it."""

    def __init__(self, recurrent: Any, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(ALPHABET), recurrent.input_size, dtype=dtype)
        self.recurrent = recurrent
        self.head = nn.Linear(recurrent.hidden_size, len(ALPHABET), dtype=dtype)

    def forward(self, characters: torch.Tensor) -> torch.Tensor:
        """(T, N) characters to (T, N, …) logits."""
        output, _ = self.recurrent(self.embedding(characters))
        logits: torch.Tensor = self.head(output)
        return logits


def pair() -> tuple[CharacterModel, CharacterModel]:
    """The model with our LSTM and with PyTorch's, of the same weights.

    PyTorch has two biases where the equations have one. Their sum is what counts, and trained both would move it twice
    as far, so the second stays at zero.
    """
    torch.manual_seed(0)
    theirs = nn.LSTM(HIDDEN // 2, HIDDEN, dtype=torch.float64)
    nn.init.zeros_(theirs.bias_hh_l0).requires_grad_(False)
    ours = LSTM(HIDDEN // 2, HIDDEN, dtype=torch.float64)
    ours.load_state_dict(from_torch(theirs.state_dict(), ours))
    models = CharacterModel(ours), CharacterModel(theirs)
    for part in ("embedding", "head"):
        getattr(models[1], part).load_state_dict(getattr(models[0], part).state_dict())
    return models


def losses(model: CharacterModel, batches: list[torch.Tensor], progress: Callable[[Any], Any] = iter) -> list[float]:
    """The loss before each step of training."""
    optimizer = torch.optim.Adam([one for one in model.parameters() if one.requires_grad], lr=0.01)
    found = []
    for batch in progress(batches):
        loss = nn.functional.cross_entropy(model(batch[:-1]).flatten(0, 1), batch[1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def batches(steps: int, T: int = 50, N: int = 16) -> list[torch.Tensor]:
    """Pieces of the text at random places, (T + 1, N) characters each."""
    characters = torch.tensor([ALPHABET.index(letter) for letter in text()])
    chance = torch.Generator().manual_seed(1)
    starts = torch.randint(len(characters) - T, (steps, N), generator=chance)
    return [characters[start + torch.arange(T + 1)[:, None]] for start in starts]


def run(steps: int, progress: Callable[[Any], Any] = iter) -> tuple[list[float], list[float]]:
    """The losses of both."""
    ours, theirs = pair()
    given = batches(steps)
    return losses(ours, given, progress), losses(theirs, given, progress)


def main(steps: int = 150, file: Path = PLOTS / "character_model.png") -> None:
    """Train both and compare."""
    ours, theirs = run(steps, lambda one: track(one, "training", transient=True))
    plot(file, "A character model", {"our LSTM": ours, "nn.LSTM": theirs}, "loss")
    difference = max(abs(one - other) for one, other in zip(ours, theirs, strict=True))
    print(f"the loss falls from {ours[0]:.4f} to {ours[-1]:.4f}")
    check(f"largest difference of the losses in {steps} steps", difference, TOLERANCE)


if __name__ == "__main__":
    typer.run(main)
