"""Names of a cell that meet those of generated code: either both are kept apart, or the error says which one it is."""

from __future__ import annotations

import numpy as np
import pytest

from derive.cell import Cell, dims, parameter, sequence, sigmoid, stack, state, tanh
from derive.emit.cuda.module import cuda_module
from derive.emit.files import render
from derive.emit.numpy.module import numpy_module
from derive.errors import CellError
from derive.index import substitute
from derive.program import Array, Equation, Program
from tests import cuda
from tests.cuda_modules import host, load
from tests.modules import module_of, relative_error

N, D, H = dims("N D H")
gates = stack("io", H)


class Hostile(Cell):
    """Names that kernels use themselves, and words of C++."""

    at = sequence(N, D)
    k_prev = state(N, H)
    block = parameter(D, gates)
    Real = parameter(H, gates)
    sigmoid_ = parameter(gates)
    double = parameter(H)
    part = parameter(H)

    o = at @ block + k_prev @ Real + sigmoid_
    inside = sigmoid(o.i) * double
    e = tanh(o.o * part)
    k = inside * k_prev + e
    outputs = ("k",)


class Plain(Cell):
    """A cell one array of which is given another name below."""

    x = sequence(N, D)
    h_prev = state(N, H)
    W = parameter(D, gates)
    q = parameter(H)

    a = x @ W
    h = sigmoid(a.i + h_prev) * tanh(a.o) * q
    outputs = ("h",)


def renamed(program: Program, old: str, new: str) -> Program:
    """The program with an array under another name."""
    from derive.index import Entry

    def array(one: Array) -> Array:
        return Array(new if one.name == old else one.name, one.sizes, one.role, one.next)

    equations = []
    for equation in program.equations:
        uses = {e: Entry(new, *e.indices) for e in equation.value.atoms(Entry) if e.name == old}
        equations.append(Equation(array(equation.array), substitute(equation.value, uses)))
    return Program("odd", tuple(map(array, program.inputs)), tuple(equations), program.outputs)


def test_names_of_kernels_and_of_cpp_are_kept_apart() -> None:
    """Broken if an array called k or double is mixed up with a kernel's own, or does not compile."""
    cuda.require()
    texts = render(Hostile.program)
    numpy_made, cuda_made = module_of("hostile_numpy", texts), load("hostile_cuda", texts)
    chance = np.random.default_rng(0)
    shapes = [(3, 2, 4), (2, 5), (4, 10), (5, 10), (10,), (5,), (5,)]
    args = [0.5 * chance.standard_normal(shape) for shape in shapes]
    *expected, numpy_cache = numpy_made.forward(*args)
    *results, cache = cuda_made.forward(*args)
    dk = chance.standard_normal(expected[0].shape)
    pairs = zip(cuda_made.backward(dk, cache), numpy_made.backward(dk, numpy_cache), strict=True)
    for value, due in [*zip(results, expected, strict=True), *pairs]:
        assert relative_error(host(value), due) <= 1e-12


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("dx", "the cotangent of x"),
        ("d_next_h", "the cotangent of h that comes from outside"),
        ("J_a", "a coefficient of the cotangent of a"),
        ("x_t", "x at step t"),
        ("dh_t", "the cotangent of h at step t"),
        ("dh_all", "the cotangent of h at all steps"),
        ("x_dot", "the tangent of x"),
        ("h0", "the initial h"),
        ("a_i", "the block i of a"),
        ("a_rows", "a by rows"),
        ("a_rows_blocks", "a by rows, seen as blocks"),
        ("gates", "blocks behind their functions"),
        ("tmp", "memory for intermediate results"),
    ],
)
def test_names_that_generated_code_makes_up_are_refused(name: str, what: str) -> None:
    """Broken if two things get one name in generated code, which then computes something else without a word."""
    cell = renamed(Plain.program, "q", name)
    for module in (numpy_module, cuda_module):
        with pytest.raises(CellError, match=f"cell odd: the name '{name}' is what generated code calls {what}"):
            module(cell, {})
