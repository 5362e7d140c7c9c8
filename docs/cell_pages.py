"""A page on every cell, written from the cell: its equations, their derivation, its plan over time, the figure.

The pages are Markdown in ``docs/cells``, which is not kept: the build writes it anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import sympy
import yaml
from markupsafe import Markup
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from derive.calculus import vjp
from derive.cells import CELLS
from derive.index import Stack
from derive.page.display import display_name
from derive.page.picture import Picture, picture
from derive.page.rows import Row, row
from derive.page.steps import Derived, derivation, lines
from derive.plan.schedule import Schedule, schedule
from derive.printing import environment, replace_file
from derive.program import Array, Equation, Program
from derive.weights import KERAS, ONNX, TORCH

DOCS = Path(__file__).resolve().parent
_CITATION = re.compile(r"\(([^()]*?\d{4})")
_LIBRARIES = {"PyTorch": TORCH, "Keras": KERAS, "ONNX": ONNX}
_ROLES = {"sequence": "new at every step", "parameter": "the same at every step"}


@dataclass(frozen=True)
class Paper:
    cited: str
    title: str
    where: str
    link: str


@dataclass(frozen=True)
class Input:
    """An array that a cell is given: its symbol in LaTeX, its shape, and what it is."""

    symbol: Markup
    shape: str
    says: str


@dataclass(frozen=True)
class Phase:
    """What runs together before, in or after the loop over time."""

    title: str
    says: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class CellPage:
    """What the page of a cell shows.

    Attributes:
        tape: what the forward pass keeps for the backward pass, in LaTeX.
        kept: how many numbers that is for one step of one sequence, in LaTeX.
        libraries: those of which `derive.weights` converts parameters.
    """

    name: str
    says: str
    papers: tuple[Paper, ...]
    inputs: tuple[Input, ...]
    outputs: tuple[Markup, ...]
    picture: Picture | None
    forward: tuple[Row, ...]
    backward: tuple[Row, ...]
    phases: tuple[Phase, ...]
    tape: tuple[Markup, ...]
    kept: Markup
    libraries: tuple[str, ...]


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("config-inited", lambda app, _: write_pages(Path(app.srcdir) / "cells"))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(folder: Path) -> None:
    """Write the pages on all cells and the list of them; what is as it should be is left alone, for Sphinx's sake."""
    papers = yaml.safe_load((DOCS / "papers.yaml").read_text(encoding="utf-8"))
    pages = [cell_page(cell, papers) for cell in CELLS.values()]
    texts = {"index.md": _rendered("cells.md.jinja", pages=pages)}
    texts |= {f"{page.name}.md": _rendered("cell.md.jinja", page=page) for page in pages}
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            replace_file(path, text)


def _rendered(template: str, **context: Any) -> str:
    text = (DOCS / template).read_text(encoding="utf-8")
    return environment(autoescape=True).from_string(text).render(context)


def cell_page(cell: Program, papers: Mapping[str, Mapping[str, str]]) -> CellPage:
    """What the page of a cell shows.

    Args:
        papers: title, place and link of what cells' docstrings name as their sources.

    Raises:
        KeyError: if a source is not among them.
    """
    program, plan = vjp(cell), schedule(cell)
    forward, backward = derivation(program, display_name)
    anchors = {one.name: f"eq-{one.name}" for one in (*forward, *backward)}
    return CellPage(
        name=cell.name,
        says=cell.doc,
        papers=tuple(Paper(cited, **papers[cited]) for cited in _CITATION.findall(cell.doc)),
        inputs=tuple(_input(array) for array in cell.inputs),
        outputs=tuple(_symbol(cell.arrays[name]) for name in cell.outputs),
        picture=picture(program, links={name: f"#{anchor}" for name, anchor in anchors.items()}),
        forward=tuple(row(one, anchor=anchors[one.name]) for one in forward),
        backward=tuple(row(one, flow="gradients", anchor=anchors[one.name]) for one in backward),
        phases=tuple(_phases(plan)),
        tape=tuple(_symbol(array) for array in plan.tape),
        kept=_numbers(plan),
        libraries=tuple(library for library, cells in _LIBRARIES.items() if cell.name in cells),
    )


def _input(array: Array) -> Input:
    says = _ROLES.get(array.role) or f"a state: ${display_name(str(array.next))}$ of the step before"
    return Input(_symbol(array), str(array.tensor.shape), Markup(says))


def _symbol(array: Array) -> Markup:
    return Markup(display_name(array.name))


def _numbers(plan: Schedule) -> Markup:
    """How many numbers a step of one sequence leaves on the tape."""
    total = sum(reduce(lambda a, b: a * b, map(_length, array.sizes[1:]), sympy.Integer(1)) for array in plan.tape)
    return Markup(sympy.latex(sympy.expand(total)))


def _length(size: Any) -> sympy.Expr:
    return len(size.labels) * size.dim if isinstance(size, Stack) else size


def _phases(plan: Schedule) -> Iterable[Phase]:
    early, late = ({e.name for e in phase} for phase in (plan.hoisted, (*plan.loop, *plan.after)))
    both = early & late

    def begins(name: str, right: str) -> str:
        return rf"{right} + \ldots" if name in both else right

    def goes_on(name: str, right: str) -> str:
        return right if name not in both else rf"\ldots {right}" if right.startswith("-") else rf"\ldots + {right}"

    def phase(title: str, says: str, equations: Iterable[Equation], way: Callable[[str, str], str] = goes_on) -> Phase:
        return Phase(title, says, tuple(row(_derived(one, plan, way)) for one in equations))

    yield phase("Forward, before the loop", "For all steps at once: what waits for no state.", plan.hoisted, begins)
    yield phase("Forward, in the loop", "Step by step, from the first to the last.", plan.loop)
    yield phase("Forward, after the loop", "For all steps at once: what no state waits for.", plan.after)
    yield phase(
        "Backward, coefficients",
        "Local derivatives by the array in the index: from the tape alone, for many steps at once.",
        plan.coefficients,
    )
    yield phase("Backward, in the loop", "Step by step, from the last to the first.", plan.recurrence)
    yield phase(
        "Backward, after the loop",
        "For all steps at once: what no earlier step waits for. Those of parameters are summed over the steps.",
        plan.deferred,
    )


def _derived(equation: Equation, plan: Schedule, way: Callable[[str, str], str]) -> Derived:
    found = lines(equation.array, equation.value, plan, display_name)
    texts = tuple(f"{left} = {way(equation.name, right)}" for left, right in found)
    return Derived(equation.name, texts, str(equation.array.tensor.shape))
