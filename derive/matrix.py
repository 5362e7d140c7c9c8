"""Matrix notation: an index expression as products, transposes and elementwise operations on whole arrays.

Printers (LaTeX, Unicode, NumPy) print this tree; it is the way back from indices to the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from sympy import Add, Expr, Function, Integer, Mul, Number, Pow, S
from sympy.core.numbers import Exp1

from derive.axis import Size
from derive.errors import HandgradError
from derive.index import Bound, Entry, Index, KroneckerDelta, Max, Sigma, Stack, as_text, entries
from derive.program import Array, Equation, Role

Group = tuple[Index, ...]
Op = Literal[
    "array",  # value: the array's name, label: a block of it
    "number",  # value: a rational
    "dim",  # value: the name of a dimension, as a number
    "call",  # value: the function's name
    "power",  # value: the exponent
    "negate",
    "add",
    "multiply",
    "matmul",
    "transpose",  # positions: the permutation
    "expand",  # positions: those of the new axes of length 1
    "total",  # positions: those of the axes summed over
    "largest",  # positions: those of the axes whose largest entry it is
    "einsum",  # value: the subscripts
    "stack",  # one argument per block label; positions: that of the stacked axis
]


class Quantities(Protocol):
    """Whatever knows its arrays by name: a program, a schedule."""

    @property
    def arrays(self) -> Mapping[str, Array]: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Form:
    """One operation on whole arrays; ``groups`` are the indices of its axes (a stacked axis has two)."""

    op: Op
    args: tuple[Form, ...] = ()
    groups: tuple[Group, ...] = ()
    value: str | int | Expr | None = None
    label: str | None = None
    positions: tuple[int, ...] = ()


def is_constant(form: Form) -> bool:
    """Whether a form is made of numbers and dimensions alone."""
    return form.op != "array" and all(map(is_constant, form.args))


def axes_of(array: Array) -> tuple[Group, ...]:
    """The indices of an array's axes."""
    return tuple(axis.indices for axis in array.axes)


def matrix_form(equation: Equation, program: Quantities) -> Form:
    """The right side of an equation in matrix notation."""
    return form_of(equation.value, axes_of(equation.array), program)


@lru_cache(maxsize=1 << 14)  # statements and the comments over them ask for the same ones
def form_of(expr: Expr, groups: tuple[Group, ...], program: Quantities) -> Form:
    """An expression in matrix notation, read along the given groups of indices.

    Raises:
        HandgradError: for an expression that has no such form.
    """
    writer = _Writer(program)
    if any(len(group) == 2 and reads_same_for_all_blocks(expr, *group) for group in groups):
        return writer.by_blocks(expr, groups)
    return align(writer.write(expr, groups), groups)


def reads_same_for_all_blocks(expr: Expr, outer: Index, inner: Index) -> bool:
    """Whether an expression along a stacked axis reads what is the same for all its blocks."""
    return any(inner in entry.indices and outer not in entry.indices for entry in entries(expr))


def natural_groups(expr: Expr, program: Quantities) -> tuple[Group, ...]:
    """The free indices of an expression as the arrays in it group and order them."""
    writer = _Writer(program)
    found = dict.fromkeys(
        group
        for entry in _ordered(list(expr.atoms(Entry)), program)
        for group in writer.write(entry, ()).groups
        if group and set(group) <= expr.free_symbols
    )
    joined = {index for group in found if len(group) == 2 for index in group}
    left = [group for group in found if len(group) == 2 or not joined & set(group)]
    orders = [[group for group in writer.write(e, ()).groups if group in left] for e in expr.atoms(Entry)]
    first = _batch(program)
    return tuple(sorted(_merged_order(left, orders), key=lambda group: group[0].dim not in first))


@lru_cache
def _batch(program: Quantities) -> frozenset[Size]:
    """What sequences and states begin with, the batch; it is in front of everything."""
    return frozenset(a.sizes[0] for a in program.arrays.values() if a.role in {"sequence", "state"} and a.sizes)


def _merged_order(groups: list[Group], orders: list[list[Group]]) -> Iterator[Group]:
    """The groups as they come, but none before one that stands before it in an array, if that can be."""
    left = list(groups)
    while left:
        later = {group for order in orders for group in [g for g in order if g in left][1:]}
        first = next((group for group in left if group not in later), left[0])
        left.remove(first)
        yield first


def align(form: Form, groups: tuple[Group, ...]) -> Form:
    """The form with its axes in the order of ``groups``, new axes where a later one would misalign."""
    order = sorted(range(len(form.groups)), key=lambda k: groups.index(form.groups[k]))
    if order != list(range(len(order))):
        form = Form("transpose", (form,), tuple(form.groups[k] for k in order), positions=tuple(order))
    if not form.groups:
        return form
    span = groups[groups.index(form.groups[0]) :]
    missing = tuple(k for k, group in enumerate(span) if group not in form.groups)
    return Form("expand", (form,), span, positions=missing) if missing else form


@dataclass(frozen=True)
class _Writer:
    program: Quantities

    def write(self, expr: Expr, groups: tuple[Group, ...]) -> Form:
        if expr.has(KroneckerDelta):
            return self.by_blocks(expr, groups)
        match expr:
            case Number():
                return Form("number", value=expr)
            case Entry():
                return self._array(expr)
            case Add():
                return self._join("add", _ordered_terms(expr, self.program), groups)
            case Mul():
                return self._product(expr, groups)
            case Sigma():
                return self._contraction(expr, groups)
            case Max():
                return self._largest(expr, groups)
            case Pow() if isinstance(expr.exp, Integer):
                base = self.write(expr.base, groups)
                return Form("power", (base,), base.groups, int(expr.exp))
            case Function():
                return self._call(type(expr).__name__, expr.args, groups)
            case Exp1():  # SymPy's name for exp(1)
                return self._call("exp", (S.One,), groups)
        if expr.is_Symbol:
            return Form("dim", value=str(expr))
        raise HandgradError(f"no matrix notation for {expr}")

    def _array(self, entry: Entry) -> Form:
        array = self.program.arrays[entry.name]
        label, groups, position = None, [], 0
        for axis in array.axes:
            given = entry.indices[position : position + len(axis.indices)]
            position += len(axis.indices)
            if isinstance(given[0], Integer) and isinstance(axis.size, Stack):
                label = axis.size.labels[int(given[0])]
            kept = tuple(index for index in given if isinstance(index, Index))
            groups.append(kept)
        return Form("array", (), tuple(groups), entry.name, label)

    def _join(self, op: Op, parts: Sequence[Expr], groups: tuple[Group, ...]) -> Form:
        written = [self.write(part, groups) for part in parts]
        if len(written) == 1:
            return written[0]
        used = {group for form in written for group in form.groups}
        span = tuple(group for group in groups if group in used)
        return Form(op, tuple(align(form, span) for form in written), span)

    def _call(self, name: str, arguments: Sequence[Expr], groups: tuple[Group, ...]) -> Form:
        written = [self.write(one, groups) for one in arguments]
        if len(written) == 1:
            return Form("call", (written[0],), written[0].groups, name)
        used = {group for form in written for group in form.groups}
        span = tuple(group for group in groups if group in used)
        return Form("call", tuple(align(form, span) for form in written), span, name)

    def _product(self, expr: Mul, groups: tuple[Group, ...]) -> Form:
        coefficient, rest = expr.as_coeff_Mul()
        if coefficient < 0:
            inner = self.write(-expr, groups)
            return Form("negate", (inner,), inner.groups)
        factors = _ordered(Mul.make_args(rest), self.program)
        if coefficient != 1:
            factors = [coefficient, *factors]
        return self._join("multiply", factors, groups)

    def by_blocks(self, expr: Expr, groups: tuple[Group, ...]) -> Form:
        """Each block of a stacked axis by itself."""
        for position, group in enumerate(groups):
            outer = group[0]
            if len(group) == 2 and set(group) & expr.free_symbols:
                inner = (*groups[:position], group[1:], *groups[position + 1 :])
                cases = [expr.xreplace({outer: Integer(k)}) for k in range(int(outer.dim))]
                blocks = tuple(align(self.write(case, inner), inner) for case in cases)
                return Form("stack", blocks, groups, positions=(position,))
        raise HandgradError(f"no matrix notation for {expr}")

    def _contraction(self, total: Sigma, groups: tuple[Group, ...]) -> Form:
        idle = [index.dim for index in total.indices if index not in total.body.free_symbols]
        if idle:
            left = [index for index in total.indices if index in total.body.free_symbols]
            return self.write(Mul(*idle, Sigma(total.body, *left)), groups)
        factors = _ordered(Mul.make_args(total.body), self.program)
        summed = self._summed_groups(total)
        flat = {index for group in summed for index in group}
        outside = [f for f in factors if not flat & f.free_symbols]
        inside = [f for f in factors if flat & f.free_symbols]
        result = self._contract(inside, summed, groups)
        if not outside:
            return result
        rest = self._join("multiply", outside, groups)
        used = tuple(group for group in groups if group in (*rest.groups, *result.groups))
        return Form("multiply", (align(rest, used), align(result, used)), used)

    def _largest(self, largest: Max, groups: tuple[Group, ...]) -> Form:
        own = natural_groups(largest.body, self.program)
        gone = self._summed_groups(largest)
        inner = self.write(largest.body, (*own, *(group for group in (*groups, *gone) if group not in own)))
        positions = tuple(k for k, group in enumerate(inner.groups) if group in gone)
        return Form("largest", (inner,), tuple(g for g in inner.groups if g not in gone), positions=positions)

    def _summed_groups(self, total: Bound) -> tuple[Group, ...]:
        """The summed indices, those of a stacked axis together."""
        left = list(total.indices)
        groups: list[Group] = []
        while left:
            index = left.pop(0)
            pair = next((p for p in self._pairs(total.body) if index in p), None)
            if pair and all(other in (*left, index) for other in pair):
                left = [other for other in left if other not in pair]
                groups.append(pair)
            else:
                groups.append((index,))
        return tuple(groups)

    def _pairs(self, body: Expr) -> list[Group]:
        found: list[Group] = []
        for entry in entries(body):
            for group in self._array(entry).groups:
                if len(group) == 2:
                    found.append(group)
        return found

    def _contract(self, factors: list[Expr], summed: tuple[Group, ...], groups: tuple[Group, ...]) -> Form:
        # Elementwise work before the sum keeps the order of axes that the factors have.
        own = natural_groups(Mul(*factors), self.program)
        everything = (*own, *(group for group in (*groups, *summed) if group not in own))
        written = self._merged([self.write(factor, everything) for factor in factors])
        free = [tuple(g for g in form.groups if g not in summed) for form in written]
        if len(written) == 1:
            (only,) = written
            positions = tuple(k for k, group in enumerate(only.groups) if group in summed)
            return Form("total", (only,), free[0], positions=positions)
        apart = not set(free[0]) & set(free[1]) and all(len(f) <= 1 for f in free)
        both = all(set(summed) <= set(form.groups) for form in written)
        if len(written) == 2 and apart and both and len(summed) == 1:
            first = sorted((0, 1), key=lambda k: [groups.index(g) for g in free[k]] or [len(groups)])
            left, right = (written[k] for k in first)
            outer, inner = (free[k] for k in first)
            pair = (align(left, (*outer, *summed)), align(right, (*summed, *inner)))
            return Form("matmul", pair, (*outer, *inner))
        kept = tuple(group for group in groups if any(group in form.groups for form in written))
        letters = {group: chr(ord("a") + k) for k, group in enumerate(everything)}
        text = ",".join("".join(letters[g] for g in form.groups) for form in written)
        return Form("einsum", tuple(written), kept, f"{text}->{''.join(letters[g] for g in kept)}")

    def _merged(self, forms: list[Form]) -> list[Form]:
        """Factors over the same axes multiplied first, those over fewer axes into one that has them all.

        What is left has different axes, so that a product of two is a matrix product.
        """
        merged: list[Form] = []
        for form in sorted(forms, key=lambda one: -len(one.groups)):
            host = next((k for k, one in enumerate(merged) if set(form.groups) <= set(one.groups)), None)
            if host is None or (len(forms) == 2 and set(form.groups) != set(merged[host].groups)):
                merged.append(form)
                continue
            span = merged[host].groups
            earlier = merged[host].args if merged[host].op == "multiply" else (merged[host],)
            merged[host] = Form("multiply", (*earlier, align(form, span)), span)
        return merged


def _ordered(factors: Sequence[Expr], program: Quantities) -> list[Expr]:
    """Factors in reading order: cotangents, what the program computed, inputs, then functions and sums."""
    return sorted(factors, key=lambda factor: _reading_key(factor, program))


def _ordered_terms(total: Add, program: Quantities) -> list[Expr]:
    """Terms in reading order: numbers, then by the first cotangent, or else the first array, in each."""

    def key(term: Expr) -> tuple[int, bool, str]:
        arrays = _arrays(term, program)
        leading = [array for array in arrays if array.role == "cotangent"] or arrays
        first = min((_place(array, program) for array in leading), default=-1)
        return first, term.could_extract_minus_sign(), as_text(term)

    return sorted(total.args, key=key)


def _arrays(expr: Expr, program: Quantities) -> list[Array]:
    return [program.arrays[entry.name] for entry in entries(expr)]


def _place(array: Array, program: Quantities) -> int:
    return _places(program)[array.name]


@lru_cache
def _places(program: Quantities) -> Mapping[str, int]:
    """The arrays of a program numbered in order."""
    return {name: place for place, name in enumerate(program.arrays)}


_RANKS: Mapping[Role, int] = {"cotangent": 1, "tangent": 1, "derived": 2, "sequence": 3, "state": 3, "parameter": 4}


def _reading_key(factor: Expr, program: Quantities) -> tuple[int, int, str]:
    arrays = _arrays(factor, program)
    first = min((_place(array, program) for array in arrays), default=-1)
    if not isinstance(factor, Entry):
        kind = 6 if isinstance(factor, Add) else 5
        return (kind if arrays else 0), first, as_text(factor)
    return _RANKS[arrays[0].role], first, as_text(factor)
