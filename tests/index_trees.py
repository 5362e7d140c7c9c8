"""Random index expressions that know nothing of handgrad: trees of tuples, evaluated with plain loops.

    ("num", Fraction)   ("entry", name, indices)   ("delta", i, j)   ("add", a, b, …)   ("mul", a, b, …)
    ("pow", a, k)       ("fn", name, a)            ("sum", i, a)     ("max", i, a)

An index is a pair (letter, dimension) or a number. A Σ or a max may bind a letter that is in use outside of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

from hypothesis import strategies as st
from sympy import Add, Expr, Integer, Mul, Rational

from derive.cell import dims
from derive.functions import FUNCTIONS
from derive.index import Entry, Index, KroneckerDelta, Max, Sigma

Tree = tuple[Any, ...]
N, H = dims("N H")
SIZES = {"N": 3, "H": 2, "2": 2}
ARRAYS: dict[str, tuple[str, ...]] = {
    "s": (),
    "u": ("H",),
    "v": ("H",),
    "x": ("N", "H"),
    "y": ("N", "H"),
    "W": ("H", "H"),
    "t": ("2", "H"),
}
LETTERS = {"N": "nm", "H": "hjk", "2": "pq"}
FREE = (("n", "N"), ("h", "H"))


# -- random trees -------------------------------------------------------------------------------------------------


def leaves(scope: tuple[Any, ...], deltas: bool = True) -> st.SearchStrategy[Tree]:
    """Entries with indices of the scope (or block numbers), deltas and numbers."""
    by_dim: dict[str, list[Any]] = {dim: [i for i in scope if i[1] == dim] for dim in LETTERS}
    by_dim["2"] += [0, 1]
    possible = [name for name, need in ARRAYS.items() if all(by_dim[dim] for dim in need)]
    entry = st.sampled_from(possible).flatmap(
        lambda name: st.tuples(
            st.just("entry"), st.just(name), st.tuples(*(st.sampled_from(by_dim[dim]) for dim in ARRAYS[name]))
        )
    )
    pairs = [(i, j) for dim in LETTERS for i, j in product(by_dim[dim], repeat=2) if i != j and not isinstance(i, int)]
    number = st.fractions(-3, 3, max_denominator=3).map(lambda value: ("num", value))
    choices = [entry, entry, entry, entry, number]
    if pairs and deltas:
        choices.append(st.sampled_from(pairs).map(lambda pair: ("delta", *pair)))
    return st.one_of(choices)


def trees(depth: int = 3, scope: tuple[Any, ...] = FREE, deltas: bool = True) -> st.SearchStrategy[Tree]:
    """Expressions over the indices of the scope.

    No δ stands inside of a function or a max: no derivation puts one there, and the normal form does not look for the
    δ(h, j) f[h] = δ(h, j) f[j] in an argument.
    """
    if depth == 0:
        return leaves(scope, deltas)
    inner = trees(depth - 1, scope, deltas)

    def bound(kind: str, deltas: bool) -> st.SearchStrategy[Tree]:
        return st.sampled_from([(letter, dim) for dim, letters in LETTERS.items() for letter in letters]).flatmap(
            lambda index: trees(depth - 1, (*(i for i in scope if i != index), index), deltas).map(
                lambda body: (kind, index, body)
            )
        )

    sums = bound("sum", deltas)
    entry = leaves(scope).filter(lambda leaf: leaf[0] == "entry")
    some = st.lists(inner, min_size=2, max_size=3)
    choices = [
        some.map(lambda parts: ("mul", *parts)),
        some.map(lambda parts: ("add", *parts)),
        sums,
        sums,
        bound("max", deltas=False),
        st.tuples(st.just("fn"), st.sampled_from(["sigmoid", "tanh"]), trees(depth - 1, scope, deltas=False)),
        st.tuples(st.just("pow"), inner, st.just(2)),
    ]
    # Small ones are found by shrinking; left among the choices they would be most of what is tried.
    return st.one_of(
        choices if depth > 1 else [*choices, entry.map(lambda leaf: ("pow", leaf, -1)), leaves(scope, deltas)]
    )


# -- what a tree is in SymPy ---------------------------------------------------------------------------------------


def index(one: Any) -> Index | Integer:
    if isinstance(one, int):
        return Integer(one)
    letter, dim = one
    return Index(letter, {"N": N, "H": H, "2": Integer(2)}[dim])


def expression(tree: Tree) -> Expr:
    match tree:
        case "num", value:
            return Rational(value.numerator, value.denominator)
        case "entry", name, indices:
            return Entry(name, *map(index, indices))
        case "delta", one, other:
            return KroneckerDelta(index(one), index(other))
        case "add", *parts:
            return Add(*map(expression, parts))
        case "mul", *parts:
            return Mul(*map(expression, parts))
        case "pow", base, exponent:
            return expression(base) ** exponent
        case "fn", name, argument:
            return FUNCTIONS[name](expression(argument))
        case "sum", bound, body:
            return Sigma(expression(body), index(bound))
        case "max", bound, body:
            return Max(expression(body), index(bound))
    raise ValueError(tree[0])


# -- and its value by plain loops ----------------------------------------------------------------------------------

TRUE_FUNCTIONS = {"sigmoid": lambda z: 1 / (1 + math.exp(-z)), "tanh": math.tanh}


def value(tree: Tree, arrays: Mapping[str, Any], at: Mapping[Any, int]) -> Any:
    """The number that the tree stands for where its free indices have the given values."""

    def go(part: Tree) -> Any:
        return value(part, arrays, at)

    match tree:
        case "num", number:
            return number
        case "entry", name, indices:
            return arrays[name][tuple(one if isinstance(one, int) else at[one] for one in indices)]
        case "delta", one, other:
            return int(at.get(one, one) == at.get(other, other))
        case "add", *parts:
            return sum(map(go, parts))
        case "mul", *parts:
            return math.prod(map(go, parts))
        case "pow", base, exponent:
            return go(base) ** exponent
        case "fn", name, argument:
            return TRUE_FUNCTIONS[name](float(go(argument)))
        case "sum", bound, body:
            return sum(value(body, arrays, {**at, bound: k}) for k in range(SIZES[bound[1]]))
        case "max", bound, body:
            return max(value(body, arrays, {**at, bound: k}) for k in range(SIZES[bound[1]]))
    raise ValueError(tree[0])


def values(tree: Tree, arrays: Mapping[str, Any]) -> list[Any]:
    """The values at all places of the free indices n and h."""
    places = product(range(SIZES["N"]), range(SIZES["H"]))
    return [value(tree, arrays, dict(zip(FREE, place, strict=True))) for place in places]


def free(tree: Tree) -> set[Any]:
    """The indices that no Σ or max of the tree binds."""
    match tree:
        case "entry", _, indices:
            return {one for one in indices if not isinstance(one, int)}
        case "delta", *pair:
            return {one for one in pair if not isinstance(one, int)}
        case "sum" | "max", bound, body:
            return free(body) - {bound}
    return set().union(*(free(part) for part in tree[1:] if isinstance(part, tuple)))


def has_function(tree: Tree) -> bool:
    return tree[0] in {"fn", "max"} or any(has_function(part) for part in tree[1:] if isinstance(part, tuple) and part)
