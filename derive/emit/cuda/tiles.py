"""How a product is cut: into tiles, one per block of threads, and of a tile what every thread keeps in registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ROW_THREADS = {True: 8, False: 16}  # one step has few rows: smaller tiles are more of them, for more processors
COLUMN_THREADS = 16
REGISTERS = 32  # of sums that one thread keeps at most; in double precision they take two registers each
SHARED_BYTES = 40 * 1024  # below the 48 KiB that every device has, in double precision
DEPTHS = (32, 16, 8)


@dataclass(frozen=True)
class Tile:
    """A tile: the rows and columns of threads, of points of one thread, and how much of k is loaded at once."""

    row_threads: int
    own_rows: int
    own_columns: int
    depth: int
    width: int

    @property
    def rows(self) -> int:
        return self.row_threads * self.own_rows

    @property
    def columns(self) -> int:
        return COLUMN_THREADS * self.own_columns

    @property
    def threads(self) -> int:
        return self.row_threads * COLUMN_THREADS

    @property
    def shared_bytes(self) -> int:
        """Shared memory in double precision."""
        return 8 * self.depth * (self.rows + 1 + self.width + 1)


def tile_for(groups: Sequence[int], every_step: bool) -> Tile:
    """The tile of a kernel whose products have so many blocks each."""
    total = sum(groups)
    own_rows = 2 if every_step else 4
    own_columns = 1 if every_step else max(1, 4 // total)
    while own_rows > 1 and own_rows * own_columns * total > REGISTERS:
        own_rows //= 2
    width = max(groups) * COLUMN_THREADS * own_columns
    tiles = [Tile(ROW_THREADS[every_step], own_rows, own_columns, depth, width) for depth in DEPTHS]
    return next((tile for tile in tiles if tile.shared_bytes <= SHARED_BYTES), tiles[-1])
