"""From a document to its vocabulary: its claims, the cell that they are about, and what its symbols stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from sympy import Function

from derive.calculus import COTANGENT, vjp
from derive.cells import CELLS
from derive.errors import NotesError, SettingError, ShapeError
from derive.functions import FUNCTIONS, is_opaque
from derive.index import Entry
from derive.notes.adjoints import adjoint_of
from derive.notes.bind import parameter_symbols
from derive.notes.derived import cotangent, incoming
from derive.notes.document import Document
from derive.notes.functions import KNOWN
from derive.notes.glossary import (
    Roles,
    blocks,
    forward_equations,
    in_order,
    partitions,
    with_held_inputs,
    with_names,
    with_slices,
)
from derive.notes.infer import Inferred, check_complete, infer_cell, with_nets
from derive.notes.parsed import Parsed, parse_document
from derive.notes.plain import symbol_text
from derive.notes.settings import Settings
from derive.notes.standard import many, oriented, standard_symbols
from derive.notes.symbols import symbol_name
from derive.notes.syntax import Applied, Differential, Symbol, split_time, walk
from derive.notes.vocabulary import Vocabulary
from derive.program import Program
from derive.tensor import Tensor, join


def vocabularies(document: Document, settings: Settings) -> Iterator[Vocabulary]:
    """The document's vocabulary, then those under other readings of its forward equations.

    Raises:
        NotesError: if its forward equations make no cell, or a binding is to nothing.
    """
    parsed = parse_document(document, settings)
    if settings.cell:
        yield _bound(parsed, settings, CELLS[settings.cell])
        return
    yield _inferred(parsed, settings)
    if numbers := [name for name in _undefined(parsed).used if _undefined(parsed).is_number(name)]:
        with suppress(NotesError):
            said = f"{', '.join(map(symbol_text, numbers))} {'is a vector' if len(numbers) == 1 else 'are vectors'}"
            yield replace(_inferred(parsed, settings, numbers=False), sentence=said)
    if any(name[:1].islower() for name in _parameters(parsed)):
        with suppress(NotesError):
            yield replace(_inferred(parsed, settings, entrywise=True), sentence="small letters multiply entry by entry")
    for sentence, kinds in _kinds(parsed):
        known = replace(parsed, functions={**parsed.functions, **kinds})
        with suppress(NotesError):
            yield replace(_inferred(known, settings), sentence=sentence)


def _undefined(parsed: Parsed) -> Roles:
    return Roles(tuple(forward_equations(parsed.claims, ())))


def _parameters(parsed: Parsed) -> tuple[str, ...]:
    roles = _undefined(parsed)
    return tuple(name for name in roles.used if roles.is_matrix(name))


def _kinds(parsed: Parsed) -> Iterator[tuple[str | None, dict[str, type[Function]]]]:
    """Known functions for open ones, σ_g as the sigmoid, others as tanh; no reading where the notes say so."""
    used = {part.name for c in parsed.claims for part in walk(c.right) if isinstance(part, Symbol)}
    applied = {
        part.function.name
        for claim in parsed.claims
        for part in walk(claim.right)
        if isinstance(part, Applied) and isinstance(part.function, Symbol)
    }
    defined = {
        claim.left.function.name
        for claim in parsed.claims
        if isinstance(claim.left, Applied) and isinstance(claim.left.function, Symbol)
    }
    open_ones = {name for name, kind in parsed.functions.items() if is_opaque(kind) and name not in KNOWN}
    unknown = sorted(applied & used & open_ones)
    for kind in ("tanh", "sigmoid"):
        for names in [unknown] if len(unknown) < 2 else [unknown, *([name] for name in unknown)]:
            if names:
                said = None if set(names) <= defined else f"{', '.join(names)} is {kind}"
                yield said, dict.fromkeys(names, FUNCTIONS[kind])
    gates = [name for name in unknown if name.endswith(("_g", "_r", "_z"))]
    if gates and len(gates) < len(unknown):
        rest = [name for name in unknown if name not in gates]
        yield (
            f"{', '.join(gates)} is sigmoid, {', '.join(rest)} is tanh",
            {**dict.fromkeys(gates, FUNCTIONS["sigmoid"]), **dict.fromkeys(rest, FUNCTIONS["tanh"])},
        )


def _bound(parsed: Parsed, settings: Settings, cell: Program) -> Vocabulary:
    """The vocabulary of notes on a cell that handgrad ships."""
    columns = bool(settings.columns)
    program = vjp(cell)
    symbols = standard_symbols(program, columns)
    forward = {name: tensor for name, tensor in symbols.items() if not _is_cotangent(tensor, program)}
    cotangents = {name: tensor for name, tensor in symbols.items() if _is_cotangent(tensor, program)}
    try:
        own = {name: oriented(program, target, columns) for name, target in _timed(parsed.bound, cell).items()}
    except NotesError as error:
        raise SettingError(f"the front matter: {error}") from None
    known = {**forward, **{name: tensor for name, tensor in own.items() if not _is_cotangent(tensor, program)}}
    vocabulary = Vocabulary(
        claims=parsed.claims,
        cell=with_nets(cell),
        symbols=known,
        functions=parsed.functions,
        grammar=parsed.grammar,
        many=many(cell),
        columns=columns,
        summed=parsed.summed,
        declared=frozenset(parsed.bound),
        bound={**cotangents, **{n: t for n, t in own.items() if _is_cotangent(t, program)}},
    )
    known |= _named_arguments(vocabulary)
    parameters = parameter_symbols(parsed.claims, known, cell, columns)
    return replace(vocabulary, symbols=_familiar_first({**parameters, **known}, parsed))


def _timed(bound: Mapping[str, str], cell: Program) -> dict[str, str]:
    """Bindings with those that follow from them: of Γ_u at step t, and of a_prev where a is a state."""
    found: dict[str, str] = {}
    for name, target in bound.items():
        if split_time(name)[1] is None:
            states = {state.next: state.name for state in cell.having("state")}
            found[f"{name}_t"] = target
            if target in states:
                found |= {f"{name}_t-1": states[target], f"{name}_prev": states[target]}
        found[name] = target
    return {**found, **bound}


def _inferred(parsed: Parsed, settings: Settings, entrywise: bool = False, numbers: bool = True) -> Vocabulary:
    """The vocabulary of notes whose own forward equations are the cell."""
    cotangents = [name for name, target in parsed.bound.items() if target.startswith("d")]
    found = with_held_inputs(with_names(forward_equations(parsed.claims, cotangents)))
    slices = blocks(found, parsed.claims)
    forward = in_order(with_slices(found, slices))
    if not forward:
        raise NotesError("the notes have no forward equations, and their front matter names no cell: “cell: lstm”")
    check_complete(Roles(forward), parsed.unread)
    batch = parsed.batch if settings.batch is None else settings.batch
    inferred = infer_cell(
        forward, "notes", batch, settings.columns, parsed.functions, entrywise, numbers, _differentiated(parsed)
    )
    parts = {name: inferred.symbols[whole].parts[number] for name, (whole, number) in slices.items()}
    known = {**inferred.symbols, **parts, **{f"{name}_t": part for name, part in parts.items()}}
    known = {**_split_parameters(inferred, parsed), **known}
    vocabulary = Vocabulary(
        claims=parsed.claims,
        cell=inferred.cell,
        symbols=_familiar_first(known, parsed),
        functions=parsed.functions,
        grammar=parsed.grammar,
        many=inferred.convention.many if batch else None,
        columns=inferred.convention.columns,
        summed=parsed.summed,
        declared=frozenset(parsed.bound),
    )
    vocabulary = replace(vocabulary, symbols={**vocabulary.symbols, **_named_arguments(vocabulary)})
    renamed = {target: name for name, target in parsed.bound.items() if name in known}
    bound = {
        name: _meant(vocabulary, name, target, renamed)
        for name, target in _timed(parsed.bound, inferred.cell).items()
        if name not in known
    }
    return replace(vocabulary, bound=bound)


def _differentiated(parsed: Parsed) -> set[str]:
    """The quantities of which a claim speaks of a cotangent, without their times."""
    found: set[str] = set()
    for claim in parsed.claims:
        for node in (*walk(claim.left), *walk(claim.right)):
            match node:
                case Differential(of=Symbol(name=name)):
                    found.add(split_time(name)[0])
                case Symbol(name=name) if of := adjoint_of(name):
                    found.add(split_time(of)[0])
    return found


def _named_arguments(vocabulary: Vocabulary) -> dict[str, Tensor]:
    """Names that the notes give to what a function is applied to: a in z = σ(a), where z = σ(W x) is said as well."""
    found: dict[str, Tensor] = {}
    for claim in vocabulary.claims:
        match claim.left, claim.right:
            case Symbol(name=value), Applied(argument=Symbol(name=name)) if (
                value in vocabulary.arguments and name not in vocabulary.symbols
            ):
                base = split_time(name)[0]
                found |= dict.fromkeys((name, base, f"{base}_t"), vocabulary.arguments[value])
    return found


def _meant(vocabulary: Vocabulary, symbol: str, target: str, renamed: Mapping[str, str]) -> Tensor:
    """What a binding names in the notes' own cell: a quantity, dX for its cotangent, a_X for its function's argument.

    Args:
        renamed: the names that the bindings give to the notes' symbols.

    Raises:
        NotesError: if it names nothing.
    """

    def quantity(name: str) -> Tensor | None:
        name = renamed.get(name, name)
        if name in vocabulary.symbols:
            return vocabulary.symbols[name]
        argument = renamed.get(name.removeprefix("a_"), name.removeprefix("a_"))
        return vocabulary.arguments.get(argument) if name.startswith("a_") else None

    found = quantity(target)
    if target.startswith(COTANGENT) and target.endswith("_next"):
        of = quantity(target.removeprefix(COTANGENT).removesuffix("_next"))
        found = incoming(of, vocabulary.ground.program) if of else None
    if found is None and target.startswith(COTANGENT):
        of = quantity(target.removeprefix(COTANGENT))
        found = cotangent(of, vocabulary.ground.program) if of else None
    if found is None and target.startswith("da_"):
        # The adjoint of the pre-activation of what the symbol is the differential of.
        of = next((vocabulary.arguments[n] for n in _differentiated_names(symbol) if n in vocabulary.arguments), None)
        found = cotangent(of, vocabulary.ground.program) if of else None
    if found is None and target in vocabulary.ground.program.arrays:
        found = vocabulary.ground.program.arrays[target].tensor
    if found is None:
        known = ", ".join(vocabulary.ground.program.arrays)
        raise SettingError(f"the front matter binds a symbol to {target!r}; the notes' cell has {known}")
    return found


def _differentiated_names(symbol: str) -> Iterator[str]:
    """What a binding's symbol is the differential of by its spelling, ``\\delta a_t`` that of a."""
    for mark in ("\\delta", "\\partial", "d"):
        if symbol.startswith(mark):
            with suppress(NotesError):
                yield symbol_name(symbol.removeprefix(mark))


def _split_parameters(inferred: Inferred, parsed: Parsed) -> dict[str, Tensor]:
    """Symbols for the parts of a parameter and for one that consists of others, as said or by their labels."""
    found: dict[str, Tensor] = {}
    for name, labels in inferred.labels.items():
        for label, part in zip(labels, inferred.symbols[name].parts, strict=True):
            letter, _, own = name.partition("_")
            found |= {f"{letter}_{own}{label}": part, f"{letter}_{label}{own}": part, f"{name}_{label}": part}
    for whole, names in partitions(parsed.claims).items():
        if whole in inferred.symbols and len(inferred.symbols[whole].parts) == len(names):
            found |= dict(zip(names, inferred.symbols[whole].parts, strict=True))
        elif all(name in inferred.symbols for name in names):
            for position in (-1, 0):
                with suppress(ShapeError):
                    found[whole] = join([inferred.symbols[name] for name in names], position)
    return found


def _is_cotangent(tensor: Tensor, program: Program) -> bool:
    entries = tensor.expr.atoms(Entry)
    return bool(entries) and all(program.arrays[entry.name].role == "cotangent" for entry in entries)


def _familiar_first(symbols: Mapping[str, Tensor], parsed: Parsed) -> dict[str, Tensor]:
    """Symbols that the document uses before those that it does not, so that corrections are in its own spelling."""
    nodes = (part for claim in parsed.claims for side in (claim.left, claim.right) for part in walk(side))
    used = {node.name for node in nodes if isinstance(node, Symbol)}

    def rank(item: tuple[str, Tensor]) -> tuple[bool, bool, int]:
        name, _ = item
        return name not in used, name.endswith(("_next", "_prev")), -len(name)

    return dict(sorted(symbols.items(), key=rank))
