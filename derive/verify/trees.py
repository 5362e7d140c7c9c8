"""Formulas changed in one place."""

from __future__ import annotations

from fractions import Fraction

from derive.notes.syntax import Negative, Node, Number, Product, Sum, rebuilt


def with_node(root: Node, old: Node, new: Node) -> Node:
    """A formula with one of its nodes replaced."""
    return new if root is old else rebuilt(root, lambda child: with_node(child, old, new))


def times(node: Node, *factors: Node) -> Node:
    """A product with more factors, entry by entry."""
    if isinstance(node, Product):
        return Product(node.span, (*node.factors, *factors), (*node.operators, *("⊙" for _ in factors)))
    return Product(node.span, (node, *factors), ("⊙",) * len(factors))


def plus(node: Node, term: Node) -> Node:
    return Sum(node.span, (*(node.terms if isinstance(node, Sum) else (node,)), term))


def one_minus(node: Node) -> Node:
    return Sum(node.span, (Number(node.span, Fraction(1)), Negative(node.span, node)))
