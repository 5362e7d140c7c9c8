"""Single-token mutants of a claim of a set of notes, and rewritings that keep its meaning."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.note_formulas import Claim, Formula, World, fits, parts
from tests.note_sets import NoteSet

Path = tuple[int, ...]


@dataclass(frozen=True)
class Mutant:
    """A claim with one token changed.

    Attributes:
        what: the kind of change.
        tokens: what was put in, and what was taken out: one of them has to be named.
    """

    claim: Claim
    what: str
    tokens: tuple[Formula, ...]


def places(formula: Formula, path: Path = ()) -> Iterator[tuple[Path, Formula]]:
    """Every subformula and the way to it."""
    yield path, formula
    inside = (1,) if formula[0] in {"mul", "add", "cat"} else ()
    below = formula[1] if inside else formula
    for k, part in enumerate(below):
        if isinstance(part, tuple):
            yield from places(part, (*path, *inside, k))


def replaced(formula: Formula, path: Path, new: Formula) -> Formula:
    if not path:
        return new
    k = path[0]
    return (*formula[:k], replaced(formula[k], path[1:], new), *formula[k + 1 :])


def mutants(claim: Claim, notes: NoteSet) -> list[Mutant]:
    """All claims that differ in one token of the right side, and those with another left side."""
    left, right = claim
    found: dict[Claim, Mutant] = {}
    for path, part in places(right):
        for new, what, tokens in _edits(part, notes):
            mutant = Mutant((left, replaced(right, path, new)), what, tokens)
            found.setdefault(mutant.claim, mutant)
    if left[0] == "sym":
        for name, mark in notes.words:
            if mark:
                other = ("sym", name, True)
                found.setdefault((other, right), Mutant((other, right), "another left side", (other, left)))
    found.pop(claim, None)
    return [mutant for mutant in found.values() if mutant.claim[0] != mutant.claim[1]]


def _edits(part: Formula, notes: NoteSet) -> Iterator[tuple[Formula, str, tuple[Formula, ...]]]:
    match part:
        case "sym", name, mark:
            yield from _other_symbols(part, name, mark, notes)
        case "num", number:
            yield from ((("num", other), "another number", (part,)) for other in (0, 1, 2) if other != number)
        case "fn", name, argument:
            yield argument, "function dropped", (part, argument)
            for other in ("sig", "tanh", "dsig", "dtanh"):
                if other != name:
                    yield ("fn", other, argument), "another function", (("fn", other, argument), part)
        case "pow", base, _:
            yield base, "exponent dropped", (base, part)
            yield ("pow", base, 3), "another exponent", (("pow", base, 3),)
        case ("T" | "sum_n" | "sum_t" | "diag") as kind, inner:
            said = {"T": "transposition dropped", "diag": "diag dropped"}.get(kind, "sum dropped")
            yield inner, said, (inner, part)
        case "mul", factors, operators:
            yield from _of_product(factors, operators)
        case "add", terms, signs:
            yield from _of_sum(terms, signs)
        case "cat", stacked:
            yield ("cat", tuple(reversed(stacked))), "blocks exchanged", stacked
    if part[0] in {"sym", "fn"}:
        yield ("pow", part, 2), "squared", (part, ("pow", part, 2))
    if part[0] == "sym":
        yield ("T", part), "transposed", (part, ("T", part))


def _other_symbols(
    part: Formula, name: str, mark: bool, notes: NoteSet
) -> Iterator[tuple[Formula, str, tuple[Formula, ...]]]:
    base = name[:-2] if name.endswith(("_p", "_n")) else name
    for other, other_mark in notes.words:
        if (other, other_mark) != (name, mark):
            new = ("sym", other, other_mark)
            at = other[:-2] if other.endswith(("_p", "_n")) else other
            yield new, "another step" if (at, other_mark) == (base, mark) else "another symbol", (new, part)


def _of_product(
    factors: tuple[Formula, ...], operators: tuple[str, ...]
) -> Iterator[tuple[Formula, str, tuple[Formula, ...]]]:
    for k, factor in enumerate(factors):
        rest = factors[:k] + factors[k + 1 :]
        signs = operators[:k] + operators[k + 1 :] if k < len(operators) else operators[:-1]
        yield ("mul", rest, signs) if len(rest) > 1 else rest[0], "factor dropped", (factor,)
    for k, sign in enumerate(operators):
        other = {"⊙": " ", " ": "⊙"}[sign]
        beside = (factors[k], factors[k + 1])
        yield ("mul", factors, (*operators[:k], other, *operators[k + 1 :])), "another operator", beside
        if len(factors) == 2:
            yield ("add", factors, ("+", "+")), "sum for product", beside
        if sign == " ":
            swapped = (*factors[:k], factors[k + 1], factors[k], *factors[k + 2 :])
            yield ("mul", swapped, operators), "factors exchanged", beside


def _of_sum(terms: tuple[Formula, ...], signs: tuple[str, ...]) -> Iterator[tuple[Formula, str, tuple[Formula, ...]]]:
    for k, term in enumerate(terms):
        rest, left = terms[:k] + terms[k + 1 :], signs[:k] + signs[k + 1 :]
        yield ("add", rest, left) if len(rest) > 1 or left == ("-",) else rest[0], "term dropped", (term,)
        flipped = "-" if signs[k] == "+" else "+"
        yield ("add", terms, (*signs[:k], flipped, *signs[k + 1 :])), "sign", (term,)
    if len(terms) == 2 and signs == ("+", "+"):
        yield ("mul", terms, ("⊙",)), "product for sum", terms


# -- rewritings that keep the meaning ------------------------------------------------------------------------------


def commute(part: Formula, _notes: NoteSet, chance: random.Random) -> Formula | None:
    """Factors of an entrywise product in another order, terms in another order with their signs."""
    match part:
        case "mul", factors, operators if set(operators) == {"⊙"}:
            return ("mul", tuple(chance.sample(factors, len(factors))), operators)
        case "add", terms, signs:
            order = chance.sample(range(len(terms)), len(terms))
            if signs[order[0]] == "+":
                return ("add", tuple(terms[k] for k in order), tuple(signs[k] for k in order))
    return None


def distribute(part: Formula, _notes: NoteSet, _chance: random.Random) -> Formula | None:
    """a (b − c) → a b − a c."""
    match part:
        case "mul", factors, operators:
            for k, factor in enumerate(factors):
                if factor[0] == "add" and (set(operators) == {"⊙"} or factor[1][0][0] != "num"):
                    products = (("mul", (*factors[:k], term, *factors[k + 1 :]), operators) for term in factor[1])
                    return ("add", tuple(products), factor[2])
        case ("sum_n" | "sum_t") as kind, ("add", terms, signs):
            return ("add", tuple((kind, term) for term in terms), signs)
    return None


def factor_out(part: Formula, _notes: NoteSet, _chance: random.Random) -> Formula | None:
    """a b + a c → a (b + c), for a first or last factor."""
    match part:
        case "add", (("mul", one, ops), ("mul", other, other_ops), *rest), signs if ops == other_ops == ("⊙",):
            for k in (0, 1):
                for j in (0, 1):
                    if one[k] == other[j]:
                        inner = ("add", (one[1 - k], other[1 - j]), ("+", signs[1]))
                        product = ("mul", (one[k], inner), ("⊙",))
                        return ("add", (product, *rest), (signs[0], *signs[2:])) if rest else product
    return None


def transpose_product(part: Formula, _notes: NoteSet, _chance: random.Random) -> Formula | None:
    """A B → (Bᵀ Aᵀ)ᵀ."""
    match part:
        case "mul", (one, other), (" ",):
            turned = tuple(f[1] if f[0] == "T" else ("T", f) for f in (other, one))
            return ("T", ("mul", turned, (" ",)))
    return None


def write_square_out(part: Formula, _notes: NoteSet, _chance: random.Random) -> Formula | None:
    """a² → a ⊙ a, and 1 − a² → (1 − a) ⊙ (1 + a)."""
    match part:
        case "pow", base, 2:
            return ("mul", (base, base), ("⊙",))
        case "add", (("num", 1), ("pow", base, 2)), ("+", "-"):
            one = ("num", 1)
            return ("mul", (("add", (one, base), ("+", "-")), ("add", (base, one), ("+", "+"))), ("⊙",))
    return None


def other_derivative(part: Formula, notes: NoteSet, _chance: random.Random) -> Formula | None:
    """σ′(a) ↔ σ(a) ⊙ (1 − σ(a)), and the like for tanh; f ⊙ (1 − f) → σ′(a_f)."""
    match part:
        case "fn", "dsig", argument:
            value = _value_of("sig", argument, notes)
            return ("mul", (value, ("add", (("num", 1), value), ("+", "-"))), ("⊙",))
        case "fn", "dtanh", argument:
            return ("add", (("num", 1), ("pow", _value_of("tanh", argument, notes), 2)), ("+", "-"))
        case "mul", (*before, value, ("add", (("num", 1), same), ("+", "-"))), operators if value == same:
            argument = _argument_of("sig", value, notes)
            if argument and set(operators) == {"⊙"}:
                derivative = ("fn", "dsig", argument)
                return ("mul", (*before, derivative), operators[:-1]) if before else derivative
        case "add", (("num", 1), ("pow", ("fn", "tanh", argument), 2)), ("+", "-"):
            return ("fn", "dtanh", argument)
        case "add", (("num", 1), ("pow", value, 2)), ("+", "-"):
            argument = _argument_of("tanh", value, notes)
            return ("fn", "dtanh", argument) if argument else None
    return None


def _value_of(function: str, argument: Formula, notes: NoteSet) -> Formula:
    known = {right: left for left, right in notes.definitions}
    return known.get(("fn", function, argument), ("fn", function, argument))


def _argument_of(function: str, value: Formula, notes: NoteSet) -> Formula | None:
    right = dict(notes.definitions).get(value)
    named = right is not None and right[:2] == ("fn", function) and right[2][0] == "sym"
    return right[2] if named and right is not None else None


def write_out(part: Formula, notes: NoteSet, _chance: random.Random) -> Formula | None:
    """A quantity as its definition has it."""
    if part[0] == "sym" and not part[2]:
        return dict(notes.definitions).get(part)
    return None


def use_another_equation(part: Formula, notes: NoteSet, _chance: random.Random) -> Formula | None:
    """A cotangent as another equation has it."""
    options = [right for left, right in notes.right.values() if left == part and right[0] != "sum_t"]
    return options[0] if options and part not in list(_leaves(options[0])) else None


def _leaves(formula: Formula) -> Iterator[Formula]:
    yield formula
    for part in parts(formula):
        yield from _leaves(part)


def juxtapose(part: Formula, notes: NoteSet, _chance: random.Random) -> Formula | None:
    """⊙ between equal shapes may be left out."""
    match part:
        case "mul", factors, operators if "⊙" in operators and _fit(factors, notes.worlds[0], notes.step):
            return ("mul", factors, (" ",) * len(operators))
    return None


def _fit(factors: tuple[Formula, ...], world: World, step: int) -> bool:
    arrays = [world.meanings(factor, step) for factor in factors]
    shapes = {array.shape for ways in arrays for array in ways}
    return len(shapes) == 1 and all(fits(ways[0], arrays[0][0]) for ways in arrays)


def add_and_take_away(part: Formula, _notes: NoteSet, _chance: random.Random) -> Formula | None:
    return ("add", (part, part, part), ("+", "+", "-")) if part[0] in {"sym", "fn"} else None


def other_dummy(part: Formula, _notes: NoteSet, _chance: random.Random) -> Formula | None:
    """Σ_t a_t → Σ_t with the dummy renamed; printed by the document's spelling as another letter."""
    return ("sum_k", part[1]) if part[0] == "sum_n" else None


REWRITES: tuple[Callable[[Formula, NoteSet, random.Random], Formula | None], ...] = (
    commute,
    distribute,
    factor_out,
    transpose_product,
    write_square_out,
    other_derivative,
    write_out,
    use_another_equation,
    juxtapose,
    add_and_take_away,
    other_dummy,
)


def rewritings(claim: Claim, notes: NoteSet, number: int, seed: int) -> list[Claim]:
    """Different claims, each some rewritings away from the given one; both sides are transposed now and then."""
    chance = random.Random(seed)
    found: dict[Claim, None] = {}
    for _ in range(10 * number):
        left, right = claim
        for _ in range(chance.randint(1, 3)):
            right = _rewritten(right, notes, chance)
        if chance.random() < 0.2 and left[0] == "sym":
            left, right = ("T", left), ("T", right)
        if (left, right) != claim:
            found[left, right] = None
        if len(found) == number:
            break
    return list(found)


def _rewritten(formula: Formula, notes: NoteSet, chance: random.Random) -> Formula:
    for rewrite in chance.sample(REWRITES, len(REWRITES)):
        options = [
            (path, new)
            for path, part in places(formula)
            if (new := rewrite(part, notes, chance)) not in (None, part) and not _within_transposed(formula, path)
        ]
        if options:
            path, new = chance.choice(options)
            assert new is not None
            return replaced(formula, path, new)
    return formula


def _within_transposed(formula: Formula, path: Path) -> bool:
    """Whether a place is the inside of a transposition; what is written out there only makes it long."""
    return any(dict(places(formula)).get(path[:k], ("",))[0] == "T" for k in range(len(path)))
