"""The examples run, and what they print is what they claim."""

from __future__ import annotations

import pytest

from examples import bidirectional


def test_bidirectional(capsys: pytest.CaptureFixture[str]) -> None:
    """Broken if a bidirectional stack of calls with lengths has other gradients than a complex step gives."""
    bidirectional.main()
    assert "gradients and a complex step differ by" in capsys.readouterr().out


def test_bidirectional_is_pytorchs() -> None:
    """Broken if the composition is not what nn.LSTM computes on a packed batch."""
    pytest.importorskip("torch", reason="PyTorch is not installed: the oracle nn.LSTM did not run")
    assert bidirectional.error_by_pytorch() < 1e-12
