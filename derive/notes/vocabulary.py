"""From a document to its vocabulary: its claims, the cell that they are about, and what its symbols stand for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from sympy import Function

from derive.calculus import COTANGENT, vjp
from derive.cells import CELLS
from derive.errors import NotesError, SettingError, ShapeError
from derive.functions import FUNCTIONS, is_opaque
from derive.index import Entry
from derive.notes.bind import parameter_symbols
from derive.notes.document import Document
from derive.notes.functions import KNOWN, defined_functions, open_functions
from derive.notes.glossary import (
    Roles,
    adjoint_of,
    blocks,
    cotangent_names,
    forward_equations,
    in_order,
    partitions,
    with_slices,
)
from derive.notes.infer import Inferred, check_complete, infer_cell
from derive.notes.interpret import Vocabulary, cotangent, incoming
from derive.notes.latex import parse_claim
from derive.notes.standard import many, oriented, standard_symbols
from derive.notes.symbols import Grammar, symbol_name
from derive.notes.syntax import Applied, Claim, Differential, Node, SumOver, Symbol, split_time, walk
from derive.notes.tokens import phrase
from derive.program import Program
from derive.tensor import Tensor, join

_SETTINGS = {"title": str, "cell": str, "symbols": dict, "vectors": str, "batch": bool}
_CLOCK = re.compile(r"[_^]\s*\{?\s*(?:\(|\\langle)?\s*(?:[A-Za-z]+\s*,\s*)?([a-z]|\\tau)\s*[-+]\s*1")
_USUAL_PHRASES = {phrase("dtanh"): "\\delta_tanh"}
_AT_T = re.compile(r"[_^]\s*\{?\s*(?:[^{}]*[^A-Za-z{}])?t\b")
_AT_0 = re.compile(r"_\s*(?:0\b|\{0\})")
_MANY = re.compile(r"(?:\(\s*[NB]\s*,|[NB]\s*\\times|\\times\s*[NB]\s*\})")


@dataclass(frozen=True)
class Settings:
    """A document's front matter, checked."""

    cell: str | None
    symbols: Mapping[str, str]
    columns: bool | None
    batch: bool | None


def checked(document: Document) -> Settings:
    """The settings of a document.

    Raises:
        SettingError: naming the setting that is wrong.
    """
    given = document.settings
    for key, value in given.items():
        if key not in _SETTINGS:
            raise SettingError(f"the front matter has an unknown setting {key!r}; known: {', '.join(_SETTINGS)}")
        if not isinstance(value, _SETTINGS[key]):
            raise SettingError(f"the front matter's {key!r} should be a {_SETTINGS[key].__name__}, not {value!r}")
    if given.get("vectors", "rows") not in {"rows", "columns"}:
        raise SettingError(f"the front matter's 'vectors' should be rows or columns, not {given['vectors']!r}")
    if given.get("cell", "lstm") not in CELLS:
        raise SettingError(f"the front matter names the cell {given['cell']!r}; known cells: {', '.join(CELLS)}")
    symbols = {str(latex): str(target) for latex, target in given.get("symbols", {}).items()}
    columns = {"rows": False, "columns": True}.get(given.get("vectors", ""))
    return Settings(given.get("cell"), symbols, columns, given.get("batch"))


def vocabularies(document: Document, settings: Settings) -> Iterator[Vocabulary]:
    """The document's vocabulary, then those under other readings of its forward equations.

    Raises:
        NotesError: if its forward equations make no cell, or a binding is to nothing.
    """
    reading = _read(document, settings)
    if settings.cell:
        yield _bound(reading, settings, CELLS[settings.cell])
        return
    yield _inferred(reading, settings, False)
    if any(name[:1].islower() for name in _parameters(reading)):
        with suppress(NotesError):
            yield replace(_inferred(reading, settings, True), sentence="small letters multiply entry by entry")
    for sentence, kinds in _kinds(reading):
        known = replace(reading, functions={**reading.functions, **kinds})
        with suppress(NotesError):
            yield replace(_inferred(known, settings, False), sentence=sentence)


@dataclass(frozen=True)
class _Reading:
    """What could be read of a document.

    Attributes:
        unread: the left sides of equations that could not be, without their time, and those equations.
        bound: symbols that the writer has bound, and to what.
        text: all of its mathematics.
    """

    claims: tuple[Claim, ...]
    functions: Mapping[str, type[Function]]
    grammar: Grammar
    unread: Mapping[str, str]
    bound: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def batch(self) -> bool:
        """Whether the mathematics shows a batch: a sum over it, or a shape with its letter."""
        named = {name for name, _ in cotangent_names(self.claims)}
        gradients = (claim for claim in self.claims if _is_gradient(claim.left, named))
        sums = (part for claim in gradients for part in walk(claim.right) if isinstance(part, SumOver))
        return any(part.index not in {"t", ""} for part in sums) or _MANY.search(self.text) is not None

    @property
    def summed(self) -> bool:
        """Whether gradients are written as sums over the steps."""
        return any(isinstance(claim.right, SumOver) and claim.right.index == "t" for claim in self.claims)


def _is_gradient(left: Node, named: Collection[str]) -> bool:
    """Whether an equation is about a cotangent, by the look of its left side."""
    if isinstance(left, Symbol):
        return adjoint_of(left.name) is not None or split_time(left.name)[0] in named
    return True


def _read(document: Document, settings: Settings) -> _Reading:
    """Parse every equation, twice: what is a function shows when all is read."""
    text = "\n".join(passage.latex for passage in document.passages)
    letters = Counter(_CLOCK.findall(text))
    clock = "t" if not letters or "t" in letters else letters.most_common(1)[0][0]
    if not letters and not _AT_T.search(text) and _AT_0.search(text):
        clock = "0"
    singles, phrases = _names(settings, clock)
    phrases |= _USUAL_PHRASES
    targets = {**singles, **{n: settings.symbols[n] for n in phrases.values() if n in settings.symbols}}
    functions = {name: FUNCTIONS[target] for name, target in targets.items() if target in FUNCTIONS}
    bound = {name: target for name, target in targets.items() if target not in FUNCTIONS}
    grammar = Grammar(frozenset({*KNOWN, *functions}), phrases, clock)
    claims, _ = _claims(document, grammar)
    functions = {**KNOWN, **open_functions(claims), **functions}
    grammar = replace(grammar, functions=frozenset(functions))
    claims, unread = _claims(document, grammar)
    functions |= defined_functions(claims, functions)
    return _Reading(tuple(claims), functions, grammar, unread, bound, document.text)


def _names(settings: Settings, clock: str) -> tuple[dict[str, str], dict[tuple[str, ...], str]]:
    """The targets of bound symbols by canonical name, and the names of those that are written with several tokens."""
    singles: dict[str, str] = {}
    phrases: dict[tuple[str, ...], str] = {}
    for latex, target in settings.symbols.items():
        try:
            singles[symbol_name(latex, Grammar(clock=clock))] = target
        except NotesError:
            phrases[phrase(latex)] = latex
    return singles, phrases


def _claims(document: Document, grammar: Grammar) -> tuple[list[Claim], dict[str, str]]:
    """The claims that can be parsed, and the left sides of those that cannot and might define something."""
    claims: list[Claim] = []
    unread: dict[str, str] = {}
    for passage in document.passages:
        try:
            claims.append(parse_claim(passage.latex, grammar))
        except NotesError:  # it is reported when its turn comes
            with suppress(NotesError):
                name = symbol_name(passage.latex.partition("=")[0].strip(), grammar)
                unread[split_time(name)[0]] = passage.latex
    return claims, unread


def _parameters(reading: _Reading) -> tuple[str, ...]:
    roles = Roles(tuple(forward_equations(reading.claims, ())))
    return tuple(name for name in roles.used if roles.is_matrix(name))


def _kinds(reading: _Reading) -> Iterator[tuple[str | None, dict[str, type[Function]]]]:
    """Known functions for open ones, σ_g as the sigmoid, others as tanh; no reading where the notes say so."""
    used = {part.name for c in reading.claims for part in walk(c.right) if isinstance(part, Symbol)}
    applied = {
        part.function.name
        for claim in reading.claims
        for part in walk(claim.right)
        if isinstance(part, Applied) and isinstance(part.function, Symbol)
    }
    defined = {
        claim.left.function.name
        for claim in reading.claims
        if isinstance(claim.left, Applied) and isinstance(claim.left.function, Symbol)
    }
    open_ones = {name for name, kind in reading.functions.items() if is_opaque(kind) and name not in KNOWN}
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


def _bound(reading: _Reading, settings: Settings, cell: Program) -> Vocabulary:
    """The vocabulary of notes on a cell that handgrad ships."""
    columns = bool(settings.columns)
    program = vjp(cell)
    symbols = standard_symbols(program, columns)
    forward = {name: tensor for name, tensor in symbols.items() if not _is_cotangent(tensor, program)}
    cotangents = {name: tensor for name, tensor in symbols.items() if _is_cotangent(tensor, program)}
    try:
        own = {name: oriented(program, target, columns) for name, target in _timed(reading.bound, cell).items()}
    except NotesError as error:
        raise SettingError(f"the front matter: {error}") from None
    known = {**forward, **{name: tensor for name, tensor in own.items() if not _is_cotangent(tensor, program)}}
    parameters = parameter_symbols(reading.claims, known, cell, columns)
    return Vocabulary(
        claims=reading.claims,
        cell=cell,
        symbols=_familiar_first({**parameters, **known}, reading),
        functions=reading.functions,
        grammar=reading.grammar,
        many=many(cell),
        columns=columns,
        summed=reading.summed,
        declared=frozenset(reading.bound),
        bound={**cotangents, **{n: t for n, t in own.items() if _is_cotangent(t, program)}},
    )


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


def _inferred(reading: _Reading, settings: Settings, entrywise: bool) -> Vocabulary:
    """The vocabulary of notes whose own forward equations are the cell."""
    cotangents = [name for name, target in reading.bound.items() if target.startswith("d")]
    found = forward_equations(reading.claims, cotangents)
    slices = blocks(found, reading.claims)
    forward = in_order(with_slices(found, slices))
    if not forward:
        raise NotesError("the notes have no forward equations, and their front matter names no cell: “cell: lstm”")
    check_complete(Roles(forward), reading.unread)
    batch = reading.batch if settings.batch is None else settings.batch
    inferred = infer_cell(
        forward, "notes", batch, settings.columns, reading.functions, entrywise, _differentiated(reading)
    )
    parts = {name: inferred.symbols[whole].parts[number] for name, (whole, number) in slices.items()}
    known = {**inferred.symbols, **parts, **{f"{name}_t": part for name, part in parts.items()}}
    known = {**_split_parameters(inferred, reading), **known}
    vocabulary = Vocabulary(
        claims=reading.claims,
        cell=inferred.cell,
        symbols=_familiar_first(known, reading),
        functions=reading.functions,
        grammar=reading.grammar,
        many=inferred.convention.many if batch else None,
        columns=inferred.convention.columns,
        summed=reading.summed,
        declared=frozenset(reading.bound),
    )
    vocabulary = replace(vocabulary, symbols={**vocabulary.symbols, **_named_arguments(vocabulary)})
    renamed = {target: name for name, target in reading.bound.items() if name in known}
    bound = {
        name: _meant(vocabulary, name, target, renamed)
        for name, target in _timed(reading.bound, inferred.cell).items()
        if name not in known
    }
    return replace(vocabulary, bound=bound)


def _differentiated(reading: _Reading) -> set[str]:
    """The quantities of which a claim speaks of a cotangent, without their times."""
    found: set[str] = set()
    for claim in reading.claims:
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


def _split_parameters(inferred: Inferred, reading: _Reading) -> dict[str, Tensor]:
    """Symbols for the parts of a parameter and for one that consists of others, as said or by their labels."""
    found: dict[str, Tensor] = {}
    for name, labels in inferred.labels.items():
        for label, part in zip(labels, inferred.symbols[name].parts, strict=True):
            letter, _, own = name.partition("_")
            found |= {f"{letter}_{own}{label}": part, f"{letter}_{label}{own}": part, f"{name}_{label}": part}
    for whole, names in partitions(reading.claims).items():
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


def _familiar_first(symbols: Mapping[str, Tensor], reading: _Reading) -> dict[str, Tensor]:
    """Symbols that the document uses before those that it does not, so that corrections are in its own spelling."""
    nodes = (part for claim in reading.claims for side in (claim.left, claim.right) for part in walk(side))
    used = {node.name for node in nodes if isinstance(node, Symbol)}

    def rank(item: tuple[str, Tensor]) -> tuple[bool, bool, int]:
        name, _ = item
        return name not in used, name.endswith(("_next", "_prev")), -len(name)

    return dict(sorted(symbols.items(), key=rank))
