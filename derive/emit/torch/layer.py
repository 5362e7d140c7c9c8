"""What a cell is as a layer of a network: whose sizes are the user's, which parameters are biases, which are gains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sympy import Add, Expr, Mul

from derive.emit.signature import argument, tuple_text
from derive.index import Entry, Stack, entries
from derive.plan.schedule import batch_of
from derive.program import Array, Program


@dataclass(frozen=True)
class Layer:
    """A cell with one input and one output per step, both vectors.

    Attributes:
        name: the class's name.
        parameters: the names of the parameters.
        input_dim, hidden_dim, output_dim: the dimensions of the input, of what is inside, of the output.
        meaning: which sizes they are, for people.
        state_texts: the states and their shapes, for people.
        biases, gains: names of parameters as tuples in Python.
    """

    name: str
    parameters: tuple[str, ...]
    input_dim: str
    hidden_dim: str
    output_dim: str
    meaning: str
    state_texts: tuple[str, ...]
    biases: str
    gains: str


def layer_of(cell: Program) -> Layer | None:
    """A cell as a layer; None if it is not a map from vectors to vectors that can be stacked."""
    batch, sequences, outputs = batch_of(cell), cell.having("sequence"), [cell.arrays[name] for name in cell.outputs]
    if len(sequences) != 1 or len(outputs) != 1 or not cell.having("parameter"):
        return None
    if any(len(array.sizes) != 2 or isinstance(array.sizes[1], Stack) for array in (*sequences, *outputs)):
        return None
    given, made = str(sequences[0].sizes[1]), str(outputs[0].sizes[1])
    inner = [dim for dim in _dims(cell) if dim not in {batch, given, made}]
    if given == made or str(outputs[0].sizes[0]) != batch or len(inner) > 1:
        return None
    if given in {str(size) for state in cell.having("state") for size in state.sizes}:
        return None
    hidden = inner[0] if inner else made
    names = {given: "input_size", hidden: "hidden_size", **({made: "proj_size"} if inner else {})}
    return Layer(
        name=_class_name(cell.name),
        parameters=tuple(array.name for array in cell.having("parameter")),
        input_dim=given,
        hidden_dim=hidden,
        output_dim=made,
        meaning=", ".join(f"{dim} = {name}" for dim, name in names.items()),
        state_texts=tuple(f"{state.next}: {argument(state).shape}" for state in cell.having("state")),
        biases=tuple_text([f'"{name}"' for name in biases(cell)]),
        gains=tuple_text([f'"{name}"' for name in gains(cell)]),
    )


def _class_name(name: str) -> str:
    """``lstm_layernorm`` as ``LSTMLayernorm``: words of a network's kind are abbreviations."""
    return "".join(
        word.upper() if word.endswith(("lstm", "gru", "mgu")) or word == "rnn" else word.capitalize()
        for word in name.split("_")
    )


def _dims(cell: Program) -> list[str]:
    sizes = [size for array in cell.inputs for size in array.sizes]
    return list(dict.fromkeys(str(size.dim if isinstance(size, Stack) else size) for size in sizes))


def biases(cell: Program) -> list[str]:
    """The parameters that are only ever added to something."""
    return [array.name for array in cell.having("parameter") if _is_always(cell, array, _is_sum)]


def gains(cell: Program) -> list[str]:
    """The vectors that are only ever multiplied with something that is no state: they begin at one, not near zero."""
    states = {name for state in cell.having("state") for name in (state.name, state.next)}

    def scales(part: Expr) -> bool:
        return isinstance(part, Mul) and not {entry.name for entry in entries(part)} & states

    vectors = [array for array in cell.having("parameter") if len(array.sizes) == 1 and not _is_summed(cell, array)]
    return [array.name for array in vectors if _is_always(cell, array, scales)]


def _is_always(cell: Program, parameter: Array, holds: Callable[[Expr], bool]) -> bool:
    parents = _parents(cell, parameter)
    return bool(parents) and all(map(holds, parents))


def _parents(cell: Program, parameter: Array) -> list[Expr]:
    """What the entries of a parameter are direct parts of; a number's multiple counts as the entry itself."""
    return [part for equation in cell.equations for part in _above(equation.value, parameter.name)]


def _above(value: Expr, name: str) -> Iterator[Expr]:
    for part in value.args:
        inner = [factor for factor in part.args if not factor.is_number] if isinstance(part, Mul) else [part]
        if len(inner) == 1 and isinstance(inner[0], Entry) and inner[0].name == name:
            yield value
        else:
            yield from _above(part, name)


def _is_summed(cell: Program, parameter: Array) -> bool:
    """Whether a sum runs over an index of a parameter."""
    return any(
        entry.name == parameter.name and not set(entry.indices) <= set(equation.array.indices)
        for equation in cell.equations
        for entry in equation.reads
    )


def _is_sum(parent: Expr) -> bool:
    return isinstance(parent, Add)
