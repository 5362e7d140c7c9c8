"""Normal form: sums of products with canonical summation indices, so that equal means identical.

A term is a coefficient, the indices that it sums over, and its factors. Products are distributed, Kronecker
deltas are used up, sums over block labels are written out, arguments of functions and what maxima are of are normal
themselves.
Two expressions with the same normal form are equal for all sizes; the converse can fail (a common
denominator, an identity between functions), and then ``derive.equality`` evaluates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, permutations, product
from math import prod

from sympy import Add, Expr, Function, Integer, Mul, Number, Pow, S

from derive.errors import HandgradError
from derive.index import Bound, Entry, Index, KroneckerDelta, Max, Sigma, fresh, rename_bound

LARGEST = 20_000  # terms; beyond it distributing is the wrong tool
_MOST_ORDERS = 5_040  # orders of indistinguishable summation indices that are tried


class TooLargeError(HandgradError):
    """A normal form with more terms than it is sensible to write out."""


@dataclass(frozen=True)
class Term:
    """coefficient · Σ_indices Π factors."""

    coefficient: Expr
    indices: tuple[Index, ...]
    factors: tuple[Expr, ...]

    def times(self, other: Term) -> Term:
        return Term(self.coefficient * other.coefficient, self.indices + other.indices, self.factors + other.factors)

    @property
    def expr(self) -> Expr:
        return self.coefficient * Sigma(Mul(*self.factors), *self.indices)


ONE = Term(S.One, (), ())


def normal(expr: Expr) -> Expr:
    """The normal form as an expression; equal normal forms are structurally identical.

    Raises:
        TooLargeError: if it would have more than ``LARGEST`` terms.
    """
    return Add(*(term.expr for term in normal_terms(expr)))


def normal_terms(expr: Expr) -> list[Term]:
    """The terms of the normal form, like terms collected, none zero."""
    collected: dict[tuple[tuple[Index, ...], Expr], Expr] = {}
    for term in terms(rename_bound(expr)):
        term = canonical(term)
        key = (term.indices, Mul(*term.factors))
        collected[key] = collected.get(key, S.Zero) + term.coefficient
    return [
        Term(coefficient, indices, Mul.make_args(factors))
        for (indices, factors), coefficient in collected.items()
        if coefficient != 0
    ]


def terms(expr: Expr) -> list[Term]:
    """The expression distributed into products, its deltas used up; summation indices are fresh."""
    found = [term for raw in _distribute(expr) for term in use_deltas(raw)]
    if len(found) > LARGEST:
        raise TooLargeError(f"a normal form of more than {LARGEST} terms")
    return found


def _distribute(expr: Expr) -> list[Term]:
    if isinstance(expr, Number) or (expr.is_Symbol and not isinstance(expr, Entry)):
        return [Term(expr, (), ())] if expr != 0 else []
    if isinstance(expr, Add):
        return [term for part in expr.args for term in _distribute(part)]
    if isinstance(expr, Mul):
        return _product([terms(part) for part in expr.args])
    if isinstance(expr, Pow) and isinstance(expr.exp, Integer) and expr.exp > 0:
        # A repeated factor is distributed anew each time, so that its summation indices stay apart.
        return _product([terms(expr.base) for _ in range(int(expr.exp))])
    if isinstance(expr, Sigma):
        return [term for case in _written_out(expr) for term in case]
    if isinstance(expr, Pow):
        return [_power(normal(expr.base), expr.exp)]
    if isinstance(expr, Function) and not isinstance(expr, KroneckerDelta):
        value = expr.func(*map(normal, expr.args))
        return [Term(S.One, (), (value,))] if isinstance(value, Function) else _distribute(value)
    if isinstance(expr, Max):
        inside = canonical(Term(S.One, expr.indices, (_by_label(expr.body, expr.indices),)))
        value = Max(Mul(*inside.factors), *inside.indices)
        return [Term(S.One, (), (value,))] if isinstance(value, Max) else _distribute(value)
    return [Term(S.One, (), (expr,))]


def _product(parts: list[list[Term]]) -> list[Term]:
    if prod(map(len, parts)) > LARGEST:
        raise TooLargeError(f"a normal form of more than {LARGEST} terms")
    result = [ONE]
    for part in parts:
        result = [one.times(other) for one in result for other in part]
    return result


def _power(base: Expr, exponent: Expr) -> Term:
    """A power that is not distributed; the base's content is taken out: (2a + 2b)⁻¹ = ½ (a + b)⁻¹."""
    content, rest = base.as_content_primitive()
    return Term(content**exponent, (), (rest**exponent,))


def _by_label(expr: Expr, indices: Sequence[Index]) -> Expr:
    """The normal form of an expression, one case per label along those of the indices that are over block labels."""
    over_labels = [index for index in indices if isinstance(index.dim, Integer)]
    if not over_labels:
        return normal(expr)
    first, *others = over_labels
    cases = [_by_label(expr.xreplace({first: Integer(k)}), others) for k in range(int(first.dim))]
    if len(set(cases)) == 1:
        return cases[0]
    return Add(*(KroneckerDelta(first, k) * case for k, case in enumerate(cases)))


def _written_out(total: Sigma) -> Iterator[list[Term]]:
    """The terms of a Σ; a sum over block labels becomes one case per label."""
    over_labels = [index for index in total.indices if isinstance(index.dim, Integer)]
    names = {index: fresh(index.dim) for index in total.indices if index not in over_labels}
    for numbers in product(*(range(int(index.dim)) for index in over_labels)):
        choice = dict(zip(over_labels, map(Integer, numbers), strict=True))
        body = total.body.xreplace({**names, **choice})
        yield [Term(t.coefficient, t.indices + tuple(names.values()), t.factors) for t in terms(body)]


def use_deltas(term: Term) -> list[Term]:
    """The term with each δ(p, q) used: a summed index is replaced, a free one renamed in the other factors.

    Empty if a delta is zero.
    """
    indices = list(term.indices)
    factors: list[Expr] = [f for factor in term.factors for f in Mul.make_args(factor)]
    pending = [f for f in factors if isinstance(f, KroneckerDelta)]
    others: list[Expr] = [f for f in factors if not isinstance(f, KroneckerDelta)]
    kept: list[Expr] = []
    while pending:
        delta = pending.pop()
        one, other = sorted(delta.args[:2], key=lambda index: _rank(index, indices))
        mapping = {one: other}
        if one in indices:
            indices.remove(one)
        else:
            kept.append(delta)
        others = [f.xreplace(mapping) for f in others]
        kept = [f if f is delta else f.xreplace(mapping) for f in kept]
        pending = [f.xreplace(mapping) for f in pending]
        if S.Zero in pending or S.Zero in kept:
            return []
        pending = [f for f in pending if f is not S.One]
    # A factor and its inverse have cancelled in the product, and with them perhaps the last use of an index.
    number, rest = Mul(*others, *kept).as_coeff_Mul()
    idle = [index for index in indices if index not in rest.free_symbols]
    coefficient = Mul(term.coefficient, number, *(index.dim for index in idle))
    return [Term(coefficient, tuple(i for i in indices if i not in idle), Mul.make_args(rest))]


def _rank(index: Expr, summed: Sequence[Index]) -> tuple[int, str]:
    """Summed indices are eliminated first, then free ones by name, numbers never."""
    if isinstance(index, Integer):
        return 2, str(index)
    return (0 if index in summed else 1), index.name


def canonical(term: Term) -> Term:
    """The term with its summation indices renamed %0, %1 … in an order that depends on their use alone.

    A Σ or a maximum inside of a factor, as in tanh(Σ …), has taken the first of these names; they are left to it.
    """
    if not term.indices:
        return term
    factors = [f for factor in term.factors for f in Mul.make_args(factor)]
    inside = {index for factor in factors for bound in factor.atoms(Bound) for index in bound.indices}
    blank = dict.fromkeys(term.indices, "%")

    def use(index: Index) -> tuple[str, tuple[str, ...]]:
        marked = {**blank, index: "@"}
        return str(index.dim), tuple(sorted(spell(f, marked) for f in factors if index in f.free_symbols))

    ranked = sorted(((use(index), index) for index in term.indices), key=lambda pair: pair[0])
    groups = [[index for _, index in group] for _, group in groupby(ranked, key=lambda pair: pair[0])]

    def named(order: Sequence[Index]) -> dict[Index, Index]:
        return {index: Index(f"%{position}", index.dim) for position, index in enumerate(order, start=len(inside))}

    names = min(map(named, _orders(groups)), key=lambda names: _spelling(names, factors))
    return Term(term.coefficient, tuple(names.values()), tuple(factor.xreplace(names) for factor in factors))


def _orders(groups: list[list[Index]]) -> Iterable[list[Index]]:
    """Every order that permutes indices of like use; if there are too many, the first (and we may not decide)."""
    first = [index for group in groups for index in group]
    if prod(prod(range(1, len(group) + 1)) for group in groups) > _MOST_ORDERS:
        return [first]
    return ([i for group in order for i in group] for order in product(*map(permutations, groups)))


def _spelling(names: dict[Index, Index], factors: Sequence[Expr]) -> tuple[str, ...]:
    spelled = {index: name.name for index, name in names.items()}
    return tuple(sorted(spell(factor, spelled) for factor in factors))


def spell(expr: Expr, names: dict[Index, str]) -> str:
    """A string that tells expressions apart and does not depend on SymPy's order of arguments."""
    if isinstance(expr, Index):
        return names.get(expr, str(expr.name))
    if isinstance(expr, Entry):
        return f"{expr.name}[{','.join(spell(index, names) for index in expr.indices)}]"
    if not expr.args:
        return str(expr)
    parts = [spell(part, names) for part in expr.args]
    if isinstance(expr, Add | Mul | KroneckerDelta):
        parts.sort()
    return f"{type(expr).__name__}({','.join(parts)})"
