"""The notes' equations put together: what they compute as a whole against the derivative of the whole step.

Equation by equation a mistake is found; an equation that is not there at all is only missed when all are
composed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sympy import Add, Expr

from derive.calculus import SEED, pull_back
from derive.equality import Ground
from derive.evaluate import EXACT, evaluate, run
from derive.index import Entry
from derive.program import Array, Equation, Program
from derive.tensor import Tensor, concatenate


@dataclass(frozen=True)
class Composition:
    """For each result of the whole step: None if the notes compute it rightly, else what is wrong."""

    results: Mapping[str, str | None]

    @property
    def holds(self) -> bool:
        return not any(self.results.values())


def compose(stated: Sequence[tuple[Tensor, Tensor]], ground: Ground) -> Composition:
    """Compose the notes' cotangents.

    Args:
        stated: pairs (cotangent, right side) as the notes have them, over the ground's arrays.
        ground: the derived program; its outputs are the results of the whole step.
    """
    program = ground.program
    definitions = _definitions(stated, program)
    forward = {e.name: e for e in program.equations if e.array.role != "cotangent"}
    known = {**forward, **definitions}
    # What an input is to the cell does not matter here, only its shape.
    inputs = tuple(Array(array.name, array.sizes) for array in program.inputs)
    results: dict[str, str | None] = {}
    for name in program.outputs:
        order, missing = _needed(name, known, program)
        if missing:
            results[name] = f"no equation of the notes gives {', '.join(missing)}"
            continue
        notes = Program("notes", inputs, tuple(order), (name,))
        whole = whole_derivative(program.arrays[name.removeprefix("d")], ground)
        agrees = _agree(Entry(name, *whole.array.indices), notes, whole, ground)
        results[name] = None if agrees else f"{name} differs from the derivative of the whole step"
    return Composition(results)


def _definitions(stated: Sequence[tuple[Tensor, Tensor]], program: Program) -> dict[str, Equation]:
    """The notes' right sides by array; the blocks of a stacked array are put together in its own order."""
    whole: dict[str, Tensor] = {}
    blocks: dict[str, dict[int, Tensor]] = {}
    for cotangent, value in stated:
        assert isinstance(cotangent.expr, Entry)
        if [axis.size for axis in value.axes] != [axis.size for axis in cotangent.axes]:
            continue  # what has a wrong shape gives nothing
        array = program.arrays[cotangent.expr.name]
        label = next((int(i) for i in cotangent.expr.indices if i.is_number), None)
        own = array.tensor if label is None else array.tensor.block(array.labels[label])
        # An equation of the transpose has the array's axes in the other order.
        aligned = Tensor(value.read_along(cotangent.axes), own.axes)
        if label is not None:
            blocks.setdefault(array.name, {})[label] = aligned
        elif not _mentions(value.expr, array.name):
            whole[array.name] = aligned
    for name, parts in blocks.items():
        labels = program.arrays[name].labels
        if name not in whole and len(parts) == len(labels):
            whole[name] = concatenate([parts[k] for k in range(len(labels))], labels)
    return {name: _equation(program.arrays[name], value) for name, value in whole.items()}


def _mentions(expr: Expr, name: str) -> bool:
    """Whether a right side uses the array itself, as “da is da_i, da_g … put together” does."""
    return any(entry.name == name for entry in expr.atoms(Entry))


def _equation(array: Array, value: Tensor) -> Equation:
    return Equation(array, value.read_along(array.axes))


def _needed(name: str, known: Mapping[str, Equation], program: Program) -> tuple[list[Equation], list[str]]:
    """The equations that lead to a result, in order, and the cotangents that none gives."""
    order: dict[str, Equation] = {}
    missing: list[str] = []
    under_way: set[str] = set()

    def visit(one: str) -> None:
        if one in order or one in missing or one not in program.definitions:
            return
        if one not in known or one in under_way:
            missing.append(one)
            return
        under_way.add(one)
        for entry in sorted({e.name for e in known[one].value.atoms(Entry)}):
            visit(entry)
        order[one] = known[one]

    visit(name)
    return list(order.values()), missing


def whole_derivative(wrt: Array, ground: Ground) -> Equation:
    """The cotangent of an input by differentiating the whole step at once, without the chain of cotangents."""
    program = ground.program
    terms = []
    for seed in program.having("cotangent"):
        name = seed.name.removeprefix(SEED)
        array = program.arrays[name]
        written_out = list(ground.unfolded(Entry(name, *array.indices)))[-1]
        terms.append(pull_back(Equation(array, written_out), Entry(seed.name, *array.indices), wrt))
    return Equation(Array(f"whole_d{wrt.name}", wrt.sizes), Add(*terms))


def _agree(result: Entry, notes: Program, whole: Equation, ground: Ground) -> bool:
    """Whether the notes' result is the whole derivative, in exact arithmetic at small sizes."""
    for values in ground.exact_values:
        inputs = {array.name: values[array.name] for array in notes.inputs}
        composed = run(notes, inputs, ground.sizes, EXACT)[result.name]
        due = evaluate(whole.value, whole.array.indices, inputs, ground.sizes, EXACT)
        if np.any(composed != due):
            return False
    return True
