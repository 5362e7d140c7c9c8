"""Batches of sequences of different lengths, and reversed sequences, in the NumPy modules."""

from __future__ import annotations

import tracemalloc
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from generated import lstm_numpy
from tests.modules import OTHER_NAMES, Sizes, relative_error
from tests.ragged import ALL, CELLS, LENGTHS, SIZES, Arrays, Outcome, alone, beyond, numpy_module_of, problem, spoil
from tests.torch_lstm import torch_lstm

STEP = 1e-200
TOLERANCE = 1e-12  # float64, sums of some hundred products, in another order


def outcome(made: ModuleType, args: Arrays, cotangents: list[Any], workspace: Any = None, **order: Any) -> Outcome:
    """Results and gradients."""
    *results, cache = made.forward(*args, workspace=workspace, **order)
    gradients = made.backward(*cotangents, cache, workspace=workspace)
    return results, list(gradients)


def check(found: Outcome, due: Outcome, tolerance: float = TOLERANCE) -> None:
    for value, one in zip((*found[0], *found[1]), (*due[0], *due[1]), strict=True):
        assert value.shape == one.shape
        assert relative_error(value, one) <= tolerance


def check_padding(name: str, found: Outcome, lengths: np.ndarray) -> None:
    """Results and gradients over time are exactly zero beyond the ends."""
    cell = CELLS[name]
    over_time = [g for i, g in zip(cell.inputs, found[1], strict=True) if i.role == "sequence"]
    for value in (*found[0][: len(cell.outputs)], *over_time):
        assert not value[beyond(lengths, value.shape[0])].any()


# -- values and gradients ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_a_batch_is_its_sequences(name: str, reverse: bool) -> None:
    """Broken if one sequence's end or padding, NaN and infinite here, reaches anything but zeros."""
    made, (args, cotangents) = numpy_module_of(name), problem(name)
    due = alone(made, CELLS[name], args, cotangents, LENGTHS, reverse)
    given = spoil(name, args, cotangents, LENGTHS)
    before = [a.copy() for a in (*given[0], *given[1])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = outcome(made, *given, lengths=LENGTHS, reverse=reverse)
    check(found, due)
    check_padding(name, found, LENGTHS)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip((*given[0], *given[1]), before, strict=True))


@pytest.mark.parametrize("name", sorted(CELLS))
def test_reverse_without_lengths_is_flipping(name: str) -> None:
    """Broken if h[t] does not stand at x[t], or a gradient of a sequence is not turned back."""
    made, cell, (args, cotangents) = numpy_module_of(name), CELLS[name], problem(name)
    flipped = [a[::-1].copy() if i.role == "sequence" else a for i, a in zip(cell.inputs, args, strict=True)]
    outputs = len(cell.outputs)
    results, gradients = outcome(made, flipped, [w[::-1] if k < outputs else w for k, w in enumerate(cotangents)])
    results = [r[::-1] if k < outputs else r for k, r in enumerate(results)]
    gradients = [g[::-1] if i.role == "sequence" else g for i, g in zip(cell.inputs, gradients, strict=True)]
    check(outcome(made, args, cotangents, reverse=True), (results, gradients), tolerance=0)


@pytest.mark.parametrize("name", sorted(CELLS))
def test_full_lengths_are_no_lengths(name: str) -> None:
    """Broken if lengths that are all T change a bit."""
    made, (args, cotangents) = numpy_module_of(name), problem(name)
    plain = outcome(made, args, cotangents)
    check(outcome(made, args, cotangents, lengths=[SIZES["T"]] * SIZES["N"]), plain, tolerance=0)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", [{"T": 5}, {"T": 0}, {"N": 0}, {"T": 0, "N": 0}], ids=str)
@pytest.mark.parametrize("name", sorted(CELLS))
def test_no_steps_at_all(name: str, sizes: Sizes, reverse: bool) -> None:
    """Broken if a batch without a real step is an error, or its last states are not the initial ones."""
    made, (args, cotangents) = numpy_module_of(name), problem(name, {**SIZES, **sizes})
    lengths = np.zeros({**SIZES, **sizes}["N"], int)
    due = alone(made, CELLS[name], args, cotangents, lengths, reverse)
    check(outcome(made, *spoil(name, args, cotangents, lengths), lengths=lengths, reverse=reverse), due, tolerance=0)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_none_means_zeros(name: str, reverse: bool) -> None:
    """Broken if cotangents that are not there are brought into the order of the steps."""
    made, (args, cotangents) = numpy_module_of(name), problem(name)
    order = {"lengths": LENGTHS, "reverse": reverse}
    due = outcome(made, args, [np.zeros_like(w) for w in cotangents], **order)
    check(outcome(made, args, [None] * len(cotangents), **order), due, tolerance=0)


@pytest.mark.parametrize("name", sorted(ALL))
def test_complex_steps_through_lengths(name: str) -> None:
    """Broken if any gradient is not that of the forward pass with the same lengths, reversed here."""
    sizes = {"T": 3, "N": 3, "D": 2, "H": 2}
    made, (args, cotangents) = numpy_module_of(name), problem(name, sizes)
    order = {"lengths": [2, 0, 3], "reverse": True}
    _, gradients = outcome(made, args, cotangents, **order)
    for k, gradient in enumerate(gradients):
        reference = np.empty_like(args[k])
        for place in np.ndindex(reference.shape):
            moved = [a.astype(np.complex128) for a in args]
            moved[k][place] += 1j * STEP
            results = made.forward(*moved, **order)[:-1]
            reference[place] = sum(float((w * r.imag).sum()) / STEP for w, r in zip(cotangents, results, strict=True))
        assert relative_error(gradient, reference) <= TOLERANCE


@pytest.mark.parametrize("reverse", [False, True])
def test_pytorch(reverse: bool) -> None:
    """Broken if a packed batch of nn.LSTM gives other results or gradients, in either direction."""
    args, cotangents = problem("lstm", {"T": 7, "N": 6, "D": 5, "H": 6})
    lengths = np.array([3, 7, 1, 5, 7, 2])  # PyTorch packs no sequence without steps
    expected = torch_lstm(args, cotangents, lengths, reverse)
    results, gradients = outcome(lstm_numpy, args, cotangents, lengths=lengths, reverse=reverse)
    values = dict(zip(("h", "c", *lstm_numpy.Gradients._fields), (*results, *gradients), strict=True))
    assert values.keys() == expected.keys()
    for name, value in values.items():
        assert relative_error(value, expected[name]) <= TOLERANCE, name


def test_states_do_not_grow_in_the_padding() -> None:
    """Broken if a sequence goes on beyond its end: 2^400 is no float32, and infinity times zero no zero."""
    sizes = {"T": 400, "N": 2, "D": 1, "H": 1}
    made = numpy_module_of("growth")
    args, cotangents = problem("growth", sizes, np.float32)
    args[0] = np.full_like(args[0], 2)
    args[0][:, 1] = 1
    lengths = np.array([3, 400])
    due = alone(made, CELLS["growth"], args, cotangents, lengths, False)
    # Sums of four hundred numbers in float32.
    check(outcome(made, args, cotangents, lengths=lengths), due, tolerance=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_results_have_the_arguments_dtype(name: str, dtype: Any) -> None:
    """Broken if zeros or a mask promote anything."""
    results, gradients = outcome(numpy_module_of(name), *problem(name, dtype=dtype), lengths=LENGTHS, reverse=True)
    assert all(value.dtype == dtype for value in (*results, *gradients))


# -- memory --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CELLS))
def test_a_workspace_changes_nothing_but_the_memory(name: str) -> None:
    """Broken if something of a call with other lengths or another direction is left where it is used again."""
    made = numpy_module_of(name)
    names = [n for n, kind in made.Workspace.__init__.__annotations__.items() if kind == "int"]
    workspace = made.Workspace(*(SIZES[OTHER_NAMES.get(n, n)] for n in names), np.float64)
    orders: list[dict[str, Any]] = [
        {"lengths": LENGTHS, "reverse": True},
        {},
        {"lengths": LENGTHS[::-1], "reverse": False},
        {"reverse": True},
        {"lengths": [0] * 6},
        {"lengths": LENGTHS},
    ]
    for seed, order in enumerate(orders):
        args, cotangents = problem(name, seed=seed)
        check(
            outcome(made, args, cotangents, workspace, **order), outcome(made, args, cotangents, **order), tolerance=0
        )


@pytest.mark.parametrize(
    "order", [{}, {"lengths": np.arange(32) + 9}, {"lengths": np.arange(32), "reverse": True}], ids=str
)
def test_a_warm_step_allocates_next_to_nothing(order: dict[str, Any]) -> None:
    """Broken if a call with a workspace makes an array of the size of the data: less than 64 KiB at any moment."""
    sizes = {"T": 40, "N": 32, "D": 48, "H": 64}
    args, cotangents = problem("lstm", sizes, np.float32)
    workspace = lstm_numpy.Workspace(*sizes.values())
    outcome(lstm_numpy, args, cotangents, workspace, **order)
    tracemalloc.start()
    outcome(lstm_numpy, args, cotangents, workspace, **order)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 1024


def test_gradients_without_a_workspace_are_new() -> None:
    """Broken if backward leaves its results in the memory of forward's workspace when it is given none."""
    args, cotangents = problem("lstm")
    workspace = lstm_numpy.Workspace(*(SIZES[n] for n in "TNDH"), np.float64)
    *_, cache = lstm_numpy.forward(*args, workspace=workspace, reverse=True)
    first = lstm_numpy.backward(*cotangents, cache)
    kept = [g.copy() for g in first]
    lstm_numpy.backward(*(2 * w for w in cotangents), cache)
    assert all(np.array_equal(a, b) for a, b in zip(first, kept, strict=True))


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "error", "message"),
    [
        ({"lengths": [1.0, 2.0]}, TypeError, "lengths has dtype float64, expected integers"),
        ({"lengths": [True, False]}, TypeError, "lengths has dtype bool, expected integers"),
        ({"lengths": ["1", "2"]}, TypeError, "lengths has dtype <U1, expected integers"),
        ({"lengths": [[1], [1, 2]]}, TypeError, "lengths should be 2 integers in the host's memory, got list"),
        ({"lengths": [1, 2, 3]}, ValueError, r"lengths has shape \(3,\), expected \(N\) = \(2\)"),
        ({"lengths": 3}, ValueError, r"lengths has shape \(\), expected \(N\) = \(2\)"),
        ({"lengths": [4, -1]}, ValueError, r"lengths\[1\] is -1, expected 0 to T = 4"),
        ({"lengths": np.array([5, 1], np.uint8)}, ValueError, r"lengths\[0\] is 5, expected 0 to T = 4"),
        ({"reverse": 1}, TypeError, "reverse should be True or False, got 1"),
    ],
)
def test_a_wrong_argument_is_named(order: dict[str, Any], error: type, message: str) -> None:
    """Broken if an error does not name the argument, what was expected and what came, or spoils an earlier cache."""
    args, cotangents = problem("lstm", {"T": 4, "N": 2, "D": 3, "H": 2})
    workspace = lstm_numpy.Workspace(4, 2, 3, 2, np.float64)
    *_, cache = lstm_numpy.forward(*args, workspace=workspace)
    with pytest.raises(error, match=message):
        lstm_numpy.forward(*args, workspace=workspace, **order)
    lstm_numpy.backward(*cotangents, cache)


def test_lengths_are_array_like() -> None:
    """Broken if a list, a tuple, an unsigned or an empty one is no lengths, or a later change of them matters."""
    args, cotangents = problem("lstm")
    due = outcome(lstm_numpy, args, cotangents, lengths=LENGTHS)
    for lengths in (LENGTHS.tolist(), tuple(LENGTHS), LENGTHS.astype(np.uint16)):
        check(outcome(lstm_numpy, args, cotangents, lengths=lengths), due, tolerance=0)
    lengths = LENGTHS.copy()
    *_, cache = lstm_numpy.forward(*args, lengths=lengths)
    lengths[:] = 0
    check((due[0], list(lstm_numpy.backward(*cotangents, cache))), due, tolerance=0)
    none, none_cotangents = problem("lstm", {**SIZES, "N": 0})
    outcome(lstm_numpy, none, none_cotangents, lengths=[])
