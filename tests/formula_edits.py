"""Single-token mutants of a claim, and rewritings that keep its meaning."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from tests.formulas import FUNCTIONS, QUANTITIES, STEPS, Claim, Formula, meanings

Path = tuple[int, ...]


def places(formula: Formula, path: Path = ()) -> Iterator[tuple[Path, Formula]]:
    """Every subformula and the way to it."""
    yield path, formula
    if formula[0] in {"mul", "add"}:
        for k, part in enumerate(formula[1]):
            yield from places(part, (*path, 1, k))
    elif formula[0] not in {"sym", "num"}:
        for k, part in enumerate(formula[1:], start=1):
            if isinstance(part, tuple):
                yield from places(part, (*path, k))


def replaced(formula: Formula, path: Path, new: Formula) -> Formula:
    if not path:
        return new
    k = path[0]
    return (*formula[:k], replaced(formula[k], path[1:], new), *formula[k + 1 :])


def mutants(claim: Claim) -> dict[Claim, str]:
    """All claims that differ in one token, and what was done to each."""
    found: dict[Claim, str] = {}
    for side in (0, 1):
        for path, part in places(claim[side]):
            for new, what in _edits(part, left=side == 0):
                edited = replaced(claim[side], path, new)
                mutant = (edited, claim[1]) if side == 0 else (claim[0], edited)
                if mutant != claim:
                    found.setdefault(mutant, what)
    return found


def _edits(part: Formula, left: bool) -> Iterator[tuple[Formula, str]]:
    match part:
        case "sym", name, differential:
            for other in QUANTITIES:
                like = "same shape" if QUANTITIES[other] == QUANTITIES[name] else "other shape"
                yield ("sym", other, differential), f"another symbol of the {like}"
                yield ("sym", other, not differential), f"another symbol of the {like}"
        case "num", number:
            yield from ((("num", other), "another number") for other in (0, 1, 2) if other != number)
        case "fn", name, argument:
            yield argument, "function dropped"
            yield from ((("fn", other, argument), "another function") for other in FUNCTIONS)
        case "pow", base, _:
            yield base, "square dropped"
            yield ("pow", base, 3), "another power"
        case "T", inner:
            yield inner, "transpose dropped"
        case "sum_n", body:
            yield body, "sum dropped"
        case "mul", factors, operators:
            yield from _of_product(factors, operators)
        case "add", terms, signs:
            yield from _of_sum(terms, signs)
    if not left and part[0] in {"sym", "fn"}:
        yield ("pow", part, 2), "squared"
        yield ("T", part), "transposed"


def _of_product(factors: tuple[Formula, ...], operators: tuple[str, ...]) -> Iterator[tuple[Formula, str]]:
    for k in range(len(factors)):
        rest = factors[:k] + factors[k + 1 :]
        signs = operators[:k] + operators[k + 1 :] if k < len(operators) else operators[:-1]
        yield ("mul", rest, signs) if len(rest) > 1 else rest[0], "factor dropped"
    for k, sign in enumerate(operators):
        for other in {"⊙": "·", "·": "⊙", " ": "⊙"}[sign]:
            yield ("mul", factors, (*operators[:k], other, *operators[k + 1 :])), f"{other} for {sign}"
    for k in range(len(factors) - 1):
        swapped = (*factors[:k], factors[k + 1], factors[k], *factors[k + 2 :])
        yield ("mul", swapped, operators), "factors exchanged"


def _of_sum(terms: tuple[Formula, ...], signs: tuple[str, ...]) -> Iterator[tuple[Formula, str]]:
    for k in range(len(terms)):
        rest, left = terms[:k] + terms[k + 1 :], signs[:k] + signs[k + 1 :]
        yield ("add", rest, left) if len(rest) > 1 or left == ("-",) else rest[0], "term dropped"
        flipped = "-" if signs[k] == "+" else "+"
        yield ("add", terms, (*signs[:k], flipped, *signs[k + 1 :])), "sign"


# -- rewritings that keep the meaning ------------------------------------------------------------------------------


def commute(part: Formula, chance: random.Random) -> Formula | None:
    """Factors of equal shape in another order, terms in another order with their signs."""
    match part:
        case "mul", factors, operators if all(sign == "⊙" or _same_shapes(factors) for sign in operators):
            return ("mul", tuple(chance.sample(factors, len(factors))), operators)
        case "add", terms, signs:
            order = chance.sample(range(len(terms)), len(terms))
            return ("add", tuple(terms[k] for k in order), tuple(signs[k] for k in order))
    return None


def _shape(formula: Formula) -> tuple[int, ...]:
    return meanings(formula, STEPS[0])[0].shape


def _same_shapes(factors: tuple[Formula, ...]) -> bool:
    return len({_shape(factor) for factor in factors}) == 1


def distribute(part: Formula, _: random.Random) -> Formula | None:
    """a (b − c) → a b − a c."""
    match part:
        case "mul", factors, operators:
            for k, factor in enumerate(factors):
                if factor[0] == "add":
                    _, terms, signs = factor
                    products = (("mul", (*factors[:k], term, *factors[k + 1 :]), operators) for term in terms)
                    return ("add", tuple(products), signs)
    return None


def transpose_product(part: Formula, _: random.Random) -> Formula | None:
    """A · B → (Bᵀ · Aᵀ)ᵀ."""
    match part:
        case "mul", (one, other), ("·",) if len(_shape(one)) == len(_shape(other)) == 2:
            turned = tuple(f[1] if f[0] == "T" else ("T", f) for f in (other, one))
            return ("T", ("mul", turned, ("·",)))
    return None


def transpose_twice(part: Formula, _: random.Random) -> Formula | None:
    return ("T", ("T", part)) if part[0] == "sym" else None


def write_square_out(part: Formula, _: random.Random) -> Formula | None:
    return ("mul", (part[1], part[1]), ("⊙",)) if part[0] == "pow" and part[2] == 2 else None


def write_gate_out(part: Formula, _: random.Random) -> Formula | None:
    """i → σ(a_i), and g → tanh(a_g)."""
    match part:
        case "sym", ("i_t" | "g_t" | "f_t" | "o_t") as name, False:
            return ("fn", r"\tanh" if name == "g_t" else r"\sigma", ("sym", f"a_{name[0]}", False))
        case "sym", "c_t", False:
            kept = ("mul", (("sym", "f_t", False), ("sym", "c_{prev}", False)), ("⊙",))
            return ("add", (kept, ("mul", (("sym", "i_t", False), ("sym", "g_t", False)), (" ",))), ("+", "+"))
        case "sym", "h_t", True:
            return ("sym", "d_{next-h}", False)
        case "sym", "d_{next-h}", False:
            return ("sym", "h_t", True)
    return None


def binomial(part: Formula, _: random.Random) -> Formula | None:
    """1 − a² → (1 − a)(1 + a)."""
    match part:
        case "add", (("num", 1), ("pow", base, 2)), ("+", "-"):
            return ("mul", (("add", (("num", 1), base), ("+", "-")), ("add", (base, ("num", 1)), ("+", "+"))), ("⊙",))
    return None


def juxtapose(part: Formula, _: random.Random) -> Formula | None:
    """⊙ between equal shapes and · anywhere may be left out."""
    match part:
        case "mul", factors, operators if _same_shapes(factors) or set(operators) == {"·"}:
            return ("mul", factors, (" ",) * len(operators))
    return None


def add_and_take_away(part: Formula, _: random.Random) -> Formula | None:
    return ("add", (part, part, part), ("+", "+", "-")) if part[0] in {"sym", "fn"} else None


def times_one(part: Formula, chance: random.Random) -> Formula | None:
    return ("mul", (("num", 1), part), (chance.choice("⊙· "),)) if part[0] == "sym" else None


def split_sum(part: Formula, _: random.Random) -> Formula | None:
    match part:
        case "sum_n", ("add", terms, signs):
            return ("add", tuple(("sum_n", term) for term in terms), signs)
    return None


REWRITES: tuple[Callable[[Formula, random.Random], Formula | None], ...] = (
    commute,
    distribute,
    transpose_product,
    transpose_twice,
    write_square_out,
    write_gate_out,
    binomial,
    juxtapose,
    add_and_take_away,
    times_one,
    split_sum,
)


def rewritings(claim: Claim, number: int, seed: int) -> set[Claim]:
    """Different claims, each some rewritings away from the given one; both sides are transposed now and then."""
    chance = random.Random(seed)
    found: set[Claim] = set()
    for _ in range(20 * number):
        left, right = claim
        for _ in range(chance.randint(1, 4)):
            right = _rewritten(right, chance)
        if chance.random() < 0.2 and left[0] == "sym":
            left, right = ("T", left), ("T", right)
        if (left, right) != claim:
            found.add((left, right))
        if len(found) == number:
            break
    return found


def _rewritten(formula: Formula, chance: random.Random) -> Formula:
    for rewrite in chance.sample(REWRITES, len(REWRITES)):
        options = [(path, new) for path, part in places(formula) if (new := rewrite(part, chance)) not in (None, part)]
        if options:
            path, new = chance.choice(options)
            return replaced(formula, path, new)
    return formula
