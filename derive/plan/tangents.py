"""Second order by first-order means: the tangents of the forward pass, and those of the backward pass.

``vjp`` of ``backward`` needs no transform of its own. With v the given cotangents of the gradients, its results are
the derivatives of ⟨J(θ)ᵀ w, v⟩ = ⟨w, J(θ) v⟩: by w that is J v, the tangent of the outputs along v; by θ it is the
tangent of the gradient Jᵀ w along v, because the Hessian of ⟨w, outputs⟩ is symmetric. So jvp, hvp and double backward
are two sweeps over time, one up for the tangents of the forward pass and one down for the backward pass with its
tangents beside it. Both read the tape and repeat none of the forward pass.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from sympy import Add, Expr

from derive.calculus import SEED, default_outputs, jvp
from derive.index import KroneckerDelta, Sigma, entries
from derive.plan.coefficients import gathered
from derive.plan.schedule import Schedule, ancestors, descendants, names_in
from derive.program import Equation, Program


@dataclass(frozen=True)
class Carry:
    """What a sweep hands from step to step: ``arrives`` is what a step reads, ``leaves`` what it hands on."""

    arrives: str
    leaves: str


@dataclass(frozen=True)
class Sweep:
    """A pass over all steps in one direction.

    Attributes:
        carries: what is handed from step to step.
        constant: equations that are the same at all steps.
        before: what waits for no other step, for any number of steps at once: equations, and the first terms of
            equations that the loop completes.
        loop: one step; an equation that is in ``before`` too adds to it.
        after: for all steps, those of parameters summed over them.
        results: arrays that are wanted, those that change from step to step at every step.
        optional: inputs that may be missing, which stands for zeros.
    """

    carries: tuple[Carry, ...]
    constant: tuple[Equation, ...]
    before: tuple[Equation, ...]
    loop: tuple[Equation, ...]
    after: tuple[Equation, ...]
    results: tuple[str, ...]
    optional: frozenset[str]

    @property
    def equations(self) -> tuple[Equation, ...]:
        return (*self.constant, *self.before, *self.loop, *self.after)

    @cached_property
    def begun(self) -> frozenset[str]:
        """Arrays whose first terms are there before the loop."""
        return frozenset(e.name for e in self.before) & frozenset(e.name for e in self.loop)

    @cached_property
    def stored(self) -> frozenset[str]:
        """Arrays that the sweep itself needs for all steps: results, and what comes after the loop reads."""
        own = {e.name for e in (*self.before, *self.loop)} | {carry.arrives for carry in self.carries}
        handed = {carry.leaves for carry in self.carries}
        return frozenset(own & ({*self.results} - handed | names_in(self.after)))


@dataclass(frozen=True, eq=False)
class Tangents:
    """The two sweeps of a plan.

    Attributes:
        program: forward, backward and all their tangents, in that order.
        upward: tangents of the forward pass, from the first step to the last.
        downward: the backward pass and its tangents, from the last step to the first.
        mark: what stands behind the name of an array in that of its tangent.
    """

    plan: Schedule
    program: Program
    upward: Sweep
    downward: Sweep
    mark: str

    @cached_property
    def shared(self) -> frozenset[str]:
        """Tangents of the forward pass that the downward sweep reads."""
        own = {e.name for e in self.upward.equations} | {carry.arrives for carry in self.upward.carries}
        return frozenset(own & names_in(self.downward.equations))


@lru_cache  # NumPy and CUDA are printed from the same plan
def tangents(plan: Schedule) -> Tangents:
    """The sweeps for the tangents of a plan's forward and backward pass."""
    cell, step = plan.cell, plan.step
    results = default_outputs(cell)
    program = jvp(step, outputs=[*step.outputs, *results])
    mark = program.inputs[len(step.inputs)].name.removeprefix(step.inputs[0].name)
    forward = tuple(e for e in step.equations if e.array.role != "cotangent")
    moved = {e.name + mark for e in forward}
    states = {state.name: str(state.next) for state in cell.having("state")}
    up = [Carry(before + mark, after + mark) for before, after in states.items()]
    down = [
        Carry(SEED + states[array.name], cotangent)
        for array, cotangent in zip(cell.inputs, step.outputs, strict=True)
        if array.name in states
    ]
    down += [Carry(carry.arrives + mark, carry.leaves + mark) for carry in down]
    optional = frozenset(a.name for a in program.having("tangent")) - {carry.arrives for carry in (*up, *down)}
    moving = [gathered(e, program, optional) for e in program.equations[len(step.equations) :]]
    program = replace(program, equations=(*step.equations, *moving))
    upward = [*forward, *(e for e in moving if e.name in moved)]
    downward = [*step.equations, *(e for e in moving if e.name not in moved)]
    moved_results = [name + mark for name in results]
    falling = _sweep(plan, program, downward, down, [name + mark for name in step.outputs], optional)
    also = sorted(names_in(falling.equations) & {e.name for e in upward if e.array.role == "tangent"})
    rising = _sweep(plan, program, upward, up, moved_results, optional, at_every_step=moved_results, also=also)
    return Tangents(plan, program, rising, falling, mark)


def _sweep(
    plan: Schedule,
    program: Program,
    equations: Sequence[Equation],
    carries: Sequence[Carry],
    results: Sequence[str],
    optional: frozenset[str],
    at_every_step: Sequence[str] = (),
    also: Sequence[str] = (),
) -> Sweep:
    """The equations that the results need, placed by what they wait for; the tape is there and not computed again.

    Args:
        at_every_step: what is handed on and has memory for all steps.
        also: arrays that another sweep reads, needed or not.
    """
    arrives, leaves = {c.arrives for c in carries}, {c.leaves for c in carries}
    tape = {array.name for array in plan.tape} | {*default_outputs(plan.cell)}
    left = [e for e in equations if e.name not in tape]
    needed = ancestors({*results, *leaves, *also}, left)
    left = [e for e in left if e.name in needed]
    waiting = descendants(arrives, left) | leaves - {*at_every_step}
    looped = ancestors(leaves, left)
    constant: list[Equation] = []
    before: list[Equation] = []
    loop: list[Equation] = []
    after: list[Equation] = []
    for equation in left:
        if equation.name in waiting & looped:
            early, late = _split(equation, waiting | arrives, optional)
            # What is handed on has memory for one step, unless it is a result at every step.
            whole = equation.name in leaves - {*at_every_step}
            before += [] if whole else early
            loop.append(equation if whole else late)
        elif equation.name in waiting:
            after.append(equation)
        elif plan.timed(equation.array):
            before.append(equation)
        else:
            # What changes from step to step is summed over the steps.
            summed = {a.name for a in program.arrays.values() if plan.timed(a)} | {e.name for e in after}
            (after if _reads(equation.value, summed) else constant).append(equation)
    return Sweep(tuple(carries), tuple(constant), tuple(before), tuple(loop), tuple(after), tuple(results), optional)


def _split(equation: Equation, waiting: set[str], optional: Container[str]) -> tuple[list[Equation], Equation]:
    """The terms for all steps at once, and the rest: products that wait for nothing, and what may be missing."""
    terms = Add.make_args(equation.value)
    early = [t for t in terms if not _reads(t, waiting) and (t.has(Sigma) or _reads(t, optional))]
    if not early or len(early) == len(terms) or equation.value.has(KroneckerDelta):
        return [], equation
    late = [term for term in terms if term not in early]
    return [Equation(equation.array, Add(*early))], Equation(equation.array, Add(*late))


def _reads(term: Expr, names: Container[str]) -> bool:
    return any(entry.name in names for entry in entries(term))
