"""Cells that notes define themselves: roles, shapes and conventions read off their forward equations."""

from __future__ import annotations

import pytest

from derive.notes.document import read_document
from derive.notes.functions import KNOWN
from derive.notes.glossary import forward_equations, identifier, in_order
from derive.notes.infer import Inferred, infer_cell
from derive.notes.latex import parse_claim
from derive.notes.symbols import Grammar
from derive.notes.syntax import split_time
from derive.verify.documents import Found, examine

GRU = [
    r"r_t = \sigma(W_r x_t + U_r h_{t-1} + b_r)",
    r"z_t = \sigma(W_z x_t + U_z h_{t-1} + b_z)",
    r"\tilde h_t = \tanh(W x_t + U (r_t \odot h_{t-1}) + b)",
    r"h_t = (1 - z_t) \odot h_{t-1} + z_t \odot \tilde{h}_t",
]
GRU_BACKWARD = [
    r"d\tilde h_t = dh_t \odot z_t",
    r"dz_t = dh_t \odot (\tilde h_t - h_{t-1})",
    r"dr_t = h_{t-1} \odot (U^T (d\tilde h_t \odot (1 - \tilde h_t^2)))",
    r"dU = (d\tilde h_t \odot (1 - \tilde h_t^2)) (r_t \odot h_{t-1})^T",
    r"db_z = dz_t \odot z_t \odot (1 - z_t)",
]
ROWS = [
    r"a^{(t)} = x^{(t)} W + h^{(t-1)} U + b",
    r"h^{(t)} = \tanh(a^{(t)})",
    r"\delta a^{(t)} = \delta h^{(t)} \odot (1 - (h^{(t)})^2)",
    r"\delta W = x^{(t)\top} \delta a^{(t)}".replace(r"^{(t)\top}", "_t^T"),
    r"\delta b = \sum_n \delta a^{(t)}",
    r"\delta h^{(t-1)} = \delta a^{(t)} U^T",
]
LSTM = [
    r"f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f)",
    r"i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i)",
    r"o_t = \sigma(W_o x_t + U_o h_{t-1} + p_o \odot c_{t-1})",
    r"g_t = \tanh(W_g x_t + U_g h_{t-1})",
    r"c_t = f_t \odot c_{t-1} + i_t \odot g_t",
    r"h_t = o_t \odot \tanh(c_t)",
    r"\frac{\partial E}{\partial f_t} = \frac{\partial E}{\partial c_t} \odot c_{t-1}",
    r"\frac{\partial E}{\partial p_o} = \frac{\partial E}{\partial o_t} \odot o_t \odot (1 - o_t) \odot c_{t-1}",
]


def infer(equations: list[str], batch: bool = True) -> Inferred:
    claims = [parse_claim(e, Grammar(frozenset(KNOWN))) for e in equations]
    return infer_cell(in_order(forward_equations(claims, ())), "notes", batch)


def check(equations: list[str], front: str = "title: notes") -> list[Found]:
    text = "\n".join(f"$${e}$$" for e in equations)
    return list(examine(read_document(f"---\n{front}\n---\n{text}")).findings)


def shapes(inferred: Inferred) -> dict[str, tuple[str, str]]:
    return {a.name: (a.role, a.tensor.shape) for a in inferred.cell.inputs}


def test_roles_and_shapes_in_columns() -> None:
    """Broken if W x is not seen to mean columns, or a size is joined with the wrong one."""
    found = shapes(infer(GRU))
    assert found["x"] == ("sequence", "(D, N)")
    assert found["h_prev"] == ("state", "(H, N)")
    assert found["W_r"] == ("parameter", "(H, D)")
    assert found["U"] == ("parameter", "(H, H)")
    assert found["b_z"] == ("parameter", "(H,)")


def test_roles_and_shapes_in_rows() -> None:
    found = shapes(infer(ROWS[:2]))
    assert found["x"] == ("sequence", "(N, D)")
    assert found["W"] == ("parameter", "(D, H)")


@pytest.mark.parametrize("notes", [GRU + GRU_BACKWARD, ROWS, LSTM], ids=["gru", "rows", "lstm"])
def test_right_notes_hold(notes: list[str]) -> None:
    """Broken if right notes in one of the conventions are called wrong, or are not understood."""
    findings = {one.verdict.statement.latex: (one.finding, one.verdict.difference) for one in check(notes)}
    assert all(finding == "holds" for finding, _ in findings.values()), findings


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        (GRU_BACKWARD[1], r"dz_t = dh_t \odot (\tilde h_t - h_t)", "h_t should be h_t-1"),
        (GRU_BACKWARD[3], r"dU = (d\tilde h_t \odot (1 - \tilde h_t)^2) (r_t \odot h_{t-1})^T", "should be 1 − h̃_t²"),
        (GRU_BACKWARD[2], r"dr_t = h_{t-1} \odot (W^T (d\tilde h_t \odot (1 - \tilde h_t^2)))", ""),
    ],
)
def test_mistakes_are_found(right: str, wrong: str, sentence: str) -> None:
    """Broken if a wrong equation passes, is not named, or drags a right one with it."""
    notes = [wrong if e == right else e for e in GRU + GRU_BACKWARD]
    bad = [one for one in check(notes) if one.finding != "holds"]
    assert [one.verdict.statement.latex for one in bad] == [wrong]
    assert sentence in (bad[0].verdict.difference or "")


def test_the_bias_of_a_batch_is_summed_that_of_a_single_example_is_not() -> None:
    """Broken if the batch axis is guessed wrongly: a sum over it anywhere, or the setting, tells that there is one."""
    single = [*GRU, GRU_BACKWARD[4]]
    assert [one.finding for one in check(single)][-1] == "holds"
    assert [one.finding for one in check(single, "batch: true")][-1] == "wrong"


def test_undefined_symbols_are_named() -> None:
    (*_, last) = check([*GRU, r"dz_t = dh_t \odot q_t"])
    assert last.finding == "not_understood"
    assert "'q_t'" in (last.verdict.difference or "")


def test_notes_without_a_cell_are_refused() -> None:
    """Broken if equations are judged against nothing, or the reason is lost."""
    for equations, reason in (
        ([r"dz_t = dh_t"], "no forward equations"),
        ([r"h_t = W x_t + U h_{t-1} + x_t V"], "meets the batch"),
    ):
        for one in check(equations):
            assert one.finding == "not_understood"
            assert reason in (one.verdict.difference or "")


def test_a_forward_equation_that_is_not_understood_is_no_input() -> None:
    """Broken if notes are judged against a cell with a hole: right equations would be called wrong."""
    for unread in (r"i_t = \sigma(W [h_{t-1}, x_t)", r"i_t = \operatorname{softmax}(W x_t)"):
        for one in check([unread, r"c_t = i_t \odot c_{t-1}", r"dc_{t-1} = dc_t \odot i_t"]):
            assert one.finding == "not_understood"
            assert "the cell needs i, and its equation is not understood" in (one.verdict.difference or "")


def test_equations_may_stand_in_any_order() -> None:
    assert [one.finding for one in check([*reversed(GRU), *GRU_BACKWARD])] == ["holds"] * 9
    circle = check([r"u_t = v_t \odot x_t", r"v_t = \tanh(u_t)"])
    assert all("use each other in a circle" in (one.verdict.difference or "") for one in circle)


def test_names() -> None:
    assert split_time("h_t-1") == ("h", -1)
    assert split_time("W_f") == ("W_f", None)
    assert identifier("\\tilde{c}") == "c_tilde"
    assert identifier("\\Gamma_u") == "Gamma_u"
