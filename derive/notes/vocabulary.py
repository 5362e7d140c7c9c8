"""What the symbols of a document stand for, under an interpretation of what is open in its notation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache, partial
from typing import TypeVar

from sympy import Expr, Function

from derive.calculus import SEED, vjp
from derive.equality import Ground
from derive.errors import HandgradError
from derive.index import Dim, Entry
from derive.notes.adjoints import BARE_LETTERS, FRACTION, Mark, adjoint_of, cotangent_names, is_step_loss, sign_of
from derive.notes.derived import arriving, cotangent, is_in, is_seed, marked, one_step_on, shared
from derive.notes.interpretation import NET, Interpretation
from derive.notes.latex import LOSSES
from derive.notes.meaning import Reader
from derive.notes.shift import mentions_next
from derive.notes.style import Style, style_of
from derive.notes.symbols import Grammar
from derive.notes.syntax import Claim, Differential, Node, Quotient, Symbol, split_time, symbol_below, walk
from derive.program import Program
from derive.tensor import Tensor
from derive.unroll import backward_through_time, shares

_LATER = ("_next", "_rec", "_recurrent", "_fut", "_future", "_later", "_time")

Key = TypeVar("Key")


@dataclass(frozen=True)
class Source:
    """A part of what reaches a quantity from outside of the step; ``later`` if it comes from the next one."""

    of: str
    later: bool


@dataclass(frozen=True)
class Vocabulary:
    """A document's claims and what is sure about their symbols.

    Attributes:
        cell: the forward program.
        symbols: symbols for its arrays, at this step and the one before.
        bound: symbols that the writer has bound: names of arrays of the derived program, cotangents among them.
        declared: the symbols of the front matter, whatever they stand for.
        functions: the symbols that are functions.
        many: the dimension of the batch, if there is one.
        columns: whether vectors are columns.
        summed: whether gradients of parameters are written as sums over the steps.
        sentence: the reading under which all this is so, if there is a plainer one.
        proving: whether equations are proved, or just compared in floating point.
    """

    claims: tuple[Claim, ...]
    cell: Program
    symbols: Mapping[str, Tensor]
    functions: Mapping[str, type[Function]]
    grammar: Grammar
    many: Dim | None = None
    columns: bool = False
    summed: bool = False
    sentence: str | None = None
    bound: Mapping[str, Tensor] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()
    proving: bool = True

    @cached_property
    def ground(self) -> Ground:
        return _ground(self.cell, self.proving, vjp)

    @cached_property
    def ground_ahead(self) -> Ground:
        return _ground(self.cell, self.proving, backward_through_time)

    @cached_property
    def ground_ahead_indirect(self) -> Ground:
        """Two steps, of which the loss reads the states of the second alone."""
        return _ground(self.cell, self.proving, _indirectly)

    @cached_property
    def ground_at_the_end(self) -> Ground:
        return _ground(self.cell, self.proving, _at_the_end)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every symbol of the claims, in order of appearance."""
        nodes = (part for claim in self.claims for side in (claim.left, claim.right) for part in walk(side))
        return tuple(dict.fromkeys(node.name for node in nodes if isinstance(node, Symbol)))

    @cached_property
    def arguments(self) -> Mapping[str, Tensor]:
        """For every symbol of a function's value, the tensor of the function's argument: a_i for i = σ(a_i)."""
        found: dict[str, Tensor] = {}
        for name, tensor in self.symbols.items():
            inside = {entry: self._argument(entry) for entry in tensor.expr.atoms(Entry)}
            if inside and all(argument is not None for argument in inside.values()):
                found[name] = Tensor(tensor.expr.xreplace(inside), tensor.axes)
        return found

    @cached_property
    def argument_names(self) -> Mapping[str, str]:
        """The symbol of what a gate's function is applied to, if it has one: a_f for f."""
        names = {(str(tensor.expr), tensor.shape): split_time(name)[0] for name, tensor in self.symbols.items()}
        found = ((split_time(gate)[0], names.get((str(of.expr), of.shape))) for gate, of in self.arguments.items())
        return {gate: name for gate, name in found if name is not None}

    def _argument(self, entry: Entry) -> Expr | None:
        """What the function is applied to whose value an entry is."""
        definition = self.cell.definitions.get(entry.name)
        if definition is None or not isinstance(definition.value, Function) or len(definition.value.args) != 1:
            return None
        (argument,) = definition.value.args
        return definition.at(entry.indices).args[0] if isinstance(argument, Entry) else None

    @cached_property
    def familiar(self) -> frozenset[str]:
        """The symbols of the claims and what δ_f is of, and these at other times, written as the claims write times."""
        names = {*self.names, *(of for of in map(adjoint_of, self.names) if of)}
        bases = {split_time(name)[0] for name in names}
        written = {name.removeprefix(split_time(name)[0]) for name in self.names}
        earlier, later = {"_t-1", "_prev"}, {"_t+1", "_next"}
        styles = written | (set() if written & earlier else earlier) | (set() if written & later else later)
        return frozenset(names) | self.declared | {f"{base}{time}" for base in bases for time in styles}

    @cached_property
    def style(self) -> Style:
        return style_of(self.claims, self.grammar)

    @cached_property
    def undifferentiated(self) -> frozenset[str]:
        """Symbols that stand somewhere without a ∂."""
        found = set()
        for claim in self.claims:
            for side in (claim.left, claim.right):
                below = {id(node.of) for node in walk(side) if isinstance(node, Differential)}
                found |= {part.name for part in walk(side) if isinstance(part, Symbol) and id(part) not in below}
        return frozenset(found)

    @cached_property
    def named(self) -> Mapping[str, str]:
        """Names that equations give to cotangents, e_t = ∂L/∂h_t: the name and the quantity, without their times."""
        return {
            name: split_time(of.name)[0]
            for name, of in cotangent_names(self.claims)
            if isinstance(of, Symbol) and of.name in self.symbols
        }

    @cached_property
    def own(self) -> Mapping[str, Claim]:
        """Names that an equation introduces for others, u_t = δh_t ⊙ o_t, and that equation; δ is never one."""
        found: dict[str, Claim] = {}
        used = {part.name for claim in self.claims for part in walk(claim.right) if isinstance(part, Symbol)}
        for claim in self.claims:
            base, time = split_time(claim.left.name) if isinstance(claim.left, Symbol) else ("", None)
            usual = base.startswith(BARE_LETTERS) or adjoint_of(base) or base.partition("_")[0] in LOSSES
            unknown = bool(base) and self._is_unknown(base) and base not in self.named and not usual
            if unknown and time in {None, 0} and isinstance(claim.left, Symbol) and claim.left.name in used:
                found.setdefault(base, claim)
        return found

    @cached_property
    def direct_losses(self) -> bool:
        """Whether ∂L_t/∂h_t is a term of ∂L/∂h_t: what comes from the loss of one step."""
        for claim in self.claims:
            terms = getattr(claim.right, "terms", (claim.right,) if self.summed else ())
            parts = walk(claim.right) if mentions_next(claim.right) else terms
            if any(isinstance(part, Quotient) and is_step_loss(part) for part in parts):
                whole = claim.left
                if not (isinstance(whole, Quotient) and is_step_loss(whole)):
                    return True
        return False

    @cached_property
    def through_time(self) -> bool:
        """Whether the claims look ahead to the next step."""
        return any(name.endswith("_t+1") for name in self.names)

    @cached_property
    def two_sources(self) -> bool:
        """Whether what comes from the loss and what comes from the next step are told apart."""
        return (
            self.through_time
            or self.direct_losses
            or any(source.later for source in self.sources.values())
            or (bool(self.sources) and any(name.endswith("_next") for name in self.names))
        )

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """Undeclared terms of a state's cotangent: Δ in δh = Δ + …, of two the one from the loss and the other one.

        Of more it cannot be told what they are.
        """
        found: dict[str, Source] = {}
        for claim in self.claims:
            of = self._received(claim.left)
            terms = getattr(claim.right, "terms", (claim.right,)) if of else ()
            names = [name for term in terms if (name := symbol_below(term)) and self._is_unknown(name)]
            names = [name for name in names if split_time(name)[0] not in self.own]
            later = [name for name in names if self._is_later(name)] or names[1:]
            if of and len(names) <= 2 and len(later) <= 1:
                found |= {name: Source(of, name in later) for name in names}
        return found

    def _is_later(self, name: str) -> bool:
        """Whether a term is said to come from the next step: by a label, or because another equation passes it on."""
        base = split_time(name)[0]
        lefts = {symbol_below(claim.left) for claim in self.claims}
        return base.endswith(_LATER) or bool(lefts & {f"{base}_t-1", f"{base}_prev"})

    def _received(self, node: Node) -> str | None:
        """The quantity whose cotangent a left side is, if some of that comes from outside of the step."""
        match node:
            case Differential(of=Symbol(name=name)) | Quotient(denominator=Differential(of=Symbol(name=name))):
                quantity: str | None = name
            case Symbol(name=name):
                base, _ = split_time(name)
                quantity = self.named.get(base) or adjoint_of(name)
            case _:
                return None
        tensor = self.symbols.get(quantity or "")
        received = tensor is not None and marked(tensor, SEED, self.ground.program) is not None
        return quantity if received else None

    def _is_unknown(self, name: str) -> bool:
        base, time = split_time(name)
        known = name in self.symbols or name in self.bound or name in self.functions or base in self.symbols
        of = adjoint_of(name)
        return not known and time in {None, 0} and (of is None or of not in self.symbols)

    def reader(self, interpretation: Interpretation) -> Reader:
        """The reader under an interpretation, with one that knows step t + 1 and one for the last step beside it."""
        ahead = self._ahead(interpretation) if self.two_sources else None
        share = cache(partial(self._share, interpretation)) if ahead and interpretation.direct else None
        last = self._at_the_end(interpretation) if any(name.endswith("_T") for name in self.names) else None
        return replace(self._now(interpretation), ahead=ahead, share=share, last=last)

    def _at_the_end(self, how: Interpretation) -> Reader:
        """The reader of the last step, which no later one reaches."""
        symbols = {f"{name.removesuffix('_t')}_T": t for name, t in self.symbols.items() if name.endswith("_t")}
        ground = self.ground_at_the_end
        reader = self._plain(ground, {**self.symbols, **symbols}, how)
        seeds = {name: marked(self.symbols[one.of], SEED, ground.program) for name, one in self.sources.items()}
        return self._with_cotangents(reader, seeds, how)

    def _now(self, how: Interpretation) -> Reader:
        program = self.ground.program
        reader = self._plain(self.ground, self.symbols, how)
        seeds = {f"{name}_next": marked(tensor, SEED, program) for name, tensor in self._timeless()}
        seeds |= {f"{name}_next": cotangent(self.symbols[name], program) for name in how.total_next}
        if not self.two_sources:
            seeds |= {name: marked(self.symbols[one.of], SEED, program) for name, one in self.sources.items()}
        passed_on = {split_time(name)[0]: split_time(one.of)[0] for name, one in self.sources.items() if one.later}
        for name, of in passed_on.items():
            before = self.symbols.get(f"{of}_t-1")
            seeds |= dict.fromkeys((f"{name}_t-1", f"{name}_prev"), cotangent(before, program) if before else None)
        return self._with_cotangents(reader, seeds, how)

    def _timeless(self) -> Iterator[tuple[str, Tensor]]:
        """The symbols of this step that stand without a time."""
        yield from ((name, tensor) for name, tensor in self.symbols.items() if split_time(name)[1] is None)

    def _ahead(self, how: Interpretation) -> Reader:
        return self._on_two_steps(self.ground_ahead if how.direct else self.ground_ahead_indirect, how)

    def _share(self, how: Interpretation) -> Reader:
        """The reader of two steps to which a parameter's cotangent is what step t alone gives to it."""
        ground = _ground(self.cell, self.proving, shares)
        reader = self._on_two_steps(ground, how)
        own = {name: shared(tensor, ground.program) for name, tensor in self.symbols.items()}
        return replace(reader, adjoints={**reader.adjoints, **_present(own)})

    def _on_two_steps(self, ground: Ground, how: Interpretation) -> Reader:
        program = ground.program
        later = {
            f"{name.removesuffix('_t')}_t+1": one_step_on(tensor, program)
            for name, tensor in self.symbols.items()
            if name.endswith("_t")
        }
        symbols = {**self.symbols, **_present(later)}
        reader = self._plain(ground, symbols, how)
        seeds = {f"{name}_next": arriving(tensor, program) for name, tensor in self._timeless()}
        for name, source in self.sources.items():
            of = self.symbols[source.of]
            direct_one = None if source.later else marked(of, SEED, program)
            seeds[name] = direct_one or arriving(of, program)
        direct = {name: marked(tensor, SEED, program) for name, tensor in symbols.items() if self.direct_losses}
        return replace(self._with_cotangents(reader, seeds, how), direct=_present(direct))

    def _plain(self, ground: Ground, symbols: Mapping[str, Tensor], how: Interpretation) -> Reader:
        """A reader of forward quantities, their differentials as the interpretation has them."""
        nets: dict[Mark, Tensor | None] = {}
        for name, argument in self.arguments.items():
            base = split_time(name)[0]
            for sign in (sign for sign, gate in how.nets if gate == base):
                nets[sign, name] = cotangent(argument, ground.program)
                later = one_step_on(argument, ground.program)
                nets[sign, f"{base}_t+1"] = cotangent(later, ground.program) if later else None
        return Reader(
            ground,
            symbols,
            self.functions,
            nets=_present(nets),
            many=self.many,
            columns=self.columns,
            layout=how.layout,
            summed=self.summed,
            grammar=self.grammar,
            familiar=self.familiar,
            spelled=self.style.spelled,
            about=frozenset(below for claim in self.claims if (below := symbol_below(claim.left))),
            cotangent_form=self.style.cotangent,
            cotangent_sign=self.style.sign,
        )

    def _with_cotangents(self, reader: Reader, seeds: Mapping[str, Tensor | None], how: Interpretation) -> Reader:
        """The reader with symbols that are names of cotangents: δ_h, \\bar{h}, what the writer has bound."""
        reader = replace(reader, adjoints={**_present(seeds), **reader.adjoints})
        aliases = dict(how.aliases)
        found: dict[str, Tensor] = {}
        adjoints: dict[str, Tensor] = {}
        for name in self.names:
            base, _ = split_time(name)
            if name in reader.symbols or name in self.bound:
                continue
            if base in aliases:
                tensor = self._alias(aliases[base], name.removeprefix(base), reader)
                found |= {name: tensor} if tensor and name in self.undifferentiated else {}
                adjoints |= {name: tensor} if tensor else {}
                continue
            if base.startswith("d_next-") and (tensor := reader.adjoints.get(f"{base.removeprefix('d_next-')}_next")):
                found[name] = tensor
                continue
            own = adjoint_of(name) if name in self.undifferentiated else None
            of = f"{self.named[base]}{name.removeprefix(base)}" if base in self.named else own
            if name in seeds and (tensor := reader.adjoints.get(name)):
                found[name] = tensor
            elif of is not None and (of in reader.symbols or of in reader.adjoints):
                found[name] = reader.cotangent(Symbol((0, 0), of), sign_of(name) if of == own else FRACTION)
        bound = {name: tensor for name, tensor in self.bound.items() if is_in(tensor, reader.ground.program)}
        if self.two_sources and reader.ground is self.ground:
            # What comes from the loss alone only two steps can tell from what comes from the next one.
            bound = {name: tensor for name, tensor in bound.items() if not is_seed(tensor)}
        reader = replace(reader, symbols={**reader.symbols, **found, **bound}, adjoints={**reader.adjoints, **adjoints})
        return self._with_own_names(reader) if how.own else reader

    def _with_own_names(self, reader: Reader) -> Reader:
        """The reader with names that equations introduce as what these say, where that is understood."""
        for claim in self.own.values():
            if isinstance(claim.left, Symbol) and claim.left.name not in reader.symbols:
                with suppress(HandgradError):
                    value = reader.meanings(claim.right)[0]
                    reader = replace(reader, defined={**reader.defined, claim.left.name: value})
        return reader

    def _alias(self, of: str, time: str, reader: Reader) -> Tensor | None:
        """The cotangent that an alias stands for, at the time that stands behind its name."""
        name = of.removeprefix(NET)
        if time in {"_t+1", "_t", ""}:
            tensor = self.arguments.get(name) if of.startswith(NET) else self.symbols.get(name)
            later = one_step_on(tensor, reader.ground.program) if tensor and time == "_t+1" else tensor
            return cotangent(later, reader.ground.program) if later else None
        return reader.cotangent(Symbol((0, 0), name + time)) if name + time in reader.symbols else None


@lru_cache(maxsize=64)
def _ground(cell: Program, proving: bool, derived: Callable[[Program], Program]) -> Ground:
    """The ground of a derivation, which all readings of a document share."""
    return Ground(derived(cell), proving) if not proving else replace(_ground(cell, False, derived), proving=True)


def _indirectly(cell: Program) -> Program:
    return backward_through_time(cell, direct=False)


def _at_the_end(cell: Program) -> Program:
    return vjp(cell, outputs=cell.outputs)


def _present(tensors: Mapping[Key, Tensor | None]) -> dict[Key, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}
