"""How the host launches a kernel: the geometry it asks for and the arguments it passes, as Python text."""

from __future__ import annotations

from dataclasses import dataclass

from derive.emit.cuda.kernels import LAST_STEP, Kernel, lines
from derive.emit.cuda.tiles import COLUMN_THREADS
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

    @property
    def threads(self) -> str:
        """The threads of a block."""
        tile = self.kernel.tile
        if tile:
            return f"({COLUMN_THREADS}, {tile.row_threads}, 1)"
        return "(32, 8, 1)" if self.kernel.kind == "totals" else "(256, 1, 1)"

    @property
    def points(self) -> str:
        """How many points a block of threads has: rows and columns, or all together."""
        tile = self.kernel.tile
        if tile:
            return f"({tile.rows}, {tile.columns})"
        return "(32,)" if self.kernel.kind == "totals" else "(256,)"


def launch(kernel: Kernel, step: str | None, batch: str) -> Launch:
    """The launch of a kernel for one step (``t``, ``0``) or for all (None)."""
    parts = _parts(kernel)
    addresses = [place.at(step) for place in kernel.pointers]
    values = {"rows": f"T * {batch}", LAST_STEP: "t == T - 1", str(PARTS): parts}
    arguments = [*addresses, *(values.get(size, size) for size in kernel.sizes)]
    extent = [" * ".join(values.get(word, word) for word in text.split(" * ")) for text in kernel.extent]
    geometry = ", ".join([*extent, f"parts={parts}"] if kernel.in_parts else extent)
    return Launch(kernel, geometry, lines(arguments))


def _parts(kernel: Kernel) -> str:
    """Into how many parts the sums are cut that a kernel forms or adds up: as many as their memory has."""
    return next((f"{place.owner}.shape[0]" for place in kernel.pointers if PARTS in place.array.sizes), "1")
