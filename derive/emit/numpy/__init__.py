"""From a plan to NumPy: the text of a cell's NumPy module."""
