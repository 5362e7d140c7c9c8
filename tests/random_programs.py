"""Random small programs, each both as handgrad's equations and as a plain NumPy function for autograd."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from derive.cell import dims, stack
from derive.errors import ShapeError
from derive.functions import FUNCTIONS
from derive.program import Array, Equation, Program, define
from derive.tensor import Tensor, concatenate, elementwise

N, D, H = dims("N D H")
PAIR = stack("pq", H)
SIZES = {N: 2, D: 3, H: 4}
INPUTS = {"x": (N, D), "y": (N, H), "W": (D, H), "V": (H, H), "U": (D, PAIR), "u": (H,), "s": ()}

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Formula:
    """A tensor of handgrad's, and the function of all named values that computes the same."""

    tensor: Tensor
    of: Callable[[Values], Any]


def sigmoid(z: Any) -> Any:
    return (1 + anp.tanh(z / 2)) / 2


def named(array: Array) -> Formula:
    return Formula(array.tensor, lambda values: values[array.name])


def unary(chance: random.Random, one: Formula) -> Formula:
    """A function, a power, a transpose, a sum or a maximum over an axis, or a block of a stack."""
    kind = chance.choice(["sigmoid", "tanh", "square", "inverse", "transpose", "sum", "largest", "block"])
    t, f = one.tensor, one.of
    match kind:
        case "sigmoid":
            return Formula(elementwise(FUNCTIONS["sigmoid"], t), lambda v: sigmoid(f(v)))
        case "tanh":
            return Formula(elementwise(FUNCTIONS["tanh"], t), lambda v: anp.tanh(f(v)))
        case "square":
            return Formula(t**2, lambda v: f(v) ** 2)
        case "inverse":
            return Formula(1 / (2 + t * t), lambda v: 1 / (2 + f(v) * f(v)))
        case "transpose":
            return Formula(t.T, lambda v: f(v).T)
        case "sum" if t.axes:
            axis = chance.randrange(len(t.axes))
            return Formula(t.sum(axis), lambda v: anp.sum(f(v), axis=axis))
        case "largest" if t.axes:
            axis = chance.randrange(len(t.axes))
            largest = t.largest(axis)[(*(slice(None),) * axis, 0)]
            return Formula(largest, lambda v: anp.max(f(v), axis=axis))
        case "block":
            number = chance.randrange(2)
            block = t.block("pq"[number])  # of the last axis only: the others are never stacked but by transposing
            if t.axes[-1].size != PAIR:
                raise ShapeError("a block of another axis")
            return Formula(block, lambda v: f(v)[..., number * SIZES[H] : (number + 1) * SIZES[H]])
    raise ShapeError(kind)


def binary(chance: random.Random, one: Formula, other: Formula) -> Formula:
    """A matrix product, an elementwise operation, or two blocks stacked."""
    kind = chance.choice(["matmul", "matmul", "add", "subtract", "multiply", "stack"])
    t, f, u, g = one.tensor, one.of, other.tensor, other.of
    match kind:
        case "matmul":
            return Formula(t @ u, lambda v: anp.matmul(f(v), g(v)))
        case "add":
            return Formula(t + u, lambda v: f(v) + g(v))
        case "subtract":
            return Formula(t - u / 3, lambda v: f(v) - g(v) / 3)
        case "multiply":
            return Formula(t * u, lambda v: f(v) * g(v))
    if not t.axes or t.axes[-1].size != H:
        raise ShapeError("a stack of other things than H")
    return Formula(concatenate([t, u], PAIR.labels), lambda v: anp.concatenate([f(v), g(v)], axis=-1))


def formula(chance: random.Random, known: list[Formula], depth: int) -> Formula:
    """A random formula over what is known; what does not fit is tried again."""
    if depth == 0:
        return chance.choice(known)
    while True:
        try:
            one = formula(chance, known, depth - 1)
            if chance.random() < 0.5:
                return unary(chance, one)
            return binary(chance, one, formula(chance, known, depth - 1))
        except ShapeError:
            continue


@dataclass(frozen=True)
class Twin:
    """A program and the same computation in plain NumPy, from the inputs to all named values."""

    program: Program
    formulas: Mapping[str, Formula]

    def values(self, inputs: Values) -> dict[str, Any]:
        values = dict(inputs)
        for name, one in self.formulas.items():
            values[name] = one.of(values)
        return values


def random_twin(seed: int) -> Twin:
    """Three equations, the last two of which are the outputs."""
    chance = random.Random(seed)
    inputs = tuple(Array(name, sizes) for name, sizes in INPUTS.items())
    known = [named(array) for array in inputs]
    formulas: dict[str, Formula] = {}
    equations: list[Equation] = []
    for name in ("p", "q", "r"):
        one = formula(chance, known, chance.randint(1, 3))
        array = Array(name, tuple(axis.size for axis in one.tensor.axes))
        equations.append(define(array, one.tensor))
        formulas[name] = one
        known += [named(array)] * 2  # later equations should mostly use the earlier ones
    return Twin(Program("random", inputs, tuple(equations), ("q", "r")), formulas)


def flat_shape(array: Array) -> tuple[int, ...]:
    """The shape with stacked axes as one, as plain NumPy has it."""
    return tuple(2 * SIZES[H] if axis.size == PAIR else SIZES[axis.size] for axis in array.axes)


def split_shape(array: Array) -> tuple[int, ...]:
    """The shape with one axis per index, as handgrad evaluates it."""
    return tuple(SIZES.get(index.dim, 2) for index in array.indices)


def random_values(array: Array, generator: np.random.Generator) -> Any:
    return generator.normal(size=flat_shape(array)) * 0.7
