"""The sets of notes under tests/notes, typed in once more: spelling, shapes, forward and backward equations.

The forward equations are run in PyTorch and differentiated by autograd, which says what every cotangent is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from tests.note_formulas import Claim, Formula, Spelling, World, parse, symbols

FOLDER = Path(__file__).resolve().parent / "notes"
LENGTHS = {
    "N": 2,
    "D": 3,
    "H": 5,
    "O": 4,
    "4H": 20,
    "D+H": 8,
}  # no two are equal, and none is 1: a lost transpose shows
STEPS = 4  # of which the loss reads all but the last, so that nothing comes from the step after them


@dataclass(frozen=True, eq=False)
class NoteSet:
    """A document, and what its equations say.

    Attributes:
        shapes: the lengths of the inputs' and parameters' axes, the batch left out; "x" and what is not a parameter
            are vectors.
        states: the names of the states.
        forward: the equations that define the cell.
        backward: the equations about cotangents, by the id that handgrad gives them.
        through_time: whether there are several steps; then h gets an own share of the loss at each, called gh.
        corrected: the right equations for the wrong ones.
        read: the quantities that the loss reads; by default the states, and through time the state h alone.
    """

    name: str
    spelling: Spelling
    shapes: Mapping[str, Sequence[str]]
    states: Sequence[str]
    forward: Sequence[str]
    backward: Mapping[str, str]
    batch: bool = False
    columns: bool = True
    through_time: bool = False
    corrected: Mapping[str, str] = field(default_factory=dict)
    read: Sequence[str] = ()

    @property
    def path(self) -> Path:
        return FOLDER / self.name

    @cached_property
    def claims(self) -> dict[str, Claim]:
        return {number: parse(text) for number, text in self.backward.items()}

    @cached_property
    def right(self) -> dict[str, Claim]:
        """The backward equations as they should be."""
        return {number: parse(text) for number, text in {**self.backward, **self.corrected}.items()}

    @cached_property
    def definitions(self) -> list[Claim]:
        """The forward equations that say what one quantity of this step is."""
        return [claim for claim in map(parse, self.forward) if claim[0][0] == "sym"]

    @cached_property
    def worlds(self) -> tuple[World, ...]:
        return tuple(run(self, seed) for seed in (11, 12))

    @cached_property
    def words(self) -> tuple[tuple[str, bool], ...]:
        """Every symbol that the document has, and whether as a cotangent."""
        found: dict[tuple[str, bool], None] = {}
        for left, right in [*map(parse, self.forward), *self.claims.values()]:
            found |= dict.fromkeys((name, mark) for _, name, mark in (*symbols(left), *symbols(right)))
        return tuple(found)

    def holds(self, claim: Claim) -> bool:
        """Whether one meaning of the right side is the left one's, in shape and numbers, in each of two runs."""
        return all(
            any(
                due.shape == stated.shape and torch.allclose(due, stated, rtol=1e-9, atol=1e-11)
                for due in world.meanings(claim[0], self.step)
                for stated in world.meanings(claim[1], self.step)
            )
            for world in self.worlds
        )

    def fits(self, claim: Claim) -> bool:
        """Whether one meaning of the right side has the left one's shape."""
        world = self.worlds[0]
        shapes = [{one.shape for one in world.meanings(side, self.step)} for side in claim]
        return bool(shapes[0] & shapes[1])

    @property
    def step(self) -> int:
        """The step at which equations are read: one with others before and after it, if there are any."""
        return 2 if self.through_time else 1


def run(notes: NoteSet, seed: int) -> World:
    """Run the forward equations and differentiate them."""
    generator = torch.Generator().manual_seed(seed)
    last = STEPS - 1 if notes.through_time else 1

    def vector(kind: Sequence[str]) -> torch.Tensor:
        lengths = [LENGTHS[letter] for letter in kind]
        if len(lengths) == 1:
            many = LENGTHS["N"] if notes.batch else 1
            lengths = [*lengths, many] if notes.columns else [many, *lengths]
        return normal(lengths)

    def normal(lengths: list[int]) -> torch.Tensor:
        return torch.randn(lengths, generator=generator, dtype=torch.float64).mul(0.8).requires_grad_()

    def parameter(kind: Sequence[str]) -> torch.Tensor:
        """A matrix, or a bias: (H, 1) beside columns, (1, H) beside a single row, (H,) beside rows."""
        lengths = [LENGTHS[letter] for letter in kind]
        if len(lengths) == 1 and not notes.batch:
            return vector(kind)
        return normal([*lengths, 1] if len(lengths) == 1 and notes.columns else lengths)

    parameters = {(name, False): parameter(kind) for name, kind in notes.shapes.items() if name != "x"}
    values: dict[tuple[str, bool], dict[int, torch.Tensor]] = {(s, False): {0: vector(["H"])} for s in notes.states}
    world = World(
        parameters, values, last, LENGTHS["N"] if notes.batch else None, notes.columns, notes.spelling.entrywise == "*"
    )
    values["x", False] = {0: vector(notes.shapes["x"])}  # for what looks at the input of the step before
    loss = torch.zeros((), dtype=torch.float64)
    for t in range(1, STEPS + 1 if notes.through_time else 2):
        values["x", False][t] = vector(notes.shapes["x"])
        for left, right in map(parse, notes.forward):
            (result,) = world.meanings(right, t)
            _define(values, left, result, t, notes.columns)
        for name in notes.read or (notes.states[:1] if notes.through_time else notes.states):
            if t <= last:
                share = normal(list(values[name, False][t].shape)).detach()
                values.setdefault((f"g{name}", False), {})[t] = share
                loss = loss + (share * values[name, False][t]).sum()
    _differentiate(loss, parameters, values)
    return world


def _define(
    values: dict[tuple[str, bool], dict[int, torch.Tensor]], left: Formula, result: torch.Tensor, t: int, columns: bool
) -> None:
    """Name a result, or its blocks."""
    if left[0] == "sym":
        values.setdefault((left[1], False), {})[t] = result
        return
    for part, block in zip(left[1], result.chunk(len(left[1]), 0 if columns else -1), strict=True):
        values.setdefault((part[1], False), {})[t] = block


def _differentiate(
    loss: torch.Tensor,
    parameters: dict[tuple[str, bool], torch.Tensor],
    values: dict[tuple[str, bool], dict[int, torch.Tensor]],
) -> None:
    """Add the cotangents of everything; of what comes after the last step they are 0."""
    steps = [(name, t, value) for (name, _), at in values.items() for t, value in at.items() if value.requires_grad]
    named = [value for _, _, value in steps]
    gradients = torch.autograd.grad(loss, [*parameters.values(), *named], allow_unused=True, materialize_grads=True)
    found = dict(zip([name for name, _ in parameters], gradients, strict=False))
    for (name, t, value), gradient in zip(steps, gradients[len(parameters) :], strict=True):
        values.setdefault((name, True), {})[t] = gradient
        values[name, False][t] = value.detach()
    parameters |= {(name, False): parameters[name, False].detach() for name in found}
    parameters |= {(name, True): gradient for name, gradient in found.items()}
