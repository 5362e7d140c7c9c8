"""How a product is cut: into tiles, one per block of threads, and of a tile what every thread keeps in registers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from derive.errors import CellError

SUMS = {False: 32, True: 16}  # of one thread, sliced or not; in double precision they take two registers each
SLICE_BYTES = 64  # of an entry of all slices: 16 slices in single precision, 8 in double precision
SHARED_BYTES = 48 * 1024  # that every device has for a block
DEPTHS = (16, 8, 4)


@dataclass(frozen=True)
class Tile:
    """A tile of a product's points.

    Attributes:
        sliced: whether the block's warps share the terms of the sums, each forming all of the tile's sums over its own
            slice of k, instead of sharing the points.
        row_threads, column_threads: of the block, or of every slice.
        own_rows, own_columns: the points of one thread.
        depth: how much of k is loaded at once.
        width: the columns that are loaded of the right operand, those of all blocks of a stacked axis.
        sums: how many sums a point has.
    """

    sliced: bool
    row_threads: int
    column_threads: int
    own_rows: int
    own_columns: int
    depth: int
    width: int
    sums: int

    @property
    def rows(self) -> int:
        return self.row_threads * self.own_rows

    @property
    def columns(self) -> int:
        return self.column_threads * self.own_columns

    @property
    def threads(self) -> int:
        """Of the block, or of a slice."""
        return self.row_threads * self.column_threads

    @property
    def fits(self) -> bool:
        """Whether shared memory suffices, and every thread loads as much of the operands as any other."""
        own = self.sums * self.own_rows * self.own_columns
        pieces = self.depth * (self.rows + 4 + self.width + 4)
        loads = self.depth * self.rows % self.threads == 0 and self.depth * self.width % self.threads == 0
        kept = SLICE_BYTES * max(pieces, own * self.threads) if self.sliced else 8 * pieces
        return loads and kept <= SHARED_BYTES


def tile_for(groups: Sequence[int], every_step: bool) -> Tile:
    """The tile of a kernel whose products have so many blocks each.

    A step has few rows, too few tiles for all processors: its tiles are small, and the threads to hide the memory's
    latency come from cutting the sums. All steps at once have many rows: large tiles read the operands less often.

    Raises:
        CellError: for so many blocks that no tile of them fits into shared memory.
    """
    candidates = (tile for sliced in ((True, False) if every_step else (False,)) for tile in _tiles(groups, sliced))
    tile = next((tile for tile in candidates if tile.fits), None)
    if tile is None:
        raise CellError(f"a product with {max(groups)} blocks side by side is too wide for CUDA")
    return tile


def _tiles(groups: Sequence[int], sliced: bool) -> Iterator[Tile]:
    total = sum(groups)
    row_threads, column_threads, own_rows = (4, 8, 4) if sliced else (16, 16, 8)
    own_columns = max(1, (2 if sliced else 4) // total)
    while own_rows > 1 and own_rows * own_columns * total > SUMS[sliced]:
        own_rows //= 2
    width = max(groups) * column_threads * own_columns
    for depth in DEPTHS:
        yield Tile(sliced, row_threads, column_threads, own_rows, own_columns, depth, width, total)
