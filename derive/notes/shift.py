"""Formulas one step earlier or later, and whether they speak of steps at all."""

from __future__ import annotations

from dataclasses import replace

from derive.errors import NotesError
from derive.notes.plain import plain
from derive.notes.syntax import Node, Symbol, rebuilt, split_time, walk


def has_time(node: Node) -> bool:
    """Whether a symbol of some step stands in a formula."""
    return any(isinstance(part, Symbol) and split_time(part.name)[1] is not None for part in walk(node))


def mentions_next(node: Node) -> bool:
    """Whether a symbol of step t + 1 stands in a formula."""
    return any(isinstance(part, Symbol) and split_time(part.name)[1] == 1 for part in walk(node))


def mentions_previous(node: Node) -> bool:
    """Whether a symbol of step t − 1 stands in a formula."""
    return any(isinstance(part, Symbol) and split_time(part.name)[1] == -1 for part in walk(node))


def one_step_earlier(node: Node) -> Node:
    """The formula with t for t + 1 and t − 1 for t.

    Raises:
        NotesError: if it mentions step t − 1 as well, which would be two steps back.
    """
    if isinstance(node, Symbol):
        base, time = split_time(node.name)
        if time == -1:
            raise NotesError(f"steps t − 1 and t + 1 stand together: {plain(node)}")
        return node if time is None else replace(node, name=f"{base}_{'t' if time == 1 else 't-1'}")
    return rebuilt(node, one_step_earlier)


def one_step_later(node: Node) -> Node:
    """The formula with t + 1 for t and t for t − 1."""
    if isinstance(node, Symbol):
        base, time = split_time(node.name)
        later = {-1: "t", 0: "t+1"}.get(time) if time is not None else None
        return replace(node, name=f"{base}_{later}") if later else node
    return rebuilt(node, one_step_later)
