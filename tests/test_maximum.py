"""The maximum over an axis: beside PyTorch's amax, where entries are equal, without entries, and as it is printed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sympy import Integer

from derive.calculus import jvp, vjp
from derive.cell import Cell, dims, exp, parameter, sequence, state
from derive.cell import max as largest
from derive.cell import min as smallest
from derive.cell import sum as total
from derive.emit.files import render
from derive.errors import CellError
from derive.evaluate import EXACT, REAL, evaluate
from derive.functions import step
from derive.index import Entry, Index, Max, Sigma
from derive.page.display import display_style
from derive.page.mathml import mathml
from derive.plan.schedule import schedule
from derive.plan.tangents import tangents as planned_tangents
from derive.program import Program
from derive.show import UNICODE, equation_text
from derive.tensor import entry, join
from tests import cuda, literature
from tests.cuda_cells import HARD
from tests.cuda_modules import host, load
from tests.modules import module_of, relative_error
from tests.random_cells import RandomCell
from tests.second_order import directions, imaginary, pairing, stepped, tangents
from tests.test_random_cells import arguments

N, D, H, K = dims("N D H K")
n, h, k = Index("n", N), Index("h", H), Index("k", K)
SIZES = {"N": 3, "D": 2, "H": 4, "K": 5, "S": 3}
TOLERANCE = 1e-11  # float64; PyTorch orders its sums otherwise
Arrays = list[np.ndarray]


class Ties(Cell):
    """Whole numbers stay whole, so that what is equal is equal to the last digit."""

    x = sequence(N, D)
    M_prev = state(N, K, H)
    W = parameter(D, H)
    V = parameter(K, H)

    r = largest(M_prev, K)[:, 0]
    low = smallest(M_prev)[:, :, 0]
    q = largest(x @ W + r)
    y = r * q + largest(V, K)
    M = M_prev * low[:, :, None] - r[:, None, :] * V
    outputs = ("y",)


class Readme(Cell):
    """As one writes it."""

    x = sequence(N, D)
    s_prev = state(N, H)
    W = parameter(D, H)

    a = x @ W
    m = largest(a)
    s = s_prev + a - m
    outputs = ("s",)


class Masked(Cell):
    """A softmax of which some entries are left out."""

    x = sequence(N, H)
    h_prev = state(N, H)
    mask = parameter(H)

    s = x + h_prev + mask
    m = largest(s)[:, 0]
    e = exp(s - m[:, None])
    h = e / total(e)
    outputs = ("h", "m")


@cache
def texts(program: Program) -> dict[str, str]:
    return render(program)


@cache
def made(program: Program, target: str) -> ModuleType:
    name = f"{program.name}_{target}"
    if target == "numpy":
        return module_of(name, texts(program))
    cuda.require()
    return load(name, texts(program))


# -- PyTorch, by hand ----------------------------------------------------------------------------------------------


def ties(_: Any, x: Any, M: Any, p: dict[str, Any]) -> tuple[Any, Any]:
    r, low = M.amax(1), M.amin(2)
    q = (x @ p["W"] + r).amax(1, keepdim=True)
    return r * q + p["V"].amax(0), M * low[:, :, None] - r[:, None, :] * p["V"]


def stable_slots(t: Any, x: Any, M: Any, p: dict[str, Any]) -> tuple[Any, Any]:
    s = t.nn.functional.softplus(p["beta"]) * t.einsum("nkh,nh->nk", M, x @ p["W_q"])
    read = t.softmax(s, 1)
    write = t.softmax(-read, 1)
    return t.einsum("nk,nkh->nh", read, M), t.lerp(M, (x @ p["W_v"])[:, None, :], write[:, :, None])


def maxout(t: Any, x: Any, h: Any, p: dict[str, Any]) -> tuple[Any, Any]:
    new = (t.einsum("nd,dsh->nsh", x, p["W"]) + t.einsum("ni,ish->nsh", h, p["U"]) + p["b"]).amax(1)
    return new, new


def max_pool(t: Any, x: Any, C: Any, p: dict[str, Any]) -> tuple[Any, Any]:
    new = t.sigmoid(p["lam"]) * C + t.einsum("nh,nk->nhk", t.tanh(x @ p["W_i"]), x @ p["W_k"])
    return new.amax(2), new


STEPS: dict[str, tuple[Program, Callable[..., tuple[Any, Any]]]] = {
    "ties": (Ties.program, ties),
    "stable_slots": (literature.StableSlots.program, stable_slots),
    "maxout": (literature.Maxout.program, maxout),
    "max_pool": (literature.MaxPool.program, max_pool),
}


def by_torch(name: str, args: Arrays, cotangents: Arrays, moved: Arrays) -> tuple[Arrays, Arrays, Arrays]:
    """(results, gradients, Hessian products along ``moved``) of a cell written by hand."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: its amax was no oracle")
    program, one_step = STEPS[name]
    given = [torch.tensor(a, requires_grad=True) for a in args]
    x, value, *others = given
    parameters = dict(zip([a.name for a in program.having("parameter")], others, strict=True))
    outputs = []
    for x_t in x:
        output, value = one_step(torch, x_t, value, parameters)
        outputs.append(output)
    results = [torch.stack(outputs), value][: len(cotangents)]
    loss = sum((w * r).sum() for w, r in zip(map(torch.tensor, cotangents), results, strict=True))
    first = torch.autograd.grad(loss, given, create_graph=True)
    turned = sum((g * v).sum() for g, v in zip(first, map(torch.tensor, moved), strict=True))
    second = torch.autograd.grad(turned, given, allow_unused=True, materialize_grads=True)
    return tuple([one.detach().numpy() for one in some] for some in (results, first, second))  # type: ignore[return-value]


@pytest.mark.parametrize("target", ["numpy", "cuda"])
@pytest.mark.parametrize("name", STEPS)
def test_agrees_with_amax(name: str, target: str) -> None:
    """Broken if a maximum, its gradient or its Hessian product is not PyTorch's, equal entries included."""
    cell = RandomCell(STEPS[name][0], name, SIZES)
    some = made(cell.program, target)
    args = arguments(cell)
    if name == "ties":
        args = [np.sign(a) * np.round(np.abs(a)) for a in (3 * a for a in args)]
        rows = args[1].max(1, keepdims=True)
        assert (args[1] == rows).sum() > rows.size, "nothing is equal"
    results = some.forward(*args)
    chance = np.random.default_rng(1)
    cotangents = [np.asarray(chance.integers(-3, 4, r.shape), float) for r in results[:-1]]
    moved = directions(args, 2)
    due = by_torch(name, args, cotangents, moved)
    gradients = some.backward(*cotangents, results[-1])
    second = some.hvp(*cotangents, results[-1], **tangents(some, moved))
    for found, expected in zip((results[:-1], gradients, second), due, strict=True):
        for value, one in zip(found, expected, strict=True):
            assert relative_error(host(value) if target == "cuda" else value, one) <= TOLERANCE


# -- equal entries, and entries that are no numbers -----------------------------------------------------------------


def test_equal_entries_share_equally() -> None:
    """Broken if of equal entries one receives all, each receives all, or a complex step goes along one alone."""
    some = made(Readme.program, "numpy")
    x, s0, W = np.array([[[1.0]]]), np.zeros((1, 4)), np.array([[2.0, 1.0, 2.0, -7.0]])
    dm = -4.0  # of m, which all four units lose
    *_, cache = some.forward(x, s0, W)
    gradients = some.backward(np.ones((1, 1, 4)), cache)
    assert gradients.dW.tolist() == [[1 + dm / 2, 1, 1 + dm / 2, 1]]
    for moved in np.eye(4):
        alone = [np.zeros_like(x), np.zeros_like(s0), moved[None]]
        (tangent, *_) = imaginary(list(some.forward(*stepped([x, s0, W], alone))[:-1]))
        assert np.array_equal(tangent, some.jvp(x, s0, W, W_dot=moved[None])[0])
        assert tangent.sum() == pairing([gradients.dW], [moved[None]])
    assert not any(one.any() for one in some.hvp(np.ones((1, 1, 4)), cache, W_dot=W)[1:])


@pytest.mark.parametrize("target", ["numpy", "cuda"])
def test_infinite_entries_and_nan(target: str) -> None:
    """Broken if a masked entry, −∞, makes anything NaN, or a NaN is passed over for a number."""
    some = made(Masked.program, target)
    x, h0, mask = arguments(RandomCell(Masked.program, "masked", SIZES))
    mask[:] = [0, -np.inf, 0, -np.inf]
    x[1, 2, 2] = np.nan
    h, m, cache = some.forward(x, h0, mask)
    gradients = some.backward(np.ones((3, 3, 4)), np.ones((3, 3)), cache)
    h, m, dx, dmask = (host(one) if target == "cuda" else one for one in (h, m, gradients.dx, gradients.dmask))
    assert np.isnan(h[1:, 2]).all()
    assert np.isnan(m[1:, 2]).all()
    assert not np.isnan(h[:, :2]).any()
    assert not h[:, :2, 1::2].any()
    assert np.isfinite(dx[:, :2]).all()
    x[1, 2, 2] = 0
    gradients = some.backward(np.ones((3, 3, 4)), np.ones((3, 3)), some.forward(x, h0, mask)[-1])
    assert np.isfinite(host(gradients.dmask) if target == "cuda" else gradients.dmask).all()
    assert np.isnan(dmask).any()


@pytest.mark.parametrize("target", ["numpy", "cuda"])
def test_there_is_no_maximum_of_nothing(target: str) -> None:
    """Broken if an axis of size 0 gives −∞, or an error that does not say which size it is."""
    cell = RandomCell(Ties.program, "ties", {**SIZES, "K": 0})
    with pytest.raises(ValueError, match="K is 0, but a maximum over K is one of at least one entry"):
        made(cell.program, target).forward(*arguments(cell))
    cell = RandomCell(Ties.program, "ties", {**SIZES, "N": 0, "D": 0})
    assert made(cell.program, target).forward(*arguments(cell))[0].shape == (3, 0, SIZES["H"])


# -- what is written down -------------------------------------------------------------------------------------------


def test_derivations_say_who_attains_it() -> None:
    """Broken if the derivative is not the share of those that attain the maximum, or m is not said by its name."""
    backward, forward = vjp(Readme.program), jvp(Readme.program)
    a, m = (backward.arrays[name].tensor.expr for name in ("a", "m"))
    attained = 1 - step(m - a)
    (inner,) = (one for one in backward.definitions["da"].value.atoms(Sigma) if one.has(step))
    assert inner == Sigma(1 - step(m - Entry("a", n, Index("h′", H))), Index("h′", H))
    assert backward.definitions["da"].value == Entry("d_next_s", n, h) + Entry("dm", n) * attained / inner
    assert equation_text(forward.definitions["m"], forward, UNICODE) == "m = max_h(a)"
    assert "step(" in equation_text(forward.definitions["m_dot"], forward, UNICODE)


@pytest.mark.parametrize("name", ["m", "m_dot"])
def test_is_drawn(name: str) -> None:
    """Broken if a page shows the source of an equation with a maximum instead of drawing it."""
    program = jvp(Readme.program)
    latex = equation_text(program.definitions[name], program, display_style())
    assert (r"\max_{h}(a)" in latex) == (name == "m")
    assert mathml(latex).startswith("<math")


class Inside(Cell):
    """Maxima inside of formulas and of one another, of what is computed and of what is there."""

    x = sequence(N, D)
    s_prev = state(N, H)
    M_prev = state(N, K, H)
    W = parameter(D, H)

    s = s_prev / (2 + largest(x @ W * s_prev) ** 2) - smallest(s_prev)
    M = M_prev / 2 + largest(largest(M_prev + s[:, None, :]), 1) - largest(s / 3)[:, :, None]
    outputs = ("s",)


def test_plans_compare_what_is_there() -> None:
    """Broken if what a maximum is compared with is computed again: its last digit may differ, and none attain it."""
    plan = schedule(Inside.program)
    maxima = [e.value for e in plan.step.equations if e.value.has(Max)]
    assert len(maxima) == 5
    for one in maxima:
        assert isinstance(one, Max)
        assert isinstance(one.body, Entry) or str(one.body) == "-s_prev[n, h]"
    compared = {e.name for one in maxima for e in one.atoms(Entry)} - {"s_prev", "M_prev"}
    assert compared <= {a.name for a in plan.tape}


def test_the_smallest_of_products_is_planned() -> None:
    """Broken if what a maximum is over never gets a name, as the negative of a product is no single negative."""
    plan = schedule(HARD["normed"])
    (smallest_product,) = [e.value for e in plan.step.equations if e.value.has(Max) and "options" in str(e.value)]
    assert isinstance(smallest_product.body, Entry)


def test_plans_count_once() -> None:
    """Broken if those that attain a maximum are counted again for tangents, or a count has a tangent, which is 0."""
    plan = schedule(Inside.program)
    counts = {e.name for e in plan.step.equations if isinstance(e.value, Sigma) and e.value.has(step)}
    assert len(counts) == 5
    assert counts <= {a.name for a in plan.tape}
    moving = planned_tangents(plan)
    upward = [one for e in moving.upward.equations for one in e.value.atoms(Sigma)]
    assert not [one for one in upward if one.has(step) and not any(e.name.endswith("_dot") for e in one.atoms(Entry))]
    assert not [e.name for e in moving.program.equations if e.name.removesuffix("_dot") in counts and e.value == 0]


def test_evaluation_keeps_it_opaque() -> None:
    """Broken if an identity between maxima that holds by chance at some numbers counts as exact."""
    u = np.array([[1, 5], [5, 1], [2, 9]])
    values = {"u": u.astype(object)}
    found = evaluate(Max(Entry("u", n, h), h), (n,), values, {N: 3, H: 2}, EXACT)
    assert found[0] == found[1] != found[2]
    assert 5 not in found
    assert list(evaluate(Max(Entry("u", n, h), h), (n,), {"u": u.astype(float)}, {N: 3, H: 2}, REAL)) == [5, 5, 9]


def test_along_an_axis_of_parts() -> None:
    """Broken if the largest along [u, v] is not that of both."""
    joined = join([entry("u", (H,)), entry("v", (K,))], 0)
    expr = joined.largest().expr
    values = {"u": np.array([1.0, 7.0]), "v": np.array([3.0, 4.0, 5.0])}
    assert float(evaluate(expr, (), values, {H: 2, K: 3}, REAL)) == 7
    assert Max(Integer(3), h) == 3


# -- mistakes -------------------------------------------------------------------------------------------------------


def cell_with(formula: Callable[..., Any]) -> Program:
    class Broken(Cell):
        x = sequence(N, H)
        h_prev = state(N, H)
        b = parameter(H)

        h = formula(x, h_prev, b)
        outputs = ("h",)

    return Broken.program


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        (lambda x, h, b: h - largest(x, N), "equation h: a maximum over the batch dimension N would mix sequences"),
        (lambda x, h, b: h - largest(x, K), "equation h: a maximum over K of shape (N, H), which has 0 axes"),
        (lambda x, h, b: h - smallest(x, 2), "equation h: a maximum over axis 2 of shape (N, H)"),
        (lambda x, h, b: smallest(x, h), "min is over an axis, which is given by a size or a position; that of two is"),
        (lambda x, h, b: largest(x, h), "max is over an axis, which is given by a size or a position; that of two is"),
        (lambda x, h, b: max(x), "a quantity is no list; sums and maxima over an axis are derive.cell.sum, max and"),
    ],
)
def test_mistakes(formula: Callable[..., Any], said: str) -> None:
    """Broken if a maximum that cannot be gives a traceback, or a program that mixes sequences."""
    with pytest.raises(CellError) as caught:
        render(cell_with(formula))
    assert said in str(caught.value)


def test_names_of_kernels() -> None:
    """Broken if an array is called what the kernels call something else."""

    class Named(Cell):
        larger = sequence(N)
        x = sequence(N, H)
        s_prev = state(N)
        INFINITY = parameter(H)

        s = s_prev / 2 + largest(x * INFINITY * s_prev[:, None])[:, 0] * larger
        outputs = ("s",)

    assert "Real largest_max_s = -INFINITY;" in texts(Named.program)["named.cu"]
    args = arguments(RandomCell(Named.program, "named", SIZES))
    due = made(Named.program, "numpy").forward(*args)[0]
    assert relative_error(host(made(Named.program, "cuda").forward(*args)[0]), due) <= TOLERANCE


def test_names_that_kernels_need() -> None:
    """Broken if an array has the name under which a kernel looks for a maximum."""

    class Taken(Cell):
        x = sequence(N, H)
        s_prev = state(N, H)
        largest_s = parameter(H)

        s = s_prev / 2 + largest(x * largest_s)
        outputs = ("s",)

    with pytest.raises(CellError, match="generated CUDA needs the name 'largest_s' itself"):
        render(Taken.program)
