"""The kernels themselves: their functions' accuracy, sums of every kind, and text that is good for any GPU."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from derive.cell import Cell, parameter, sequence, state, tanh
from derive.emit.cuda.module import cuda_module
from derive.emit.cuda.tiles import tile_for
from derive.emit.files import render
from derive.errors import CellError
from generated import lstm_cuda
from tests import cuda
from tests.cuda_cells import HARD, SIZES, H, N, by_steps, complex_steps
from tests.cuda_modules import host, load
from tests.modules import module_of, relative_error

cuda.require()

ROOT = Path(__file__).resolve().parent.parent
KERNELS = (ROOT / "generated" / "lstm.cu").read_text(encoding="utf-8")
APPLY = """
extern "C" __global__ void apply(const Real *z_, Real *sigmoid_, Real *tanh_, Index count)
{
    const Index at = Index(blockIdx.x) * 256 + threadIdx.x;
    if (at < count) {
        sigmoid_[at] = sigmoid(z_[at]);
        tanh_[at] = tanh(z_[at]);
    }
}
"""


def test_functions_are_within_four_ulp_of_float64() -> None:
    """Broken if σ loses digits where it is near 0 or 1, overflows, or flushes subnormals."""
    from pycuda import gpuarray
    from pycuda.compiler import SourceModule

    lstm_cuda._driver()
    text = (KERNELS + APPLY).encode("ascii", "replace").decode()
    apply = SourceModule(text, options=["-std=c++17", "-DREAL=float"], no_extern_c=True).get_function("apply")
    apply.prepare("PPPq")
    # Every 4099th float of all 2³², and all whose exponent is where the functions bend.
    every = np.arange(0, 2**32, 4099, dtype=np.uint64).astype(np.uint32).view(np.float32)
    bends = np.linspace(-110, 110, 100_003).astype(np.float32)
    special = np.array([0.0, -0.0, np.inf, -np.inf, 1e-45, -1e-45, 1e-38, 88.8, -88.8, -103.9], np.float32)
    z = np.concatenate([every[~np.isnan(every)], bends, special])
    given = gpuarray.to_gpu(z)
    found = [gpuarray.empty_like(given) for _ in range(2)]
    apply.prepared_call((-(-z.size // 256), 1), (256, 1, 1), *(a.gpudata for a in (given, *found)), z.size)
    wide = z.astype(np.float64)
    small = np.exp(-np.abs(wide))
    for values, due in zip(found, (np.where(wide >= 0, 1.0, small) / (1 + small), np.tanh(wide)), strict=True):
        ulp = np.spacing(np.abs(due).astype(np.float32)).astype(np.float64)
        assert np.max(np.abs(values.get().astype(np.float64) - due) / ulp) <= 4


@pytest.mark.parametrize("name", sorted(HARD))
def test_sums_of_every_kind(name: str) -> None:
    """Broken if a kind of sum is formed wrongly; the reference is complex steps through one NumPy step at a time."""
    cell = HARD[name]
    texts = render(cell)
    made, step_forward = load(f"{name}_cuda", texts), module_of(f"{name}_numpy", texts).step_forward
    chance = np.random.default_rng(2)
    args = [chance.standard_normal(_shape(array)) for array in cell.inputs]
    expected = by_steps(cell, step_forward, args)
    cotangents = [chance.standard_normal(r.shape) for r in expected]
    results = made.forward(*args)
    gradients = made.backward(*cotangents, results[-1])
    due = [*expected, *complex_steps(cell, step_forward, args, cotangents)]
    for value, one in zip((*results[:-1], *gradients), due, strict=True):
        assert relative_error(host(value), one) <= 1e-13


def _shape(array: Any) -> tuple[int, ...]:
    sizes = [len(s.labels) * SIZES[str(s.dim)] if hasattr(s, "labels") else SIZES[str(s)] for s in array.sizes]
    return (SIZES["T"], *sizes) if array.role == "sequence" else tuple(sizes)


def test_cells_without_a_place_are_refused() -> None:
    """Broken if a kernel would read beyond a parameter that has as many rows as one step."""

    class Biased(Cell):
        x = sequence(N, H)
        s_prev = state(N, H)
        w = parameter(N, H)

        s = tanh(x + w * s_prev)
        outputs = ("s",)

    with pytest.raises(CellError, match="parameter w: parameters along the batch dimension N have no place in CUDA"):
        cuda_module(Biased.program, {})


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("groups", [(1,), (3,), (4,), (8,), (12,), (1, 1), (3, 1), (4, 4, 4), (1,) * 16], ids=str)
def test_tiles_fit_every_gpu(groups: tuple[int, ...], every_step: bool) -> None:
    """Broken if a cell with more or fewer blocks than the LSTM gets kernels that no GPU, or no compiler, takes."""
    tile = tile_for(groups, every_step)
    assert tile.fits
    assert tile.sums == sum(groups)
    assert not tile.sliced or tile.rows * tile.columns <= 8 * tile.threads


def test_products_too_wide_are_refused() -> None:
    with pytest.raises(CellError, match="a product with 100 blocks side by side is too wide for CUDA"):
        tile_for((100,), every_step=True)


def test_no_doubles_in_the_text() -> None:
    """Broken if a literal like 0.5 makes float arithmetic double; also if sums would depend on a race."""
    code = re.sub(r"//.*", "", KERNELS)
    assert not re.findall(r"\d\.\d*|\bdouble\b|\d[eE]-?\d", code)
    assert "atomic" not in code


def test_the_import_needs_numpy_alone() -> None:
    """Broken if importing the module needs PyCUDA, or a call without it does not say what is missing."""
    program = (
        "import sys; sys.modules['pycuda'] = None; sys.modules['sympy'] = None; sys.modules['jinja2'] = None\n"
        "import numpy as np; from generated import lstm_cuda as m\n"
        "z = lambda *shape: np.zeros(shape)\n"
        "try: m.forward(z(1, 1, 1), z(1, 1), z(1, 1), z(1, 4), z(1, 4), z(4))\n"
        "except m.CudaUnavailable as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "needs PyCUDA, a CUDA toolkit's nvcc and an NVIDIA driver: pip install pycuda" in done.stdout


def test_kernels_are_compiled_once_per_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if every call compiles, or float64 runs the float32 kernels."""
    from pycuda import compiler

    made = []
    source_module = compiler.SourceModule
    monkeypatch.setattr(compiler, "SourceModule", lambda *a, **k: made.append(k["options"]) or source_module(*a, **k))
    monkeypatch.setattr(lstm_cuda, "_GPUS", {})
    for dtype in (np.float32, np.float64, np.float32):
        shapes = [(1, 1, 1), (1, 1), (1, 1), (1, 4), (1, 4), (4,)]
        lstm_cuda.forward(*(np.zeros(shape, dtype) for shape in shapes))
    assert [options[-1] for options in made] == ["-DREAL=float", "-DREAL=double"]


def test_a_device_too_small_is_an_error() -> None:
    """Broken if a limit is assumed instead of read: the launch would fail, or fail silently."""
    gpu = lstm_cuda._gpu(np.dtype(np.float32))
    big = lstm_cuda._KERNELS["forward_step"]._replace(threads=(2048, 1), sliced=False)

    class Module:
        def get_function(self, name: str) -> Any:
            return gpu.functions[name]

    with pytest.raises(lstm_cuda.CudaUnavailable, match="forward_step takes 2048 threads"):
        gpu._function(Module(), "forward_step", big)
