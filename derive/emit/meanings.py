"""What a coefficient of the backward recurrence is: a local derivative, and the notes' equations that are in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from derive.calculus import COTANGENT, SEED
from derive.emit.layout import block_axis
from derive.index import entries
from derive.matrix import Form, matrix_form
from derive.plan.schedule import Schedule, names_in
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
        user = next(e for e in self.plan.recurrence if name in names_in((e,)))
        block = f"_{label}" if label else ""
        numbers = ", ".join(self._numbers_of(user.name, label, set()))
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

    def _numbers_of(self, name: str, label: str | None, seen: set[str]) -> list[str]:
        """The notes' numbers of a cotangent and of those that were folded into it."""
        own = self.numbers.get(f"{name}_{label}" if label else name)
        found = [own] if own else []
        kept = {e.name for e in self.plan.recurrence}
        value = self.plan.step.definitions[name].value
        if label is not None:
            outer = self.plan.arrays[name].indices[block_axis(self.plan.arrays[name])]
            value = value.xreplace({outer: self.plan.arrays[name].labels.index(label) + 0 * outer})
        for entry in entries(value):
            inner = entry.name
            if inner in self.plan.step.definitions and inner not in kept | seen:
                array = self.plan.step.arrays[inner]
                if array.role == "cotangent":
                    found = [*self._numbers_of(inner, None, seen | {inner}), *found]
        return sorted(dict.fromkeys(found), key=lambda text: [int(w) if w.isdigit() else 0 for w in text.split()])
