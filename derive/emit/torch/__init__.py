"""From a cell to the text of its PyTorch module: what differs from cell to cell, as plain data."""
