"""Equations over several steps: what comes from step t + 1, and sums over t."""

from __future__ import annotations

import numpy as np
import pytest

from derive.calculus import vjp
from derive.cells import CELLS
from derive.evaluate import REAL, random_inputs, run
from derive.index import dims
from derive.notes.document import read_document
from derive.program import Program
from derive.unroll import backward_through_time, two_steps
from derive.verify.documents import Found, examine
from tests.example_cells import ALL

FORWARD = [
    r"z_t = \tanh(W_z x_t + R_z h_{t-1} + b_z)",
    r"i_t = \sigma(W_i x_t + R_i h_{t-1} + b_i)",
    r"f_t = \sigma(W_f x_t + R_f h_{t-1} + b_f)",
    r"o_t = \sigma(W_o x_t + R_o h_{t-1} + b_o)",
    r"c_t = z_t \odot i_t + c_{t-1} \odot f_t",
    r"h_t = \tanh(c_t) \odot o_t",
]
RIGHT = [
    r"\delta c_t = \delta h_t \odot o_t \odot (1 - \tanh^2(c_t)) + \delta c_{t+1} \odot f_{t+1}",
    r"\delta h_t = \Delta_t + R_z^T (\delta z_{t+1} \odot (1 - z_{t+1}^2))"
    r" + R_i^T (\delta i_{t+1} \odot i_{t+1} \odot (1 - i_{t+1}))"
    r" + R_f^T (\delta f_{t+1} \odot f_{t+1} \odot (1 - f_{t+1}))"
    r" + R_o^T (\delta o_{t+1} \odot o_{t+1} \odot (1 - o_{t+1}))",
    r"\delta f_t = \delta c_t \odot c_{t-1}",
    r"\delta W_i = \sum_{t=0}^T (\delta i_t \odot i_t \odot (1 - i_t)) x_t^T",
    r"\delta R_f = \sum_{t=0}^{T-1} (\delta f_{t+1} \odot f_{t+1} \odot (1 - f_{t+1})) h_t^T",
    r"\delta b_f = \sum_t \delta f_t \odot f_t \odot (1 - f_t)",
]


def check(*equations: str) -> list[Found]:
    text = "\n".join(f"$${e}$$" for e in (*FORWARD, *equations))
    front = "---\nsymbols:\n  \\Delta_t: d_next_h\n---\n"
    return list(examine(read_document(front + text)).findings)[len(FORWARD) :]


def test_right_equations_over_time_hold() -> None:
    """Broken if what reaches a step from the next one, or the sum over t, is not understood as such."""
    findings = [
        (one.verdict.statement.latex, one.verdict.difference) for one in check(*RIGHT) if one.finding != "holds"
    ]
    assert findings == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (RIGHT[0].replace("f_{t+1}", "f_t"), "f_t should be f_t+1"),
        (RIGHT[0].replace(r"\delta c_{t+1} \odot f_{t+1}", r"\delta c_{t+1}"), "the factor f_t+1 is missing"),
        (
            RIGHT[1].replace(r"R_f^T (\delta f_{t+1} \odot f_{t+1}", r"R_f^T (\delta f_{t+1}"),
            "the factor f_t+1 is missing",
        ),
        (RIGHT[1].replace("R_i^T", "W_i^T"), ""),
        (RIGHT[4].replace("h_t^T", "h_{t+1}^T"), "h_t+1 should be h_t"),
    ],
)
def test_mistakes_over_time_are_found(wrong: str, sentence: str) -> None:
    (one,) = check(wrong)
    assert one.finding == "wrong", one.verdict.difference
    assert sentence in (one.verdict.difference or "")


def test_steps_further_apart_are_no_shift() -> None:
    """Broken if t − 1 and t + 1 in one gradient are moved together."""
    for gradient in (r"\delta R_f = \sum_t \delta f_{t+1} h_{t-1}^T", RIGHT[3].replace("x_t^T", "x_{t+1}^T")):
        (one,) = check(gradient)
        assert one.finding == "wrong"


@pytest.mark.parametrize("name", ["lstm", "rnn_tanh", "gru", "gru_reset_after", "lstm_peephole"])
def test_two_steps_are_the_step_twice(name: str) -> None:
    """Broken if step t + 1 is fed wrongly: what reaches h is what one step, run at t + 1, sends back, and the loss."""
    cell = ALL[name]
    sizes = dict(zip(dims("N D H"), (2, 3, 2), strict=True))
    unrolled, single = backward_through_time(cell), vjp(cell)
    values = run(unrolled, random_inputs(unrolled, sizes, REAL, seed=3), sizes, REAL)
    states = {state.name: str(state.next) for state in cell.having("state")}
    inputs = {a.name: values[states.get(a.name, _later(a.name, cell))] for a in cell.inputs}
    seeds = {a.name: values[f"{a.name}_next"] for a in single.having("cotangent")}
    second = run(single, {**inputs, **seeds}, sizes, REAL)
    assert np.allclose(values["dh"], second["dh_prev"] + values["d_next_h"])


def _later(name: str, cell: Program) -> str:
    parameters = {array.name for array in cell.having("parameter")}
    return name if name in parameters else f"{name}_next"


def test_names_of_two_steps() -> None:
    program = two_steps(CELLS["lstm"])
    assert {"c", "c_next", "x_next"} <= set(program.arrays)
    assert "W_x_next" not in program.arrays
    assert "h_prev_next" not in program.arrays
