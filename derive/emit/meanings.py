"""What a coefficient of the backward recurrence is: a local derivative, and the notes' equations that are in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sympy import Integer

from derive.calculus import COTANGENT, SEED
from derive.emit.layout import block_axis
from derive.index import entries
from derive.matrix import Form, matrix_form
from derive.plan.schedule import Schedule
from derive.program import Equation
from derive.show import UNICODE, form_text


def _factors(term: Form) -> list[Form]:
    """The arrays that are the factors of a term."""
    if term.op in {"multiply", "negate", "expand", "transpose"}:
        return [factor for part in term.args for factor in _factors(part)]
    return [term] if term.op == "array" else []


@dataclass(frozen=True)
class Meanings:
    """The comments of a plan's coefficients; ``numbers`` are the notes' numbers of its cotangents."""

    plan: Schedule
    numbers: Mapping[str, str]

    def text(self, name: str, label: str | None, form: Form) -> str:
        """``eq 3, eq 7: J_a_i = ∂c/∂a_i = g ⊙ i ⊙ (1 − i)``, numbers being the notes' equations in it."""
        user = self._users[name]
        block = f"_{label}" if label else ""
        numbers = ", ".join(self._numbers_of(user.name, label))
        wrt = user.name.removeprefix(COTANGENT)
        meaning = f"{name}{block} = ∂{self._source(user, name, label)}/∂{wrt}{block} = {form_text(form, UNICODE)}"
        return f"{numbers}: {meaning}" if numbers else meaning

    def _source(self, user: Equation, name: str, label: str | None) -> str:
        """The array whose cotangent a coefficient multiplies."""
        form = matrix_form(user, self.plan)
        if label is not None and form.op == "stack":
            form = form.args[user.array.labels.index(label)]
        terms = form.args if form.op == "add" else (form,)
        for term in terms:
            arrays = [str(part.value) for part in _factors(term)]
            if name in arrays:
                others = [a for a in arrays if self.plan.arrays[a].role == "cotangent"]
                return others[0].removeprefix(SEED).removeprefix(COTANGENT) if others else "?"
        return "?"

    @cached_property
    def _users(self) -> Mapping[str, Equation]:
        """The first equation of the recurrence that reads an array."""
        return {entry.name: one for one in reversed(self.plan.recurrence) for entry in one.reads}

    def _numbers_of(self, name: str, label: str | None) -> list[str]:
        """The notes' numbers of a cotangent and of those that were folded into it."""
        array, value = self.plan.arrays[name], self.plan.step.definitions[name].value
        if label is not None:
            value = value.xreplace({array.indices[block_axis(array)]: Integer(array.labels.index(label))})
        kept, numbers = {e.name for e in self.plan.recurrence}, [self.numbers.get(f"{name}_{label}" if label else name)]
        left, seen = list(entries(value)), {name}
        while left:
            inner = left.pop().name
            definition = self.plan.step.definitions.get(inner)
            if definition and definition.array.role == "cotangent" and inner not in kept | seen:
                seen.add(inner)
                numbers.append(self.numbers.get(inner))
                left += definition.reads
        found = dict.fromkeys(number for number in numbers if number)
        return sorted(found, key=lambda text: [int(w) if w.isdigit() else 0 for w in text.split()])
