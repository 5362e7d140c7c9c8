"""What a user of a generated module relies on: shapes, dtypes, errors, extremes, workspaces, purity."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from generated import lstm_numpy
from tests.example_cells import ALL
from tests.modules import OTHER_NAMES, SMALL, arguments, cotangents_for, module, relative_error

ROOT = Path(__file__).resolve().parent.parent
CELL_NAMES = sorted(ALL)
MEDIUM = {"T": 9, "N": 4, "D": 5, "H": 6}


def lstm_arguments(sizes: dict[str, int] = SMALL, dtype: type = np.float64) -> list[np.ndarray]:
    return arguments("lstm", sizes, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("name", CELL_NAMES)
def test_results_have_the_arguments_dtype_and_shapes(name: str, dtype: type) -> None:
    """Broken if a constant or a temporary promotes float32 to float64, or a gradient has another shape."""
    made = module(name)
    args = arguments(name, MEDIUM, dtype)
    results = made.forward(*args)
    gradients = made.backward(*cotangents_for(results), results[-1])
    assert all(result.dtype == dtype for result in (*results[:-1], *gradients))
    assert [g.shape for g in gradients] == [a.shape for a in args]


@pytest.mark.parametrize("name", CELL_NAMES)
def test_a_sequence_is_its_steps(name: str) -> None:
    """Broken if the planned loop computes anything else than the equations one step at a time."""
    made = module(name)
    args = arguments(name, MEDIUM)
    *outputs, _ = made.forward(*args)
    inputs = ALL[name].inputs
    states = {a.name: v for a, v in zip(inputs, args, strict=True) if a.role == "state"}
    following = dict.fromkeys([*ALL[name].outputs, *(a.next for a in ALL[name].having("state"))])
    for t in range(MEDIUM["T"]):
        step_args = [
            states[a.name] if a.role == "state" else v[t] if a.role == "sequence" else v
            for a, v in zip(inputs, args, strict=True)
        ]
        values = dict(zip(following, made.step_forward(*step_args), strict=False))
        states = {a.name: values[a.next] for a in ALL[name].having("state")}
        for whole, output in zip(outputs, ALL[name].outputs, strict=False):
            assert relative_error(whole[t], values[output]) <= 1e-14


@pytest.mark.parametrize("name", CELL_NAMES)
def test_float32_is_as_good_as_float32_can_be(name: str) -> None:
    """Broken if float32 loses more than rounding does: a few hundred additions of 6e-8 each, errors averaging out."""
    made = module(name)
    args = arguments(name, MEDIUM)
    low = [a.astype(np.float32) for a in args]
    exact = [a.astype(np.float64) for a in low]
    results, reference = made.forward(*low), made.forward(*exact)
    cotangents = cotangents_for(reference)
    small = [w.astype(np.float32) for w in cotangents]
    gradients = made.backward(*small, results[-1])
    expected = made.backward(*[w.astype(np.float64) for w in small], reference[-1])
    for value, due in zip((*results[:-1], *gradients), (*reference[:-1], *expected), strict=True):
        assert relative_error(value, due) <= 5e-6


@pytest.mark.parametrize("name", CELL_NAMES)
def test_arguments_and_cache_stay_as_they_are(name: str) -> None:
    """Broken if forward writes to its arguments, or backward to the cache, so that a second one gives other bits."""
    made = module(name)
    args = arguments(name, MEDIUM)
    before = [a.copy() for a in args]
    results = made.forward(*args)
    cotangents = cotangents_for(results)
    given = [w.copy() for w in cotangents]
    first = made.backward(*cotangents, results[-1])
    second = made.backward(*cotangents, results[-1])
    assert all(np.array_equal(a, b) for a, b in zip(args, before, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(cotangents, given, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", CELL_NAMES)
def test_the_cache_holds_arguments_by_reference(name: str) -> None:
    """Broken if the cache copies an argument: memory would double."""
    *_, cache = module(name).forward(*(args := arguments(name, MEDIUM)))
    kept = [value for value in cache if isinstance(value, np.ndarray)]
    assert kept
    assert all(any(value is a for a in args) for value in kept)


@pytest.mark.parametrize("name", CELL_NAMES)
def test_none_means_zeros(name: str) -> None:
    made = module(name)
    results = made.forward(*arguments(name, MEDIUM))
    zeros = [np.zeros_like(r) for r in results[:-1]]
    expected = made.backward(*zeros, results[-1])
    gradients = made.backward(*[None] * len(zeros), results[-1])
    assert all(np.array_equal(a, b) for a, b in zip(gradients, expected, strict=True))


@pytest.mark.parametrize("empty", [("N",), ("T",), ("T", "N")], ids="-".join)
@pytest.mark.parametrize("name", CELL_NAMES)
def test_empty_sizes(name: str, empty: tuple[str, ...]) -> None:
    """Broken if a size of 0 fails; without steps the last states are copies and only their cotangents pass."""
    made = module(name)
    args = arguments(name, {**MEDIUM, **dict.fromkeys(empty, 0)})
    results = made.forward(*args)
    cotangents = cotangents_for(results)
    gradients = made.backward(*cotangents, results[-1])
    assert [g.shape for g in gradients] == [a.shape for a in args]
    for a, gradient in zip(ALL[name].inputs, gradients, strict=True):
        if "N" in empty or a.role != "state" or a.next in ALL[name].outputs:
            assert not gradient.any()


def test_no_steps_at_all() -> None:
    """At T = 0 c is a copy of c0, dc0 is dc, every other gradient is zero."""
    args = lstm_arguments({**SMALL, "T": 0})
    h, c, cache = lstm_numpy.forward(*args)
    dc = np.ones_like(c)
    gradients = lstm_numpy.backward(None, dc, cache)
    assert h.shape == (0, 2, 2)
    assert np.array_equal(c, args[2])
    assert not np.shares_memory(c, args[2])
    assert np.array_equal(gradients.dc0, dc)
    assert not any(g.any() for name, g in gradients._asdict().items() if name != "dc0")


def test_chunks_do_not_change_the_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if a chunk of coefficients is off by a step at its edges."""
    results = lstm_numpy.forward(*lstm_arguments(MEDIUM))
    cotangents = cotangents_for(results)
    whole = lstm_numpy.backward(*cotangents, results[-1])
    for size in (1, 2 * 5 * 4 * 6, 4 * 5 * 4 * 6):  # chunks of one, two and four of the nine steps
        monkeypatch.setattr(lstm_numpy, "_CHUNK", size)
        parts = lstm_numpy.backward(*cotangents, results[-1])
        assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))


# -- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "change", "error", "message"),
    [
        (3, lambda a: a[:, :-1], ValueError, r"W_x has shape \(3, 7\), expected \(D, 4H\) = \(3, 8\)"),
        (0, lambda a: a[0], ValueError, r"x has shape \(2, 3\), expected \(T, N, D\) = \(\?, 2, 3\)"),
        (1, lambda a: a[:1], ValueError, r"h0 has shape \(1, 2\), expected \(N, H\) = \(2, 2\)"),
        (5, lambda a: a[:, None], ValueError, r"b has shape \(8, 1\), expected \(4H\) = \(8\)"),
        (2, lambda a: a.astype(np.float32), TypeError, "c0 has dtype float32, but x has float64"),
        (4, lambda a: a.astype(int), TypeError, "W_h has dtype int64, expected float32, float64 or complex128"),
        (5, lambda a: a.tolist(), TypeError, "b should be a NumPy array, got list"),
        (0, lambda a: a.astype(np.float16), TypeError, "x has dtype float16"),
    ],
)
def test_a_wrong_argument_is_named(position: int, change: object, error: type, message: str) -> None:
    """Broken if an error does not name the argument, what was expected and what came."""
    args: list = list(lstm_arguments())
    args[position] = change(args[position])  # type: ignore[operator]
    with pytest.raises(error, match=message):
        lstm_numpy.forward(*args)


def test_a_wrong_cotangent_is_named() -> None:
    h, c, cache = lstm_numpy.forward(*lstm_arguments())
    with pytest.raises(ValueError, match=r"dh has shape \(2, 2\), expected \(T, N, H\) = \(4, 2, 2\)"):
        lstm_numpy.backward(h[0], c, cache)
    with pytest.raises(TypeError, match="dc has dtype float32, but the cache has float64"):
        lstm_numpy.backward(h, c.astype(np.float32), cache)
    args = [lstm_arguments()[0][0], *lstm_arguments()[1:]]
    *_, step_cache = lstm_numpy.step_forward(*args)
    with pytest.raises(ValueError, match="d_next_c has shape"):
        lstm_numpy.step_backward(h[0], c[0], step_cache)


# -- numbers ------------------------------------------------------------------------------------------------------


def _gates(pre_activation: np.ndarray) -> tuple[np.ndarray, ...]:
    """The gates i, g, f, o of both code paths for given pre-activations (through the bias alone)."""
    H = pre_activation.size
    dtype = pre_activation.dtype
    zero = [np.zeros(s, dtype) for s in ((1, 1), (1, H), (1, H), (1, 4 * H), (H, 4 * H))]
    bias = np.tile(pre_activation, 4)
    step = lstm_numpy.step_forward(*zero, bias)[-1]
    *_, cache = lstm_numpy.forward(zero[0][None], *zero[1:], bias)
    return step.i[0], step.g[0], *cache.tape.gates[0, :, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigma_and_tanh_over_the_whole_range(dtype: type) -> None:
    """Broken if σ or tanh is off, or warns, anywhere: large, tiny and infinite pre-activations included."""
    grid = np.concatenate([np.linspace(-40, 40, 4001), np.logspace(-300, 4, 305), -np.logspace(-300, 4, 305)])
    with np.errstate(under="ignore", over="ignore"):
        z = np.concatenate([grid.astype(dtype), np.array([0, 1e4, -1e4, np.inf, -np.inf], dtype)])
    wide = z.astype(np.float64)
    sigma = np.where(wide >= 0, 1 / (1 + np.exp(-np.abs(wide))), np.exp(-np.abs(wide)) / (1 + np.exp(-np.abs(wide))))
    # float32: half an ulp of a value near 1 is 6e-8, and two of them add up; float64 likewise.
    tolerance = 1.2e-7 if dtype is np.float32 else 2.3e-16
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step_i, step_g, i, g, f, o = _gates(z)
    for value in (step_i, i, f, o):
        assert np.max(np.abs(value - sigma)) <= tolerance
    for value in (step_g, g):
        assert np.max(np.abs(value - np.tanh(wide))) <= tolerance


def test_saturated_gates_have_clean_gradients() -> None:
    """Broken if ±inf in the bias makes a gradient NaN or warns."""
    args = lstm_arguments()
    args[5] = np.where(np.arange(8) % 2, np.inf, -np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        h, c, cache = lstm_numpy.forward(*args)
        gradients = lstm_numpy.backward(np.ones_like(h), np.ones_like(c), cache)
    assert all(np.isfinite(a).all() for a in (h, c, *gradients))


# -- workspaces ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELL_NAMES)
def test_a_workspace_changes_nothing_but_the_memory(name: str) -> None:
    """Broken if a warm workspace leaves something of the call before in the results."""
    made = module(name)
    workspace = made.Workspace(*(MEDIUM[OTHER_NAMES.get(dim, dim)] for dim in _dims(made)), np.float64)
    for seed in range(3):
        args = arguments(name, MEDIUM, seed=seed)
        plain = made.forward(*args)
        warm = made.forward(*args, workspace=workspace)
        cotangents = cotangents_for(plain, seed=seed + 10)
        expected = made.backward(*cotangents, plain[-1])
        gradients = made.backward(*cotangents, warm[-1], workspace=workspace)
        for a, b in zip((*plain[:-1], *expected), (*warm[:-1], *gradients), strict=True):
            assert np.array_equal(a, b)


def _dims(made: object) -> list[str]:
    names = made.Workspace.__init__.__annotations__  # type: ignore[attr-defined]
    return [name for name, kind in names.items() if kind == "int"]


def test_a_warm_step_allocates_next_to_nothing() -> None:
    """Broken if forward or backward makes an array of the size of the data: less than 64 KiB at any moment."""
    sizes = {"T": 40, "N": 32, "D": 48, "H": 64}
    args = lstm_arguments(sizes, np.float32)
    workspace = lstm_numpy.Workspace(*sizes.values())
    dh, dc = np.ones((40, 32, 64), np.float32), np.ones((32, 64), np.float32)

    def step() -> None:
        *_, cache = lstm_numpy.forward(*args, workspace=workspace)
        lstm_numpy.backward(dh, dc, cache, workspace=workspace)

    step()
    tracemalloc.start()
    step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 1024


def test_an_overwritten_cache_is_refused() -> None:
    """Broken if backward silently uses the tape of a later forward."""
    args = lstm_arguments()
    workspace = lstm_numpy.Workspace(*SMALL.values(), np.float64)
    *_, old = lstm_numpy.forward(*args, workspace=workspace)
    *_, new = lstm_numpy.forward(*args, workspace=workspace)
    with pytest.raises(RuntimeError, match="overwritten"):
        lstm_numpy.backward(None, None, old)
    lstm_numpy.backward(None, None, new)


def test_a_workspace_of_another_size_or_dtype_is_refused() -> None:
    args = lstm_arguments()
    with pytest.raises(ValueError, match="the workspace is for"):
        lstm_numpy.forward(*args, workspace=lstm_numpy.Workspace(5, 2, 3, 2, np.float64))
    with pytest.raises(TypeError, match="the workspace is for float32"):
        lstm_numpy.forward(*args, workspace=lstm_numpy.Workspace(*SMALL.values()))
    with pytest.raises(TypeError, match="float32, float64 or complex128"):
        lstm_numpy.Workspace(*SMALL.values(), np.int32)


# -- the file itself ------------------------------------------------------------------------------------------------


def test_the_gate_order_is_the_notes() -> None:
    assert lstm_numpy.GATE_ORDER == "igfo"


def test_a_generated_module_needs_numpy_alone() -> None:
    """Broken if it imports SymPy, Jinja or the rest of handgrad."""
    blocked = ["sympy", "jinja2", "derive", "typer", "rich"]
    code = f"import sys; sys.modules.update(dict.fromkeys({blocked})); import generated.lstm_numpy"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
