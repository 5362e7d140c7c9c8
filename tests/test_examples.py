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


def test_character_model() -> None:
    """Broken if our LSTM does not train as nn.LSTM does from the same start, step for step."""
    pytest.importorskip("torch", reason="PyTorch is not installed: the character model did not run")
    from examples import character_model

    ours, theirs = character_model.run(6)
    assert max(abs(one - other) for one, other in zip(ours, theirs, strict=True)) < 1e-11
    assert ours[-1] < ours[0] - 0.1


def test_gradient_penalty(capsys: pytest.CaptureFixture[str]) -> None:
    """Broken if the gradient of a gradient is not PyTorch's, or cannot be trained with."""
    pytest.importorskip("torch", reason="PyTorch is not installed: the gradient penalty did not run")
    from examples import gradient_penalty

    gradient_penalty.main(steps=3)
    assert "gradients of the penalty through ours and through nn.LSTM differ by" in capsys.readouterr().out
