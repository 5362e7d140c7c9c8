"""What a cell must be like so that many steps of many sequences can be computed at once."""

from __future__ import annotations

from sympy import Symbol

from derive.errors import CellError
from derive.index import Bound, Max, Stack
from derive.plan.schedule import Schedule
from derive.program import Array, Equation


def check_steps(plan: Schedule) -> None:
    """The steps of all sequences are rows of one long batch; nothing else may run along it.

    Raises:
        CellError: for an array with two stacked axes, or with the batch dimension anywhere but in front, a sum over
            it, a result that is no equation or the same at all steps.
    """
    where = f"cell {plan.cell.name}"
    for array in plan.arrays.values():
        if sum(isinstance(size, Stack) for size in array.sizes) > 1:
            raise CellError(
                f"{where}, array {array.name}: of its axes {array.tensor.shape} one can have blocks, not two"
            )
    for parameter in plan.cell.having("parameter"):
        if _along(parameter, plan.batch):
            raise CellError(
                f"{where}, parameter {parameter.name}: it has the batch dimension {plan.batch}, "
                "which only sequences and states begin with"
            )
    for array in (*plan.cell.having("sequence"), *plan.cell.having("state")):
        _check_array(f"{where}, {array.role} {array.name}", array, plan)
    for array in plan.cell.having("state"):
        if any(isinstance(size, Stack) for size in array.sizes):
            raise CellError(f"{where}, state {array.name}: a state has no blocks; let each of them be a state")
    for equation in plan.cell.equations:
        _check_equation(f"{where}, equation {equation.name}", equation, plan)
    following = [state.next for state in plan.cell.having("state") if state.next]
    for name in dict.fromkeys([*plan.cell.outputs, *following]):
        if name not in plan.cell.definitions:
            raise CellError(f"{where}: the result {name} should be an equation, not an input")
        if not plan.timed(plan.cell.arrays[name]):
            raise CellError(f"{where}: the result {name} does not begin with the batch dimension {plan.batch}")


def _along(array: Array, batch: str) -> list[int]:
    """The positions of axes along the batch."""
    dims = [size.dim if isinstance(size, Stack) else size for size in array.sizes]
    return [position for position, dim in enumerate(dims) if str(dim) == batch]


def _check_array(where: str, array: Array, plan: Schedule) -> None:
    if _along(array, plan.batch) not in ([], [0]):
        raise CellError(
            f"{where}: it has shape {array.tensor.shape}; the batch dimension {plan.batch} can only come first"
        )


def _check_equation(where: str, equation: Equation, plan: Schedule) -> None:
    _check_array(where, equation.array, plan)
    if any(str(symbol) == plan.batch for symbol in equation.value.atoms(Symbol) if symbol.is_positive):
        raise CellError(f"{where}: the batch dimension {plan.batch} as a number would mix sequences")
    for bound in equation.value.atoms(Bound):
        if any(str(index.dim) == plan.batch for index in bound.indices):
            what = "maximum" if isinstance(bound, Max) else "sum"
            raise CellError(f"{where}: a {what} over the batch dimension {plan.batch} would mix sequences")
