"""Giving names to what is computed twice or cannot be computed in one go.

After lifting, a function is applied to a named array or to pointwise work only, and a function value that
forward and backward pass share has a name, so that it can be kept on the tape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from sympy import Add, Expr, Function, Mul

from derive.axis import Size
from derive.index import Entry, Index, KroneckerDelta, Max, Sigma, as_text
from derive.matrix import Group, natural_groups
from derive.program import Array, Equation, Program, tidy

Meaning: TypeAlias = tuple[tuple[Size, ...], Expr]
"""A shape, and an expression of its standing indices."""


def lift(program: Program) -> Program:
    """The program with maxima, sums inside of something, and repeated function values, under names."""
    return lift_calls(lift_sums(lift_maxima(program)))


def lift_maxima(program: Program) -> Program:
    """The program with every maximum the whole of one equation, over the entries of an array or their negatives.

    Which of these attain it is found by comparing, so they are kept: computed again they might differ in a last digit.
    """
    while True:
        named = _rewrite(program, lambda expr: isinstance(expr, Max), lambda equation: [equation.value])
        lifted = _rewrite(named, lambda _: True, _options, ending="options")
        if len(lifted.equations) == len(program.equations):
            return lifted
        # What a maximum is over may have others inside of it.
        program = lifted


def _options(equation: Equation) -> list[Expr]:
    """What a maximum is over, but for its sign if that leaves one factor."""
    if not isinstance(equation.value, Max):
        return []
    sign, options = equation.value.body.as_coeff_Mul()
    return [options] if sign == -1 and not options.is_Mul else [equation.value.body]


def lift_sums(program: Program) -> Program:
    """The program with every Σ as a term of one equation alone, of that equation's shape and without a Σ inside.

    Any other becomes an equation of its own.
    """
    simple = replace(program, equations=tuple(replace(e, value=factored(e.value)) for e in program.equations))
    while True:
        parts = partial(_nested_parts, shared=_shared_sums(simple), program=simple)
        lifted = _rewrite(simple, lambda expr: isinstance(expr, Sigma) or _is_sum_of_products(expr), parts)
        if len(lifted.equations) == len(simple.equations):
            return lifted
        # What is lifted may have sums inside of its own.
        simple = lifted


def lift_calls(program: Program) -> Program:
    """Function values inside of larger expressions become equations: tanh(c) in h = o ⊙ tanh(c) is tanh_c."""
    return _rewrite(
        program, lambda expr: isinstance(expr, Function) and expr.has(Entry), lambda equation: [equation.value]
    )


def lift_backward(step: Program, forward: int) -> tuple[tuple[Equation, ...], tuple[Equation, ...]]:
    """The equations of a program and of its cotangents, the sums in the latter lifted too.

    Args:
        step: a program and its ``vjp``.
        forward: how many of its equations are forward. What is lifted and has no cotangent in it is one as well.
    """
    early, late = list(step.equations[:forward]), []
    cotangents = {a.name for a in step.having("cotangent")} | {e.name for e in step.equations[forward:]}
    for equation in lift_sums(step).equations:
        if equation.name in step.arrays:
            late += [equation] if equation.name in cotangents else []
        elif {entry.name for entry in equation.reads} & cotangents:
            cotangents.add(equation.name)
            late.append(replace(equation, array=replace(equation.array, role="cotangent")))
        else:
            early.append(equation)
    return tuple(early), tuple(late)


def factored(expr: Expr) -> Expr:
    """The expression with every factor in front of a Σ that does not depend on what is summed."""
    if isinstance(expr, Entry) or not expr.has(Sigma):
        return expr
    expr = expr.func(*map(factored, expr.args))
    if not isinstance(expr, Sigma):
        return expr
    idle = [index for index in expr.indices if index not in expr.body.free_symbols]
    over = [index for index in expr.indices if index not in idle]
    factors = Mul.make_args(expr.body)
    inside = [f for f in factors if f.free_symbols & set(over)]
    outside = [f for f in factors if f not in inside]
    return Mul(*(index.dim for index in idle), *outside, Sigma(Mul(*inside), *over))


def _is_sum_of_products(expr: Expr) -> bool:
    return bool(expr.is_Add and expr.has(Sigma))


def _sum_terms(equation: Equation) -> list[Expr]:
    """The Σ that are terms of an equation, or terms but for a number."""
    return [f for term in Add.make_args(equation.value) for f in _plain_factors(term) if isinstance(f, Sigma)]


def _plain_factors(term: Expr) -> list[Expr]:
    """The factors of a term but for numbers, where there is just one."""
    factors = [f for f in Mul.make_args(term) if not f.is_number]
    return factors if len(factors) == 1 else []


def _shared_sums(program: Program) -> set[Meaning]:
    """The sums that are terms of more than one equation."""
    counts = Counter(
        meaning
        for equation in program.equations
        for meaning in {_meaning(one, equation, program) for one in _sum_terms(equation)}
    )
    return {meaning for meaning, count in counts.items() if count > 1}


def _nested_parts(equation: Equation, shared: set[Meaning], program: Program) -> list[Expr]:
    """The parts of a right side in which a Σ would be nested: its terms' factors, its functions' arguments."""
    parts: list[Expr] = []
    for term in equation.value.as_ordered_terms() if equation.value.is_Add else [equation.value]:
        # A Σ, and −Σ, is a term, with parts of its own; anything else with a Σ beside it is not.
        alone = next((f for f in _plain_factors(term) if isinstance(f, Sigma)), None)
        if alone is None:
            parts += [f for f in Mul.make_args(term) if not f.is_number]
        elif (meaning := _meaning(alone, equation, program)) in shared or meaning[0] != equation.array.sizes:
            parts.append(alone)  # computed once for all that it is the same for
        else:
            parts += Mul.make_args(alone.body)
    return parts


def _rewrite(
    program: Program, wanted: Callable[[Expr], bool], parts: Callable[[Equation], list[Expr]], ending: str = "sum"
) -> Program:
    equations: list[Equation] = []
    known: dict[Meaning, str] = {}
    for equation in program.equations:
        found: list[Expr] = []
        for part in parts(equation):
            _collect(part, wanted, found)
        for expr in found:
            meaning = _meaning(expr, equation, program)
            # What is there already, under its own name or that of another part, is not computed again.
            if meaning not in known:
                if expr == equation.value and meaning[0] == equation.array.sizes:
                    continue
                taken = {e.name for e in equations}
                equations.append(_equation_for(expr, meaning, equation, program, taken, ending))
                known[meaning] = equations[-1].name
            entry = Entry(known[meaning], *(index for group in _groups(expr, equation, program) for index in group))
            equation = replace(equation, value=equation.value.xreplace({expr: entry}))
        equations.append(equation)
        known.setdefault((equation.array.sizes, equation.value), equation.name)
    return replace(program, equations=tuple(equations))


def _collect(expr: Expr, wanted: Callable[[Expr], bool], found: list[Expr]) -> None:
    """The outermost wanted expressions, in a stable order."""
    if isinstance(expr, Entry | KroneckerDelta | Index):
        return
    if wanted(expr):
        if expr not in found:
            found.append(expr)
        return
    for part in sorted(expr.args, key=as_text):
        _collect(part, wanted, found)


def _equation_for(
    expr: Expr, meaning: Meaning, user: Equation, program: Program, taken: set[str], ending: str
) -> Equation:
    """An equation for a part of another's right side, named after what it is: tanh_c, max_s, h_sum."""
    function = type(expr).__name__.lower() if isinstance(expr, Function | Max) else ""
    if function and isinstance(expr.args[0], Entry):
        entry = expr.args[0]
        label = "".join(program.arrays[entry.name].labels[int(i)] for i in entry.indices if i.is_number)
        stem = "_".join(part for part in (function, entry.name, label) if part)
    else:
        stem = f"{function}_{user.name}" if function else f"{user.name}_{ending}"
    name, count = stem, 1
    while name in taken | set(program.arrays):
        count += 1
        name = f"{stem}_{count}"
    sizes, value = meaning
    return Equation(Array(name, sizes), value)


def _meaning(expr: Expr, user: Equation, program: Program) -> Meaning:
    """What a part of a right side is, whatever its indices are called there."""
    groups = _groups(expr, user, program)
    array = Array("", tuple(_size(group, program) for group in groups))
    standing = dict(zip((i for g in groups for i in g), array.indices, strict=True))
    return array.sizes, tidy(expr.xreplace(standing), array.indices)


def _groups(expr: Expr, user: Equation, program: Program) -> tuple[Group, ...]:
    """The free indices of a part in the order of its user's axes, so that what begins with the batch stays so."""
    order = [axis.indices for axis in user.array.axes]
    groups = natural_groups(expr, program)
    return tuple(sorted(groups, key=lambda group: order.index(group) if group in order else len(order)))


def _size(group: tuple[Index, ...], program: Program) -> Size:
    if len(group) == 1:
        return group[0].dim
    return next(
        axis.size
        for array in program.arrays.values()
        for axis in array.axes
        if tuple(index.dim for index in axis.indices) == tuple(index.dim for index in group)
    )
