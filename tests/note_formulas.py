"""Formulas of notes as trees, with their own printer and evaluation, all independent of derive.

They are typed in as Python: ``dz = (U.T @ da) * r`` is what a document prints as
``\\delta z_t = (U^\\top \\delta a_t) \\odot r_t``.
Names ending in _p and _n are those of the step before and the next one, dX is the cotangent of X.

    ("sym", name, differential?)   ("num", k)      ("fn", name, a)     ("pow", a, k)     ("T", a)      ("diag", a)
    ("mul", (a, b, …), operators)  ("add", (a, b, …), signs)           ("cat", parts)   ("sum_n", a)  ("sum_t", a)
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

Formula = tuple[Any, ...]
Claim = tuple[Formula, Formula]

FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sig": torch.sigmoid,
    "tanh": torch.tanh,
    "dsig": lambda x: torch.sigmoid(x) * (1 - torch.sigmoid(x)),
    "dtanh": lambda x: 1 - torch.tanh(x) ** 2,
}
_SUMS = ("sum_n", "sum_t", "sum_k")  # over the batch, over time, and over the batch with another letter
_WRAPPERS = {"diag", *_SUMS}


def parse(text: str) -> Claim:
    """A claim typed in as Python."""
    (statement,) = ast.parse(text).body
    assert isinstance(statement, ast.Assign)
    (left,) = statement.targets
    return _formula(left), _formula(statement.value)


def _formula(node: ast.expr) -> Formula:
    match node:
        case ast.Name(id=name):
            differential = name[:1] == "d" and len(name) > 1
            return ("sym", name[1:] if differential else name, differential)
        case ast.Constant(value=int(number)):
            return ("num", number)
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return (name, _formula(argument)) if name in _WRAPPERS else ("fn", name, _formula(argument))
        case ast.List(elts=parts):
            return ("cat", tuple(_formula(part) for part in parts))
        case ast.Attribute(value=inner, attr="T"):
            return ("T", _formula(inner))
        case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=exponent)):
            return ("pow", _formula(base), exponent)
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            terms = list(_terms(node))
            return ("add", tuple(term for term, _ in terms), tuple(sign for _, sign in terms))
        case ast.BinOp(op=ast.Mult() | ast.MatMult() as op):
            factors = tuple(_factors(node, type(op)))
            return ("mul", factors, ("⊙" if isinstance(op, ast.Mult) else " ",) * (len(factors) - 1))
    raise ValueError(ast.dump(node))


def _terms(node: ast.expr) -> Iterator[tuple[Formula, str]]:
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            yield from _terms(left)
            yield _formula(right), "+" if isinstance(op, ast.Add) else "-"
        case _:
            yield _formula(node), "+"


def _factors(node: ast.expr, op: type[ast.operator]) -> Iterator[Formula]:
    match node:
        case ast.BinOp(left=left, op=found, right=right) if isinstance(found, op):
            yield from _factors(left, op)
            yield _formula(right)
        case _:
            yield _formula(node)


def parts(formula: Formula) -> tuple[Formula, ...]:
    """The formulas directly below."""
    if formula[0] in {"mul", "add", "cat"}:
        return tuple(formula[1])
    return tuple(part for part in formula[1:] if isinstance(part, tuple))


def symbols(formula: Formula) -> Iterator[Formula]:
    if formula[0] == "sym":
        yield formula
    for part in parts(formula):
        yield from symbols(part)


# -- printing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spelling:
    """How a document writes its symbols.

    Attributes:
        symbols: templates of the names, with @ for the step.
        special: names, dX among them, that are spelled in their own way.
        cotangent: the template of a cotangent, with @ for what it is of.
        steps: how this step, the one before and the next one are written.
    """

    symbols: Mapping[str, str]
    cotangent: str
    special: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[str, str, str] = ("t", "{t-1}", "{t+1}")
    entrywise: str = r"\odot"
    product: str = " "
    transpose: str = r"^\top"
    sigmoid: str = r"\sigma"
    over_batch: str = r"\sum_n"
    over_time: str = r"\sum_t"

    def symbol(self, name: str, differential: bool) -> str:
        spelled = self.special.get(f"d{name}" if differential else name)
        if spelled is not None:
            return spelled
        if differential:
            return self.cotangent.replace("@", self.symbol(name, False))
        base, step = (name[:-2], name[-1]) if name.endswith(("_p", "_n")) else (name, "t")
        return self.symbols[base].replace("@", self.steps["tpn".index(step)])

    def claim(self, claim: Claim) -> str:
        return f"{self.latex(claim[0])} = {self.latex(claim[1])}"

    def latex(self, formula: Formula) -> str:
        match formula:
            case "sym", name, differential:
                return self.symbol(name, differential)
            case "num", number:
                return str(number)
            case "fn", name, argument:
                return f"{self._function(name)}({self.latex(argument)})"
            case "pow", ("fn", ("sig" | "tanh") as name, argument), exponent:
                return f"{self._function(name)}^{exponent}({self.latex(argument)})"
            case "pow", base, exponent:
                return f"{self._atom(base)}^{exponent}"
            case "T", inner:
                return f"{self._atom(inner)}{self.transpose}"
            case "diag", inner:
                return rf"\operatorname{{diag}}({self.latex(inner)})"
            case ("sum_n" | "sum_t" | "sum_k") as kind, body:
                inner = self.latex(body) if body[0] == "mul" else self._factor(body)
                sign = {"sum_n": self.over_batch, "sum_t": self.over_time, "sum_k": r"\sum_k"}[kind]
                return f"{sign} {inner}"
            case "cat", stacked:
                return f"[{', '.join(map(self.latex, stacked))}]"
            case "mul", factors, operators:
                signs = {"⊙": f" {self.entrywise} ", "·": r" \cdot ", " ": f"{self.product} ".replace("  ", " ")}
                pairs = zip(operators, factors[1:], strict=True)
                return self._factor(factors[0]) + "".join(signs[sign] + self._factor(factor) for sign, factor in pairs)
            case "add", terms, signs:
                text = "".join(f" {sign} {self._term(term)}" for sign, term in zip(signs, terms, strict=True))
                return text.removeprefix(" + ").strip()
        raise ValueError(formula)

    def _function(self, name: str) -> str:
        prime = "'" if name.startswith("d") else ""
        return (self.sigmoid if name.endswith("sig") else r"\tanh") + prime

    def _atom(self, formula: Formula) -> str:
        text = self.latex(formula)
        simple = formula[0] == "sym" and not any(mark in text for mark in ("^", r"\frac", r"\nabla"))
        return text if simple or formula[0] in {"num", "cat"} else f"({text})"

    def _factor(self, formula: Formula) -> str:
        text = self.latex(formula)
        bracketed = formula[0] in {"add", "mul", *_SUMS} or (formula[0] == "sym" and r"\nabla" in text)
        return f"({text})" if bracketed else text

    def _term(self, formula: Formula) -> str:
        text = self.latex(formula)
        return f"({text})" if formula[0] in {"add", *_SUMS} else text


# -- what a formula can mean ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """The numbers of one run.

    Attributes:
        parameters: parameters and their cotangents.
        values: every other quantity at every step, and its cotangent there.
        last: the number of steps of the loss; sums over time go from 1 to it.
        batch: the length of the batch, if there is one.
        columns: whether vectors are columns.
        star: whether the sign of an entrywise product is one of matrices too, by the shapes beside it.
    """

    parameters: Mapping[tuple[str, bool], torch.Tensor]
    values: Mapping[tuple[str, bool], Mapping[int, torch.Tensor]]
    last: int
    batch: int | None
    columns: bool
    star: bool = False

    def symbol(self, name: str, differential: bool, t: int) -> torch.Tensor | None:
        base, step = (name[:-2], {"p": -1, "n": 1}[name[-1]]) if name.endswith(("_p", "_n")) else (name, 0)
        if (name, differential) in self.parameters:
            return self.parameters[name, differential]
        return self.values.get((base, differential), {}).get(t + step)

    def meanings(self, formula: Formula, t: int) -> list[torch.Tensor]:
        """Every array that the formula can mean; none if its shapes fit in no way, or it names nothing."""
        match formula:
            case "sym", name, differential:
                value = self.symbol(name, differential, t)
                return [] if value is None else [value]
            case "num", number:
                return [torch.tensor(float(number), dtype=torch.float64)]
            case "fn", name, argument:
                return [FUNCTIONS[name](one) for one in self.meanings(argument, t)]
            case "pow", base, exponent:
                return [one**exponent for one in self.meanings(base, t)]
            case "T", inner:
                return [one.T if one.ndim == 2 else one for one in self.meanings(inner, t)]
            case "diag", inner:
                return [torch.diag(one.reshape(-1)) for one in self.meanings(inner, t) if 1 in one.shape]
            case (("sum_n" | "sum_k"), body):
                return [s for one in self.meanings(body, t) if (s := self._over_batch(one)) is not None]
            case "sum_t", body:
                steps = [self.meanings(body, k) for k in range(1, self.last + 1)]
                return [torch.stack(ways).sum(0) for ways in zip(*steps, strict=True)]
            case "cat", stacked:
                return self._stacked([self.meanings(part, t) for part in stacked])
            case "mul", factors, operators:
                found = self.meanings(factors[0], t)
                for sign, factor in zip(operators, factors[1:], strict=True):
                    right = self.meanings(factor, t)
                    ways = [entrywise] if sign == "⊙" and not self.star else [entrywise, matrix_product]
                    products = [way(one, other) for one in found for other in right for way in ways]
                    found = [one for one in products if one is not None]
                return found
            case "add", terms, signs:
                found = [torch.zeros((), dtype=torch.float64)]
                for sign, term in zip(signs, terms, strict=True):
                    right = [one if sign == "+" else -one for one in self.meanings(term, t)]
                    found = [one + other for one in found for other in right if fits(one, other)]
                return found
        raise ValueError(formula)

    def _over_batch(self, one: torch.Tensor) -> torch.Tensor | None:
        if self.batch is None or self.batch not in one.shape or one.ndim != 2:
            return None
        return one.sum(list(one.shape).index(self.batch), keepdim=self.columns)

    def _stacked(self, ways: list[list[torch.Tensor]]) -> list[torch.Tensor]:
        if not all(ways):
            return []
        axis = 0 if self.columns else -1
        try:
            return [torch.cat([way[0] for way in ways], axis)]
        except RuntimeError:
            return []


def fits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether an entrywise operation is meant: equal shapes, a number, or a bias for every row or column."""
    if one.shape == other.shape or 0 in {one.ndim, other.ndim}:
        return True
    low, high = sorted((one, other), key=lambda array: (array.ndim, array.numel()))
    return low.ndim == 1 and low.shape[0] == high.shape[-1]


def entrywise(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor | None:
    return one * other if fits(one, other) else None


def matrix_product(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor | None:
    return one @ other if one.ndim == other.ndim == 2 and one.shape[1] == other.shape[0] else None
