"""The names that generated code makes up beside a cell's own: no array may have one of them, or two would be one."""

from __future__ import annotations

from collections.abc import Iterator

from derive.calculus import COTANGENT, SEED
from derive.emit.layout import stack_of
from derive.emit.signature import dim_names
from derive.emit.storage import GATES
from derive.errors import CellError
from derive.plan.coefficients import JACOBIAN
from derive.plan.schedule import Schedule
from derive.program import Array


def check_invented(plan: Schedule) -> None:
    """Raise a CellError if an array or a dimension of a cell has the name that something else is given."""
    cell = plan.cell
    own = {*cell.arrays, *dim_names(cell)}
    for array in plan.arrays.values():
        for name, what in _invented(array, plan):
            if name in own and name != array.name:
                raise CellError(
                    f"cell {cell.name}: the name {name!r} is what generated code calls {what}; it should be another"
                )


def _invented(array: Array, plan: Schedule) -> Iterator[tuple[str, str]]:
    """(name, what it is) for everything that is named after an array."""
    name, is_own = array.name, array.name in plan.cell.arrays
    if is_own:
        yield COTANGENT + name, f"the cotangent of {name}"
        yield SEED + name, f"the cotangent of {name} that comes from outside"
        yield JACOBIAN + name, f"a coefficient of the cotangent of {name}"
        yield f"{COTANGENT}{name}_t", f"the cotangent of {name} at step t"
        yield f"{name}_dot", f"the tangent of {name}"
        yield f"{COTANGENT}{name}_all", f"the cotangent of {name} at all steps"
        yield f"{COTANGENT}{name}_last", f"the cotangent of the last {name}"
    if array.role == "sequence":
        yield f"{name}_t", f"{name} at step t"
    if array.role == "state":
        yield f"{array.next}0", f"the initial {array.next}"
    if stack_of(array) is not None:
        yield from ((f"{name}_{label}", f"the block {label} of {name}") for label in array.labels)
        yield f"{name}_rows", f"{name} by rows"
        yield f"{name}_blocks", f"{name} by blocks"
        yield f"{name}_rows_blocks", f"{name} by rows, seen as blocks"
        yield f"{GATES}_{name}", f"the blocks of {name} behind their functions"
        yield GATES, "blocks behind their functions"
    for scratch in ("tmp", "tmp_all", "tmp_chunk"):
        yield scratch, "memory for intermediate results"
