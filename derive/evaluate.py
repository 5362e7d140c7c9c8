"""Evaluation of programs and expressions at concrete sizes: exact (rationals) or in floating point."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, reduce
from hashlib import sha256
from typing import Any

import numpy as np
from sympy import Add, Dummy, Expr, Function, Integer, Mul, Number, Pow
from sympy.core.numbers import Exp1

from derive.errors import HandgradError
from derive.functions import FUNCTIONS, PRIME
from derive.index import Bound, Dim, Entry, Index, KroneckerDelta, Max, Sigma
from derive.program import Array, Program

Sizes = Mapping[Dim, int]
Values = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Arithmetic:
    """What numbers and functions mean.

    Attributes:
        number: converts a rational.
        apply: evaluates a function.
        largest: reduces an array to its largest entries along the last axis.
    """

    dtype: Any
    number: Callable[[int, int], Any]
    apply: Callable[..., np.ndarray]
    largest: Callable[[np.ndarray], np.ndarray]


@cache
def _is_odd(name: str) -> bool:
    z, function = Dummy("z"), FUNCTIONS.get(name)
    return function is not None and 1 in function.nargs and bool(function(-z) == -function(z))


def _opaque(name: str, *values: Fraction) -> Fraction:
    """A function value that nothing is known of: a rational that the function's name and argument determine.

    But what SymPy makes use of unasked must hold of it too: tanh(−z) becomes −tanh(z), tanh(0) becomes 0.
    """
    if values[0] <= 0 and _is_odd(name):
        return -_opaque(name, -values[0]) if values[0] else values[0]
    digest = sha256(f"{name}({', '.join(map(str, values))})".encode()).digest()
    return Fraction(int.from_bytes(digest[:2], "big") - 30011, 257 + digest[2])


def _opaque_largest(values: np.ndarray) -> np.ndarray:
    """Maxima of which nothing is known but that they depend on all entries alike."""
    flat = [_opaque("max", *sorted(row)) for row in values.reshape(-1, values.shape[-1])]
    return np.array(flat, dtype=object).reshape(values.shape[:-1])


EXACT = Arithmetic(
    dtype=object,
    number=Fraction,
    apply=lambda name, *values: np.frompyfunc(lambda *some: _opaque(name, *map(Fraction, some)), len(values), 1)(
        *values
    ),
    largest=_opaque_largest,
)

_REAL: dict[str, Callable[..., np.ndarray]] = {
    "sigmoid": lambda z: 0.5 * np.tanh(0.5 * z) + 0.5,
    "tanh": np.tanh,
    "exp": np.exp,
    "log": lambda z: np.log(z.astype(complex)).real,
    "sqrt": lambda z: np.sqrt(z.astype(complex)).real,
    "softplus": lambda z: np.logaddexp(0, z),
    "relu": lambda z: np.maximum(z, 0),
    "absolute": np.abs,
    "sign": np.sign,
    "step": lambda z: (z > 0).astype(float),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "sin": np.sin,
    "cos": np.cos,
    "cosh": np.cosh,
    "sinh": np.sinh,
}


def _some_function(name: str, values: np.ndarray) -> np.ndarray:
    """An opaque function as one that its name determines, a wave on a slope, and its derivatives."""
    base = name.rstrip(PRIME)
    order = len(name) - len(base)
    digest = sha256(base.encode()).digest()
    pace, phase, slope = (0.5 + byte / 256 for byte in digest[:3])
    wave = pace**order * np.sin(pace * values + phase + order * np.pi / 2)
    return np.asarray(wave + (slope * values if order == 0 else slope * (order == 1)))


REAL = Arithmetic(
    dtype=float,
    number=lambda p, q: p / q,
    apply=lambda name, *values: _REAL[name](*values) if name in _REAL else _some_function(name, *values),
    largest=lambda values: np.max(values, axis=-1),
)


def shape(array: Array, sizes: Sizes) -> tuple[int, ...]:
    """The array's shape with its stacked axes split: one length per index."""
    return tuple(size_of(index.dim, sizes) for index in array.indices)


def size_of(dim: Dim, sizes: Sizes) -> int:
    return int(dim) if isinstance(dim, Integer) else sizes[dim]


def random_inputs(program: Program, sizes: Sizes, arithmetic: Arithmetic, seed: int) -> dict[str, np.ndarray]:
    """Small random rationals for every input of a program."""
    chance = random.Random(seed)
    values = {}
    for array in program.inputs:
        flat = [
            arithmetic.number(chance.choice([-1, 1]) * chance.randint(1, 9), chance.choice([4, 5, 7, 8]))
            for _ in range(int(np.prod(shape(array, sizes), dtype=int)))
        ]
        values[array.name] = np.array(flat, dtype=arithmetic.dtype).reshape(shape(array, sizes))
    return values


def run(program: Program, inputs: Values, sizes: Sizes, arithmetic: Arithmetic) -> dict[str, np.ndarray]:
    """The values of all arrays of a program."""
    values = dict(inputs)
    for equation in program.equations:
        indices = equation.array.indices
        result = evaluate(equation.value, indices, values, sizes, arithmetic)
        values[equation.name] = np.broadcast_to(result, shape(equation.array, sizes))
    return values


def evaluate(expr: Expr, axes: tuple[Index, ...], values: Values, sizes: Sizes, arithmetic: Arithmetic) -> np.ndarray:
    """The expression as an array whose axes are the given indices (length 1 where it does not depend on one)."""
    return _Evaluator(values, sizes, arithmetic, axes).value(expr)


@dataclass(frozen=True)
class _Evaluator:
    values: Values
    sizes: Sizes
    arithmetic: Arithmetic
    scope: tuple[Index, ...]

    def value(self, expr: Expr) -> np.ndarray:
        """The expression over the scope's axes."""
        match expr:
            case Entry():
                return self._entry(expr)
            case Number():
                return self._constant(self.arithmetic.number(int(expr.p), int(expr.q)))
            case KroneckerDelta():
                one, other = (self._positions(index) for index in expr.args[:2])
                return self._array((one == other).astype(int) * self._constant(self.arithmetic.number(1, 1)))
            case Sigma():
                entries = self._entries(expr)
                return self._array(entries.sum(axis=tuple(range(len(self.scope), entries.ndim))))
            case Max():
                entries = self._entries(expr)
                return self._array(self.arithmetic.largest(entries.reshape(*entries.shape[: len(self.scope)], -1)))
            case Add():
                return self._array(reduce(np.add, map(self.value, expr.args)))
            case Mul():
                return self._array(reduce(np.multiply, map(self.value, expr.args)))
            case Pow() if isinstance(expr.exp, Integer):
                return self._power(expr)
            case Function():
                return self.arithmetic.apply(type(expr).__name__, *map(self.value, expr.args))
            case Exp1():
                return self.arithmetic.apply("exp", self._constant(self.arithmetic.number(1, 1)))
        if expr in self.sizes:
            return self._constant(self.arithmetic.number(self.sizes[expr], 1))
        raise HandgradError(f"cannot evaluate {expr}")

    def _power(self, power: Pow) -> np.ndarray:
        base = self.value(power.base)
        if power.exp < 0 and not np.all(base):
            raise HandgradError(f"division by zero: {power.base} is 0")
        return self._array(np.power(base, int(power.exp)))

    def _array(self, values: Any) -> np.ndarray:
        """NumPy gives a bare number for an operation on arrays without axes; we want an array."""
        return np.asarray(values, dtype=self.arithmetic.dtype)

    def _constant(self, number: Any) -> np.ndarray:
        return np.full((1,) * len(self.scope), number, dtype=self.arithmetic.dtype)

    def _positions(self, index: Index | Integer) -> np.ndarray:
        """The index's values as an integer array along its own axis of the scope."""
        lengths = [1] * len(self.scope)
        if isinstance(index, Integer):
            return np.full(lengths, int(index))
        # A Σ over an index of the scope hides it, as it does on paper.
        axis = len(self.scope) - 1 - self.scope[::-1].index(index)
        lengths[axis] = size_of(index.dim, self.sizes)
        return np.arange(lengths[axis]).reshape(lengths)

    def _entry(self, entry: Entry) -> np.ndarray:
        array = self.values[entry.name]
        if not entry.indices:
            return self._constant(array[()])
        return self._array(array[tuple(self._positions(index) for index in entry.indices)])

    def _entries(self, bound: Bound) -> np.ndarray:
        """What a sum or a maximum is over, along one more axis per bound index."""
        inner = (*self.scope, *bound.indices)
        lengths = [1] * len(self.scope) + [size_of(index.dim, self.sizes) for index in bound.indices]
        body = _Evaluator(self.values, self.sizes, self.arithmetic, inner).value(bound.body)
        return np.broadcast_to(body, np.broadcast_shapes(body.shape, tuple(lengths)))
