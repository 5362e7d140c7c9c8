"""Separating a backward recurrence into coefficients, which need no loop, and what is left of it.

Every cotangent is a sum of coefficient ⊙ cotangent. The coefficient, a local Jacobian such as
∂c/∂a_i = g ⊙ i ⊙ (1 − i), is made of forward values only, so it can be computed for many steps at once; the
loop then has one product per term.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from itertools import combinations, count

from sympy import Add, Expr, Mul, S, expand_mul

from derive.calculus import COTANGENT
from derive.index import Entry, KroneckerDelta, Sigma, entries
from derive.program import Array, Equation, Program

LINEAR = {"cotangent", "tangent"}  # the roles of what derived equations are linear in
JACOBIAN = "J_"  # J_a is the coefficient of the cotangent da


def split_coefficients(
    equations: Sequence[Equation], wanted: Iterable[str], step: Program
) -> tuple[tuple[Equation, ...], tuple[Equation, ...]]:
    """(coefficients, recurrence) of the cotangents in the loop.

    Args:
        equations: the cotangents' equations in order.
        wanted: cotangents that the loop must produce under their own names.
        step: the program that all names belong to.
    """
    products = known_products(step)
    coefficients: list[Equation] = []
    recurrence: list[Equation] = []
    folded = fold(equations, set(wanted))
    taken = {_stem(equation) for equation in folded}
    for equation in folded:
        named, rest = _named(equation, _collected(equation, step), products, taken)
        coefficients += named
        recurrence.append(rest)
    return tuple(coefficients), tuple(recurrence)


def fold(equations: Sequence[Equation], wanted: set[str]) -> list[Equation]:
    """Cotangents that are one product, written into the pointwise equations that use them: di = dc ⊙ g into da."""
    result: list[Equation] = []
    folded: dict[str, Equation] = {}
    for position, equation in enumerate(equations):
        uses = {e: folded[e.name].at(e.indices) for e in equation.reads if e.name in folded}
        equation = Equation(equation.array, equation.value.xreplace(uses))
        single = not equation.value.has(Sigma, KroneckerDelta) and not equation.value.is_Add
        if single and equation.name not in wanted and not any(_sums(e, equation.name) for e in equations[position:]):
            folded[equation.name] = equation
        else:
            result.append(equation)
    return result


def _sums(equation: Equation, name: str) -> bool:
    """Whether an equation uses the array inside of a Σ."""
    return any(any(e.name == name for e in total.atoms(Entry)) for total in equation.value.atoms(Sigma))


def _collected(equation: Equation, step: Program) -> list[tuple[Expr | None, Expr]]:
    """(coefficient, cotangent and deltas) per term; no coefficient where it would be a bare array or number."""
    collected: dict[Expr, Expr] = {}
    for term in Add.make_args(equation.value):
        factors = Mul.make_args(term)
        rest = [f for f in factors if isinstance(f, KroneckerDelta) or f.has(Sigma) or _has_cotangent(f, step)]
        if any(f.has(Sigma) for f in rest):
            rest = list(factors)
        forward = [f for f in factors if f not in rest]
        collected[Mul(*rest)] = collected.get(Mul(*rest), S.Zero) + Mul(*forward)
    return [
        (None, coefficient * rest) if _is_at_hand(coefficient) else (coefficient, rest)
        for rest, coefficient in collected.items()
    ]


def _is_at_hand(coefficient: Expr) -> bool:
    """Whether a coefficient is an array as it is, its negative, or no array at all."""
    return isinstance(coefficient, Entry) or isinstance(-coefficient, Entry) or not coefficient.has(Entry)


def _has_cotangent(factor: Expr, step: Program) -> bool:
    return any(step.arrays[entry.name].role in LINEAR for entry in factor.atoms(Entry))


def gathered(equation: Equation, step: Program, optional: Container[str] = ()) -> Equation:
    """The equation with its coefficients of cotangents and tangents in the cheapest form, common factors outside.

    Terms with an array that is ``optional`` stay apart from the others.
    """
    spread = Equation(equation.array, Add(*_spread(equation.value, step)))
    terms: dict[tuple[str | None, Expr, Expr], Expr] = {}
    for coefficient, rest in _collected(spread, step):
        apart = next((e.name for e in entries(rest) if e.name in optional), None)
        plain, compound = _apart(S.One if coefficient is None else cheapest(coefficient, ()))
        terms[apart, compound, plain] = terms.get((apart, compound, plain), S.Zero) + rest
    outer: dict[tuple[str | None, Expr], Expr] = {}
    for (apart, compound, plain), rest in terms.items():
        outer[apart, compound] = outer.get((apart, compound), S.Zero) + plain * rest
    return Equation(equation.array, Add(*(compound * inner for (_, compound), inner in outer.items())))


def _apart(coefficient: Expr) -> tuple[Expr, Expr]:
    """(numbers and array entries, what has to be computed) of a product."""
    plain = [f for f in Mul.make_args(coefficient) if isinstance(f, Entry) or f.is_number]
    return Mul(*plain), Mul(*(f for f in Mul.make_args(coefficient) if f not in plain))


def _spread(expr: Expr, step: Program) -> list[Expr]:
    """The terms of an expression, sums in which cotangents or tangents occur multiplied out."""
    if expr.is_Add:
        return [term for part in expr.args for term in _spread(part, step)]
    if expr.is_Mul:
        several = [f for f in expr.args if f.is_Add and (_has_cotangent(f, step) or f.has(KroneckerDelta))]
        if several:
            rest = Mul(*(f for f in expr.args if f is not several[0]))
            return [term for part in several[0].args for term in _spread(rest * part, step)]
    return [expr]


def _named(
    equation: Equation, terms: Sequence[tuple[Expr | None, Expr]], products: Sequence[Equation], taken: set[str]
) -> tuple[list[Equation], Equation]:
    """The coefficients of one cotangent as arrays, whose names are then taken, and its equation with them.

    The coefficients of a stack's blocks share one stacked array; a second one for the same block, or one for all
    blocks, begins another.
    """
    values: list[Expr] = []
    slots: list[dict[Expr, Expr]] = []
    names: list[str] = []
    for coefficient, rest in terms:
        if coefficient is None:
            values.append(rest)
            continue
        delta = next((f for f in Mul.make_args(rest) if isinstance(f, KroneckerDelta)), S.One)
        slot = next((k for k, used in enumerate(slots) if all(_are_apart(delta, d) for d in used)), len(slots))
        if slot == len(slots):
            slots.append({})
            names.append(_stem(equation) if slot == 0 else _further(_stem(equation), taken))
        slots[slot][delta] = cheapest(coefficient, products)
        values.append(rest * Entry(names[slot], *equation.array.indices))
    named = [
        Equation(Array(name, equation.array.sizes), Add(*(d * value for d, value in blocks.items())))
        for name, blocks in zip(names, slots, strict=True)
    ]
    return named, Equation(equation.array, Add(*values))


def _are_apart(one: Expr, other: Expr) -> bool:
    """Whether two deltas pick different blocks of one axis, so that nowhere both of them are 1."""
    return one != other and one.free_symbols == other.free_symbols and len(one.free_symbols) == 1


def _stem(equation: Equation) -> str:
    """What the first coefficient of a cotangent is called."""
    return JACOBIAN + equation.name.removeprefix(COTANGENT)


def _further(stem: str, taken: set[str]) -> str:
    """J_a_2, or the next that is not the coefficient of an array a_2; taken from now on."""
    name = next(f"{stem}_{number}" for number in count(2) if f"{stem}_{number}" not in taken)
    taken.add(name)
    return name


def known_products(step: Program) -> list[Equation]:
    """Forward equations that are a product of array entries, such as h = o ⊙ tanh_c."""
    forward = [e for e in step.equations if e.array.role != "cotangent"]
    return [e for e in forward if e.value.is_Mul and all(isinstance(f, Entry) for f in e.value.args)]


def cheapest(expr: Expr, products: Sequence[Equation]) -> Expr:
    """The expression in the form that takes fewest operations, with known products by name."""
    candidates = [expr, expand_mul(expr)]  # powers of sums as they are: their terms are too many
    said = [_say_products(one, products) for one in candidates]
    return min((*candidates, *said), key=lambda one: (operations(one), str(one)))


def _say_products(expr: Expr, products: Sequence[Equation]) -> Expr:
    if isinstance(expr, Entry) or not expr.args:
        return expr
    expr = expr.func(*(_say_products(part, products) for part in expr.args))
    if not expr.is_Mul:
        return expr
    factors = [f for part in expr.args for f in _repeated(part)]
    for equation in products:
        for chosen in combinations([f for f in factors if isinstance(f, Entry)], len(equation.value.args)):
            entry = _matches(chosen, equation)
            if entry is not None:
                rest = list(factors)
                for factor in chosen:
                    rest.remove(factor)
                return _say_products(Mul(entry, *rest), products)
    return expr


def _repeated(factor: Expr) -> list[Expr]:
    if factor.is_Pow and factor.exp.is_Integer and factor.exp > 0:
        return [factor.base] * int(factor.exp)
    return [factor]


def _matches(chosen: Sequence[Expr], equation: Equation) -> Entry | None:
    """The entry of the equation's array that the chosen factors multiply to, if they do."""
    indices = max((f.indices for f in chosen), key=len)
    if len(indices) != len(equation.array.indices):
        return None
    due = equation.at(indices)
    return Entry(equation.name, *indices) if Mul(*chosen) == due else None


def operations(expr: Expr) -> int:
    """How many elementwise operations an expression takes."""
    if isinstance(expr, Entry) or not expr.args:
        return 0
    inner = sum(operations(part) for part in expr.args)
    if expr.is_Add or expr.is_Mul:
        signs = sum(1 for part in expr.args if part == -1)
        return inner + len(expr.args) - 1 - signs
    return inner + 1
