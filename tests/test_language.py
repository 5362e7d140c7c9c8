"""The language: what a wrong cell is told, and what the LSTM's equations say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sympy import Integer

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state, tanh
from derive.cells import CELLS
from derive.errors import CellError
from derive.index import Entry, Index, Sigma
from derive.program import Array, Equation, Program, tidy
from derive.show import UNICODE, equation_text

N, D, H = dims("N D H")
gates = stack("igfo", H)
n, d, h = Index("n", N), Index("d", D), Index("h", H)

LANGUAGE: dict[str, Any] = {one.__name__: one for one in (Cell, parameter, sequence, state)}
LANGUAGE |= {"tanh": tanh, "N": N, "D": D, "H": H, "gates": gates}
PRELUDE = """
class Broken(Cell):
    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, H)
    U = parameter(D, gates)
    b = parameter(H)
"""

# What is written in the body, and what the error must name beside the cell: the equation and the thing.
WRONG_BODIES = {
    "unknown symbol": ("h = tanh(x @ W + q)\noutputs = 'h'", ["equation h", "unknown symbol 'q'"]),
    "unknown function": ("h = softplus(x @ W)\noutputs = 'h'", ["equation h", "unknown symbol 'softplus'"]),
    "array used like a function": ("h = b(x @ W)\noutputs = 'h'", ["equation h", "like a function", "sigmoid, tanh"]),
    "used before it is defined": (
        "h = x @ W + later\nlater = x @ W\noutputs = 'h'",
        ["equation h", "later is used before it is defined"],
    ),
    "used in its own equation": ("h = x @ W + h\noutputs = 'h'", ["equation h", "h is used before it is defined"]),
    "index with two dims in a product": ("h = x @ x\noutputs = 'h'", ["equation h", "(N, D)", "over D", "over N"]),
    "index with two dims in a sum": ("h = x + h_prev\noutputs = 'h'", ["equation h", "over H", "over D"]),
    "index with two dims, transposed": ("h = x @ W.T\noutputs = 'h'", ["equation h", "(H, D)", "over D", "over H"]),
    "stack where a block is due": ("h = x @ U + b\noutputs = 'h'", ["equation h", "over H", "over 4H"]),
    "product with a number": ("h = x @ 3\noutputs = 'h'", ["equation h", "over D", "nothing"]),
    "a name twice": ("h = x @ W\nh = h_prev\noutputs = 'h'", ["equation h", "h is defined twice"]),
    "an input's name again": ("x = h_prev\nh = x\noutputs = 'h'", ["equation x", "x is defined twice"]),
    "output never defined": ("h = x @ W\noutputs = 'y'", ["output 'y'", "never defined"]),
    "one output of two never defined": ("h = x @ W\noutputs = ('h', 'y')", ["output 'y'", "never defined"]),
    "outputs without quotes": ("h = x @ W\noutputs = (h,)", ["outputs", "names in quotes"]),
    "float constant": ("h = 0.5 * (x @ W)\noutputs = 'h'", ["equation h", "float 0.5"]),
    "float added": ("h = x @ W + 1e-8\noutputs = 'h'", ["equation h", "float 1e-08"]),
    "float exponent": ("h = (x @ W) ** 0.5\noutputs = 'h'", ["equation h", "exponent 0.5"]),
    "array exponent": ("h = (x @ W) ** b\noutputs = 'h'", ["equation h", "exponent"]),
    "a string in a formula": ("h = x @ W + 'b'\noutputs = 'h'", ["equation h", "'b'"]),
    "division by zero": ("h = (x @ W) / 0\noutputs = 'h'", ["equation h", "division by zero"]),
    "unknown block": ("h = (x @ U).q\noutputs = 'h'", ["equation h", "(N, 4H)", "block 'q'"]),
    "block of a plain axis": ("h = (x @ W).i\noutputs = 'h'", ["equation h", "(N, H)", "block 'i'"]),
    "state without next value": ("y = x @ W\noutputs = 'y'", ["state h_prev", "no next value", "'h'"]),
    "state of other shape": ("h = x\noutputs = 'h'", ["state h_prev", "(N, H)", "(N, D)"]),
    "state whose next value is stacked": ("h = x @ U\noutputs = 'h'", ["state h_prev", "(N, H)", "(N, 4H)"]),
    "state not named after anything": ("s = state(N, H)\nh = s\noutputs = 'h'", ["state 's'", "_prev"]),
    "size that is a number": ("y = parameter(4)\nh = h_prev\noutputs = 'h'", ["size 4", "of y", "dims"]),
    "size that is a name": ("y = parameter('H')\nh = h_prev\noutputs = 'h'", ["size 'H'", "of y", "dims"]),
    "neither formula nor declaration": ("h = 3\noutputs = 'h'", ["equation h", "int"]),
    "a method": ("def h(self): pass\noutputs = 'h'", ["equation h", "function"]),
}


def declare(body: str) -> type[Cell]:
    """The class with such a body, as a reader of a cell file would get it."""
    scope: dict[str, Any] = {**LANGUAGE}
    exec(PRELUDE + "".join(f"    {line}\n" for line in body.splitlines()), scope)
    return scope["Broken"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("case", WRONG_BODIES)
def test_wrong_cell_names_cell_equation_and_thing(case: str) -> None:
    """Without this, somebody who mistypes a cell gets a traceback from SymPy, or a wrong program."""
    body, named = WRONG_BODIES[case]
    with pytest.raises(CellError) as caught:
        declare(body)
    message = str(caught.value)
    assert message.startswith("cell broken")
    assert [thing for thing in named if thing not in message] == []


def test_right_cell_is_accepted() -> None:
    """The bodies above must fail for what is wrong in them, not for the prelude."""
    program = declare("h = tanh(x @ W + b) * h_prev\noutputs = 'h'").program
    assert [equation.name for equation in program.equations] == ["h"]


def test_formula_has_no_truth_value() -> None:
    """`x and y` would silently be y."""
    with pytest.raises(CellError, match="truth value"):
        declare("h = x @ W and b\noutputs = 'h'")


@pytest.mark.parametrize("labels", ["ii", "", "iT", "i g"])
def test_stack_needs_different_letters(labels: str) -> None:
    """Two blocks under one letter would make a.i ambiguous, and a.T is the transpose."""
    with pytest.raises(CellError, match="blocks are named by different letters"):
        stack(labels, H)


X = Array("x", (N, D), "sequence")
Y = Array("y", (N,))


def program(*equations: Equation, inputs: tuple[Array, ...] = (X,), outputs: tuple[str, ...] = ("y",)) -> Program:
    return Program("direct", inputs, equations, outputs)


def y_is(value: Any, array: Array = Y) -> Equation:
    return Equation(array, value)


WRONG_PROGRAMS: dict[str, tuple[Callable[[], Program], str]] = {
    "keyword": (
        lambda: program(y_is(Integer(1), Array("class", (N,)))),
        "equation class: .*'class' is a Python keyword",
    ),
    "no identifier": (
        lambda: program(y_is(Integer(1), Array("y-1", (N,)))),
        "equation y-1: .*'y-1' is not an identifier",
    ),
    "empty name": (lambda: program(y_is(Integer(1), Array("", (N,)))), "'' is not an identifier"),
    "keyword as input": (lambda: program(inputs=(Array("lambda", (N,)),), outputs=()), "'lambda' is a Python keyword"),
    "two inputs of one name": (lambda: program(inputs=(X, X), outputs=()), "x is defined twice"),
    "two equations of one name": (
        lambda: program(y_is(Integer(1)), y_is(Integer(2))),
        "equation y: y is defined twice",
    ),
    "unknown array": (lambda: program(y_is(Entry("q", n))), "equation y: unknown symbol 'q'"),
    "itself": (lambda: program(y_is(Entry("y", n))), "equation y: y is used before it is defined"),
    "too few indices": (lambda: program(y_is(Entry("x", n))), "equation y: .*x has 2 indices, 1 are given"),
    "index of another dim": (lambda: program(y_is(Sigma(Entry("x", d, n), d))), "index d runs over D, but x has N"),
    "block number of a plain axis": (lambda: program(y_is(Entry("x", n, Integer(0)))), "0 is outside of"),
    "loose index": (lambda: program(y_is(Entry("x", n, d))), r"index d is on the right, not on the left \(y\[n\]\)"),
    "output": (lambda: program(y_is(Integer(1)), outputs=("z",)), "output 'z' is never defined"),
    "state without next": (
        lambda: program(inputs=(Array("s", (N,), "state"),), outputs=()),
        "state s has no next value",
    ),
}


@pytest.mark.parametrize("case", WRONG_PROGRAMS)
def test_wrong_program_is_refused(case: str) -> None:
    """Programs are also made by derivations; a mistake there must not go on as an equation."""
    make, message = WRONG_PROGRAMS[case]
    with pytest.raises(CellError, match=f"cell direct.*{message}"):
        make()


def test_lstm_equations_as_printed() -> None:
    """The cell is the notes' cell: every forward equation, and the gates in the notes' order i, g, f, o."""
    lstm = CELLS["lstm"]
    assert [equation_text(equation, lstm, UNICODE) for equation in lstm.equations] == [
        "a = x · W_x + h_prev · W_h + b",
        "i = σ(a_i)",
        "g = tanh(a_g)",
        "f = σ(a_f)",
        "o = σ(a_o)",
        "c = f ⊙ c_prev + i ⊙ g",
        "h = o ⊙ tanh(c)",
    ]
    assert lstm.arrays["a"].labels == ("i", "g", "f", "o")
    assert lstm.outputs == ("h",)


def test_lstm_inputs() -> None:
    """Shapes and roles of the inputs: the order of the generated functions' arguments hangs on them."""
    lstm = CELLS["lstm"]
    assert [(a.name, a.tensor.shape, a.role, a.next) for a in lstm.inputs] == [
        ("x", "(N, D)", "sequence", None),
        ("h_prev", "(N, H)", "state", "h"),
        ("c_prev", "(N, H)", "state", "c"),
        ("W_x", "(D, 4H)", "parameter", None),
        ("W_h", "(H, 4H)", "parameter", None),
        ("b", "(4H,)", "parameter", None),
    ]


def test_cell_declared_inside_a_function_sees_its_names() -> None:
    """A cell in a notebook's function or a test must find dims that are local there."""
    P, Q = dims("P Q")

    class Local(Cell):
        x = sequence(P, Q)
        s_prev = state(P, Q)
        s = sigmoid(s_prev) - tanh(x)
        outputs = "s"

    assert Local.program.arrays["s"].sizes == (P, Q)


def test_operators_mean_what_they_say() -> None:
    """Each operator of the language, reflected ones included, gives its own expression."""

    class Signs(Cell):
        u = parameter(H)
        v = parameter(H)
        p = 1 + u - v
        q = 2 - u * v
        r = -u / 3 + v**2
        s = 1 / (u + 2) * 3 - v / u

    u, v = Entry("u", h), Entry("v", h)
    values = {e.name: e.value for e in Signs.program.equations}
    assert values == {
        "p": 1 + u - v,
        "q": 2 - u * v,
        "r": v**2 - u / 3,
        "s": 3 / (u + 2) - v / u,
    }


def test_standing_names_are_not_captured() -> None:
    """Σ_k u[k] · (Σ_h′ W[k, h′])²: k becomes h′, and the inner h′ something else, or the sum is another one."""
    k, inner = Index("k", H), Index("h′", H)
    value = Sigma(Entry("u", k) * (1 + Sigma(Entry("W", k, inner), inner)) ** 2, k)
    tidied = tidy(value, [h])
    first, second = Index("h′", H), Index("h′′", H)
    assert tidied == Sigma(Entry("u", first) * (1 + Sigma(Entry("W", first, second), second)) ** 2, first)


def test_class_name_becomes_snake_case() -> None:
    """Generated files are named after the cell."""

    class GRUResetAfter(Cell):
        y = parameter(H)

    assert GRUResetAfter.program.name == "gru_reset_after"
