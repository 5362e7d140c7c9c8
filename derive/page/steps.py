"""The derivation for a reader: the forward equations, and for each cotangent what reaches it and from where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sympy import Expr

from derive.calculus import COTANGENT, SEED, pull_back, speaker
from derive.errors import HandgradError
from derive.index import Entry, entries
from derive.matrix import Quantities, form_of
from derive.page.display import display_style
from derive.program import Array, Equation, Program
from derive.show import Names, form_text


@dataclass(frozen=True)
class Step:
    """What reaches a cotangent: in LaTeX, the equation that it comes through (None: from outside) and the terms."""

    through: str | None
    terms: tuple[str, ...]


@dataclass(frozen=True)
class Derived:
    """An equation in LaTeX, one line per block of a stack; a backward equation has the steps that lead to it."""

    name: str
    lines: tuple[str, ...]
    shape: str
    steps: tuple[Step, ...] = ()


def derivation(program: Program, names: Names) -> tuple[tuple[Derived, ...], tuple[Derived, ...]]:
    """The forward and the backward equations of a derived program, its arrays spelled by ``names``."""
    forward = [equation for equation in program.equations if equation.array.role != "cotangent"]
    backward = [equation for equation in program.equations if equation.array.role == "cotangent"]
    return (
        tuple(_derived(equation, program, names) for equation in forward),
        tuple(_derived(equation, program, names, tuple(_steps(equation, program, names))) for equation in backward),
    )


def _derived(equation: Equation, program: Program, names: Names, steps: tuple[Step, ...] = ()) -> Derived:
    found = lines(equation.array, equation.value, program, names)
    shape = str(equation.array.tensor.shape)
    return Derived(equation.name, tuple(f"{left} = {right}" for left, right in found), shape, steps)


def _steps(equation: Equation, program: Program, names: Names) -> Iterator[Step]:
    """The terms of a cotangent before they are added up: one per equation that uses the array."""
    array = program.arrays.get(equation.name.removeprefix(COTANGENT))
    if array is None:  # the cell has arrays named like cotangents, so that those have longer names
        return
    forward = [one for one in program.equations if one.array.role != "cotangent"]
    say = speaker(forward)
    if seed := program.arrays.get(SEED + array.name):
        yield Step(None, (names(seed.name, None),))
    for user in reversed(forward):
        upstream = next((name for name in (COTANGENT + user.name, SEED + user.name) if name in program.arrays), None)
        if upstream and array.name in {entry.name for entry in entries(user.value)}:
            value = say(pull_back(user, Entry(upstream, *user.array.indices), array))
            uses = lines(user.array, user.value, program, names)
            through = r" \quad ".join(f"{left} = {right}" for left, right in uses)
            found = lines(array, value, program, names)
            yield Step(through, tuple(f"{left}: {right}" if len(found) > 1 else right for left, right in found))


def lines(array: Array, value: Expr, program: Quantities, names: Names) -> list[tuple[str, str]]:
    """(left, right) of an equation; a stack of blocks is an equation for each that is not zero."""
    style = display_style(names)
    try:
        form = form_of(value, tuple(axis.indices for axis in array.axes), program)
        if form.op != "stack":
            return [(names(array.name, None), form_text(form, style))]
        blocks = [(label, form_text(block, style)) for label, block in zip(array.labels, form.args, strict=True)]
        return [(names(array.name, label), text) for label, text in blocks if text != "0"]
    except (HandgradError, KeyError):  # an expression without a matrix notation
        return [(names(array.name, None), rf"\text{{{value}}}")]
