"""Both modes: ``vjp`` maps a program to the program that also computes its cotangents, ``jvp`` to that of its tangents.

Every local derivative is taken by ``sympy.diff``; Kronecker deltas collapse against the sums. Results are
said with what the program has computed already: σ(a) becomes i wherever i = σ(a) is an equation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import permutations

from sympy import Add, Expr, Function, Mul, S

from derive.errors import CellError
from derive.index import (
    Bound,
    Entry,
    Index,
    KroneckerDelta,
    Sigma,
    entries,
    free_indices,
    fresh,
    rename_bound,
    substitute,
)
from derive.normal import Term, use_deltas
from derive.program import Array, Equation, Program, tidy

Naming = Callable[[str], str]
Kind = tuple[type, tuple[str, ...]]

COTANGENT = "d"  # dx is the cotangent of x
SEED = "d_next_"  # d_next_h is what reaches h from outside of the step
TANGENT = "_dot"  # x_dot is the tangent of x


def prefixed(prefix: str) -> Naming:
    return lambda name: f"{prefix}{name}"


def vjp(
    program: Program,
    wrt: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    cotangent: Naming | None = None,
    seed: Naming | None = None,
) -> Program:
    """The program followed by its backward equations.

    Args:
        program: any program, itself the result of a ``vjp`` if one likes.
        wrt: the inputs whose cotangents are results; all of them by default.
        outputs: the arrays whose cotangents come from outside; by default the program's outputs and the next
            value of each state. Each adds an input named ``seed(output)``.
        cotangent: names the cotangent of an array, ``dx`` by default; the names must be new.
        seed: names the incoming cotangent of an output, ``d_next_h`` by default. In a ``vjp`` of a ``vjp`` the
            default names begin with as many d as make them new.

    Returns:
        A program with the same inputs and the seeds, all equations, then one per cotangent; its outputs are
        the cotangents of ``wrt``.
    """
    wrt = [array.name for array in program.inputs] if wrt is None else list(wrt)
    outputs = default_outputs(program) if outputs is None else list(outputs)
    _check_known(program, (*wrt, *outputs), "vjp")
    more = _further_mark(program)
    cotangent = cotangent or prefixed(more + COTANGENT)
    seed = seed or prefixed(more + SEED)
    say = speaker(program.equations)
    seeds = {name: Array(seed(name), program.arrays[name].sizes, "cotangent") for name in outputs}
    received: dict[str, list[Expr]] = {}
    for name, array in seeds.items():
        received[name] = [Entry(array.name, *program.arrays[name].indices)]
    equations: list[Equation] = []
    called: dict[str, str] = {}

    def settle(array: Array) -> None:
        """All that reaches the array is known: add it up under its cotangent's name."""
        value = say(Add(*received[array.name]))
        if array.name in seeds and len(received[array.name]) == 1:
            called[array.name] = seeds[array.name].name
            return
        called[array.name] = cotangent(array.name)
        result = Array(cotangent(array.name), array.sizes, "cotangent")
        equations.append(Equation(result, tidy(value, array.indices)))

    for equation in reversed(program.equations):
        if equation.name in received:
            settle(equation.array)
            upstream = Entry(called[equation.name], *equation.array.indices)
            for name in dict.fromkeys(entry.name for entry in equation.reads):
                received.setdefault(name, []).append(pull_back(equation, upstream, program.arrays[name]))
    for name in wrt:
        received.setdefault(name, [S.Zero])
        if name not in called:
            settle(program.arrays[name])
    return Program(
        name=program.name,
        inputs=(*program.inputs, *seeds.values()),
        equations=(*program.equations, *equations),
        outputs=tuple(called.get(name, cotangent(name)) for name in wrt),
        doc=program.doc,
    )


def default_outputs(program: Program) -> list[str]:
    """A program's outputs and the next values of its states, each once."""
    following = [state.next for state in program.having("state") if state.next]
    return list(dict.fromkeys([*program.outputs, *following]))


def _further_mark(program: Program) -> str:
    """What must stand before the default names of cotangents and seeds so that they are new; mostly nothing."""
    more = ""
    while any(more + mark + name in program.arrays for mark in (COTANGENT, SEED) for name in program.arrays):
        more += COTANGENT
    return more


def _check_known(program: Program, names: Iterable[str], mode: str) -> None:
    for name in names:
        if name not in program.arrays:
            raise CellError(f"cell {program.name}: {mode} of {name!r}, which is not one of its arrays")


def jvp(
    program: Program,
    wrt: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    tangent: Naming | None = None,
) -> Program:
    """The program followed by the equations of its tangents.

    Args:
        program: any program, itself the result of a ``vjp`` or a ``jvp`` if one likes.
        wrt: the inputs that move; all of them by default. Each adds an input named ``tangent(input)``.
        outputs: the arrays whose tangents are results; by default those that ``vjp`` has cotangents for.
        tangent: names the tangent of an array, ``x_dot`` by default; the names must be new. In a ``jvp`` of a
            ``jvp`` the default names end with as many ``_dot`` as make them new.

    Returns:
        A program with the same inputs and the tangents of ``wrt``, all equations, then one per tangent that is not
        zero by itself; its outputs are the tangents of ``outputs``, zero or not.
    """
    wrt = [array.name for array in program.inputs] if wrt is None else list(wrt)
    outputs = default_outputs(program) if outputs is None else list(outputs)
    _check_known(program, (*wrt, *outputs), "jvp")
    tangent = tangent or suffixed(_further_suffix(program))
    say = speaker(program.equations)
    moving = {name: Array(tangent(name), program.arrays[name].sizes, "tangent") for name in wrt}
    inputs = (*program.inputs, *moving.values())
    equations: list[Equation] = []
    for equation in program.equations:
        used = dict.fromkeys(entry.name for entry in equation.reads if entry.name in moving)
        pushed = Add(*(push_forward(equation, program.arrays[name], moving[name]) for name in used))
        if pushed != 0 or equation.name in outputs:
            moving[equation.name] = Array(tangent(equation.name), equation.array.sizes, "tangent")
            equations.append(Equation(moving[equation.name], tidy(say(pushed), equation.array.indices)))
    for name in outputs:
        if name not in moving:
            moving[name] = Array(tangent(name), program.arrays[name].sizes, "tangent")
            equations.append(Equation(moving[name], S.Zero))
    return Program(
        name=program.name,
        inputs=inputs,
        equations=(*program.equations, *equations),
        outputs=tuple(moving[name].name for name in outputs),
        doc=program.doc,
    )


def suffixed(suffix: str) -> Naming:
    return lambda name: f"{name}{suffix}"


def _further_suffix(program: Program) -> str:
    """What must stand behind the names of tangents so that they are new; mostly ``_dot``."""
    suffix = TANGENT
    while any(name + suffix in program.arrays for name in program.arrays):
        suffix += TANGENT
    return suffix


def push_forward(equation: Equation, array: Array, tangent: Array) -> Expr:
    """Σ over the array's indices of ∂value/∂array · its tangent, at the equation's indices."""
    at = tuple(fresh(index.dim) for index in array.indices)
    return contract(local_derivative(equation.value, array, at) * Entry(tangent.name, *at), at)


def pull_back(equation: Equation, upstream: Expr, array: Array) -> Expr:
    """Σ over the equation's indices of upstream · ∂value/∂array, at the array's standing indices."""
    at = tuple(fresh(index.dim) for index in array.indices)
    # The equation's own indices are summed now, so they must not be confused with the array's; nor may the
    # indices that it sums over itself, which are fresh after a substitution.
    summed = {index: fresh(index.dim) for index in equation.array.indices}
    whole = substitute(upstream * local_derivative(equation.value, array, at), summed)
    result = contract(whole, tuple(summed.values()))
    return result.xreplace(dict(zip(at, array.indices, strict=True)))


def local_derivative(value: Expr, array: Array, at: tuple[Index, ...]) -> Expr:
    """∂value/∂array[at]; of a sum, the terms without the array need not be looked at."""
    entry = Entry(array.name, *at)
    return Add(*(term.diff(entry) for term in Add.make_args(value) if array.name in {e.name for e in entries(term)}))


def contract(expr: Expr, indices: tuple[Index, ...]) -> Expr:
    """Σ_indices of an expression, with the deltas in it used to remove sums. Nothing else is distributed."""
    exposed = (Term(S.One, indices + bound, tuple(factors)) for bound, factors in _expose(expr))
    return Add(*(term.expr for raw in exposed for term in use_deltas(raw)))


def _expose(expr: Expr) -> list[tuple[tuple[Index, ...], list[Expr]]]:
    """The expression as a sum of (summed indices, factors), distributed only as far as deltas demand."""
    if not expr.has(KroneckerDelta):
        return [((), [expr])]
    if isinstance(expr, Add):
        return [found for part in expr.args for found in _expose(part)]
    if isinstance(expr, Sigma):
        opened = rename_bound(expr)
        return [(bound + opened.indices, factors) for bound, factors in _expose(opened.body)]
    if isinstance(expr, Mul):
        found: list[tuple[tuple[Index, ...], list[Expr]]] = [((), [])]
        for part in expr.args:
            exposed = _expose(part)
            found = [(b + c, f + g) for b, f in found for c, g in exposed]
        return found
    return [((), [expr])]


def speaker(equations: Sequence[Equation]) -> Callable[[Expr], Expr]:
    """A rewriting that says an expression with the names of equations whose right side occurs in it."""
    known: dict[Expr, str] = {}
    kinds: set[Kind] = set()
    for equation in equations:
        value = equation.value
        if isinstance(value, Function | Bound) and set(free_indices(value)) == set(equation.array.indices):
            known.setdefault(_numbered(value, equation.array.indices), equation.name)
            kinds.add(_kind(value))

    def named(expr: Expr) -> Expr:
        """The entry that an expression as a whole is, or the expression."""
        if isinstance(expr, Function | Bound) and _kind(expr) in kinds:
            for order in permutations(free_indices(expr)):
                if name := known.get(_numbered(expr, order)):
                    return Entry(name, *order)
        return expr

    def say(expr: Expr) -> Expr:
        whole = named(expr)
        if isinstance(whole, Entry) or not whole.args:
            return whole
        inside = tuple(map(say, whole.args))
        # What is inside of an equation may have a name itself, and stand there under it.
        return named(whole.func(*inside)) if inside != whole.args else whole

    return say


def _kind(expr: Expr) -> Kind:
    """What an expression and another have in common if one is the other at other indices."""
    return type(expr), tuple(sorted(str(index.dim) for index in free_indices(expr)))


def _numbered(expr: Expr, order: Sequence[Index]) -> Expr:
    """The expression with the given indices numbered and its summation indices under their standing names."""
    numbers = {index: Index(f"#{position}", index.dim) for position, index in enumerate(order)}
    return tidy(substitute(expr, numbers), numbers.values())
