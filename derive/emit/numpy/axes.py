"""The axis over steps that arrays have in front of their own, and what it changes in a statement.

A form mentions the axes of one step. In the loop arrays have these and no others; coefficients are computed for
some steps at a time, what stands before and after the loop for all, and then whatever changes from step to step
has one axis more. Elementwise work does not mind it, sums and transposes do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from derive.emit.numpy.expressions import axes_text, transposed
from derive.matrix import Form, Group

_OVER_STEPS = "t"  # subscripts of a form begin with a


@dataclass(frozen=True)
class Axes:
    """What the arrays of a phase are like.

    Attributes:
        batch: the name of the batch dimension, which all that changes from step to step begins with.
        over: ``step`` for arrays of one step, ``steps`` for arrays with an axis over some steps that statements
            keep, ``rows`` for those of all steps, whose sums over the batch are sums over the steps too.
    """

    batch: str
    over: Literal["step", "steps", "rows"]

    def factor(self, text: str, form: Form) -> str:
        """An operand or a result of a matrix product: (T, N, …) as (T·N, …), since one large product is fast."""
        return f"_rows({text})" if self.flattens(form) else text

    def flattens(self, form: Form) -> bool:
        """Whether the rows of all steps are made one axis for a product."""
        return self.over == "rows" and self._changes(form)

    def transposed(self, text: str, form: Form) -> str:
        """The transpose of one step's axes."""
        if self.over == "step" or not self._changes(form):
            return transposed(text, form)
        return f"{text}.transpose{(0, *(position + 1 for position in form.positions))}"

    def subscripts(self, form: Form) -> str:
        """Those of an einsum; a result that does not change from step to step is a sum over them."""
        text = str(form.value)
        if self.over == "step":
            return text
        operands, _, result = text.partition("->")
        marked = [self._marked(part, one) for part, one in zip(operands.split(","), form.args, strict=True)]
        return f"{','.join(marked)}->{self._marked(result, form)}"

    def _marked(self, letters: str, form: Form) -> str:
        return f"{_OVER_STEPS}{letters}" if self._changes(form) else letters

    def total(self, form: Form, operand: str, out: str) -> str:
        """A sum over axes, counted from the end where one over steps may stand in front."""
        (inner,) = form.args
        summed = any(self._is_batch(inner.groups[position]) for position in form.positions)
        if self.over == "rows" and summed:
            axes = form.positions
            operand = f"_rows({operand})"
        else:
            axes = _from_the_end(form)
        return f"add.reduce({operand}, axis={axes_text(axes)}, out={out})"

    def largest(self, form: Form, operand: str, out: str) -> str:
        """A maximum over axes, of which none is over steps or the batch."""
        return f"_largest({operand}, axis={axes_text(_from_the_end(form))}, out={out})"

    def _changes(self, form: Form) -> bool:
        """Whether a form's value changes from step to step."""
        return any(map(self._is_batch, form.groups))

    def _is_batch(self, group: Group) -> bool:
        return any(str(index.dim) == self.batch for index in group)


def _from_the_end(form: Form) -> tuple[int, ...]:
    """The axes that a form reduces, counted from the end."""
    (inner,) = form.args
    return tuple(position - len(inner.groups) for position in form.positions)
