"""PyTorch modules of cells that handgrad does not ship, in a package of the user's own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from derive.cell import Cell, dims, sequence, state
from derive.emit.files import render, shared, write
from derive.emit.torch.layer import biases, gains, layer_of
from derive.program import Program
from tests.example_cells import ALL, EXAMPLES
from tests.modules import SMALL, arguments, files

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: its modules in a package of one's own did not run"
)

N, H = dims("N H")


class Plain(Cell):
    """A sum: no parameters, nothing to keep."""

    x = sequence(N, H)
    h_prev = state(N, H)

    h = h_prev + x
    outputs = ("h",)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A package with the files of the example cells, and nothing else of handgrad's."""
    folder = tmp_path_factory.mktemp("place")
    texts = {name: text for cell in EXAMPLES for name, text in files(cell).items()}
    write({"__init__.py": "", **shared(), **texts, **render(Plain.program)}, folder / "mine")
    sys.path.insert(0, str(folder))
    yield "mine"
    sys.path.remove(str(folder))


def function(package: str, cell: Program) -> Any:
    return getattr(importlib.import_module(f"{package}.{cell.name}_torch"), cell.name)


@pytest.mark.filterwarnings("ignore:.torch.jit.script.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", EXAMPLES)
def test_functions_of_other_cells(package: str, name: str) -> None:
    """Broken if the bridge counts on the zoo's names, on one output or on an output that is a state."""
    args = [torch.tensor(one, requires_grad=True) for one in arguments(name, SMALL)]
    one = function(package, ALL[name])
    assert torch.autograd.gradcheck(one, args, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(one, args, check_fwd_over_rev=True, fast_mode=True)


def test_a_cell_that_keeps_nothing(package: str) -> None:
    """Broken if a function or an operator with one result and no tape is taken for several."""
    x, h0 = torch.ones(3, 2, 4, requires_grad=True), torch.zeros(2, 4)
    one = function(package, Plain.program)
    assert torch.equal(one(x, h0)[-1], torch.full((2, 4), 3.0))
    torch._dynamo.reset()
    h = torch.compile(one, fullgraph=True, backend="aot_eager")(x, h0)
    assert torch.equal(torch.autograd.grad(h.sum(), x)[0][:, 0, 0], torch.tensor([3.0, 2.0, 1.0]))


def test_layers_of_other_cells(package: str) -> None:
    """Broken if layers count on the names N, D, H; or a cell that cannot be stacked is given layers."""
    made = importlib.import_module(f"{package}.other_dims_torch").OtherDims(3, 5, num_layers=2, bidirectional=True)
    output, s = made(torch.randn(4, 2, 3))
    assert output.shape == (4, 2, 10)
    assert s.shape == (4, 2, 5)
    # One has an output of the input's size, which would have to be chosen with it; the other has two outputs.
    assert [layer_of(ALL[name]) for name in ("readout", "two_outputs")] == [None, None]


def test_operators_are_the_packages_own(package: str) -> None:
    """Broken if two cells of one name in two packages overwrite each other's operators."""
    importlib.import_module(f"{package}.other_dims_torch")
    assert torch.ops.mine.other_dims_numpy.default is not None


def test_what_counts_as_bias_and_gain() -> None:
    """Broken if a weight is left out with bias=False, or a peephole begins at one."""
    due = {
        "lstm": (["b"], []),
        "lstm_peephole": (["b"], []),
        "lstm_layernorm": (["b", "b_c"], ["g_x", "g_h", "g_c"]),
        "gru": (["b", "e"], []),
        "indrnn": (["b"], []),
        "mlstm": (["b", "b_i", "b_f"], []),
        "two_outputs": ([], []),
    }
    assert {name: (biases(ALL[name]), gains(ALL[name])) for name in due} == due
