"""How notes are meant, claim by claim, and what is said of a wrong one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from derive.errors import NotesError
from derive.notes import load_notes
from derive.notes.latex import parse_claim
from derive.notes.meaning import Reader
from derive.verify.check import reader_of
from derive.verify.judge import Judgement, judge
from derive.verify.repair import repair

READER = reader_of(load_notes("lstm"))
GRAMMAR = READER.grammar


def judged(text: str, reader: Reader = READER) -> Judgement:
    return judge(parse_claim(text, GRAMMAR), reader)


# kind: claims that hold; each shows one convention of the notes
RIGHT = {
    "forward": [
        r"h_t = o_t \cdot \tanh(c_t)",  # · between equal shapes is elementwise
        r"h_t = o_t \tanh(c_t)",  # and so is juxtaposition
        r"h_t = \sigma(a_o) \odot \tanh(f_t c_{prev} + i_t g_t)",  # definitions may be written out
        r"a = x_t \cdot w_x + h_{prev} \cdot w_h + b",  # · between matrices is their product, b is added to each row
        r"a = x_t w_x + h_{prev} w_h + b",
        r"i_t = \frac{2 \sigma(a_i)}{2}",
        r"c_t = c_{prev} \odot f_t - (-1) i_t g_t",
    ],
    "cotangent": [
        r"\partial o_t = d_{next-h} \tanh(c_t)",  # ∂X, dX and a fraction with an upstream factor: one and the same
        r"do_t = d_{next-h} \tanh(c_t)",
        r"\frac{\partial h_t}{\partial o_t} = d_{next-h} \tanh(c_t)",
        r"\frac{\partial c_t}{\partial f_t} = \partial c_t \odot c_{prev}",
        r"\partial h_t = d_{next-h}",
        r"\partial a_i = \partial i_t \odot \sigma'(a_i)",  # the derivative of a function
        r"\partial a_i = \partial i_t \odot d\sigma(a_i)",
        r"\partial x_t = (w_x \partial a^T)^T",
        r"\partial w_x = (\partial a^T x_t)^T",
        r"\partial w_x^T = \partial a^T x_t",  # an equation of the transposes
        r"\partial b = \sum_{n=1}^N \partial a",
        r"\partial a = [\partial a_i; \partial a_g; \partial a_f; \partial a_o]",
    ],
    "jacobian": [
        r"\frac{\partial h_t}{\partial o_t} = \tanh(c_t)",
        r"\frac{\partial h_t}{\partial c_t} = o_t \tanh'(c_t)",  # the derivative of a function is no upstream factor
        r"\frac{\partial c_t}{\partial c_{prev}} = f_t",
        r"\frac{\partial a}{\partial x_t} = w_x",
        r"\frac{\partial a}{\partial w_h} = h_{prev}",
        r"\frac{\partial a}{\partial b} = 1",
        r"\frac{\partial h_t}{\partial h_t} = 1",
        r"\frac{\partial i_t}{\partial a_i} = i_t (1 - i_t)",
        r"\frac{\partial x_t}{\partial h_{prev}} = 0",
    ],
    "rule": [
        r"d\sigma = \sigma(1-\sigma)",
        r"d\sigma = \sigma - \sigma^2",
        r"d\tanh x = 1 - \tanh^2 x",
        r"d\tanh(x) = 1 - \tanh(x)^2",
        r"d\tanh = 1 - \tanh^2",
    ],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in RIGHT.items() for text in texts])
def test_right_claims_hold_by_proof(kind: str, text: str) -> None:
    """A convention that is not understood makes right notes wrong."""
    judgement = judged(text)
    assert (judgement.kind, judgement.holds, judgement.method) == (kind, True, "symbolic")


# claim: (what the report says is to be changed, or a part of what it says of the shapes)
WRONG = {
    r"\partial c_t = d_{next-h} \odot o_t \odot (1 + \tanh^2(c_t)) + d_{next-c}": "the sign of tanh²(c_t) should be −",
    r"\partial c_t = d_{next-h} \odot o_t \odot (1 - \tanh^2(c_t)) - d_{next-c}": "the sign of d_next-c should be +",
    r"\partial c_t = d_{next-h} \odot o_t \odot (1 - \tanh^2(c_t))": "the term d_next-c is missing",
    r"\partial c_t = d_{next-h} \odot (1 - \tanh^2(c_t)) + d_{next-c}": (
        "the factor o_t is missing in d_next-h ⊙ (1 − tanh²(c_t))"
    ),
    r"\partial c_t = d_{next-h} o_t (1 - \sigma^2(c_t)) + d_{next-c}": "σ should be tanh",
    r"\partial c_t = d_{next-h} o_t (1 - \tanh^2(c_t)) + d_{next-c} + i_t": "the term i_t is too many",
    r"\partial i_t = -\partial c_t g_t": "the sign of ∂c_t · g_t should be +",
    r"\partial i_t = \partial c_t": "the factor g_t is missing",
    r"\partial a_i = \partial i_t i_t (1 - i_t^2)": "i_t² should be i_t",
    r"\partial a_i = \partial i_t i_t": "the factor (1 − i_t) is missing",
    r"\partial a_g = \partial g_t (1 - g_t)": "g_t should be g_t²",
    r"\partial a_g = \partial g_t (1 - g_t)^2": "(1 − g_t)² should be 1 − g_t²",
    r"\partial a_g = \partial g_t g_t (1 - g_t^2)": "the factor g_t is too many",
    r"\partial x_t = \partial a \cdot w_x": "w_x should be w_xᵀ: a transpose is missing",
    r"\partial x_t = \partial a \odot w_x^T": "∂a ⊙ w_xᵀ should be a matrix product",
    r"\partial x_t = w_x^T \cdot \partial a": "w_xᵀ and ∂a should change places",
    r"\partial x_t = \partial a \cdot w_h^T": "w_h should be w_x",
    r"\partial w_h = h_t^T \cdot \partial a": "h_t should be h_prev",
    r"\partial b = \partial a": "∂a should be Σ_n ∂a: the sum over n is missing",
    r"\partial b = 2 \sum_n \partial a": "the factor 2 is too many",
    r"\partial b = \sum_n a": "a should be ∂a",
    r"\partial a = [\partial a_i, \partial a_f, \partial a_g, \partial a_o]": "∂a_f and ∂a_g should change places",
    r"h_t = o_t \tanh(c_{prev})": "c_prev should be c_t",
    r"\frac{\partial h_t}{\partial c_t} = 1 - \tanh^2(c_t)": "the factor o_t is missing",
    r"d\sigma = \sigma(1+\sigma)": "the sign of σ should be −",
    r"\sigma = \sigma(1-\sigma)": "σ should be d σ: the d is missing",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_claims_are_rejected_and_repaired(text: str) -> None:
    """The sentence names the term, and what it suggests holds and says something."""
    claim = parse_claim(text, GRAMMAR)
    judgement = judge(claim, READER)
    assert judgement.holds is False
    edit = repair(claim, READER)
    assert edit is not None
    assert edit.sentence == WRONG[text]
    assert judged(edit.text).holds is True


WRONG_SHAPES = {
    r"\partial x_t = \partial a \cdot w_x": "matrix product of shapes (N, 4H) and (D, 4H)",
    r"\partial x_t = w_x \cdot \partial a^T": "shape (D, N) where (N, D) is due: a transpose is missing",
    r"\partial w_x^T = x_t^T \cdot \partial a": "shape (D, 4H) where (4H, D) is due",
    r"\partial x_t = \partial a_i \cdot w_x^T": "would run over H on the left and over 4H on the right",
    r"\partial w_x = x_t^T \odot \partial a": "elementwise operation on shapes (D, N) and (N, 4H)",
    r"\partial b = \partial a": "shape (N, 4H) where (4H,) is due",
    r"\partial b = \sum_{d} \partial a": "the sum over d of shape (N, 4H), which has no such axis",
    r"\partial i_t = \partial c_t \odot g_t^T": "(N, H) and (H, N)",
    r"\partial a = [\partial a_i, \partial a_g, \partial a_f]": "shape (N, H + H + H) where (N, 4H) is due",
    r"\overset{(N,D)}{\partial i_t} = \partial c_t g_t": "shape (N, D) is written where the derivation has (N, H)",
    r"\partial i_t = \overset{(H,N)}{\partial c_t} g_t": "shape (H, N) is written where the derivation has (N, H)",
    "(N, H) (N, 4H) (H, 4H)\n\\partial h_{prev} = \\partial a \\cdot w_h^T": "(H, 4H) is written where the derivation",
}


@pytest.mark.parametrize("text", WRONG_SHAPES)
def test_wrong_shapes_are_named(text: str) -> None:
    """A claim with a wrong shape fails even if its entries are right, and is told both shapes."""
    judgement = judged(text)
    assert judgement.holds is False
    assert WRONG_SHAPES[text] in judgement.shapes[0]


def test_column_for_a_vector_is_a_remark() -> None:
    """Many write (4H, 1) for (4H,): harmless. (1, 4H) is another shape."""
    harmless = judged("\\overset{(4H,1)}{\\partial b} = \\sum_n \\partial a")
    assert harmless.holds is True
    assert harmless.remarks == ("shape (4H, 1) is written for (4H,)",)
    assert judged("\\overset{(1,4H)}{\\partial b} = \\sum_n \\partial a").holds is False


def test_numerator_that_does_not_matter_is_remarked_on() -> None:
    """∂Y/∂X with an upstream factor is the cotangent of X by convention; that Y is nonsense is worth a word."""
    text = r"\frac{{\partial {}}}{{\partial o_t}} = d_{{next-h}} \tanh(c_t)"
    assert judged(text.format("h_t")).remarks == ()
    assert judged(text.format("J")).remarks == ()
    assert judged(text.format("w_x")).remarks == ("w_x does not depend on o_t",)
    assert judged(text.format("c_t")).remarks == ("c_t does not depend on o_t",)


NOT_UNDERSTOOD = {
    r"\partial q_t = i_t": "'q_t'",
    r"i_t = q_t": "'q_t'",
    r"\partial \sigma = \partial i_t": "function|cotangent",
    r"i_t = \sigma": "stands without an argument",
    r"\partial h_t = 2 c_t": "given to the cell",
    r"i_t = a_i(g_t) c_t^{101}": "at most 99",
    r"\partial d_{next-h} = i_t": "no cotangent",
}


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_refused(text: str) -> None:
    """Neither right nor wrong: the symbol or the form is named."""
    with pytest.raises(NotesError, match=NOT_UNDERSTOOD[text]):
        judged(text)


@pytest.mark.parametrize(("text", "holds"), [("i_t + g_t = g_t + i_t", True), ("i_t + g_t = 2 i_t", False)])
def test_two_formulas_are_compared(text: str, holds: bool) -> None:
    """A link further down a chain a = b = c has a formula on its left; it must be judged like any other."""
    assert (judged(text).kind, judged(text).holds) == ("identity", holds)


def test_notes_own_symbol_is_never_the_loss() -> None:
    """L_t = c_prev ⊙ f_t: ∂L_t/∂f_t is a local derivative, c_prev, and no cotangent."""
    meaning = READER.meanings(parse_claim(r"L_t = c_{prev} \odot f_t", GRAMMAR).right)[0]
    reader = replace(READER, defined={"L_t": meaning})
    assert judged(r"L_t = f_t c_{prev}", reader).kind == "definition"
    local = judged(r"\frac{\partial L_t}{\partial f_t} = c_{prev}", reader)
    assert (local.kind, local.holds) == ("jacobian", True)
    assert judged(r"\frac{\partial L_t}{\partial f_t} = f_t", reader).holds is False
    assert judged(r"\frac{\partial L_t}{\partial f_t} = \partial c_t c_{prev}", reader).kind == "cotangent"


def test_many_factors_are_no_trouble() -> None:
    """Each of 24 dots is tried in two ways, but only those that fit go on: no 2²⁴ attempts, none left out."""
    ones = r" \cdot 1" * 20
    assert judged(rf"\partial h_{{prev}} = 1{ones} \cdot 1 \cdot \partial a \cdot w_h^T").holds is True
    assert judged(rf"\partial h_{{prev}} = 1{ones} \cdot 2 \cdot \partial a \cdot w_h^T").holds is False


def test_circular_claim_is_no_repair() -> None:
    """∂i = ∂i holds, but nobody is helped by it."""
    claim = parse_claim(r"\partial i_t = \partial f_t", GRAMMAR)
    edit = repair(claim, READER)
    assert edit is None or r"= \partial i" not in edit.text
