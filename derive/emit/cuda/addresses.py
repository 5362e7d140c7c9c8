"""Where an entry of an array lies in memory, as C++ text: ``W_h_[k * 4 * H + block * H + at_h]``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from derive.axis import Size
from derive.index import Index, Stack
from derive.matrix import Group
from derive.program import Array

Variables = Mapping[Group, str]
"""The C++ variable of an index, or of the two indices of a stacked axis together."""


def variable(index: Index) -> str:
    """The variable that holds an index: ``at_h``, ``at_h2`` for h′, ``at_block`` for block labels."""
    name = index.name.rstrip("′")
    primes = len(index.name) - len(name)
    return f"at_{'block' if name == 'γ' else name}{primes + 1 if primes else ''}"


def size_text(size: Size) -> str:
    """``H``, ``4 * H``."""
    return f"{len(size.labels)} * {size.dim}" if isinstance(size, Stack) else str(size)


def count_text(sizes: Iterable[Size | str]) -> str:
    """How many entries there are: ``D * 4 * H``."""
    return " * ".join(size if isinstance(size, str) else size_text(size) for size in sizes) or "1"


def entry(pointer: str, array: Array, groups: Sequence[Group], label: int | None, variables: Variables) -> str:
    """An entry of an array in memory.

    Args:
        groups: the indices at which it is read, one group per axis.
        label: the block, where the group of the stacked axis has no index for it.
    """
    terms = []
    for position, (group, size) in enumerate(zip(groups, array.sizes, strict=True)):
        stride = "".join(f" * {size_text(later)}" for later in array.sizes[position + 1 :])
        term = _term(group, size, label, variables)
        terms += [f"({term}){stride}" if stride and " + " in term else f"{term}{stride}"]
    return f"{pointer}_[{' + '.join(terms) or '0'}]"


def _term(group: Group, size: Size, label: int | None, variables: Variables) -> str:
    if group in variables:
        inner = variables[group]
    elif len(group) == 2:
        return _in_block(variables[group[:1]], str(group[1].dim), variables[group[1:]])
    else:
        raise AssertionError(f"no variable for {group}")
    if isinstance(size, Stack) and len(group) == 1:
        assert label is not None
        return _in_block(str(label), str(size.dim), inner)
    return inner


def _in_block(block: str, size: str, inner: str) -> str:
    """An entry of a block, counted from the first block on."""
    if block == "0":
        return inner
    return f"{size} + {inner}" if block == "1" else f"{block} * {size} + {inner}"


def unravel(indices: Sequence[Index], flat: str, sizes: Mapping[Index, str]) -> dict[Group, str]:
    """The indices of a point as expressions in its number: the last one runs fastest."""
    found: dict[Group, str] = {}
    faster: list[str] = []
    for index in reversed(indices):
        text = flat
        if faster:
            text += f" / ({' * '.join(faster)})" if len(faster) > 1 else f" / {faster[0]}"
        if index is not indices[0]:
            text += f" % {sizes[index]}"
        found[(index,)] = text
        faster.append(sizes[index])
    return dict(reversed(found.items()))
