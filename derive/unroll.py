"""Two steps of a cell as one program, in which what reaches a step from the next one is spelled out."""

from __future__ import annotations

from dataclasses import replace

from sympy import Expr

from derive.calculus import default_outputs, vjp
from derive.index import Entry
from derive.program import Array, Equation, Program

NEXT = "_next"  # c_next is c at step t + 1
SHARE = "_share"  # dW_share is what step t alone gives to dW


def two_steps(cell: Program) -> Program:
    """Step t as it is, then step t + 1 with ``_next`` behind every name but the parameters'."""
    states = {state.name: str(state.next) for state in cell.having("state")}
    own = {array.name for array in cell.arrays.values() if array.role != "parameter"}
    inputs = tuple(array if array.role == "parameter" else Array(array.name, array.sizes) for array in cell.inputs)
    later = tuple(Array(a.name + NEXT, a.sizes) for a in inputs if a.name in own and a.name not in states)

    def moved(expr: Expr) -> Expr:
        return expr.xreplace({e: Entry(_later(e.name, states, own), *e.indices) for e in expr.atoms(Entry)})

    following = tuple(Equation(Array(e.name + NEXT, e.array.sizes), moved(e.value)) for e in cell.equations)
    outputs = (*cell.outputs, *(name + NEXT for name in default_outputs(cell)))
    return Program(cell.name, (*inputs, *later), (*cell.equations, *following), outputs, cell.doc)


def _later(name: str, states: dict[str, str], own: set[str]) -> str:
    """An array's name one step later: the previous state is then this step's."""
    return states.get(name) or (name + NEXT if name in own else name)


def backward_through_time(cell: Program, direct: bool = True) -> Program:
    """The derivative of two steps: cotangents at step t with all that comes from step t + 1.

    Args:
        direct: whether anything outside reads the states of step t, or only those of the step after.
    """
    program = two_steps(cell)
    states = {state.next for state in cell.having("state")}
    read = [name for name in program.outputs if direct or name not in states]
    return vjp(program, outputs=read)


def shares(cell: Program) -> Program:
    """The derivative of two steps, with what step t alone gives to each parameter's gradient."""
    own = {array.name: Array(array.name + SHARE, array.sizes) for array in cell.having("parameter")}

    def renamed(expr: Expr, names: dict[str, str]) -> Expr:
        return expr.xreplace({e: Entry(names[e.name], *e.indices) for e in expr.atoms(Entry) if e.name in names})

    program = two_steps(cell)
    first = {equation.name for equation in cell.equations}
    apart = {name: array.name for name, array in own.items()}
    equations = [
        replace(equation, value=renamed(equation.value, apart)) if equation.name in first else equation
        for equation in program.equations
    ]
    copies = [Equation(array, Entry(name, *array.indices)) for name, array in own.items()]
    derived = vjp(replace(program, equations=(*copies, *equations)))
    # They have told the two steps apart; from now on a parameter is a parameter.
    together = {array.name: name for name, array in own.items()}
    kept = (equation for equation in derived.equations if equation.name not in together)
    joined = tuple(replace(equation, value=renamed(equation.value, together)) for equation in kept)
    return replace(derived, equations=joined)
