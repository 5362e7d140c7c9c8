"""Timings of the generated LSTM beside other LSTMs and its matrix products alone: `python -m benchmarks`."""
