"""The cells that handgrad ships: one file of forward equations each."""

from derive.cells.lstm import LSTM
from derive.program import Program

CELLS: dict[str, Program] = {cell.program.name: cell.program for cell in (LSTM,)}
