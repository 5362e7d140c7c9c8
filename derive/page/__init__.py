"""Pages: the notes with their verdicts, the derivation, the computation graph; the manual draws cells with it too."""
