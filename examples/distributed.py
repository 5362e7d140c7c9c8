"""Training in several processes with PyTorch's DistributedDataParallel: every process has a part of the batch.

``torchrun --standalone --nproc-per-node 2 -m examples.distributed`` trains a character model in two processes that talk
over gloo. At every step each checks its gradients against those of the same model on the whole batch, in one process.
It needs PyTorch.
"""

from __future__ import annotations

import copy

import torch
import typer
from rich.progress import track
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from examples.character_model import CharacterModel, batches, pair
from examples.outcome import check

# Both are means over the batch, in float64; the sums are in another order.
TOLERANCE = 1e-12
N = 16


def loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Of predicting every character from those before it."""
    return nn.functional.cross_entropy(model(batch[:-1]).flatten(0, 1), batch[1:].flatten())


def difference(model: DistributedDataParallel, alone: CharacterModel, batch: torch.Tensor) -> float:
    """How far the gradients, which are averaged over the processes, are from those of the whole batch."""
    alone.load_state_dict(model.module.state_dict())
    due = torch.autograd.grad(loss(alone, batch), list(alone.parameters()))
    return max(float((one.grad - other).abs().max()) for one, other in zip(model.parameters(), due, strict=True))


def main(steps: int = 20) -> None:
    """Train, and check at every step."""
    distributed.init_process_group("gloo")
    rank, processes = distributed.get_rank(), distributed.get_world_size()
    if N % processes:
        raise SystemExit(f"{N} sequences are no equal parts for {processes} processes")
    alone, _ = pair()
    model = DistributedDataParallel(copy.deepcopy(alone))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    largest, losses = 0.0, []
    for batch in track(batches(steps, N=N), "training", transient=True, disable=rank > 0):
        own = loss(model, batch.chunk(processes, dim=1)[rank])
        optimizer.zero_grad()
        own.backward()
        largest = max(largest, difference(model, alone, batch))
        optimizer.step()
        losses.append(own.item())
    print(f"process {rank} of {processes}: the loss of its part falls from {losses[0]:.4f} to {losses[-1]:.4f}")
    check("largest difference of a gradient from the whole batch's", largest, TOLERANCE)
    distributed.destroy_process_group()


if __name__ == "__main__":
    typer.run(main)
