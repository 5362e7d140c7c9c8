"""The matrix product of one step alone, by what the generated kernel for a step forms it with: for the floor."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from generated import lstm_cuda

_KERNEL = """
// a = h · W_h, as forward_step forms it.
extern "C" __global__ void __launch_bounds__(32 * SLICES) step_product(
    const Real *h_, const Real *W_h_, Real *a_, Index N, Index H)
{
    TILE
    SHARED
    const int point = Tile::thread(), rank = point % Tile::TEAM;
    const int own_row = point / Tile::TEAM / Tile::OWN_COLUMNS, own_column = point / Tile::TEAM % Tile::OWN_COLUMNS;
    const Index row = Tile::row(rank, own_row), column = Tile::column(rank, own_column);
    Real sum_own[4][Tile::OWN_ROWS][Tile::OWN_COLUMNS] = {};
    add_product<true, false>(
        Tile(), sum_own, slices[threadIdx.z].pieces, N, H, Part(H, SLICES, threadIdx.z, Tile::DEPTH),
        [=](Index row, Index k) { return h_[row * H + k]; },
        [=](Index k, int block, Index column) { return W_h_[k * 4 * H + block * H + column]; });
    keep_sums(slices[threadIdx.z], 0, sum_own);
    __syncthreads();
    if (point >= Tile::ROWS * Tile::COLUMNS || row >= N || column >= H)
        return;
    Real sum[4] = {};
    add_slices(sum, slices, 0, rank, own_row, own_column);
    for (int block = 0; block < 4; ++block)
        a_[row * 4 * H + block * H + column] = sum[block];
}
"""


def prepare(N: int, H: int) -> Callable[..., None]:
    """A launch for so many rows and states in float32, to be called with the addresses of h, W_h and a."""
    from pycuda.compiler import DEFAULT_NVCC_FLAGS, SourceModule

    text = Path(lstm_cuda.__file__).with_name("lstm.cu").read_text(encoding="utf-8")
    found = re.search(r"\bforward_step\(.*?(using Tile = [^\n]*).*?(__shared__ [^\n]*)", text, re.DOTALL)
    assert found is not None
    source = text + _KERNEL.replace("TILE", found[1]).replace("SHARED", found[2])
    options = [*DEFAULT_NVCC_FLAGS, "-std=c++17", "-DREAL=float"]
    module = SourceModule(source.encode("ascii", "replace").decode(), options=options, no_extern_c=True)
    kernel = module.get_function("step_product")
    kernel.prepare("PPPqq")
    step, gpu = lstm_cuda._KERNELS["forward_step"], lstm_cuda._gpu(np.dtype(np.float32))
    grid = (*step.blocks((N, H)), 1)
    call: Any = kernel.prepared_async_call
    return lambda *addresses: call(grid, gpu._threads(step), None, *addresses, N, H)
