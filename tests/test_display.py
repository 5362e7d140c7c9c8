"""Equations as a page sets them: fractions, roots, signs and words."""

from __future__ import annotations

import pytest

from derive.cell import Cell, absolute, dims, mean, parameter, sequence, sqrt, state, sum, tanh
from derive.cells import CELLS
from derive.page.display import display_name, display_style
from derive.page.mathml import mathml
from derive.plan.schedule import schedule
from derive.show import UNICODE, equation_text

N, H = dims("N H")


class Shapes(Cell):
    """One equation of each kind."""

    x = sequence(N, H)
    h_prev = state(N, H)
    w = parameter(H)

    centred = x - mean(x)
    root = x / sqrt(H)
    power = absolute(x) ** 2 / (2 * w)
    inverse = 1 / w
    product = (x + w) * sum(x * w) / (x - w)
    h = tanh(h_prev)
    outputs = ("h", "centred", "root", "power", "product")


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("centred", r"\mathrm{centred} = x - \frac{\sum_{h′} x}{H}"),
        ("root", r"\mathrm{root} = \frac{x}{\sqrt{H}}"),
        ("power", r"\mathrm{power} = \frac{\left| x \right|^{2}}{2\, w}"),
        ("inverse", r"\mathrm{inverse} = \frac{1}{w}"),
        ("product", r"\mathrm{product} = \frac{x \cdot w \odot (x + w)}{x - w}"),
    ],
)
def test_what_is_divided_is_a_fraction(name: str, latex: str) -> None:
    """Broken if an operation is set otherwise than it is meant, a bracket missing for one."""
    program = Shapes.program
    assert equation_text(program.definitions[name], program, display_style()) == latex


def test_words_are_upright() -> None:
    """Broken if tanh_c looks like a product of letters, or dh_prev like a word."""
    assert display_name("tanh_c") == r"\mathrm{tanh}_{c}"
    assert display_name("dh_prev") == "dh_{prev}"
    assert display_name("a", "i") == "a_{i}"


@pytest.mark.parametrize("cell", CELLS)
def test_every_equation_of_a_plan_is_drawn(cell: str) -> None:
    """Broken if an equation of a cell, or of its plan, comes out as source because there is no MathML for it."""
    plan = schedule(CELLS[cell])
    phases = (plan.hoisted, plan.loop, plan.after, plan.coefficients, plan.recurrence, plan.deferred)
    for equation in (one for phase in phases for one in phase):
        latex = equation_text(equation, plan, display_style())
        assert mathml(latex).startswith("<math"), latex
        if "/" not in equation_text(equation, plan, UNICODE):
            assert r"\frac" not in latex, "nothing is divided"
