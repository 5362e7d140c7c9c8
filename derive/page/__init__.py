"""The report as a page: the notes with their verdicts, the derivation, the computation graph."""
