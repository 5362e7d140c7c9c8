"""What only a GPU can show: another library in the same context, work that is not waited for, very large arrays.

Without a GPU there are no such tests: nothing here stands for something that could run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generated import lstm_cuda, lstm_numpy
from tests import cuda
from tests.cuda_modules import cotangents_of, excess, host, run, scaled_arguments
from tests.cuda_on_cpu import on_cpu
from tests.modules import relative_error

cuda.require()

SIZES = {"T": 5, "N": 17, "D": 33, "H": 65}


def upload(arrays: list[np.ndarray]) -> list[Any]:
    from pycuda import gpuarray

    lstm_cuda._driver()
    return [gpuarray.to_gpu(a) for a in arrays]


if not on_cpu():

    def test_pytorch_in_the_same_context() -> None:
        """Broken if the module has a context of its own, in which PyTorch's addresses mean nothing, or the reverse."""
        torch = pytest.importorskip("torch", reason="PyTorch is not installed: it did not share a GPU")
        if not torch.cuda.is_available():
            pytest.skip("this PyTorch has no CUDA")
        args = scaled_arguments("lstm", SIZES, np.float32)
        cotangents = cotangents_of("lstm", args)
        given = [torch.from_numpy(a).cuda() for a in (*args, *cotangents)]
        h, c, cache = lstm_cuda.forward(*given[:6])
        gradients = lstm_cuda.backward(*given[6:], cache)
        values = tuple(torch.as_tensor(value, device="cuda").cpu().numpy() for value in (h, c, *gradients))
        assert excess("lstm", values, args, cotangents) <= 1

    @pytest.mark.parametrize("with_workspace", [True, False])
    def test_work_is_not_waited_for(with_workspace: bool) -> None:
        """Broken if a call waits for the device, by freeing memory say: its kernels take ten times as long as it."""
        sizes = {"T": 30, "N": 256, "D": 1024, "H": 1024}
        args = scaled_arguments("lstm", sizes, np.float32)
        given, cotangents = upload(args), upload([np.ones((30, 256, 1024), np.float32)])
        workspace = lstm_cuda.Workspace(**sizes) if with_workspace else None
        driver = lstm_cuda._driver()
        stream, end = driver.Stream(), driver.Event()
        for _ in range(3):
            stream.synchronize()
            *_, cache = lstm_cuda.forward(*given, workspace=workspace, stream=stream)
            gradients = lstm_cuda.backward(*cotangents, None, cache, workspace=workspace, stream=stream)
            del cache
            end.record(stream)
            done = end.query()
        assert not done
        stream.synchronize()
        assert gradients.dx.shape == (30, 256, 1024)

    def test_more_entries_than_32_bits_count() -> None:
        """Broken if an index is 32 bits wide somewhere: the last sequences of the batch come out as others, or not."""
        T, N, D, H = 2, (1 << 21) + 5, 1, 256
        driver = lstm_cuda._driver()
        if driver.mem_get_info()[0] < 60 << 30:
            pytest.skip("this GPU has less than 60 GiB free")
        from pycuda import gpuarray

        last = 3
        few = scaled_arguments("lstm", {"T": T, "N": last, "D": D, "H": H}, np.float32)
        x, h0, c0, *parameters = few
        given = [gpuarray.zeros(shape, np.float32) for shape in ((T, N, D), (N, H), (N, H))]
        for whole, part in zip(given, (x, h0, c0), strict=True):
            if part is x:
                for t in range(T):
                    whole[t][N - last :].set(part[t])
            else:
                whole[N - last :].set(part)
        h, _, cache = lstm_cuda.forward(*given, *upload(parameters))
        assert cache.tape.gates.bytes > 4 << 32
        due, _, few_cache = lstm_numpy.forward(*few)
        assert relative_error(h[T - 1][N - last :].get(), due[T - 1]) <= 2e-6
        # Only the last sequences have a loss: the gradients of the parameters are theirs.
        dh = gpuarray.zeros((T, N, H), np.float32)
        dh[T - 1][N - last :].fill(1)
        gradients = lstm_cuda.backward(dh, None, cache)
        loss = np.zeros(due.shape, np.float32)
        loss[T - 1] = 1
        expected = lstm_numpy.backward(loss, None, few_cache)
        for name in ("dW_x", "dW_h", "db"):
            assert relative_error(host(getattr(gradients, name)), getattr(expected, name)) <= 5e-6, name
        lstm_cuda.release_memory()

    def test_the_same_bits_every_time() -> None:
        """Broken if a result depends on which block is first, as real ones are in an order of their own."""
        args = scaled_arguments("lstm", {"T": 40, "N": 33, "D": 65, "H": 130}, np.float32)
        cotangents = cotangents_of("lstm", args)
        first = run(lstm_cuda, args, cotangents)
        for _ in range(20):
            again = run(lstm_cuda, args, cotangents)
            assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
