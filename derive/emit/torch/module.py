"""Everything that the template of a cell's PyTorch module prints, as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from textwrap import wrap

from derive.emit.cuda.buffers import forward_buffers
from derive.emit.cuda.memory import Memory
from derive.emit.cuda.phases import Phases
from derive.emit.layout import Buffer
from derive.emit.signature import documentation, gate_orders, sequence_signature, tuple_text, with_backward
from derive.emit.storage import Storage
from derive.emit.torch.layer import layer_of
from derive.index import Stack
from derive.plan.schedule import schedule
from derive.program import Program


def torch_module(cell: Program) -> dict[str, object]:
    """What the template of a cell's PyTorch module needs."""
    signature, layer = sequence_signature(cell), layer_of(cell)
    about = documentation(cell, with_backward(cell))
    names = [argument_name(cell, k) for k in range(len(cell.inputs))]
    results = [*cell.outputs, *(s.next for s in cell.having("state") if s.next and s.next not in cell.outputs)]
    return {
        **signature,
        **about,
        "layer": layer,
        "layer_text": f", `{layer.name}` a module with parameters" if layer else "",
        "gate_order": dict(gate_orders(cell)).get("GATE_ORDER", ""),
        **_tapes(cell),
        "returned_type": f"tuple[{', '.join('Tensor' for _ in results)}]" if len(results) > 1 else "Tensor",
        "unpacked": ", ".join(results) if len(results) > 1 else f"({results[0]},)",
        "returned": ", ".join(results),
        "argument_lines": wrap(", ".join(names) + ",", width=100),
        "found_sizes": ", ".join(_sizes(cell)),
        "sequence_names": tuple_text([f'"{array.name}"' for array in cell.having("sequence")]),
        "last_items": ", ".join(f'"{state.next}0": "{state.next}"' for state in cell.having("state")),
    }


def argument_name(cell: Program, position: int) -> str:
    """What ``forward`` calls an input."""
    array = cell.inputs[position]
    return f"{array.next}0" if array.role == "state" else array.name


def _tapes(cell: Program) -> dict[str, list[Buffer]]:
    """The memory that the NumPy module keeps, and that the CUDA module does."""
    plan = schedule(cell)
    storage = Storage(plan)
    return {
        "tape": [_as_tuple(one) for one in storage.tape_buffers()],
        "cuda_tape": [_as_tuple(one) for one in forward_buffers(Memory(Phases(plan, storage)), "tape")],
    }


def _as_tuple(one: Buffer) -> Buffer:
    """A shape of one axis with the comma that makes it a tuple."""
    return one if "," in one.shape or not one.shape else replace(one, shape=f"{one.shape},")


def _sizes(cell: Program) -> Iterator[str]:
    """Where the sizes of the dimensions are found, T first: on a plain axis where there is one."""
    first = next(array for array in cell.inputs if array.role == "sequence")
    yield f"{first.name}.shape[0]"
    found: dict[str, str] = {}
    axes = [
        (size, f"{argument_name(cell, position)}.shape[{axis + (array.role == 'sequence')}]")
        for position, array in enumerate(cell.inputs)
        for axis, size in enumerate(array.sizes)
    ]
    order = dict.fromkeys(str(size.dim if isinstance(size, Stack) else size) for size, _ in axes)
    for size, place in axes:
        if not isinstance(size, Stack):
            found.setdefault(str(size), place)
    for size, place in axes:
        if isinstance(size, Stack):
            found.setdefault(str(size.dim), f"{place} // {len(size.labels)}")
    yield from (found[dim] for dim in order)
