"""Random cells as somebody could write them, with what the LSTM lacks: for the generality of the emitters.

A cell is made as the source of its class, which is also what a failed test prints. Formulas are made by shape,
so that nearly every one is valid; parameters are declared as they are needed, and often used again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from derive import cell as language
from derive.cell import dims, stack
from derive.program import Program

Shape = tuple[str, ...]

DIMENSIONS = ("N D H K", "B F S M")  # the batch first
LENGTHS = (3, 2, 4, 5)  # different, or a missing transpose could pass
LABELS = {"G": "uv"}  # the blocks of the stacked axis, of the third dimension each
NAMES = ("u", "v", "w", "p", "q", "m", "k", "e", "alpha", "Z", "A_1", "out", "gate")
PARAMETERS = ("W", "U", "V", "P", "Q", "R", "W_x", "b", "c", "theta", "E", "L")


@dataclass(frozen=True)
class RandomCell:
    """A cell, its source, and a length for each of its dimensions."""

    program: Program
    source: str
    sizes: dict[str, int]


def random_cell(seed: int) -> RandomCell:
    """The cell of a seed."""
    chance = random.Random(seed)
    names = chance.choice(DIMENSIONS)
    source = _Writer(chance, names.split(), chance.choice(([], [], ["G"]))).source(f"Random{seed}")
    return cell_of(source, names)


def cell_of(source: str, dimensions: str) -> RandomCell:
    """The cell that a class's source defines, over dimensions that are given by their names."""
    scope = {
        **dict(zip(dimensions.split(), dims(dimensions), strict=True)),
        **{name: stack(labels, dims(dimensions)[2]) for name, labels in LABELS.items()},
        **{name: getattr(language, name) for name in language.__all__},
    }
    exec(source, scope)  # our own, written a moment ago
    (made,) = (
        one
        for one in scope.values()
        if isinstance(one, type) and issubclass(one, language.Cell) and one is not language.Cell
    )
    return RandomCell(made.program, source, dict(zip(dimensions.split(), LENGTHS, strict=True)))


@dataclass
class _Writer:
    chance: random.Random
    dims: list[str]
    stacks: list[str]
    known: list[tuple[str, Shape]] = field(default_factory=list)
    parameters: list[tuple[str, Shape]] = field(default_factory=list)

    def source(self, name: str) -> str:
        fresh = list(NAMES)
        self.chance.shuffle(fresh)
        inputs = [("x", (self.dims[0], self._inner())), ("y", self._timed())][: self.chance.choice((1, 1, 2))]
        stacks, self.stacks = self.stacks, []  # states have none
        states = [(fresh.pop(), self._timed()) for _ in range(self.chance.choice((1, 1, 1, 2, 2, 3)))]
        self.stacks = stacks
        self.known = [*inputs, *((f"{n}_prev", shape) for n, shape in states)]
        wanted: list[tuple[str, Shape]] = [*states]
        for _ in range(self.chance.randint(0, 3)):
            shape = self._timed() if self.chance.random() < 0.75 else self._constant()
            wanted.insert(self.chance.randint(0, len(wanted)), (fresh.pop(), shape))
        equations = []
        for one, shape in wanted:
            equations.append(f"{one} = {self._right_side(one, shape, (one, shape) in states)}")
            self.known.append((one, shape))
        if self.chance.random() < 0.3:
            self.parameters.append(("unused", self._constant()))
        computed = [one for one, shape in wanted if self._changes(shape)]
        outputs = self.chance.sample(computed, min(len(computed), self.chance.choice((1, 1, 2))))
        lines = [
            f"class {name}(Cell):",
            *(f"{n} = sequence({', '.join(shape)})" for n, shape in inputs),
            *(f"{n}_prev = state({', '.join(shape)})" for n, shape in states),
            *(f"{n} = parameter({', '.join(shape)})" for n, shape in self.parameters),
            *equations,
            f"outputs = {tuple(outputs)!r}",
        ]
        return "\n    ".join(lines) + "\n"

    # -- shapes ----------------------------------------------------------------------------------------------------

    def _changes(self, shape: Shape) -> bool:
        return shape[:1] == (self.dims[0],)

    def _inner(self) -> str:
        return self.chance.choice([*self.dims[1:], *self.stacks])

    def _plain(self) -> str:
        return self.chance.choice(self.dims[1:])

    def _timed(self) -> Shape:
        """The shape of what changes from step to step: mostly a vector for every sequence."""
        count = self.chance.choice((0, 1, 1, 1, 1, 1, 1, 2))
        return self._one_stacked((self.dims[0], *(self._inner() for _ in range(count))))

    def _one_stacked(self, shape: Shape) -> Shape:
        """The shape with at most one stacked axis."""
        stacked = [k for k, size in enumerate(shape) if size in self.stacks]
        return tuple(self.dims[2] if k in stacked[1:] else size for k, size in enumerate(shape))

    def _constant(self) -> Shape:
        return self._one_stacked(tuple(self._inner() for _ in range(self.chance.choice((0, 1, 1, 2, 2)))))

    # -- formulas --------------------------------------------------------------------------------------------------

    def _right_side(self, name: str, shape: Shape, is_state: bool) -> str:
        """What a state is given stays bounded, so that a few steps do not overflow."""
        text = self._formula(shape, self.chance.choice((1, 1, 2, 2, 3)))
        if not is_state:
            return text
        match self.chance.randrange(5):
            case 0:
                return f"sigmoid({text})"
            case 1:
                return f"sigmoid({text}) * {name}_prev + {self._formula(shape, 1)} / 2"
            case 2:
                return f"{name}_prev / 3 - {text} / 4"
        return f"tanh({text})"

    def _formula(self, shape: Shape, depth: int) -> str:
        if depth <= 0:
            return self._leaf(shape)
        kinds: list[Callable[[Shape, int], str]] = [self._sum, self._product, self._function, self._power, self._two]
        if len(shape) <= 2:
            kinds += [self._matmul] * 3
        if shape and len(shape) <= 2:
            kinds.append(self._total)
        if len(shape) >= 2:
            kinds.append(self._normalised)
        if self._changes(shape) and len(shape) == 2:
            kinds.append(self._matmul_of_each)
        if self._changes(shape) and len(shape) == 3:
            kinds += [self._outer] * 3
        if not self._changes(shape) and len(shape) == 2:
            kinds.append(self._transposed)
        if self._wholes(shape):
            kinds += [self._of_a_whole] * 2
        return self.chance.choice(kinds)(shape, depth - 1)

    def _leaf(self, shape: Shape) -> str:
        """Something known, or a transpose of it, or a parameter that may be new."""
        found = [name for name, known in self.known if known == shape]
        found += [name for name, known in self.parameters if known == shape]
        found += [f"{name}.T" for name, known in self.parameters if len(known) == 2 and known[::-1] == shape]
        found += self._blocks(shape)
        if found and (self._changes(shape) or len(self.parameters) >= 9 or self.chance.random() < 0.6):
            return self.chance.choice(found)
        return self._projected(shape) if self._changes(shape) else self._parameter(shape)

    def _blocks(self, shape: Shape) -> list[str]:
        """Blocks of a stacked axis of what is known."""
        block = self.dims[2]
        return [
            f"{name}.{label}"
            for name, known in (*self.known, *self.parameters)
            for stacked in self.stacks
            if stacked in known and tuple(block if size == stacked else size for size in known) == shape
            if known.count(stacked) == 1
            for label in LABELS[stacked]
        ]

    def _parameter(self, shape: Shape) -> str:
        name = PARAMETERS[len(self.parameters)] if len(self.parameters) < len(PARAMETERS) else f"W_{len(self.known)}"
        name = name if all(name != one for one, _ in self.parameters) else f"{name}_{len(self.parameters)}"
        self.parameters.append((name, shape))
        return name

    def _projected(self, shape: Shape) -> str:
        """What is known, of another shape, times a matrix."""
        name, known = self.chance.choice([one for one in self.known if len(one[1]) == 2 and self._changes(one[1])])
        matrix = (known[-1], *shape[1:])
        if self._one_stacked(matrix) != matrix:
            return f"({name} @ {self._leaf((known[-1], self.dims[1]))} @ {self._leaf((self.dims[1], *shape[1:]))})"
        return f"({name} @ {self._leaf(matrix)})"

    def _sum(self, shape: Shape, depth: int) -> str:
        operator = self.chance.choice("+-")
        return f"({self._formula(shape, depth)} {operator} {self._part(shape, depth)})"

    def _product(self, shape: Shape, depth: int) -> str:
        if self.chance.random() < 0.25:
            return f"{self._factor(shape, depth)} * {self.chance.choice((2, -3))} / 5"
        return f"{self._factor(shape, depth)} * {self._factor(self._suffix(shape), depth)}"

    def _factor(self, shape: Shape, depth: int) -> str:
        return f"({self._formula(shape, depth)})"

    def _part(self, shape: Shape, depth: int) -> str:
        """A term of the same shape, or one that is broadcast."""
        return self._factor(self._suffix(shape), depth)

    def _suffix(self, shape: Shape) -> Shape:
        return shape[self.chance.randint(0, len(shape)) :] if self.chance.random() < 0.4 else shape

    def _function(self, shape: Shape, depth: int) -> str:
        text = self._formula(shape, depth)
        usual = ("sigmoid", "tanh", "sigmoid", "tanh", "relu", "absolute", "softplus")
        return self.chance.choice(
            (
                *(f"{name}({text})" for name in usual),
                f"exp(-({text})**2)",
                f"sqrt(1 + ({text})**2)",
                f"log(2 + ({text})**2)",
            )
        )

    def _two(self, shape: Shape, depth: int) -> str:
        """Functions with kinks; a dimension as a number."""
        one, other = self._formula(shape, depth), self._factor(self._suffix(shape), depth)
        name = self.chance.choice(("maximum", "minimum"))
        return self.chance.choice(
            (
                f"{name}({one}, {other})",
                f"sign({other}) * ({one})",
                f"step({other}) * ({one})",
                f"({one}) / {next((size for size in shape[1:] if size not in self.stacks), 2)}",
            )
        )

    def _total(self, shape: Shape, depth: int) -> str:
        """A sum, a mean or a maximum over an axis of what is known that the result lacks."""
        more = (*shape, self._plain())
        name = self.chance.choice(("sum", "mean", "max", "min"))
        colons = ":, " * len(shape)
        return f"{name}({self._formula(more, depth)})[{colons}0]"

    def _normalised(self, shape: Shape, depth: int) -> str:
        """A sum, a mean or a maximum that is broadcast to where it comes from."""
        one, other = self._factor(shape, depth), self._factor(shape, depth)
        name = self.chance.choice(("sum", "mean", "mean", "max", "min"))
        leaf = self._leaf(shape)
        softmax = f"exp({leaf} - max({leaf})) / sum(exp({leaf} - max({leaf})))"
        return self.chance.choice((f"({one} - {name}({other}))", f"{one} / sqrt(1 + mean({other}**2))", softmax))

    def _wholes(self, shape: Shape) -> list[str]:
        """What is known that has blocks of a shape along its last axis."""
        return [
            name
            for name, known in self.known
            if len(shape) == len(known) >= 2 and known[-1] in self.stacks and shape == (*known[:-1], self.dims[2])
        ]

    def _of_a_whole(self, shape: Shape, depth: int) -> str:
        """A block beside a sum, a mean or a maximum over all of them."""
        whole = self.chance.choice(self._wholes(shape))
        block = f"{whole}.{self.chance.choice(LABELS['G'])}"
        reduced = self.chance.choice(("sum({})", "mean({}**2)", "max({})", "min({})")).format(whole)
        return self.chance.choice(
            (f"tanh({block} - {reduced})", f"{self._factor(shape, depth)} * tanh({block}) / (2 + {reduced}**2)")
        )

    def _matmul_of_each(self, shape: Shape, depth: int) -> str:
        """A matrix per sequence times a vector per sequence."""
        summed = self._plain()
        matrix, vector = self._formula((*shape, summed), depth), self._formula((shape[0], summed), depth)
        return f"({matrix}) @ ({vector})"

    def _outer(self, shape: Shape, depth: int) -> str:
        one, other = self._factor(shape[:2], depth), self._factor((shape[0], shape[2]), depth)
        return f"{one}[:, :, None] * {other}[:, None, :]"

    def _power(self, shape: Shape, depth: int) -> str:
        text = self._factor(shape, depth)
        return self.chance.choice((f"{text}**2", f"{text}**3 / 8", f"1 / (2 + {text}**2)", f"(3 + {text}**2)**-2"))

    def _matmul(self, shape: Shape, depth: int) -> str:
        summed = self._plain()
        left, right = (*shape[:1], summed), (summed, *shape[1:])
        if not shape:
            left = right = (summed,)
        one, other = self._formula(left, depth), self._formula(right, depth)
        if self.chance.random() < 0.25 and len(shape) == 2:
            return f"(({self._flipped(right, depth)}) @ ({one}).T).T"
        return f"({one}) @ ({other})"

    def _flipped(self, shape: Shape, depth: int) -> str:
        return self._formula(shape[::-1], depth)

    def _transposed(self, shape: Shape, depth: int) -> str:
        return f"({self._formula(shape[::-1], depth)}).T"
