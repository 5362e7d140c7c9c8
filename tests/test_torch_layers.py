"""Layers over generated cells: what nn.LSTM, nn.GRU and nn.RNN compute, their habits, errors that say what is wrong."""

from __future__ import annotations

import copy
import importlib
import io
import pickle
from typing import Any

import numpy as np
import pytest

from derive import weights
from derive.cells import CELLS

torch = pytest.importorskip("torch", reason="PyTorch is not installed: its modules over ours did not run")
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence  # noqa: E402

from generated.torch_weights import from_torch, to_torch  # noqa: E402

T, N, D, H, P = 6, 4, 3, 5, 2
F64 = torch.float64
# Ours and PyTorch's: the class, what else it is given, PyTorch's class and what that is given.
PAIRS: dict[str, tuple[str, dict[str, Any], Any, dict[str, Any]]] = {
    "lstm": ("LSTM", {}, nn.LSTM, {}),
    "lstm_projection": ("LSTMProjection", {"proj_size": P}, nn.LSTM, {"proj_size": P}),
    "gru_reset_after": ("GRUResetAfter", {}, nn.GRU, {}),
    "rnn_tanh": ("RNNTanh", {}, nn.RNN, {}),
    "rnn_relu": ("RNNRelu", {}, nn.RNN, {"nonlinearity": "relu"}),
}
# Sums of some ten terms in another order; what is asked for is 1e-10.
TOLERANCE = 1e-12


def class_of(name: str) -> Any:
    made = importlib.import_module(f"generated.{name}_torch")
    return next(one for one in vars(made).values() if isinstance(one, type) and one.__module__ == made.__name__)


def pair(name: str, **options: Any) -> tuple[Any, Any]:
    """Ours and PyTorch's with the same weights, float64."""
    own, given, theirs, others = PAIRS[name]
    torch.manual_seed(3)
    reference = theirs(D, H, dtype=F64, **others, **options)
    ours = getattr(importlib.import_module(f"generated.{name}_torch"), own)(D, H, dtype=F64, **given, **options)
    ours.load_state_dict(from_torch(reference.state_dict(), ours))
    return ours, reference


def layer(name: str, **options: Any) -> Any:
    given = {"proj_size": P} if name == "lstm_projection" else {}
    return class_of(name)(D, H, dtype=F64, **given, **options)


def flat(outcome: Any) -> list[Any]:
    """Outputs and states in a row."""
    output, states = outcome
    rows = output.data if isinstance(output, nn.utils.rnn.PackedSequence) else output
    return [rows, *(states if isinstance(states, tuple) else (states,))]


def states_for(ours: Any, batch: int, scale: float = 0.3) -> Any:
    """Initial states."""
    torch.manual_seed(5)
    some = tuple(scale * torch.randn(shape, dtype=F64) for _, shape in ours._state_shapes(batch))
    return some if len(some) > 1 else some[0]


def gradients(outcome: list[Any], parameters: list[Any]) -> list[Any]:
    """Of a number that depends on all outcomes."""
    torch.manual_seed(7)
    total = sum((one * torch.randn_like(one)).sum() for one in outcome)
    return list(torch.autograd.grad(total, parameters))


def compare(ours: Any, reference: Any, x: Any, states: Any) -> None:
    """Results, and gradients of input and weights, of both."""
    x = x if isinstance(x, nn.utils.rnn.PackedSequence) else x.clone().requires_grad_()
    leaf = x.data.requires_grad_() if isinstance(x, nn.utils.rnn.PackedSequence) else x
    found, due = flat(ours(x, states)), flat(reference(x, states))
    for one, other in zip(found, due, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() <= TOLERANCE
    first, *mine = gradients(found, [leaf, *ours.parameters()])
    names = [name for name, _ in reference.named_parameters()]
    other, *theirs = gradients(due, [leaf, *reference.parameters()])
    assert (first - other).abs().max() <= TOLERANCE
    # Gradients are converted as weights are; one bias has the gradient of each of the two that it is the sum of.
    holder = copy.deepcopy(ours)
    with torch.no_grad():
        for parameter, gradient in zip(holder.parameters(), mine, strict=True):
            parameter.copy_(gradient)
    converted = to_torch(holder)
    for name, gradient in zip(names, theirs, strict=True):
        if "bias_hh" not in name or "b_h_l0" in dict(ours.named_parameters()):
            assert (converted[name] - gradient).abs().max() <= 10 * TOLERANCE, name  # summed over all steps


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 3, "bidirectional": True, "batch_first": True},
        {"num_layers": 2, "bias": False},
    ],
    ids=["plain", "stacked", "no_bias"],
)
def test_equals_pytorch(name: str, options: dict[str, Any]) -> None:
    """Broken if layers or directions are put together in another order than PyTorch's."""
    ours, reference = pair(name, **options)
    x = torch.randn((N, T, D) if options.get("batch_first") else (T, N, D), dtype=F64)
    compare(ours, reference, x, None)
    compare(ours, reference, x, states_for(ours, N))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_equals_pytorch_on_packed_sequences(name: str, bidirectional: bool) -> None:
    """Broken if a state is taken or given in the packed order, or at another step than a sequence's end."""
    ours, reference = pair(name, num_layers=2, bidirectional=bidirectional)
    x, lengths = torch.randn(T, N, D, dtype=F64), torch.tensor([3, 6, 1, 4])
    for states in (None, states_for(ours, N)):
        packed = pack_padded_sequence(x.clone(), lengths, enforce_sorted=False)
        compare(ours, reference, packed, states)
        output, last = ours(packed, states)
        assert torch.equal(output.batch_sizes, packed.batch_sizes)
        assert torch.equal(output.unsorted_indices, packed.unsorted_indices)
        padded, again = ours(x, states, lengths)
        # In other rows of a product it rounds otherwise.
        pairs = zip(flat((padded, again)), flat((pad_packed_sequence(output, total_length=T)[0], last)), strict=True)
        assert all((a - b).abs().max() <= 1e-14 * max(1, b.abs().max()) for a, b in pairs)
    in_order = pack_sequence([torch.randn(k, D, dtype=F64) for k in (5, 5, 2)])
    compare(ours, reference, in_order, states_for(ours, 3))
    assert ours(in_order)[0].unsorted_indices is None


@pytest.mark.parametrize("name", PAIRS)
def test_equals_pytorch_without_a_batch(name: str) -> None:
    """Broken if the batch's axis is left where none was given."""
    ours, reference = pair(name, num_layers=2, bidirectional=True, batch_first=True)
    whole = states_for(ours, 1)
    states = tuple(one[:, 0] for one in whole) if isinstance(whole, tuple) else whole[:, 0]
    compare(ours, reference, torch.randn(T, D, dtype=F64), states)


@pytest.mark.parametrize("name", PAIRS)
def test_weights_there_and_back(name: str) -> None:
    """Broken if a converted checkpoint, or one converted back, computes something else."""
    ours, reference = pair(name, num_layers=2, bidirectional=True)
    again = copy.deepcopy(reference)
    for parameter in again.parameters():
        nn.init.zeros_(parameter)
    again.load_state_dict({name.removeprefix("a."): one for name, one in to_torch(ours, "a.").items()})
    x = torch.randn(T, N, D, dtype=F64)
    assert (again(x)[0] - reference(x)[0]).abs().max() <= TOLERANCE
    whole = {"head.weight": torch.zeros(1), **{f"rnn.{key}": one for key, one in reference.state_dict().items()}}
    for key, one in from_torch(whole, ours, "rnn.").items():
        assert torch.equal(one, ours.state_dict()[key])
        assert one.data_ptr() not in {other.data_ptr() for other in whole.values()}


@pytest.mark.parametrize("name", PAIRS)
def test_weights_are_those_of_numpy(name: str) -> None:
    """Broken if tensors and arrays are converted differently."""
    ours, reference = pair(name)
    due = weights.from_torch(name, {key: one.numpy() for key, one in reference.state_dict().items()})
    found = {key.removesuffix("_l0"): one.numpy() for key, one in ours.state_dict().items()}
    assert found.keys() == due.keys()
    assert all(np.array_equal(found[key], due[key]) for key in due)


def test_checkpoints_that_do_not_fit() -> None:
    """Broken if a part of a checkpoint is left out without a word."""
    ours, reference = pair("lstm")
    state = reference.state_dict()
    with pytest.raises(ValueError, match=r"bias_hh_l0 is missing, expected with shape \(20,\)"):
        from_torch({name: one for name, one in state.items() if name != "bias_hh_l0"}, ours)
    with pytest.raises(ValueError, match=r"weight_ih_l0 has shape \(20, 3\), expected \(24, 3\)"):
        from_torch(state, class_of("lstm")(D, 6))
    with pytest.raises(ValueError, match=r"rnn\.bias_hh_l1 has no place in LSTM\(3, 5\)"):
        from_torch({f"rnn.{k}": v for k, v in nn.LSTM(D, H, 2, dtype=F64).state_dict().items()}, ours, "rnn.")
    with pytest.raises(ValueError, match=r"PyTorch has no mgu, only lstm \(nn\.LSTM\), "):
        from_torch(state, layer("mgu"))


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_is_a_module(name: str) -> None:
    """Broken if a cell's states, sizes or biases are not what its layers take them for."""
    made = layer(name, num_layers=2, bidirectional=True)
    output_size = P if name == "lstm_projection" else H
    x = torch.randn(T, N, D, dtype=F64)
    output, states = made(x)
    assert output.shape == (T, N, 2 * output_size)
    assert [one.shape[:2] for one in flat((output, states))[1:]] == [(4, N)] * len(CELLS[name].having("state"))
    output.square().sum().backward()
    assert all(parameter.grad is not None for parameter in made.parameters())
    # In two parts, the states of the first handed to the second: forward directions alone know nothing of the future.
    made = layer(name)
    whole, last = made(x)
    first, middle = made(x[:2])
    second, end = made(x[2:], middle)
    assert (torch.cat([first, second]) - whole).abs().max() <= TOLERANCE
    assert max((a - b).abs().max() for a, b in zip(flat((x, end)), flat((x, last)), strict=True)) <= TOLERANCE


@pytest.mark.parametrize("name", CELLS)
def test_steps_that_are_not_there(name: str) -> None:
    """Broken if no steps, no sequences or sequences without steps change a state or are an error."""
    made = layer(name, bidirectional=True)
    given = states_for(made, N)
    for x, lengths in ((torch.zeros(0, N, D, dtype=F64), None), (torch.ones(T, N, D, dtype=F64), [0] * N)):
        output, last = made(x, given, lengths)
        assert not output.any()
        assert all(torch.equal(a, b) for a, b in zip(flat((x, last))[1:], flat((x, given))[1:], strict=True))
    assert made(torch.zeros(T, 0, D, dtype=F64))[0].shape[:2] == (T, 0)


@pytest.mark.parametrize("name", CELLS)
def test_saved_and_copied(name: str) -> None:
    """Broken if a copy, a pickled or a saved module computes something else."""
    made, x = layer(name, num_layers=2), torch.randn(T, N, D, dtype=F64)
    due = made(x)[0]
    saved = io.BytesIO()
    torch.save(made.state_dict(), saved)
    saved.seek(0)
    other = layer(name, num_layers=2)
    assert not torch.equal(other(x)[0], due)
    other.load_state_dict(torch.load(saved))
    for one in (other, copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert torch.equal(one(x)[0], due)
    assert made.float()(x.float())[0].dtype == torch.float32


def test_beginning() -> None:
    """Broken if parameters begin outside of ±1/√H, all alike, or gains near zero."""
    torch.manual_seed(0)
    made = class_of("lstm_layernorm")(30, 16)
    for name, parameter in made.named_parameters():
        if name.startswith("g_"):
            assert torch.equal(parameter, torch.ones_like(parameter))
        else:
            assert 0.15 < parameter.abs().max() <= 0.25
    assert {name.rsplit("_l", 1)[0] for name, _ in class_of("lstm_layernorm")(3, 4, bias=False).named_parameters()} == {
        "W_x", "W_h", "g_x", "g_h", "g_c",
    }  # fmt: skip


def test_dropout_is_between_layers_in_training() -> None:
    """Broken if dropout is somewhere else than nn.LSTM's."""
    ours, reference = pair("lstm", num_layers=3, dropout=0.5)
    x = torch.randn(T, N, D, dtype=F64)
    torch.manual_seed(1)
    found = ours(x)[0]
    torch.manual_seed(1)
    assert (found - reference(x)[0]).abs().max() <= TOLERANCE
    assert not torch.equal(found, ours(x)[0])
    assert torch.equal(ours.eval()(x)[0], ours(x)[0])
    with pytest.warns(UserWarning, match="dropout is between layers"):
        class_of("lstm")(D, H, dropout=0.5)


def test_errors_of_making() -> None:
    """Broken if a module that cannot be meant is made all the same."""
    made = class_of("lstm")
    with pytest.raises(ValueError, match="hidden_size is 0, expected at least 1"):
        made(D, 0)
    with pytest.raises(TypeError, match="input_size should be an integer, got float"):
        made(3.0, H)
    with pytest.raises(ValueError, match="num_layers is 0, expected at least 1"):
        made(D, H, num_layers=0)
    for dropout in (1.5, -0.1, True, "much"):
        with pytest.raises(ValueError, match="expected a probability from 0 to 1"):
            made(D, H, 2, dropout=dropout)
    with pytest.raises(ValueError, match="proj_size is 2, but LSTM has no projection"):
        made(D, H, proj_size=2)
    with pytest.raises(ValueError, match="proj_size is 0, expected at least 1"):
        class_of("lstm_projection")(D, H)


def test_errors_of_calling() -> None:
    """Broken if what nn.LSTM refuses is computed, or the message does not say what was expected."""
    made, x = layer("lstm", num_layers=2), torch.zeros(T, N, D, dtype=F64)
    h0 = torch.zeros(2, N, H, dtype=F64)
    cases: list[tuple[type[Exception], str, tuple[Any, ...]]] = [
        (ValueError, "the input should have 2 axes, or 3 with a batch, got 4", (x[None],)),
        (ValueError, "the input should have 2 axes, or 3 with a batch, got 1", (x[0, 0],)),
        (ValueError, "the input's last axis is 2, expected input_size = 3", (x[..., :2],)),
        (TypeError, "the input should be a tensor or a PackedSequence, got list", ([1.0],)),
        (ValueError, "expected 2 states, h0, c0, got 1", (x, h0)),
        (ValueError, r"c0 has shape \(2, 1, 5\), expected \(2, 4, 5\)", (x, (h0, h0[:, :1]))),
        (ValueError, r"h0 has shape \(1, 4, 5\), expected \(2, 4, 5\)", (x, (h0[:1], h0))),
        (ValueError, r"h0 has shape \(2, 4, 5\), expected \(2, 5\)", (x[:, 0], (h0, h0))),
        (TypeError, "c0 should be a tensor, got float", (x, (h0, 0.0))),
        (TypeError, r"W_x has dtype torch\.float64, but x has torch\.float32", (x.float(),)),
        (TypeError, r"h0 has dtype torch\.float32, but x has torch\.float64", (x, (h0.float(), h0))),
        (TypeError, r"x has dtype torch\.bfloat16, expected torch\.float32 or torch\.float64", (x.bfloat16(),)),
        (ValueError, r"lengths has shape \(1,\), expected \(N\) = \(4\)", (x, None, [1])),
        (ValueError, "lengths are for batches, the input is one sequence", (x[:, 0], None, [1])),
        (ValueError, "a PackedSequence has lengths of its own", (pack_sequence([x[:, 0]]), None, [1])),
    ]
    for kind, message, args in cases:
        with pytest.raises(kind, match=message):
            made(*args)
    with pytest.raises(TypeError, match=r"W_x has dtype torch\.float16, expected torch\.float32 or torch\.float64"):
        layer("lstm").half()(x.float())


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.full)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own
def test_compiles_without_a_break(backend: str) -> None:
    """Broken if the compiler has to leave the graph for a layer, or computes something else in it."""
    torch._dynamo.reset()
    made = layer("lstm", num_layers=2, bidirectional=True)
    model = nn.Sequential(nn.Linear(D, D, dtype=F64), nn.Tanh())
    x = torch.randn(T, N, D, dtype=F64)

    def outcome(x: Any, lengths: Any) -> Any:
        output, (h, _) = made(model(x), None, lengths)
        return output.square().sum() + h.sum()

    parameters = [*model.parameters(), *made.parameters()]
    compiled = torch.compile(outcome, fullgraph=True, backend=backend)
    for lengths in (None, torch.tensor([2, 6, 0, 3])):
        due = torch.autograd.grad(outcome(x, lengths), parameters)
        found = torch.autograd.grad(compiled(x, lengths), parameters)
        assert max((a - b).abs().max() for a, b in zip(found, due, strict=True)) <= TOLERANCE


def test_training_is_deterministic() -> None:
    """Broken if the same seed gives other weights."""
    ends = []
    for _ in range(2):
        torch.manual_seed(11)
        made = class_of("lstm_peephole")(D, H)
        optimizer = torch.optim.Adam(made.parameters(), lr=0.05)
        for _ in range(5):
            optimizer.zero_grad()
            (made(torch.randn(T, N, D))[0] - 0.5).square().mean().backward()
            optimizer.step()
        ends.append([one.detach().clone() for one in made.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
