"""Rewritings of index trees that do not change their meaning, and changes that mostly do."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.index_trees import ARRAYS, LETTERS, Tree, free

Rewrite = Callable[[Tree, random.Random], Tree | None]


def rename(tree: Tree, old: Any, new: Any) -> Tree:
    """The tree with a free index renamed; what would capture the new one is given another letter first."""
    match tree:
        case "entry", name, indices:
            return ("entry", name, tuple(new if one == old else one for one in indices))
        case "delta", *pair:
            return ("delta", *(new if one == old else one for one in pair))
        case "num", _:
            return tree
        case "sum" | "max" as kind, bound, body:
            if bound == old:
                return tree
            if bound == new:
                other = unused(bound, body, old, new)
                return (kind, other, rename(rename(body, bound, other), old, new))
            return (kind, bound, rename(body, old, new))
    return tuple(rename(part, old, new) if isinstance(part, tuple) else part for part in tree)


def unused(like: Any, *where: Any) -> Any:
    """An index over the same dimension that does not occur in the trees and indices given."""
    text = str(where)
    return next((f"{like[0]}{k}", like[1]) for k in range(99) if f"'{like[0]}{k}'" not in text)


def commute(tree: Tree, chance: random.Random) -> Tree | None:
    if tree[0] not in {"add", "mul"}:
        return None
    parts = list(tree[1:])
    chance.shuffle(parts)
    return (tree[0], *parts)


def distribute(tree: Tree, chance: random.Random) -> Tree | None:
    """a (b + c) → a b + a c."""
    sums = [k for k, part in enumerate(tree) if k and tree[0] == "mul" and part[0] == "add"]
    if not sums:
        return None
    k = chance.choice(sums)
    return ("add", *(("mul", *tree[1:k], term, *tree[k + 1 :]) for term in tree[k][1:]))


def rename_bound(tree: Tree, chance: random.Random) -> Tree | None:
    """Σ_h → Σ_j, where j may be in use outside."""
    if tree[0] not in {"sum", "max"}:
        return None
    kind, bound, body = tree
    letters = [(letter, bound[1]) for letter in LETTERS[bound[1]]]
    new = chance.choice([bound, *(one for one in letters if one not in free(body))])
    return (kind, new, rename(body, bound, new))


def split_sum(tree: Tree, _: random.Random) -> Tree | None:
    """Σ (a + b) → Σ a + Σ b."""
    if tree[0] == "sum" and tree[2][0] == "add":
        return ("add", *(("sum", tree[1], part) for part in tree[2][1:]))
    return None


def merge_sums(tree: Tree, _: random.Random) -> Tree | None:
    """Σ_h a + Σ_j b → Σ_h (a + b) for two sums over one dimension."""
    if tree[0] != "add" or len(tree) != 3 or any(part[0] != "sum" for part in tree[1:]):
        return None
    (_, one, a), (_, other, b) = tree[1:]
    if one[1] != other[1]:
        return None
    new = unused(one, tree)
    return ("sum", new, ("add", rename(a, one, new), rename(b, other, new)))


def factor_in(tree: Tree, _: random.Random) -> Tree | None:
    """a Σ_h b → Σ_h a b, with another letter if a uses h."""
    sums = [k for k, part in enumerate(tree) if k and tree[0] == "mul" and part[0] == "sum"]
    if not sums:
        return None
    _, bound, body = tree[sums[0]]
    new = unused(bound, tree)
    return ("sum", new, ("mul", *tree[1 : sums[0]], rename(body, bound, new), *tree[sums[0] + 1 :]))


def factor_out(tree: Tree, _: random.Random) -> Tree | None:
    """Σ_h a b → a Σ_h b where a does not use h."""
    if tree[0] != "sum" or tree[2][0] != "mul":
        return None
    _, bound, (_, *factors) = tree
    outside = [factor for factor in factors if bound not in free(factor)]
    inside = [factor for factor in factors if bound in free(factor)]
    if not outside or not inside:
        return None
    return ("mul", *outside, ("sum", bound, inside[0] if len(inside) == 1 else ("mul", *inside)))


def swap_sums(tree: Tree, _: random.Random) -> Tree | None:
    """Σ_h Σ_n → Σ_n Σ_h."""
    if tree[0] == "sum" and tree[2][0] == "sum" and tree[1] != tree[2][1]:
        return ("sum", tree[2][1], ("sum", tree[1], tree[2][2]))
    return None


def insert_delta(tree: Tree, chance: random.Random) -> Tree | None:
    """a[h] → Σ_j δ(h, j) a[j]."""
    indices = sorted(free(tree))
    if not indices:
        return None
    one = chance.choice(indices)
    new = unused(one, tree)
    return ("sum", new, ("mul", ("delta", one, new), rename(tree, one, new)))


def write_out_labels(tree: Tree, _: random.Random) -> Tree | None:
    """Σ over block labels → the sum of its two cases."""
    if tree[0] != "sum" or tree[1][1] != "2":
        return None
    return ("add", *(rename(tree[2], tree[1], k) for k in (0, 1)))


def write_out_square(tree: Tree, _: random.Random) -> Tree | None:
    return ("mul", tree[1], tree[1]) if tree[0] == "pow" and tree[2] == 2 else None


def add_and_take_away(tree: Tree, _: random.Random) -> Tree | None:
    """a → 3a − 2a."""
    return ("add", ("mul", ("num", 3), tree), ("mul", ("num", -2), tree))


REWRITES: tuple[Rewrite, ...] = (
    commute,
    distribute,
    rename_bound,
    split_sum,
    merge_sums,
    factor_in,
    factor_out,
    swap_sums,
    insert_delta,
    write_out_labels,
    write_out_square,
    add_and_take_away,
)


def places(tree: Tree, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Tree]]:
    """Every subexpression and the way to it."""
    yield path, tree
    if tree[0] in {"add", "mul", "pow", "fn", "sum", "max"}:
        for k, part in enumerate(tree[1:], start=1):
            if isinstance(part, tuple) and isinstance(part[0], str) and not (tree[0] in {"sum", "max"} and k == 1):
                yield from places(part, (*path, k))


def replaced(tree: Tree, path: tuple[int, ...], new: Tree) -> Tree:
    if not path:
        return new
    k = path[0]
    return (*tree[:k], replaced(tree[k], path[1:], new), *tree[k + 1 :])


def rewritten(tree: Tree, chance: random.Random, times: int) -> Tree:
    """The tree after some random rewritings at random places, each kind that applies equally often."""
    for _ in range(times):
        for rewrite in chance.sample(REWRITES, len(REWRITES)):
            options = [(path, new) for path, part in places(tree) if (new := rewrite(part, chance)) not in (None, part)]
            if options:
                tree = replaced(tree, *chance.choice(options))
                break
    return tree


def changed(tree: Tree, chance: random.Random) -> Tree:
    """The tree after one change that mostly changes its meaning."""
    path, part = chance.choice(list(places(tree)))
    return replaced(tree, path, _other(part, chance))


def _other(part: Tree, chance: random.Random) -> Tree:
    match part:
        case "entry", name, indices if len(indices) == 2 and chance.random() < 0.5:
            return ("entry", name, (indices[1], indices[0])) if ARRAYS[name] == ("H", "H") else ("num", 1)
        case "entry", name, indices:
            like = [other for other, need in ARRAYS.items() if need == ARRAYS[name] and other != name]
            return ("entry", chance.choice(like), indices) if like else ("num", 2)
        case ("add" | "mul") as kind, first, *rest:
            options: list[Tree] = [("mul" if kind == "add" else "add", first, *rest), *rest]
            return (kind, *rest) if len(rest) > 1 else chance.choice(options)
        case "pow", base, exponent:
            return ("pow", base, 3 if exponent == 2 else 1)
        case "fn", name, argument:
            return ("fn", "tanh" if name == "sigmoid" else "sigmoid", argument)
        case "max", bound, body:
            return ("sum", bound, body)
        case "sum", _, tuple(body) if not free(part) ^ free(body):
            return body
    return ("add", part, ("num", 1))
