"""Parameter updates: W − α dW or ΔW = −α dW, whose sign is what can be wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from derive.errors import HandgradError
from derive.index import Entry
from derive.notes.glossary import identifier
from derive.notes.meaning import Reader
from derive.notes.syntax import Claim, Negative, Node, Number, Product, Sum, Symbol, walk
from derive.program import Array
from derive.tensor import Tensor

_MARKS = ("_new", "_old")


def update_due(claim: Claim, reader: Reader) -> tuple[Reader, Tensor] | None:
    """What a parameter's update should be, and a reader that knows its rate; None for a claim that is none."""
    changed = _changed(claim.left, reader)
    name = changed or _parameter(claim.left, reader)
    terms = claim.right.terms if isinstance(claim.right, Sum) and not changed else (claim.right,)
    before = [term for term in terms if name and _parameter(term, reader) == name]
    rest = [term for term in terms if term not in before]
    if name is None or len(before) != (0 if changed else 1) or len(rest) != 1:
        return None
    (step,) = rest
    factors = step.of if isinstance(step, Negative) else step
    rates = [f for f in (factors.factors if isinstance(factors, Product) else ()) if _is_rate(f, reader)]
    wider = _with_scalars(reader, rates, name)
    try:
        parameter = wider.quantity(name)
        gradient = wider.cotangent(Symbol((0, 0), name))
        rate = reduce(lambda a, b: a * b, (wider.meanings(factor)[0] for factor in rates), Tensor(gradient.expr**0))
    except HandgradError:
        return None
    gradient = gradient.T if reader.layout == "transposed" else gradient
    return wider, -(rate * gradient) if changed else parameter - rate * gradient


def _changed(node: Node, reader: Reader) -> str | None:
    """The parameter W of ΔW."""
    match node:
        case Product(factors=(Symbol(name="\\Delta"), of)):
            return _parameter(of, reader)
    return None


def _parameter(node: Node, reader: Reader) -> str | None:
    """The parameter that a symbol is, perhaps marked as the new or the old one."""
    if not isinstance(node, Symbol):
        return None
    name = next((node.name.removesuffix(mark) for mark in _MARKS if node.name.endswith(mark)), node.name)
    arrays = reader.ground.program.arrays
    entries = reader.symbols[name].expr.atoms(Entry) if name in reader.symbols else set()
    return name if entries and all(arrays[entry.name].role == "parameter" for entry in entries) else None


def _is_rate(node: Node, reader: Reader) -> bool:
    """Whether a factor is a number or made of symbols of which nothing is known."""
    symbols = [part.name for part in walk(node) if isinstance(part, Symbol)]
    return isinstance(node, Number) or (bool(symbols) and not any(name in reader.symbols for name in symbols))


def _with_scalars(reader: Reader, rates: list[Node], name: str) -> Reader:
    """The reader with the rate's symbols as numbers, and the new and old parameter by its plain name."""
    scalars = sorted({part.name for rate in rates for part in walk(rate) if isinstance(part, Symbol)})
    program = reader.ground.program
    free = {symbol: identifier(symbol) + "_rate" * (identifier(symbol) in program.arrays) for symbol in scalars}
    arrays = {symbol: Array(name, (), "parameter") for symbol, name in free.items()}
    ground = replace(reader.ground, program=replace(program, inputs=(*program.inputs, *arrays.values())))
    own = reader.symbols[name]
    # A bias that stands for every column is updated as the vector that it is.
    bare = Tensor(own.expr, tuple(axis for axis in own.axes if set(axis.indices) & own.expr.free_symbols))
    marked = {name + mark: bare for mark in ("", *_MARKS)}
    numbers = {symbol: array.tensor for symbol, array in arrays.items()}
    return replace(reader, ground=ground, symbols={**reader.symbols, **marked, **numbers})
