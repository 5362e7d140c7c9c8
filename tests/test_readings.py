"""What the δ of a gate means: the gate's gradient or that of its pre-activation, and how the report says so."""

from __future__ import annotations

import pytest

from derive.notes.document import read_document
from derive.verify.documents import Found, examine

# What people write for the gradient of a gate's pre-activation, of the gate, of c and of h; @ is the gate.
FRACTIONS = (r"\frac{\partial L}{\partial @}", r"\frac{\partial L}{\partial c_t}", r"\frac{\partial L}{\partial h_t}")
MARKS = {
    "δ_f beside fractions": (r"\delta_@", *FRACTIONS),
    "δ^f_t beside fractions": (r"\delta^@_t", *FRACTIONS),
    "δ^f_t beside δf": (r"\delta^@_t", r"\delta @_t", r"\delta c_t", r"\delta h_t"),
    "δf beside fractions": (r"\delta @_t", *FRACTIONS),
    "δ_f beside df": (r"\delta_@", "d@", "dc", "dh"),
    "δô beside δo": (r"\delta \hat @_t", r"\delta @_t", r"\delta c_t", r"\delta h_t"),
    "δ\u0304f beside δf": (r"\delta \bar @_t", r"\delta @_t", r"\delta c_t", r"\delta h_t"),
    "df alone": ("d@", None, "dc", "dh"),
    "δf alone": (r"\delta @_t", None, r"\delta c_t", r"\delta h_t"),
    "f̄ alone": (r"\bar @_t", None, r"\bar c_t", r"\bar h_t"),
    "∇_f alone": (r"\nabla_{@_t} L", None, r"\nabla_{c_t} L", r"\nabla_{h_t} L"),
}
USUAL = ("δ_f beside fractions", "df alone")  # others take as long and say no more
UPSTREAM = {"i": r"{c} \odot g", "f": r"{c} \odot c_{{t-1}}", "g": r"{c} \odot i", "o": r"{h} \odot \tanh(c_t)"}
SLOPE = {gate: rf"{gate} \odot (1 - {gate})" for gate in "ifo"} | {"g": "(1 - g^2)"}
# gate, the part of its equation that is mistaken, what stands there instead
MISTAKES = {
    "a factor is missing": ("f", r" \odot (1 - f)", ""),
    "a sign is wrong": ("o", "1 - o", "1 + o"),
    "the derivative of a sigmoid for that of tanh": ("g", "(1 - g^2)", r"g \odot (1 - g)"),
    "the derivative of tanh for that of a sigmoid": ("i", r"i \odot (1 - i)", "(1 - i^2)"),
    "the derivative is forgotten": ("f", rf" \odot {SLOPE['f']}", ""),
    "c for c_prev": ("f", "c_{t-1}", "c_t"),
}


def equations(marks: tuple[str, str | None, str, str]) -> dict[str, str]:
    """The gradients of the pre-activations of the four gates."""
    net, own, c, h = marks
    return {
        gate: net.replace("@", gate)
        + " = "
        + (own.replace("@", gate) if own else UPSTREAM[gate].format(c=c, h=h))
        + rf" \odot {SLOPE[gate]}"
        for gate in UPSTREAM
    }


def check(*lines: str, front: str = "---\ncell: lstm\n---\n") -> list[Found]:
    return list(examine(read_document(front + "\n\n".join(f"$$ {e} $$" for e in lines))).findings)


def findings(*lines: str) -> list[str]:
    return [one.finding.removesuffix("_under_reading") for one in check(*lines)]


@pytest.mark.parametrize("name", MARKS)
def test_gradients_of_pre_activations(name: str) -> None:
    """Broken if the δ of a gate is insisted to be the gate's own gradient, and right notes are called wrong."""
    assert findings(*equations(MARKS[name]).values()) == ["holds"] * 4


def mistaken(name: str, mistake: str) -> dict[str, str]:
    """The equations with a mistake in one of them; as they are where it has no such part."""
    gate, old, new = MISTAKES[mistake]
    right = equations(MARKS[name])
    return right | {gate: right[gate].replace(old, new)}


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        pytest.param(name, mistake, marks=() if name in USUAL else pytest.mark.full, id=f"{name}: {mistake}")
        for name in MARKS
        for mistake in MISTAKES
        if mistaken(name, mistake) != equations(MARKS[name])
    ],
)
def test_mistakes_are_found_under_that_reading(name: str, mistake: str) -> None:
    """Broken if a mistake passes because one gate's δ is read otherwise than those of the others."""
    wrong, gate = mistaken(name, mistake), MISTAKES[mistake][0]
    assert findings(*wrong.values()) == ["wrong" if one == gate else "holds" for one in wrong]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (r"\delta_f = \frac{\partial L}{\partial f} \odot f", "the factor (1 − f) is missing"),
        (r"\delta_f = \frac{\partial L}{\partial f} \odot f \odot (1 + f)", "the sign of f should be −"),
        (r"\delta_g = \frac{\partial L}{\partial g} \odot (1 - g)^2", "(1 − g)² should be 1 − g²"),
    ],
)
def test_one_equation_alone(line: str, sentence: str) -> None:
    """Broken if a gate's δ that is said by its gradient, and so is another thing, is mended to be that gradient."""
    (found,) = check(line)
    assert (found.finding, found.verdict.difference) == ("wrong", sentence)


@pytest.mark.parametrize(
    ("cell", "gate", "slope"),
    [
        ("rnn_tanh", "h", "1 - h_t^2"),
        ("gru", "z", r"z_t \odot (1 - z_t)"),
        ("mgu", "f", r"f_t \odot (1 - f_t)"),
        ("lstm_peephole", "i", r"i_t \odot (1 - i_t)"),
        ("slstm", "o", r"o_t \odot (1 - o_t)"),
    ],
)
def test_other_cells(cell: str, gate: str, slope: str) -> None:
    """Broken if a cell has no pre-activation for a gate whose function is applied to a formula."""
    front = f"---\ncell: {cell}\n---\n"
    line = rf"\delta_{gate} = \frac{{\partial L}}{{\partial {gate}_t}} \odot ({slope})"
    (right,) = check(line, front=front)
    assert right.finding == "holds_under_reading"
    assert f"δ_{gate} is read as the gradient of " in (right.under or "")
    (wrong,) = check(line.replace("1 - ", "1 + "), front=front)
    assert wrong.finding == "wrong"


def test_the_report_says_how_it_was_read() -> None:
    """Broken if it cannot be seen what a gate's δ was taken for."""
    *_, one = check(r"\delta_f = \frac{\partial L}{\partial f} \odot f \odot (1 - f)")
    assert one.under == "δ_f is read as the gradient of a_f, f's pre-activation"
    *_, two = check(equations(MARKS["df alone"])["i"], equations(MARKS["df alone"])["g"])
    assert two.under == "dg, di are read as the gradients of a_g, a_i, the pre-activations of g, i"
    own_cell = (r"r_t = \sigma(W x_t)", r"h_t = r_t \odot h_{t-1}")
    *_, unnamed = check(*own_cell, r"\delta r_t = \delta h_t \odot h_{t-1} \odot r_t (1 - r_t)", front="")
    assert unnamed.under == "δr is read as the gradient of r's pre-activation"


BIAS = r"\frac{\partial L}{\partial b_f} = \sum_n \delta_f"


def test_later_uses_mean_it_too() -> None:
    """Broken if one symbol means two things in one document."""
    line = equations(MARKS["δ_f beside fractions"])["f"]
    assert findings(line, BIAS) == ["holds", "holds"]
    assert findings(line, BIAS.replace(r"\delta_f", r"\delta_f \odot f \odot (1 - f)")) == ["holds", "wrong"]


def test_what_the_document_says_itself_wins() -> None:
    """Broken if a symbol that is defined is read as another thing because more equations would hold so."""
    gate, net = r"\delta_f = \frac{\partial L}{\partial f_t}", r"\delta_f = \frac{\partial L}{\partial a_f}"
    long = r"\delta_f = \frac{\partial L}{\partial c_t} \odot c_{t-1}"
    assert findings(gate, long, BIAS) == ["holds", "holds", "wrong"]
    assert findings(gate, long + rf" \odot {SLOPE['f']}", BIAS) == ["holds", "wrong", "wrong"]
    assert findings(net, long, BIAS) == ["holds", "wrong", "holds"]
    assert findings(net, long + rf" \odot {SLOPE['f']}", BIAS) == ["holds", "holds", "holds"]


def test_one_gate_otherwise_than_the_others_where_it_is_used_so() -> None:
    """Broken if a gate's δ is forced to be what the others are although later equations say what it is."""
    lines = equations(MARKS["df alone"]) | {"f": r"df = dc \odot c_{t-1}"}
    assert findings(*lines.values()) == ["holds", "wrong", "holds", "holds"]
    used = r"db_f = \sum_n df \odot f \odot (1 - f)"
    assert findings(*lines.values(), used) == ["holds"] * 5
