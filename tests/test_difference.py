"""Where two formulas differ: the parts that are marked in the one and in the other."""

from __future__ import annotations

import pytest

from derive.verify.difference import differing


@pytest.mark.parametrize(
    ("written", "corrected", "one", "other"),
    [
        (r"x = (1 - \tanh(c))^2 + d", r"x = (1 - \tanh(c)^2) + d", r"(1 - \tanh(c))^2", r"(1 - \tanh(c)^2)"),
        (r"x = c_t", r"x = c_{prev}", "c_t", "c_{prev}"),
        (r"x = c \odot \partial i_t", r"x = c \odot i_{t}", r"\partial i_t", "i_{t}"),
        (r"x = da_t", r"x = \sum_n da_t", None, r"\sum_n"),
        (r"x = \frac{da}{db}", "x = da", r"\frac{da}{db}", "da"),
        ("x = a", "x = a", None, None),
    ],
)
def test_the_parts_that_differ(written: str, corrected: str, one: str | None, other: str | None) -> None:
    """Broken if a mark stands at half a symbol, or at a bracket without its partner."""
    here, there = differing(written, corrected)
    assert (here and written[slice(*here)], there and corrected[slice(*there)]) == (one, other)
