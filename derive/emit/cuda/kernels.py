"""A stage as a kernel: its sums as products of tiles, as totals or as loops, its equations as C++ statements."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate
from textwrap import wrap

from sympy import Mul

from derive.emit.cuda.addresses import entry, unravel, variable
from derive.emit.cuda.contractions import BLOCK, DEPTH, Fetch, Product, operand, product, sum_text
from derive.emit.cuda.expressions import scalar
from derive.emit.cuda.memory import Located, Place
from derive.emit.cuda.names import spelled
from derive.emit.cuda.order import ENDED, SOURCE, Ends, ended_text, source_place
from derive.emit.cuda.phases import Phase
from derive.emit.cuda.tiles import Tile, tile_for
from derive.emit.layout import Block
from derive.index import Entry, Index, Max, Stack
from derive.matrix import Form, Group, matrix_form
from derive.plan.products import operands
from derive.plan.rotation import AFTER
from derive.plan.stages import Stage
from derive.plan.sums import PARTS, Sum, block_index
from derive.program import Array, Equation

Comments = Mapping[str, tuple[str, ...]]
"""What stands over the statements of an equation, or over that of one of its blocks (``J_a_i``)."""

LAST_STEP = "last_step"
WIDTH = 104


@dataclass(frozen=True)
class Total:
    """A sum over many rows by a column of threads: the lines that return its term, of variables ``k`` and ``block``."""

    name: str
    comment: str
    groups: int
    term: tuple[str, ...]
    depth: str


@dataclass(frozen=True)
class Kernel:
    """What the template prints for a stage, and what the host has to know to launch it.

    Attributes:
        kind: ``tiled``, ``sliced``, ``totals`` or ``pointwise``.
        parameters: the lines of the parameter list.
        codes: their types, as ``struct`` spells them.
        pointers: the places whose addresses are the first arguments.
        sizes: the other arguments, as the kernel names them.
        extent: how many points there are: rows and columns of a kernel with products, else all together.
        at: statements that find the point of a thread.
        inside: the condition that there is such a point.
        ahead: statements of what is known before the sums are; only of a sliced kernel.
    """

    name: str
    kind: str
    parameters: tuple[str, ...]
    codes: str
    pointers: tuple[Place, ...]
    sizes: tuple[str, ...]
    extent: tuple[str, ...]
    in_parts: bool
    tile: Tile | None
    products: tuple[Product, ...]
    totals: tuple[Total, ...]
    at: tuple[str, ...]
    inside: str
    ahead: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def formed(self) -> tuple[Product, ...]:
        """The products by the sums that they form: of those that are added up the first."""
        return tuple(one for one in self.products if not one.added)


def kernel(name: str, stage: Stage, phase: Phase, memory: Located, comments: Comments) -> Kernel:
    """The kernel of a stage."""
    return _Builder(name, stage, phase, memory, comments).build()


@dataclass
class _Builder:
    name: str
    stage: Stage
    phase: Phase
    memory: Located
    comments: Comments
    places: dict[str, Place] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    loads: dict[str, str] = field(default_factory=dict)
    local: set[str] = field(default_factory=set)

    def build(self) -> Kernel:
        arrays = self.memory
        self.ends = Ends(self.phase)
        found = {one.name: operands(one) for one in self.stage.sums}
        self.tiled = {name for name, split in found.items() if split is not None}
        products = [
            product(part, split, self._bound(part), arrays, self._fetcher(part), added=position > 0)
            for one in self.stage.sums
            for position, part in enumerate(one.all)
            if (split := operands(part)) is not None
        ]
        sums = [one.groups for one in products if not one.added]
        tile = tile_for(sums, self.phase.every_step) if products else None
        self.kind = "totals" if self.stage.parts else "pointwise"
        if tile is not None:
            self.kind = "sliced" if tile.sliced else "tiled"
        firsts = accumulate((0 if one.added else one.groups for one in products), initial=0)
        products = [replace(one, first=first) for one, first in zip(products, firsts, strict=False)]
        self.variables: dict[Group, str] = {(index,): variable(index) for index in self.stage.domain}
        totals = [self._total(one) for one in self.stage.sums] if self.kind == "totals" else []
        self.totalled = {one.name for one in totals}
        blocks = tuple(block for block in self._blocks() if block.lines)
        at, inside, extent = self._point()
        sizes = tuple(self._sizes([*at, inside, *_texts(blocks, products, totals), *self.loads.values()]))
        parameters = self._parameters(sizes)
        return Kernel(
            name=self.name,
            kind=self.kind,
            parameters=lines(parameters),
            codes="P" * len(self.places) + "".join("i" if size == LAST_STEP else "q" for size in sizes),
            pointers=tuple(self.places.values()),
            sizes=sizes,
            extent=extent,
            in_parts=self.stage.parts,
            tile=tile,
            products=tuple(products),
            totals=tuple(totals),
            at=at,
            inside=inside,
            ahead=tuple(self._ahead()),
            blocks=blocks,
        )

    # -- the point of a thread -----------------------------------------------------------------------------------

    def _size(self, index: Index) -> str:
        """How far an index runs; all steps of all sequences are rows of one long batch."""
        is_batch = str(index.dim) == self.memory.batch
        return "rows" if is_batch and not self.phase.every_step else str(index.dim)

    def _bound(self, one: Sum) -> str:
        """How many terms a sum has."""
        return self._if_any(one, " * ".join(self._size(index) for index in one.over))

    def _if_any(self, one: Sum, bound: str) -> str:
        """A bound, or 0: there are no terms of step t + 1 at the last step, and none where a factor is missing."""
        missing = dict.fromkeys(self.memory.place(name).pointer for name in self._factors(one))
        if not missing:
            return f"{LAST_STEP} ? 0 : {bound}" if one.name.endswith(AFTER) else bound
        conditions = [*(f"{pointer}_" for pointer in missing), *([f"!{LAST_STEP}"] if one.name.endswith(AFTER) else [])]
        return f"{' && '.join(conditions)} ? {bound} : 0"

    def _factors(self, one: Sum) -> list[str]:
        """The arrays that may be missing and are factors of all terms."""
        factors = [factor.name for factor in Mul.make_args(one.body) if isinstance(factor, Entry)]
        return sorted(name for name in factors if self.memory.place(name).optional)

    def _point(self) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
        """(statements that find it, the condition that it is one, how many there are)."""
        domain = self.stage.domain
        sizes = {index: self._size(index) for index in domain}
        if self.tiled:
            row, column = domain
            places = f"{variable(row)} = Tile::row(rank, own_row), {variable(column)} = Tile::column(rank, own_column)"
            here = f"const Index {places};"
            inside = f"{variable(row)} < {sizes[row]} && {variable(column)} < {sizes[column]}"
            return (here,), inside, (sizes[row], sizes[column])
        count = " * ".join(sizes.values()) or "1"
        flat = unravel(domain, "at", sizes)
        at = tuple(f"const Index {variable(group[0])} = {text};" for group, text in flat.items())
        return at, f"at < {count}", (count,)

    # -- sums ------------------------------------------------------------------------------------------------------

    def _total(self, one: Sum) -> Total:
        block = block_index(one.array)
        variables = {**self.variables, **self._unravelled(one)}
        if block is not None:
            variables[(block,)] = BLOCK
        term = operand(one.body, variables, self.memory, self._fetcher(one))
        comment = sum_text(one, self.memory)
        lines = wrap(f"return {term};", WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        return Total(one.name, comment, int(block.dim) if block is not None else 1, tuple(lines), self._bound(one))

    def _loop(self, one: Sum) -> Iterator[str]:
        """A sum as a loop of one thread; of a sum in parts, over one part."""
        variables = dict(self.variables)
        if PARTS in one.array.sizes:
            variables |= self._unravelled(one)
            part = f"Part({self._bound(one)}, parts)"
            heads = [f"for (Index {DEPTH} = {part}.begin; {DEPTH} < {part}.end; ++{DEPTH})"]
        else:
            variables |= {(index,): variable(index) for index in one.over}
            heads = [self._loop_head(one, index) for index in one.over]
        block = block_index(one.array)
        for suffix, label in _blocks_of(one.array):
            here = {**variables, (block,): str(label)} if block is not None else variables
            name, term = f"{one.name}{suffix}", operand(one.body, here, self.memory, self._fetcher(one))
            start, step = ("-INFINITY", f"= larger({name}, {term})") if one.kind is Max else ("0", f"+= {term}")
            yield f"Real {name} = {start};"
            yield from (f"{'    ' * depth}{head}" for depth, head in enumerate(heads))
            yield f"{'    ' * len(heads)}{name} {step};"

    def _loop_head(self, one: Sum, index: Index) -> str:
        at, bound = variable(index), self._size(index)
        if index == one.over[0] and (some := self._if_any(one, bound)) != bound:
            bound = f"({some})"
        return f"for (Index {at} = 0; {at} < {bound}; ++{at})"

    def _unravelled(self, one: Sum) -> dict[Group, str]:
        """The summed indices as expressions in one number, ``k``."""
        flat = unravel(one.over, DEPTH, {index: self._size(index) for index in one.over})
        return {group: text if text == DEPTH else f"({text})" for group, text in flat.items()}

    # -- statements ------------------------------------------------------------------------------------------------

    def _blocks(self) -> Iterator[Block]:
        apart = [one for one in self.stage.sums if self._ready(one.name, None) is None]
        loops = [line for one in apart for line in self._loop(one)]
        self.local = {one.name for one in self.stage.sums}
        statements = [block for one in self.stage.equations for block in self._equation(one)]
        stored = [line for one in self.stage.sums if PARTS in one.array.sizes for line in self._store_sum(one)]
        if self.kind != "sliced":
            yield Block((), tuple(self._ahead()))
        yield Block((), tuple(loops))
        yield from statements
        yield Block((), tuple(stored))

    def _ahead(self) -> Iterator[str]:
        """Statements of what is known before the sums are; in a sliced kernel threads without a point run them too."""
        sliced = self.kind == "sliced"
        if SOURCE in self.places:
            yield f"const bool {ENDED} = {'inside && ' if sliced else ''}{ended_text(self.stage.domain[0])};"
        for name, text in self.loads.items():
            yield f"const Real {name} = {f'inside ? {text} : Real(0)' if sliced else text};"

    def _equation(self, equation: Equation) -> Iterator[Block]:
        """The statements of an equation under its comments, block by block where it is stacked."""
        name, form = equation.name, matrix_form(equation, self.memory)
        stored = name in self.memory.in_memory
        self.local.add(name)
        head = self.comments.get(name, ())
        for suffix, label in _blocks_of(equation.array):
            part = form.args[label] if form.op == "stack" and label is not None else form
            text = scalar(part, partial(self._name, label))
            own = self.comments.get(f"{name}{suffix}", ()) if suffix else ()
            value = spelled(f"{name}{suffix}")
            lines = [f"const Real {value} = {text};"]
            if stored:
                lines.append(self._store(equation.array, label, value))
            yield Block((*head, *own), tuple(lines))
            head = ()

    def _store(self, array: Array, label: int | None, value: str) -> str:
        groups = tuple(axis.indices[-1:] for axis in array.axes)
        place = self._at(array.name, groups, label, self.variables, write=True)
        previous = self.ends.kept_from(array.name)
        if previous:
            value = f"{self._ended(array)} ? {self._at(previous, groups, None, self.variables)} : {value}"
        unless = f"if (!{self._ended(array)}) " if self.ends.stays(array.name) else ""
        return f"{unless}{place} = {value};"

    def _ended(self, array: Array) -> str:
        """The variable that says whether the sequence of this point has ended."""
        self.places.setdefault(SOURCE, source_place(array.indices[0]))
        return ENDED

    def _name(self, label: int | None, leaf: Form) -> str:
        """The variable of an entry: a sum, an earlier equation's value, or what is loaded for it."""
        name, array = str(leaf.value), self.memory.arrays[str(leaf.value)]
        own = array.labels.index(leaf.label) if leaf.label else label if _has_block(leaf, array) else None
        suffix = f"_{array.labels[own]}" if own is not None else ""
        if ready := self._ready(name, own):
            return ready
        if name in self.local:
            return spelled(f"{name}{suffix}")
        groups = tuple(group[-1:] for group in leaf.groups)
        text = self._fetched(name, groups, own, self.variables)
        if self.ends.is_absent(name):
            text = f"({self._ended(array)} ? Real(0) : {text})"
        return self._loaded(f"{name}{suffix}", text)

    def _ready(self, name: str, block: int | None) -> str | None:
        """This thread's entry of a sum that all threads of its block have formed together."""
        if name in self.tiled and self.kind == "tiled":
            return f"{name}[{block or 0}][own_row][own_column]"
        return f"{name}[{block or 0}]" if name in self.tiled | self.totalled else None

    def _loaded(self, name: str, text: str) -> str:
        """The variable that an entry in memory is loaded to; of an array that is read transposed too, a second one."""
        while self.loads.setdefault(spelled(name), text) != text:
            name += "_2"
        return spelled(name)

    def _store_sum(self, one: Sum) -> Iterator[str]:
        part = next(index for index in one.array.indices if index.dim == PARTS)
        variables = {**self.variables, (part,): variable(part)}
        groups = tuple(axis.indices[-1:] for axis in one.array.axes)
        for suffix, label in _blocks_of(one.array):
            value = self._ready(one.name, label) or f"{one.name}{suffix}"
            yield f"{self._at(one.name, groups, label, variables, write=True)} = {value};"

    # -- memory ----------------------------------------------------------------------------------------------------

    def _fetcher(self, one: Sum) -> Fetch:
        """Spells the entries in a sum's terms, which are none where a factor is missing."""
        return partial(self._fetch, self._factors(one))

    def _fetch(self, there: Container[str], leaf: Form, variables: Mapping[Group, str]) -> str:
        name, array = str(leaf.value), self.memory.arrays[str(leaf.value)]
        label = array.labels.index(leaf.label) if leaf.label else None
        fetched = self._at if name in there else self._fetched
        return fetched(name, leaf.groups, label, variables)

    def _fetched(self, name: str, groups: tuple[Group, ...], label: int | None, variables: Mapping[Group, str]) -> str:
        """An entry in memory, zero where the array is missing."""
        text = self._at(name, groups, label, variables)
        place = self.memory.place(name)
        return f"({place.pointer}_ ? {text} : Real(0))" if place.optional else text

    def _at(
        self,
        name: str,
        groups: tuple[Group, ...],
        label: int | None,
        variables: Mapping[Group, str],
        write: bool = False,
    ) -> str:
        """An entry in memory; the kernel gets a pointer to it."""
        place = self.memory.place(name)
        self.places.setdefault(place.pointer, place)
        if write:
            self.written.add(place.pointer)
        return entry(place.pointer, place.array, groups, place.block if label is None else label, variables)

    def _parameters(self, sizes: tuple[str, ...]) -> list[str]:
        pointers = [
            f"{'' if name in self.written else 'const '}{place.number} *{name}_" for name, place in self.places.items()
        ]
        return pointers + [f"int {size}" if size == LAST_STEP else f"Index {size}" for size in sizes]

    def _sizes(self, texts: list[str]) -> Iterator[str]:
        """The sizes that the kernel's text mentions, in the order of the cell's dimensions."""
        used = {word for text in texts for word in re.findall(r"[^\W\d]\w*", text)}
        known = [*self.memory.dims, "rows", str(PARTS), LAST_STEP]
        yield from (size for size in known if size in used or (size == str(PARTS) and self.stage.parts))


def lines(items: Iterable[str]) -> tuple[str, ...]:
    """Items with commas between them as lines of a page; an item is never broken."""
    whole = ", ".join(item.replace(" ", "\0") for item in items)
    return tuple(line.replace("\0", " ") for line in wrap(whole, WIDTH, break_long_words=False, break_on_hyphens=False))


def _texts(blocks: tuple[Block, ...], products: list[Product], totals: list[Total]) -> list[str]:
    return [
        *(line for block in blocks for line in block.lines),
        *(text for one in products for text in (one.left, one.right, one.depth)),
        *(text for one in totals for text in (*one.term, one.depth)),
    ]


def _blocks_of(array: Array) -> list[tuple[str, int | None]]:
    """(suffix of the name, number) of every block, or of the array as a whole."""
    return [(f"_{label}", k) for k, label in enumerate(array.labels)] or [("", None)]


def _has_block(leaf: Form, array: Array) -> bool:
    return any(
        len(group) == 2 and isinstance(size, Stack) for group, size in zip(leaf.groups, array.sizes, strict=True)
    )
