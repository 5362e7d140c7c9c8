"""Which symbols of a set of notes are what: forward quantities, states, inputs, parameters, and names of cotangents."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from derive.errors import NotesError
from derive.notes.adjoints import NAME, cotangent_names, has_gradient
from derive.notes.latex import LOSSES
from derive.notes.plain import ACCENTED, symbol_text
from derive.notes.syntax import (
    Applied,
    Claim,
    Concatenation,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Slice,
    Sum,
    Symbol,
    Transpose,
    rebuilt,
    split_time,
    walk,
)

_FORWARD = (Symbol, Number, Sum, Product, Negative, Power, Applied, Concatenation, Quotient, Slice, Transpose)
_COTANGENT_LETTERS = ("\\delta", "\\Delta", "d_next")


@dataclass(frozen=True)
class Forward:
    """A forward equation: the quantities that it defines, without their time, and its right side."""

    names: tuple[str, ...]
    right: Node
    text: str


def identifier(name: str) -> str:
    """A symbol's name as a Python identifier: ``\\tilde{c}`` → c_tilde, ``\\Gamma_u`` → Gamma_u."""
    accented = re.sub(ACCENTED + r"\{([^{}]*)\}", r"\2_\1", name)
    return re.sub(r"\W+", "_", accented.replace("\\", "")).strip("_")


def forward_equations(claims: Iterable[Claim], cotangents: Collection[str]) -> list[Forward]:
    """The first equation of every quantity that is no cotangent, update, loss or function, in the notes' order.

    Args:
        cotangents: symbols of which it is known that they are cotangents.
    """
    claims = [_turned(claim) for claim in claims]
    named = {name for name, _ in cotangent_names(claims)} | _made_of_gradients(claims)
    barred, wholes = _adjoint_bars(claims), partitions(claims)
    used = {split_time(part.name)[0] for c in claims for part in walk(c.right) if isinstance(part, Symbol)}
    found: dict[str, Forward] = {}
    for claim in claims:
        lefts = claim.left.parts if isinstance(claim.left, Concatenation) else (claim.left,)
        names = [part.name for part in lefts if isinstance(part, Symbol)]
        symbols = {part.name for part in walk(claim.right) if isinstance(part, Symbol)} | set(names)
        bases = tuple(split_time(name)[0] for name in names)
        if (
            len(names) == len(lefts)
            and all(isinstance(part, _FORWARD) for part in walk(claim.right))
            and not any(part.name == "diag" for part in walk(claim.right) if isinstance(part, Symbol))
            and not any(one in cotangents or one in barred or one.startswith(_COTANGENT_LETTERS) for one in symbols)
            and not {split_time(one)[0] for one in symbols} & named
            and not any(map(_is_backward_in_time, names))
            and not any(_is_loss(base, used) for base in bases)
            and not set(bases) & {*found, *wholes}
            and not set(bases) & {split_time(p.name)[0] for p in walk(claim.right) if isinstance(p, Symbol) and _now(p)}
        ):
            found |= dict.fromkeys(bases, Forward(bases, claim.right, claim.text))
    return list(dict.fromkeys(found.values()))


def _made_of_gradients(claims: Iterable[Claim]) -> set[str]:
    """Names of the notes' own for what is computed from gradients, and from what has such a name.

    What is handed on to itself, as in U ← U − η ∂L/∂U, is none.
    """
    first: dict[str, tuple[Node, set[str]]] = {}
    for claim in claims:
        symbols = {part.name for part in walk(claim.right) if isinstance(part, Symbol)}
        if isinstance(claim.left, Symbol) and claim.left.name not in symbols:
            first.setdefault(split_time(claim.left.name)[0], (claim.right, {split_time(one)[0] for one in symbols}))
    found = {name for name, (right, _) in first.items() if has_gradient(right)}
    while more := {name for name, (_, used) in first.items() if used & found} - found:
        found |= more
    return found


def _turned(claim: Claim) -> Claim:
    """The claim with its sides exchanged where the right one is what it defines: x W + b = [a_i, a_f]."""
    forward = isinstance(claim.left, Sum | Product) and all(isinstance(part, _FORWARD) for part in walk(claim.left))
    names = claim.right.parts if isinstance(claim.right, Concatenation) else (claim.right,)
    if forward and all(isinstance(name, Symbol) for name in names):
        return Claim(claim.right, claim.left, claim.text)
    return claim


def with_names(forward: Sequence[Forward]) -> list[Forward]:
    """Forward equations in which what another one gives a name to stands under that name."""
    named = [(one.right, one.names[0]) for one in forward if len(one.names) == 1 and not isinstance(one.right, Symbol)]

    def said(node: Node) -> Node:
        name = next((name for right, name in named if right == node), None)
        return Symbol(node.span, name) if name else rebuilt(node, said)

    return [replace(one, right=rebuilt(one.right, said)) for one in forward]


def with_held_inputs(forward: Sequence[Forward]) -> list[Forward]:
    """Forward equations in which an input that is used one step later as well, x_{t−1}, is a quantity that is kept."""
    roles = Roles(tuple(forward))
    times: dict[str, set[int | None]] = {}
    for base, time in map(split_time, roles.used):
        if base not in roles.defined:
            times.setdefault(base, set()).add(time)
    held = [base for base, at in times.items() if -1 in at and at & {0, None}]
    return [*forward, *(Forward((base,), Symbol((0, 0), f"{base}_in_t"), f"{base} is kept") for base in held)]


def _now(symbol: Symbol) -> bool:
    return split_time(symbol.name)[1] in {None, 0}


def _is_backward_in_time(name: str) -> bool:
    return name.endswith(("_t-1", "_prev", "_t+1"))


def _is_loss(base: str, used: Collection[str]) -> bool:
    """Whether a name is a loss's: a usual letter that no other equation uses but under a ∂."""
    return base.partition("_")[0] in LOSSES and (base not in used or base in {"L", "E", "J", "\\ell"})


def _adjoint_bars(claims: Sequence[Claim]) -> set[str]:
    """Barred symbols that are cotangents: those that no equation for a plain symbol mentions."""
    plain = [claim for claim in claims if isinstance(claim.left, Symbol) and not NAME.fullmatch(claim.left.name)]
    forward = {split_time(p.name)[0] for c in plain for p in walk(c.right) if isinstance(p, Symbol)}
    named = (p.name for c in claims for side in (c.left, c.right) for p in walk(side) if isinstance(p, Symbol))
    return {name for name in named if NAME.fullmatch(name) and split_time(name)[0] not in forward}


@dataclass(frozen=True)
class Roles:
    """What each symbol of the forward equations is to the cell.

    Attributes:
        entrywise: whether small letters beside a vector multiply entry by entry, rather than as matrices.
        numbers: whether parameters that only ever stand beside others without a sign are numbers.
    """

    forward: tuple[Forward, ...]
    entrywise: bool = False
    numbers: bool = True

    @cached_property
    def defined(self) -> tuple[str, ...]:
        return tuple(name for equation in self.forward for name in equation.names)

    @cached_property
    def used(self) -> tuple[str, ...]:
        """All symbols of the right sides but functions, in order of appearance."""
        functions = {
            part.name
            for node in self._nodes
            if isinstance(node, Applied)
            for part in walk(node.function)
            if isinstance(part, Symbol)
        }
        names = (node.name for node in self._nodes if isinstance(node, Symbol))
        return tuple(dict.fromkeys(name for name in names if name not in functions))

    @cached_property
    def _nodes(self) -> tuple[Node, ...]:
        return tuple(node for equation in self.forward for node in walk(equation.right))

    @cached_property
    def states(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(b for b, t in map(split_time, self.used) if t == -1 and b in self.defined))

    def outputs(self, differentiated: Collection[str]) -> tuple[str, ...]:
        """What no other equation of the step uses: states, and what the notes take a derivative by."""
        now = {base for base, time in map(split_time, self.used) if time != -1}
        unused = [name for name in self.defined if name not in now]
        read = tuple(name for name in unused if name in self.states or name in differentiated)
        last = tuple(name for name in self.defined if name in self.states and name in differentiated)[-1:]
        return read or last or tuple(unused)

    def is_matrix(self, name: str) -> bool:
        """Whether an undefined symbol without a time is a matrix: a capital that is nowhere a vector."""
        base, time = split_time(name)
        if time is not None or base in self.defined or name in self._vectors:
            return False
        letter = symbol_text(re.sub(ACCENTED, "", base)).lstrip("\\{")[:1]
        return (letter.isupper() and letter != "X") or (
            not self.entrywise and letter in "wuvrθ" and name in self._factors
        )

    @cached_property
    def _vectors(self) -> set[str]:
        """Symbols that are terms of a sum or factors of ⊙."""
        found: set[str] = set()
        for node in self._nodes:
            match node:
                case Sum(terms=terms) if not any(isinstance(term, Number) for term in terms):
                    found |= {name for term in terms if (name := _name(term))}
                case Product(factors=factors, operators=operators):
                    signs = ("⊙", *operators, "⊙")
                    pairs = zip(factors, signs, signs[1:], strict=False)
                    found |= {n for f, before, after in pairs if before == after == "⊙" and (n := _name(f))}
        return found

    @cached_property
    def _factors(self) -> set[str]:
        products = (node for node in self._nodes if isinstance(node, Product))
        return {name for product in products for factor in product.factors if (name := _name(factor))}

    def is_number(self, name: str) -> bool:
        """Whether an undefined symbol without a time is a number: the α in (1 − α) h + α f(W x)."""
        base, time = split_time(name)
        plain = time is None and base not in self.defined and not self.is_matrix(name)
        letter = name.startswith("\\") and name in self._factors
        likely = letter or name in self._beside_numbers or name in self._divisors
        return self.numbers and plain and likely and name not in self._vectors | self._concatenated

    @cached_property
    def _beside_numbers(self) -> set[str]:
        """What is added to a number or subtracted from one."""
        sums = (node.terms for node in self._nodes if isinstance(node, Sum))
        return {n for terms in sums if any(isinstance(t, Number) for t in terms) for t in terms if (n := _name(t))}

    @cached_property
    def _divisors(self) -> set[str]:
        return {name for node in self._nodes if isinstance(node, Quotient) and (name := _name(node.denominator))}

    @cached_property
    def _concatenated(self) -> set[str]:
        concatenated = (part for node in self._nodes if isinstance(node, Concatenation) for part in node.parts)
        return {name for part in concatenated if (name := _name(part))}

    def is_sequence(self, name: str) -> bool:
        """Whether an undefined symbol is the input: it has a time, or it is what a matrix multiplies."""
        base, time = split_time(name)
        if base in self.defined or self.is_matrix(name) or self.is_number(name):
            return False
        own = base.partition("_")[0] in {"x", "X"} or name in self._arguments
        return time is not None or own or name in self._multiplied

    @cached_property
    def _arguments(self) -> set[str]:
        """Symbols that are all that a function is applied to."""
        applied = (node.argument for node in self._nodes if isinstance(node, Applied))
        return {argument.name for argument in applied if isinstance(argument, Symbol)}

    @cached_property
    def _multiplied(self) -> set[str]:
        found: set[str] = set()
        for one, other in self.products:
            found |= {n for n in (_name(one), _name(other)) if n and not self.is_matrix(n) and n not in self._vectors}
        return found | self._concatenated

    @cached_property
    def products(self) -> tuple[tuple[Node, Node], ...]:
        """Neighbouring factors of which one is a matrix and the other is not."""
        found = []
        for node in self._nodes:
            if isinstance(node, Product):
                found += [p for p in pairwise(node.factors) if self._is_weight(p[0]) != self._is_weight(p[1])]
        return tuple(found)

    def _is_weight(self, factor: Node) -> bool:
        name = _name(factor)
        return name is not None and self.is_matrix(name)

    @property
    def columns(self) -> bool:
        """Whether matrices stand before what they multiply, W x, more often than behind."""
        before = sum(self._is_weight(one) for one, _ in self.products)
        return before > len(self.products) - before


def _name(node: Node) -> str | None:
    """The symbol that a factor or term is, perhaps transposed or negated."""
    match node:
        case Symbol(name=name):
            return name
        case Transpose(of=of) | Negative(of=of):
            return _name(of)
    return None


def _is_used_in(whole: str, names: Sequence[str], claims: Sequence[Claim]) -> bool:
    """Whether the parts are quantities that equations define, so that the whole is one as well."""
    defined = {claim.left.name for claim in claims if isinstance(claim.left, Symbol)}
    return bool(defined & set(names)) or any(
        isinstance(claim.left, Symbol) and claim.left.name == whole and not isinstance(claim.right, Concatenation)
        for claim in claims
    )


def partitions(claims: Sequence[Claim]) -> dict[str, tuple[str, ...]]:
    """Parameters that are said to consist of others, W = [W_h, W_x]: the whole and its parts."""
    found: dict[str, tuple[str, ...]] = {}
    for claim in claims:
        match claim.left, claim.right:
            case Symbol(name=whole), Concatenation(parts=parts):
                names = tuple(part.name for part in parts if isinstance(part, Symbol))
                timeless = all(split_time(name)[1] is None and name[:1] == whole[:1] for name in (whole, *names))
                labelled = all("_" in name for name in names)
                if len(names) == len(parts) and timeless and labelled and not _is_used_in(whole, names, claims):
                    found.setdefault(whole, names)
    return found


def in_order(forward: Sequence[Forward]) -> tuple[Forward, ...]:
    """Forward equations with each behind those that it uses.

    Raises:
        NotesError: if equations use each other in a circle.
    """
    left = list(forward)
    ordered: list[Forward] = []
    while left:
        missing = {name for equation in left for name in equation.names}
        ready = [equation for equation in left if not _uses_now(equation.right) & missing]
        if not ready:
            raise NotesError(f"the equations of {', '.join(map(symbol_text, missing))} use each other in a circle")
        ordered += ready
        left = [equation for equation in left if equation not in ready]
    return tuple(ordered)


def _uses_now(node: Node) -> set[str]:
    """The quantities of this step that a formula uses."""
    times = (split_time(part.name) for part in walk(node) if isinstance(part, Symbol))
    return {base for base, time in times if time in {None, 0}}


def blocks(equations: Sequence[Forward], claims: Sequence[Claim]) -> dict[str, tuple[str, int]]:
    """Symbols of the blocks of a stacked quantity, a_i of a: the whole and the number of each, by its base.

    They are those of its symbols with a label that are used and nowhere defined, in the order in which a
    concatenation names them, or else that of their appearance.
    """
    roles = Roles(tuple(equations))
    labelled: dict[str, list[str]] = {}
    for name in roles.used:
        base, time = split_time(name)
        whole, _, label = base.rpartition("_")
        if whole in roles.defined and base not in roles.defined and label and time != -1:
            labelled.setdefault(whole, []).append(base)
    found: dict[str, tuple[str, int]] = {}
    for whole, names in labelled.items():
        distinct = list(dict.fromkeys(names))
        ordered = next((order for order in _orders(claims) if set(order) == set(distinct)), distinct)
        if len(ordered) > 1:
            found |= {base: (whole, number) for number, base in enumerate(ordered)}
    return found


def _orders(claims: Sequence[Claim]) -> Iterator[list[str]]:
    """The symbols of every concatenation, without their times."""
    for claim in claims:
        for node in (*walk(claim.left), *walk(claim.right)):
            if isinstance(node, Concatenation):
                yield [split_time(name)[0] for part in node.parts if (name := _name(part))]


def with_slices(equations: Sequence[Forward], slices: Mapping[str, tuple[str, int]]) -> tuple[Forward, ...]:
    """Forward equations with the symbols of blocks said as slices of the whole."""
    return tuple(replace(equation, right=_sliced(equation.right, slices)) for equation in equations)


def _sliced(node: Node, slices: Mapping[str, tuple[str, int]]) -> Node:
    if isinstance(node, Symbol) and (found := slices.get(split_time(node.name)[0])):
        whole, number = found
        return Slice(node.span, Symbol(node.span, whole), (number, whole), (number + 1, whole))
    return rebuilt(node, lambda child: _sliced(child, slices))
