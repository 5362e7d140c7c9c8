"""How the host launches a kernel: the geometry it asks for and the arguments it passes, as Python text."""

from __future__ import annotations

from dataclasses import dataclass

from derive.emit.cuda.kernels import LAST_STEP, Kernel, lines
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
        """The threads of a block, or of each of its slices."""
        tile = self.kernel.tile
        if tile:
            return f"({tile.column_threads}, {tile.row_threads})"
        return "(32, 8)" if self.kernel.kind == "totals" else "(256, 1)"

    @property
    def sliced(self) -> bool:
        return self.kernel.kind == "sliced"

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
    extent = extent_of(kernel, batch)
    geometry = f"{extent}, parts={parts}" if kernel.in_parts else extent
    return Launch(kernel, geometry, lines(arguments))


def extent_of(kernel: Kernel, batch: str) -> str:
    """How many points a kernel has, as the host spells it."""
    values = {"rows": f"T * {batch}", str(PARTS): _parts(kernel)}
    return ", ".join(" * ".join(values.get(word, word) for word in text.split(" * ")) for text in kernel.extent)


def _parts(kernel: Kernel) -> str:
    """Into how many parts the sums are cut that a kernel forms or adds up: as many as their memory has."""
    return next((f"{place.owner}.shape[0]" for place in kernel.pointers if PARTS in place.array.sizes), "1")
