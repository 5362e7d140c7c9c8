"""The verdicts on the LSTM notes: what holds, what does not, which term it is, and the numbers that show it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from derive.equality import Ground
from derive.notes import Notes, Spelling, Statement, load_notes
from derive.notes.latex import parse_claim
from derive.notes.meaning import Reader
from derive.program import Array, Equation
from derive.tensor import Tensor
from derive.verify import compose as composing
from derive.verify.check import Report, Verdict, check_notes, reader_of
from derive.verify.judge import Judgement, judge

NOTES = load_notes("lstm")
REPORT = check_notes(NOTES)
VERDICTS = {verdict.statement.id: verdict for verdict in REPORT.verdicts}
READER = replace(reader_of(NOTES))
GRAMMAR = READER.grammar

# What the transcription gets wrong, in the words of the report, and its correction.
ERRATA = {
    "∂h_t/∂c_t": (
        "tanh(c_t) should be tanh²(c_t)",
        r"\frac{\partial h_{t}}{\partial c_{t}} = o_{t} \cdot [1 - \tanh^2(c_{t})]",
    ),
    "eq 4": (
        "∂i_t should be i_t",
        r"\overset{(N,H)}{\partial g_{t}} = \overset{(N,H)}{\partial c_{t}} \odot \overset{(N,H)}{i_{t}}",
    ),
    "d tanh": ("tanh(x) should be d tanh(x): the d is missing", r"d\tanh x = 1 - \tanh^2(x)"),
    "eq 10/as": ("∂a_g should be a_g", r"g_{t} = \tanh(a_{g})"),
    "eq 15": ("∂a/∂b should be ∂a", r"\partial b = \sum_{n=1}^N \partial a"),
}


def judged(text: str, reader: Reader = READER) -> Judgement:
    return judge(parse_claim(text, GRAMMAR), reader)


def test_what_holds_as_written() -> None:
    """Nothing that is right is called wrong, and every error of the transcription is found."""
    assert {name for name, verdict in VERDICTS.items() if verdict.holds_as_written is not True} == set(ERRATA)
    assert all(VERDICTS[name].holds_as_written is False for name in ERRATA)


def test_everything_holds_as_read_by_proof() -> None:
    """All claims as read, for all N, D and H."""
    assert {verdict.holds_as_read for verdict in VERDICTS.values()} == {True}
    assert {verdict.method for verdict in VERDICTS.values()} == {"symbolic"}
    assert REPORT.holds


def test_only_errata_have_a_difference() -> None:
    """What holds as written is not commented on."""
    for name, verdict in VERDICTS.items():
        found = (verdict.difference, verdict.correction, verdict.counterexample)
        assert (None not in found) is (name in ERRATA)
        assert found == (None, None, None) or name in ERRATA


@pytest.mark.parametrize("name", ERRATA)
def test_difference_names_the_term(name: str) -> None:
    """“eq 4 is wrong” is little help; “∂i_t should be i_t” is."""
    sentence, correction = ERRATA[name]
    assert VERDICTS[name].difference == sentence
    assert VERDICTS[name].correction == correction


@pytest.mark.parametrize("name", ERRATA)
def test_corrections_hold(name: str) -> None:
    """A correction that is wrong itself would be worse than none; each is parsed and judged anew."""
    correction = VERDICTS[name].correction
    assert correction is not None
    assert judged(correction).holds is True


@pytest.mark.parametrize("verdict", REPORT.verdicts, ids=lambda verdict: verdict.statement.id)
def test_derived_equation_is_one_that_holds(verdict: Verdict) -> None:
    """What is printed as derived is LaTeX of the notes' own kind: parsed again, it holds."""
    text = verdict.derived
    own = {s.defines: s for s in NOTES.statements if s.defines}
    reader = READER
    for symbol, statement in own.items():
        meaning = READER.meanings(parse_claim(statement.written, GRAMMAR).right)[0]
        reader = replace(reader, defined={**reader.defined, symbol: meaning})
    assert judge(parse_claim(text.replace("(z)", ""), GRAMMAR), reader).holds is True


def test_remarks() -> None:
    """(4H, 1) for (4H,) is remarked on and is no error; nothing else is."""
    assert {name: v.remarks for name, v in VERDICTS.items() if v.remarks} == {
        "eq 15": ("shape (4H, 1) is written for (4H,)",)
    }


# -- counterexamples, computed again by hand -----------------------------------------------------------------------

WRITTEN: dict[str, Any] = {
    "∂h_t/∂c_t": lambda v: v["o_t"] * (1 - np.tanh(v["c_t"])),
    "eq 4": lambda v: v["∂c_t"] * v["∂i_t"],
    "d tanh": lambda v: 1 - np.tanh(v["x"]) ** 2,
    "eq 10/as": lambda v: np.tanh(v["∂a_g"]),
    "eq 15": lambda v: np.eye(4) * len(v["∂a"]),
}
RIGHT: dict[str, Any] = {
    "∂h_t/∂c_t": lambda v: v["o_t"] * (1 - np.tanh(v["c_t"]) ** 2),
    "eq 4": lambda v: v["∂c_t"] * v["i_t"],
    "d tanh": lambda v: np.tanh(v["x"]),
    "eq 10/as": lambda v: np.tanh(v["a_g"]),
    "eq 15": lambda v: v["∂a"].sum(axis=0),
}


@pytest.mark.parametrize("name", ERRATA)
def test_counterexample_can_be_computed_by_hand(name: str) -> None:
    """The numbers are given so that the writer can check them: they must come out, and they must differ."""
    example = VERDICTS[name].counterexample
    assert example is not None
    inputs = {symbol: np.array(value) for symbol, value in example.inputs.items()}
    written, derived = WRITTEN[name](inputs), RIGHT[name](inputs)
    np.testing.assert_allclose(example.written, written, rtol=2e-5)
    np.testing.assert_allclose(example.derived, derived, rtol=2e-5)
    assert np.shape(written) != np.shape(derived) or not np.allclose(written, derived, rtol=1e-2)


# -- composition ---------------------------------------------------------------------------------------------------

WHOLE_GATES = {"dx", "dh_prev", "dW_x", "dW_h", "db"}
# The results that fail without an equation, and the cotangent that is then missing.
OMITTED = {
    **{1: (WHOLE_GATES, "do"), 2: (WHOLE_GATES | {"dc_prev"}, "dc"), 3: (WHOLE_GATES, "di"), 4: (WHOLE_GATES, "dg")},
    **{5: (WHOLE_GATES, "df"), 6: ({"dc_prev"}, "dc_prev")},
    **dict.fromkeys((7, 8, 9, 10), (WHOLE_GATES, "da")),
    **{11: ({"dx"}, "dx"), 12: ({"dW_x"}, "dW_x"), 13: ({"dW_h"}, "dW_h"), 14: ({"dh_prev"}, "dh_prev")},
    15: ({"db"}, "db"),
}


def stated(as_read: bool = True) -> dict[int, tuple[Tensor, Tensor]]:
    """Each numbered equation's cotangent and right side."""
    found = {}
    for statement in NOTES.statements:
        if statement.numbered:
            judgement = judged((statement.reading if as_read else None) or statement.written)
            assert judgement.stated is not None
            found[int(statement.id.removeprefix("eq "))] = (judgement.due, judgement.stated)
    return found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The derivatives of the whole step, computed once for all tests."""

    def once(wrt: Array, ground: Ground) -> Equation:
        if wrt.name not in WHOLE:
            WHOLE[wrt.name] = whole(wrt, ground)
        return WHOLE[wrt.name]

    whole = composing.whole_derivative
    monkeypatch.setattr(composing, "whole_derivative", once)


WHOLE: dict[str, Equation] = {}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("number", OMITTED)
def test_composition_detects_an_omitted_equation(number: int) -> None:
    """Each equation that is left may hold, and yet the notes compute nothing: which result, and what is missing."""
    left = [pair for other, pair in stated().items() if other != number]
    composition = composing.compose(left, READER.ground)
    results, missing = OMITTED[number]
    assert {name for name, problem in composition.results.items() if problem} == results
    assert {composition.results[name] for name in results} == {f"no equation of the notes gives {missing}"}
    assert not composition.holds


@pytest.mark.usefixtures("quick")
def test_composition_of_all_fifteen() -> None:
    """Composed, they are the derivative of the whole step; in any order, since each names its cotangent."""
    assert composing.compose(list(stated().values()), READER.ground).holds
    assert composing.compose(list(stated().values())[::-1], READER.ground).holds


@pytest.mark.usefixtures("quick")
def test_composition_detects_a_wrong_equation() -> None:
    """eq 4 as written spoils everything that the gates lead to, and dc_prev not."""
    pairs = stated() | {4: stated(as_read=False)[4]}
    results = composing.compose(list(pairs.values()), READER.ground).results
    wrong = {name: f"{name} differs from the derivative of the whole step" for name in WHOLE_GATES}
    assert results == {**wrong, "dc_prev": None}


@pytest.mark.usefixtures("quick")
def test_circular_equations_give_nothing() -> None:
    """dc = dc, or di = dg and dg = di: the composition must neither accept it nor run in circles."""
    dc, di, dg = (READER.ground.program.arrays[name].tensor for name in ("dc", "di", "dg"))
    for circle in ({2: (dc, dc)}, {3: (di, dg), 4: (dg, di)}):
        results = composing.compose(list((stated() | circle).values()), READER.ground).results
        assert {name for name, problem in results.items() if problem} >= WHOLE_GATES


@pytest.mark.usefixtures("quick")
def test_composition_of_transposed_equations() -> None:
    """dW_xᵀ = daᵀ · x says the same as eq 12 and must compose as well, and so must a block's transpose."""
    pairs = stated()
    turned = {
        12: r"\partial w_x^T = \partial a^T \cdot x_t",
        9: r"\partial a_o^T = (\partial o_t \odot o_t \odot (1 - o_t))^T",
    }
    for number, text in turned.items():
        judgement = judged(text)
        assert judgement.stated is not None
        pairs[number] = (judgement.due, judgement.stated)
    assert composing.compose(list(pairs.values()), READER.ground).holds


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("number", "text"),
    [(15, r"\partial b = \partial a"), (7, r"\partial a_i = b"), (12, r"\partial w_x = \partial a^T x_t")],
)
def test_composition_with_a_wrong_shape(number: int, text: str) -> None:
    """An equation whose shape is wrong gives nothing, and is no reason to fall over."""
    judgement = judged(text)
    assert judgement.stated is not None
    pairs = stated() | {number: (judgement.due, judgement.stated)}
    results = composing.compose(list(pairs.values()), READER.ground).results
    assert {name for name, problem in results.items() if problem} == OMITTED[number][0]


def with_statements(*statements: Statement) -> Notes:
    return replace(NOTES, statements=statements, spellings=())


def report_on(*claims: tuple[str, str]) -> Report:
    return check_notes(with_statements(*(Statement(name, latex, latex) for name, latex in claims)))


def test_omission_fails_the_notes() -> None:
    """All that is there holds; the notes as a whole do not."""
    report = check_notes(replace(NOTES, statements=tuple(s for s in NOTES.statements if s.id != "eq 6")))
    assert {v.holds_as_read for v in report.verdicts} == {True}
    assert not report.holds


def test_what_is_not_understood_is_one_verdict() -> None:
    """One broken line must not hide the verdicts on the others."""
    report = report_on(
        ("eq 1", r"\partial o_t = d_{next-h} \tanh(c_t)"),
        ("eq 2", r"\partial c_t = \nabla o_t"),
        ("eq 3", r"\partial i_t = \partial q_t"),
        ("eq 4", r"\partial g_t = \frac{i_t}{i_t - \sigma(a_i)}"),
        ("eq 5", r"\partial f_t = \frac{i_t}{c_t - c_t}"),
        ("eq 6", r"\partial c_{prev} = \partial c_t f_t"),
    )
    verdicts = {v.statement.id: v for v in report.verdicts}
    assert {name: v.holds_as_read for name, v in verdicts.items()} == {
        **{"eq 1": True, "eq 2": None, "eq 3": None, "eq 4": None, "eq 5": False, "eq 6": True}
    }
    assert "nabla" in str(verdicts["eq 2"].difference)
    assert "q_t" in str(verdicts["eq 3"].difference)
    assert "division by zero" in str(verdicts["eq 4"].difference)
    assert not report.holds


def test_spelling_table_is_data() -> None:
    """Notes without any noise need no table."""
    assert all(isinstance(spelling, Spelling) for spelling in NOTES.spellings)
    report = report_on(("x", r"\partial x_t = \partial a \cdot w_x^T"))
    assert report.verdicts[0].holds_as_written is True
