"""What PyTorch's own tests of nn.RNN, nn.LSTM and nn.GRU ask of shapes and errors, asked of our layers and of theirs.

What theirs accept ours accept, with results of the same shapes; what theirs refuse ours refuse, and name what is wrong
and what was expected. Where ours accept more, or refuse more, it stands at the end.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: its modules over ours did not run")
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence  # noqa: E402

from tests.test_torch_layers import F64, PAIRS, D, H, N, T, class_of, flat, pair, states_for  # noqa: E402

X = torch.linspace(-1, 1, T * N * D, dtype=F64).view(T, N, D)
LAYERS = {"num_layers": 2, "bidirectional": True}
SAME = nn.Identity()
Change = Callable[[Any], Any]


def changed(states: Any, first: Change, last: Change | None = None) -> Any:
    """States of which the first is changed, or the first and the last."""
    some = states if isinstance(states, tuple) else (states,)
    some = (first(some[0]), *some[1:]) if last is None else (*some[:-1], last(first(some[-1])))
    return some if len(some) > 1 else some[0]


def every(states: Any, change: Change) -> Any:
    return tuple(map(change, states)) if isinstance(states, tuple) else change(states)


# Input and states from those of a batch, (T, N, D) and (4, N, …).
ACCEPTED: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "a batch": lambda s: (X, s),
    "a batch without states": lambda s: (X, None),
    "no batch": lambda s: (X[:, 0], every(s, lambda one: one[:, 0])),
    "no batch and no states": lambda s: (X[:, 0], None),
    "one sequence": lambda s: (X[:, :1], every(s, lambda one: one[:, :1])),
    "one step": lambda s: (X[:1], s),
    "no sequences": lambda s: (X[:, :0], every(s, lambda one: one[:, :0])),
    "no sequences and no states": lambda s: (X[:, :0], None),
    "memory in another order": lambda s: (X.transpose(0, 1).contiguous().transpose(0, 1), s),
    "a list for a tuple of states": lambda s: (X, list(s) if isinstance(s, tuple) else s),
    "packed in order": lambda s: (pack_padded_sequence(X, torch.tensor([6, 5, 5, 1])), s),
    "packed in any order": lambda s: (pack_padded_sequence(X, torch.tensor([1, 5, 6, 5]), enforce_sorted=False), s),
    "packed without states": lambda s: (pack_sequence([X[:, 0], X[:2, 1]]), None),
}

# The same, and what ours say.
REFUSED: dict[str, tuple[Callable[[Any], tuple[Any, Any]], str]] = {
    "four axes": (lambda s: (X[None], s), "the input should have 2 axes, or 3 with a batch, got 4"),
    "one axis": (lambda s: (X[0, 0], s), "the input should have 2 axes, or 3 with a batch, got 1"),
    "no tensor": (lambda s: ([1.0], s), "the input should be a tensor or a PackedSequence, got list"),
    "nothing": (lambda s: (None, s), "the input should be a tensor or a PackedSequence, got NoneType"),
    "input_size": (lambda s: (X[..., :2], s), "the input's last axis is 2, expected input_size = 3"),
    "input_size, no batch": (lambda s: (X[:, 0, :2], None), "the input's last axis is 2, expected input_size = 3"),
    "input_size, packed": (lambda s: (pack_sequence([X[:, 0, :2]]), None), "last axis is 2, expected input_size = 3"),
    "too few layers": (
        lambda s: (X, changed(s, lambda one: one[:2])),
        r"h0 has shape \(2, 4, .\), expected \(4, 4, .\)",
    ),
    "another batch": (
        lambda s: (X, changed(s, lambda one: one[:, :3])),
        r"h0 has shape \(4, 3, .\), expected \(4, 4, ",
    ),
    "one batch for all": (
        lambda s: (X, changed(s, lambda one: one[:, :1])),
        r"h0 has shape \(4, 1, .\), expected \(4, 4",
    ),
    "another size": (
        lambda s: (X, changed(s, lambda one: one[..., :1])),
        r"h0 has shape \(4, 4, 1\), expected \(4, 4, .\)",
    ),
    "last state, batch": (
        lambda s: (X, changed(s, SAME, lambda one: one[:, :3])),
        r"0 has shape \(4, 3, .\), expected \(4, 4",
    ),
    "last state, size": (
        lambda s: (X, changed(s, SAME, lambda one: one[..., :1])),
        r"0 has shape \(4, 4, 1\), expected \(4, ",
    ),
    "no batch in states": (
        lambda s: (X, every(s, lambda one: one[:, 0])),
        r"h0 has shape \(4, .\), expected \(4, 4, .\)",
    ),
    "a batch in states": (lambda s: (X[:, 0], s), r"h0 has shape \(4, 4, .\), expected \(4, .\)"),
    "too many states": (lambda s: (X, (X, X, X)), r"expected . states?, h0(, c0)?, got 3"),
    "a state of numbers": (lambda s: (X, changed(s, lambda one: 0.0)), "h0 should be a tensor, got float|'float'"),
    "packed, another batch": (
        lambda s: (pack_sequence([X[:, 0], X[:2, 1]]), s),
        r"h0 has shape \(4, 4, .\), expected \(4, 2, ",
    ),
    "input's dtype": (lambda s: (X.float(), s), r"has dtype torch\.float64, but x has torch\.float32"),
    "input's dtype, packed": (lambda s: (pack_sequence([X[:, 0].float()]), None), r"has dtype torch\..*, but x has"),
    "integers": (lambda s: (X.long(), s), r"x has dtype torch\.int64, expected torch\.float32 or torch\.float64"),
    "complex numbers": (
        lambda s: (X + 0j, s),
        r"x has dtype torch\.complex128, expected torch\.float32 or torch\.float64",
    ),
    "a state's dtype": (
        lambda s: (X, changed(s, torch.Tensor.float)),
        r"h0 has dtype torch\.float32, but x has torch\.float64",
    ),
    "another device": (lambda s: (X.to("meta"), s), "x is on device meta, expected cpu or cuda"),
}


def outcome(layer: Any, given: tuple[Any, Any]) -> tuple[list[Any], list[Any]]:
    """The shapes of what a layer returns, and gradients that are no numbers."""
    found = flat(layer(*given))
    gradients = torch.autograd.grad(sum(one.sum() for one in found), list(layer.parameters()))
    return [one.shape for one in found], [one for one in gradients if not one.isfinite().all()]


@pytest.mark.parametrize("case", ACCEPTED)
@pytest.mark.parametrize("name", PAIRS)
def test_accepted(name: str, case: str) -> None:
    """Broken if ours refuse what theirs accept, or give it other shapes."""
    ours, theirs = pair(name, **LAYERS)
    given = ACCEPTED[case](states_for(ours, N))
    assert outcome(ours, given) == outcome(theirs, given)


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("name", PAIRS)
def test_refused(name: str, case: str) -> None:
    """Broken if ours compute what theirs refuse, or do not say what was expected."""
    ours, theirs = pair(name, **LAYERS)
    make, message = REFUSED[case]
    given = make(states_for(ours, N))
    with pytest.raises((TypeError, ValueError), match=message):
        ours(*given)
    # PyTorch has no check of its own here, and computes.
    if (name, case) in {("lstm", "input_size, packed"), ("lstm_projection", "input_size, packed")}:
        return
    with pytest.raises((TypeError, ValueError, RuntimeError, AttributeError, IndexError)):
        theirs(*given)


MAKING: dict[str, tuple[dict[str, Any], str]] = {
    "no hidden_size": ({"hidden_size": 0}, "hidden_size is 0, expected at least 1"),
    "negative": ({"hidden_size": -1}, "hidden_size is -1, expected at least 1"),
    "no integer": ({"hidden_size": 2.0}, "hidden_size should be an integer, got float"),
    "no input_size": ({"input_size": 0}, "input_size is 0, expected at least 1"),
    "no layers": ({"num_layers": 0}, "num_layers is 0, expected at least 1"),
    "half a layer": ({"num_layers": 1.5}, "num_layers should be an integer, got float"),
    "dropout above 1": ({"num_layers": 2, "dropout": 1.5}, "dropout is 1.5, expected a probability from 0 to 1"),
    "dropout below 0": ({"num_layers": 2, "dropout": -0.5}, "dropout is -0.5, expected a probability from 0 to 1"),
    "dropout True": ({"num_layers": 2, "dropout": True}, "dropout is True, expected a probability from 0 to 1"),
    "dropout in words": ({"num_layers": 2, "dropout": "half"}, "dropout is 'half', expected a probability from 0 to 1"),
    "bias 0": ({"bias": 0}, "bias should be True or False, got 0"),
    "proj_size below 0": ({"proj_size": -1}, "proj_size is -1, "),
    "integers": ({"dtype": torch.int64}, "floating point"),
}


@pytest.mark.parametrize("case", MAKING)
@pytest.mark.parametrize("name", PAIRS)
def test_layers_that_cannot_be_made(name: str, case: str) -> None:
    """Broken if ours make what theirs refuse to."""
    wrong, message = MAKING[case]
    _, own, theirs, others = PAIRS[name]
    with pytest.raises((TypeError, ValueError, RuntimeError), match=message):
        class_of(name)(**{"input_size": D, "hidden_size": H, **own, **wrong})
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        theirs(**{"input_size": D, "hidden_size": H, **others, **wrong})


@pytest.mark.parametrize("name", [name for name in PAIRS if name != "lstm_projection"])
def test_a_projection_that_is_not_there(name: str) -> None:
    """Broken if proj_size is ignored where there is no projection."""
    with pytest.raises(ValueError, match=r"proj_size is 2, but .* has no projection, expected 0"):
        class_of(name)(D, H, proj_size=2)


@pytest.mark.parametrize("name", PAIRS)
def test_dropout_that_does_nothing(name: str) -> None:
    """Broken if ours do not warn where theirs do, or warn where they do not."""
    _, own, theirs, others = PAIRS[name]
    for kind, given in ((class_of(name), own), (theirs, others)):
        with pytest.warns(UserWarning, match="dropout"):
            kind(D, H, dropout=0.5, **given)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kind(D, H, 2, dropout=0.5, **given)


def test_a_packed_sequence_out_of_order() -> None:
    """Broken if lengths that PyTorch does not pack come through: it is PyTorch that packs."""
    with pytest.raises(RuntimeError, match="sorted in decreasing order"):
        pair("lstm")[0](pack_padded_sequence(X, torch.tensor([2, 6, 1, 4])))


@pytest.mark.parametrize("name", PAIRS)
def test_what_ours_accept_beside(name: str) -> None:
    """Broken if a difference to theirs is one that nobody meant: no steps, one state in a tuple."""
    ours, theirs = pair(name)
    states = states_for(ours, N)
    output, last = ours(X[:0], states)
    assert output.shape[:2] == (0, N)
    assert all(torch.equal(a, b) for a, b in zip(flat((X, last))[1:], flat((X, states))[1:], strict=True))
    with pytest.raises(RuntimeError, match="sequence length to be larger than 0"):
        theirs(X[:0], states)
    if not isinstance(states, tuple):
        assert torch.equal(ours(X, (states,))[0], ours(X, states)[0])
    ours.flatten_parameters()
