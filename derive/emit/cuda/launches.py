"""How the host launches a kernel: the geometry it asks for and the arguments it passes, as Python text."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

from derive.emit.cuda.kernels import LAST_STEP, Kernel
from derive.emit.cuda.phases import Phase
from derive.plan.sums import PARTS


@dataclass(frozen=True)
class Launch:
    """One kernel in a phase.

    Attributes:
        geometry: what follows the kernel's name where the host prepares it: its extent, and its parts.
        arguments: the lines of its arguments.
    """

    kernel: Kernel
    geometry: str
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.kernel.name


def launch(kernel: Kernel, phase: Phase, step: str | None, batch: str) -> Launch:
    """The launch of a kernel for one step (``t``, ``0``) or for all (None)."""
    parts = _parts(kernel, batch)
    addresses = [place.at(step) for place in kernel.pointers]
    values = {"rows": f"T * {batch}", LAST_STEP: "t == T - 1", str(PARTS): parts}
    arguments = [*addresses, *(values.get(size, size) for size in kernel.sizes)]
    extent = [" * ".join(values.get(word, word) for word in text.split(" * ")) for text in kernel.extent]
    geometry = ", ".join([*extent, f"parts={parts}"] if kernel.in_parts else extent)
    return Launch(kernel, geometry, tuple(wrap(", ".join(arguments), 100, break_long_words=False)))


def _parts(kernel: Kernel, batch: str) -> str:
    """Into how many parts the sums over all rows are cut that a kernel forms or adds up."""
    points = " * ".join(kernel.extent)
    return f"_parts(T * {batch}, {points})"
