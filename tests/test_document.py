"""Finding the equations of a document: what is mathematics, where it stands, what is passed over."""

from __future__ import annotations

from time import process_time

import pytest

from derive.errors import NotesError
from derive.notes.document import read_document, split_sides

DOCUMENT = r"""---
cell: lstm
---
# Notes

Prose with $x_t$, a price of \$5, `$a = code$`, and $c_t = f_t \odot c_{t-1}$ inline.

$$
\begin{aligned}
h_t &= o_t \odot \tanh(c_t) \tag{1} \\
dc_t &= dh_t \odot o_t \\
     &+ u \quad (2) \\
p &= q = r
\end{aligned}
$$

```math
$$ x = y $$
```
<!-- $$ x = z $$ -->

\begin{align}
 i_t = \sigma(a_i) \#eq 8
\end{align}
\[ \sum_{n=1}^N dA = db. \]
"""


def found(text: str, is_tex: bool = False) -> list[tuple[str, int]]:
    return [(passage.latex, passage.line) for passage in read_document(text, is_tex).passages]


def test_equations_lines_and_numbers() -> None:
    """Broken if an equation, its line or its printed number is lost, or code is taken for mathematics."""
    document = read_document(DOCUMENT)
    assert document.settings == {"cell": "lstm"}
    assert [(p.id, p.line, p.latex) for p in document.passages] == [
        ("line 6", 6, r"c_t = f_t \odot c_{t-1}"),
        ("1", 10, r"h_t = o_t \odot \tanh(c_t)"),
        ("2", 11, r"dc_t = dh_t \odot o_t + u"),
        ("line 13", 13, "p = q"),
        ("line 13", 13, "q = r"),
        ("eq 8", 23, r"i_t = \sigma(a_i)"),
        ("line 25", 25, r"\sum_{n=1}^N dA = db"),
    ]


def test_a_row_may_leave_out_its_left_side() -> None:
    assert found("$$\n\\begin{aligned} a &= b \\\\ &= c \\end{aligned}\n$$") == [("a = b", 2), ("b = c", 2)]


def test_rows_of_a_matrix_are_no_rows_of_the_display() -> None:
    latex = r"z = \begin{bmatrix} a \\ b \end{bmatrix} c"
    assert found(f"$$ {latex} $$") == [(latex, 1)]


def test_comments_of_latex_source() -> None:
    """Broken if a comment's equation is judged, or an escaped percent sign begins one."""
    text = "\\[ a = b \\] % \\[ c = d \\]\n50\\% \\[ e = f \\]\n\\begin{verbatim}\n$g = h$\n\\end{verbatim}"
    assert found(text, is_tex=True) == [("a = b", 1), ("e = f", 2)]


def test_what_is_not_closed_swallows_nothing() -> None:
    """Broken if a lone dollar sign or bracket hides the equations after it."""
    assert found("It costs $3.\n\n$$ a = b $$") == [("a = b", 3)]
    assert found("\\[ open\n\n$c = d$") == [("c = d", 3)]


def test_equals_signs_inside_of_brackets_do_not_split() -> None:
    assert [side.strip() for side in split_sides(r"db = \sum_{n=1}^N da")] == ["db", r"\sum_{n=1}^N da"]


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ("- a\n- b", "should be a mapping, not list"),
        ("a: [1", "is no YAML"),
        ("!!python/object:os.system {}", "no YAML"),
    ],
)
def test_bad_front_matter(front: str, message: str) -> None:
    with pytest.raises(NotesError, match=message):
        read_document(f"---\n{front}\n---\n$a = b$")


@pytest.mark.parametrize(
    "text",
    [
        "{" * 10**6,
        "$" * 10**6,
        "\\[" * 500_000,
        "`a``" * 250_000,
        "$a $ b\n\n" * 100_000,
        "\\begin{align} a &= b" * 40_000,
        "\\quad" * 200_000 + "$$a = b$$",
        "$$ x = " + " + ".join(["a"] * 10_000) + " $$",
    ],
    ids=["braces", "dollars", "brackets", "ticks", "inline", "environments", "spaces", "terms"],
)
def test_hostile_text_is_read_in_linear_time(text: str) -> None:
    """Broken if a megabyte of openers takes quadratic time: hours instead of about a second."""
    start = process_time()
    read_document(text)
    assert process_time() - start < 10


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(NotesError, match="no text"):
        read_document("a\0b")
    with pytest.raises(NotesError, match="no text"):
        read_document("a" * 3_000_000)
