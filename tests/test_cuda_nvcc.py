"""What NVIDIA's compiler makes of the kernels, where it is installed; it needs no GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kernels import (
    ARCHITECTURES,
    FEW_WORDS,
    GENERATED,
    REALS,
    Compiled,
    CompileError,
    check_doubles,
    compile_kernels,
    find_nvcc,
)
from derive.emit.files import render
from tests.cuda_cells import HARD
from tests.example_cells import ALL

NVCC = find_nvcc()
OTHERS = {**ALL, **HARD}
FAST = ("attend", "scalar")  # an equation that nothing needs; no product in a step
needs_nvcc = pytest.mark.skipif(NVCC is None, reason="no nvcc: install a CUDA toolkit, or pip install '.[nvcc]'")


@needs_nvcc
@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kernels_compile_without_warnings_or_spills(architecture: str, real: str) -> None:
    """Broken if a kernel warns, or keeps a thread's sums in memory."""
    assert NVCC is not None
    found = list(compile_kernels(NVCC, GENERATED / "lstm.cu", architecture, real))
    assert {"forward_step", "backward_step"} <= {one.name for one in found}
    assert not [one for one in found if one.local]
    assert not [one for one in found if one.occupancy == 0]


@needs_nvcc
@pytest.mark.parametrize(
    ("architecture", "real"),
    [
        pytest.param(architecture, real, marks=() if (architecture, real) == ("sm_90", "float") else pytest.mark.full)
        for architecture in ARCHITECTURES
        for real in REALS
    ],
)
def test_kernels_of_second_order_compile(architecture: str, real: str) -> None:
    """Broken if a kernel warns, or keeps a thread's sums in memory; the compiler itself may put off a few words."""
    assert NVCC is not None
    found = list(compile_kernels(NVCC, GENERATED / "lstm_second.cu", architecture, real))
    assert {"upward_step", "downward_step"} <= {one.name for one in found}
    assert not [one for one in found if one.local > FEW_WORDS]
    assert not [one for one in found if one.occupancy == 0]


@needs_nvcc
@pytest.mark.parametrize(
    ("name", "real"),
    [
        pytest.param(name, real, marks=() if name in FAST and real == "float" else pytest.mark.exhaustive)
        for name in sorted(OTHERS)
        for real in REALS
    ],
)
def test_other_cells_compile_without_warnings(name: str, real: str, tmp_path: Path) -> None:
    """Broken if a cell leaves something without a use, of which nvcc warns its user, or sums do not stay in registers.

    The compiler may put a few other registers into local memory, once for each; sums would take hundreds of bytes.
    """
    assert NVCC is not None
    source = tmp_path / f"{name}.cu"
    source.write_text(render(OTHERS[name])[source.name], encoding="utf-8")
    assert max(one.local for one in compile_kernels(NVCC, source, "sm_90", real)) < 100


@needs_nvcc
def test_no_doubles_in_float_kernels(tmp_path: Path) -> None:
    """Broken if a float kernel computes in double, or the search for doubles finds none where there are some."""
    assert NVCC is not None
    for source in ("lstm.cu", "lstm_second.cu"):
        check_doubles(NVCC, GENERATED / source)
    kernel = 'extern "C" __global__ void __launch_bounds__(32) tenth(REAL *x) { *x = *x * 0.1; }'
    Path(tmp_path, "tenth.cu").write_text(kernel, encoding="utf-8")
    with pytest.raises(CompileError, match="a float kernel has a double"):
        check_doubles(NVCC, tmp_path / "tenth.cu")


def test_occupancy_is_what_the_guide_says() -> None:
    """By registers: 80 a thread, 256 threads: 3 blocks of 8 warps; by shared memory, by threads."""
    assert Compiled("k", "sm_90", "float", 256, 80, 0, 0).occupancy == 3 * 256 / 2048
    assert Compiled("k", "sm_80", "float", 128, 32, 40 * 1024, 0).occupancy == 4 * 128 / 2048
    assert Compiled("k", "sm_90", "float", 256, 32, 0, 0).occupancy == 1
