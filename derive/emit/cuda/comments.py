"""The equations that stand over the statements of the kernels, with the notes' numbers where there are any."""

from __future__ import annotations

from collections.abc import Mapping

from derive.emit.cuda.kernels import Comments
from derive.emit.cuda.phases import BEFORE, Phase, Phases
from derive.emit.cuda.sweeps import Downward, Upward
from derive.emit.meanings import Meanings
from derive.emit.signature import numbered
from derive.matrix import matrix_form
from derive.plan.rotation import GIVEN, Arrival
from derive.show import UNICODE, equation_text, form_text

LATE = "but for the last sum, which is added where it arrives"


def forward_comments(phases: Phases, phase: Phase) -> Comments:
    """Equations as the cell has them; of those that the loop completes, what is computed before."""
    plan = phases.plan
    found = {}
    for stage in phase.stages:
        for equation in stage.equations:
            if equation.name in plan.step.definitions:
                found[equation.name] = (equation_text(plan.step.definitions[equation.name], plan, UNICODE),)
            else:
                early = next(e for e in plan.hoisted if e.name + BEFORE == equation.name)
                found[equation.name] = (f"{equation_text(early, plan, UNICODE)} + …",)
    return found


def backward_comments(phases: Phases, phase: Phase, numbers: Mapping[str, str]) -> Comments:
    """Coefficients, cotangents and what arrives from the step after."""
    plan = phases.plan
    found: dict[str, tuple[str, ...]] = {}
    for equation in (*plan.recurrence, *plan.deferred):
        found[equation.name] = (numbered(equation_text(equation, plan, UNICODE), numbers.get(equation.name)),)
    for arrival in phases.rotation.arrivals:
        found[arrival.seed.name] = (arriving(arrival),)
        if phase.name == "backward_step" and arrival.late and arrival.carried:
            found[arrival.result.name] = (*found[arrival.result.name], LATE)
    meanings = Meanings(plan, numbers)
    for equation in plan.coefficients:
        form = matrix_form(equation, plan)
        if form.op != "stack":
            found[equation.name] = (meanings.text(equation.name, None, form),)
            continue
        for label, part in zip(equation.array.labels, form.args, strict=True):
            found[f"{equation.name}_{label}"] = (meanings.text(equation.name, label, part),)
    return found


def sweep_comments(sweep: Upward | Downward, phase: Phase) -> Comments:
    """Equations of a sweep; of those that the loop completes, what is computed before."""
    program, begun = sweep.tangents.program, sweep.sweep.begun
    found: dict[str, tuple[str, ...]] = {}
    for equation in sweep.sweep.equations:
        name = equation.name
        form = matrix_form(equation, program)
        text = equation_text(program.definitions[name] if name in begun else equation, program, UNICODE)
        if form.op == "stack" and name not in begun:
            labels = zip(equation.array.labels, form.args, strict=True)
            found |= {f"{name}_{label}": (f"{name}_{label} = {form_text(part, UNICODE)}",) for label, part in labels}
        else:
            found[name], found[name + BEFORE] = (text,), (f"{text}, what waits for no other step",)
    if isinstance(sweep, Downward):
        for arrival in sweep.rotation.arrivals:
            found[arrival.seed.name] = (arriving(arrival),)
            if phase.name == "downward_step" and arrival.late and arrival.carried:
                found[arrival.result.name] = (*found[arrival.result.name], LATE)
    return found


def arriving(arrival: Arrival) -> str:
    """``d_next_h = dh_prev of step t + 1 + dh[t]``."""
    given = f" + {arrival.given.name.removesuffix(GIVEN)}[t]" if arrival.given else ""
    return f"{arrival.seed.name} = {arrival.result.name} of step t + 1{given}"
