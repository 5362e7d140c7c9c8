"""Shapes that the writer states in a row of their own, above or below an equation."""

from __future__ import annotations

import re
from dataclasses import replace

from derive.errors import NotesError
from derive.notes.syntax import Claim, Node, Product, Shaped, SumOver

SHAPE_ROW = re.compile(r"\s*(?:\(\s*\d*[A-Z]\s*(?:,\s*(?:\d*[A-Z]|\d+)\s*)*,?\)\s*(?:\\q?quad\s*)?)+")
SHAPE = re.compile(r"\(([^()]*)\)")


def shape_of(text: str) -> tuple[str, ...]:
    """The sizes in a shape's brackets."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def with_shapes(claim: Claim, shapes: list[tuple[str, ...]]) -> Claim:
    """A row of shapes names the left side and then the factors on the right, in order."""
    body = claim.right.body if isinstance(claim.right, SumOver) else claim.right
    factors = body.factors if isinstance(body, Product) else (body,)
    if len(shapes) != 1 + len(factors):
        raise NotesError(f"{len(shapes)} shapes for the {1 + len(factors)} operands of {claim.text!r}")
    shaped = [Shaped(node.span, node, shape) for node, shape in zip((claim.left, *factors), shapes, strict=True)]
    inner: Node = replace(body, factors=tuple(shaped[1:])) if isinstance(body, Product) else shaped[1]
    right = replace(claim.right, body=inner) if isinstance(claim.right, SumOver) else inner
    return replace(claim, left=shaped[0], right=right)
