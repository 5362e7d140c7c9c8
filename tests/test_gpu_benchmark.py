"""The GPU benchmark's own code, at tiny sizes on the device of the tests; the CPU driver's times mean nothing."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import gpu, gpu_contenders, second_order, stepwise
from benchmarks.contenders import DEFAULT_MODULE, Place
from benchmarks.gpu_contenders import CUDNN, CUDNN_TF32, GENERATED, LAUNCHES, OWN_PRODUCTS, TORCH_PRODUCTS
from benchmarks.measure import DisagreementError, Plan
from benchmarks.problem import Size, make_problem, relative_error
from tests import cuda
from tests.cuda_on_cpu import on_cpu

cuda.require()

TINY = Size(3, 2, 5, 4)
PLAN = Plan(rounds=2, turn_seconds=0, max_repetitions=2)
ROOT = Path(__file__).resolve().parent.parent


def test_every_number_is_there_and_positive() -> None:
    """Broken if a contender or a kind of pass is left out, a time is not one, or the progress bar stalls."""
    turns: list[None] = []
    outcome = gpu.measure(TINY, None, PLAN, lambda: turns.append(None))
    assert [one.kind for one in outcome] == ["forward", "forward_backward"]
    assert len(turns) == 3 * PLAN.rounds
    for one in outcome:
        assert [m.name for m in one.measurements] == [LAUNCHES, OWN_PRODUCTS, GENERATED]
        assert one.floor_seconds > 0
        for m in one.measurements:
            low, high = m.quartiles_seconds
            assert 0 < low <= m.median_seconds <= high
            assert m.repetitions == 4
            assert m.time_over_floor > 0
            assert (m.speed_over_cudnn, m.speed_over_cudnn_tf32) == (None, None)
            assert (m.relative_error is not None) == (m.name == GENERATED)


def test_only_the_work_is_between_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if a warm-up is timed, work of before still runs at the start, or an event is read before its time."""
    log: list[str] = []

    class Event:
        def record(self) -> None:
            log.append("record")

        def synchronize(self) -> None:
            log.append("wait")

        def time_till(self, end: object) -> float:
            assert end is not self
            return 250.0

    context = SimpleNamespace(synchronize=lambda: log.append("wait"))
    monkeypatch.setattr(gpu.lstm_cuda, "_driver", lambda: SimpleNamespace(Event=Event, Context=context))
    assert gpu.timings(lambda: log.append("work"), 2) == [0.25, 0.25]
    assert log == ["work", "wait", *["record", "work", "record", "wait"] * 2]


def test_medians_and_ratios() -> None:
    """Broken if an outlier moves a time, the floor is not the larger of the two, or a ratio is upside down."""
    first = {LAUNCHES: [1, 1, 9], OWN_PRODUCTS: [8, 8, 8], TORCH_PRODUCTS: [2, 2, 2]}
    first |= {GENERATED: [6, 6, 90], CUDNN: [3, 3, 3], CUDNN_TF32: [1.5, 1.5, 1.5]}
    second = {**first, LAUNCHES: [4, 4, 4], GENERATED: [6, 7, 8]}  # here launches take longer than products
    found = gpu.summary("forward", [first, second], {GENERATED: 1e-7})
    generated = next(m for m in found.measurements if m.name == GENERATED)
    assert found.floor_seconds == (2 + 4) / 2
    assert generated.median_seconds == np.median([6, 6, 90, 6, 7, 8])
    assert generated.time_over_floor == (6 / 2 + 7 / 4) / 2
    assert generated.speed_over_cudnn == pytest.approx((3 / 6 + 3 / 7) / 2)
    assert generated.speed_over_cudnn_tf32 == pytest.approx((1.5 / 6 + 1.5 / 7) / 2)
    assert generated.relative_error == 1e-7


def test_inputs_are_fresh_in_every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if all rounds time the same numbers, or contenders of one round different ones."""
    seen: dict[str, list[float]] = {"Generated": [], "OwnProducts": []}
    load = gpu_contenders._OnDevice.load

    def noting(contender: Any, problem: Any) -> None:
        seen[type(contender).__name__].append(float(problem.x[0, 0, 0]))
        load(contender, problem)

    monkeypatch.setattr(gpu_contenders._OnDevice, "load", noting)
    gpu.measure(TINY, None, PLAN, lambda: None)
    assert len(set(seen["Generated"])) == 1 + PLAN.rounds
    assert seen["Generated"] == seen["OwnProducts"]


def test_a_wrong_contender_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if a time is reported for results that are not the LSTM's."""
    results = gpu_contenders.Generated.results
    wrong = lambda self, raw: results(self, raw)._replace(db=np.zeros(16, np.float32))  # noqa: E731
    monkeypatch.setattr(gpu_contenders.Generated, "results", wrong)
    with pytest.raises(DisagreementError, match=r"generated, workspace at 3x2x5x4: relative error 1\.0e\+00"):
        gpu.measure(TINY, None, PLAN, lambda: None)


def test_own_products_are_the_products() -> None:
    """Broken if the floor leaves a product out, or takes another kernel or other sizes for it."""
    problem = make_problem(TINY, seed=5)
    products = gpu_contenders.OwnProducts(TINY)
    products.load(problem)
    products.run()
    rows = TINY.T * TINY.N
    x, h = problem.x.reshape(rows, -1), problem.dh.reshape(rows, -1)
    da = h @ problem.W_h
    gradients = products.workspace.gradients
    expected = [
        (products.workspace.tape.gates, x @ problem.W_x),
        (products.workspace.buffers.da, da),
        (gradients.dh0, da[: TINY.N] @ problem.W_h.T),
        (gradients.dx, da @ problem.W_x.T),
        (gradients.dW_x, x.T @ da),
        (gradients.dW_h, h.T @ da),
    ]
    for memory, due in expected:
        assert np.allclose(memory.whole().get().reshape(due.shape), due, rtol=1e-4, atol=1e-5)


def test_a_launch_for_every_step() -> None:
    """Broken if the floor counts too few launches, or none for the backward pass."""
    launches, calls = gpu_contenders.Launches(TINY), []
    launches.forward()  # the real kernel runs
    launches.kernel = SimpleNamespace(prepared_async_call=lambda *arguments: calls.append(arguments))
    launches.forward()
    assert len(calls) == TINY.T
    launches.run()
    assert len(calls) == 3 * TINY.T


def test_products_of_pytorch_are_replayed_as_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if products are captured before cuBLAS is warm, or with TF32, or are not replayed; the graph is a fake."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: its contenders did not run")
    products, log = gpu_contenders.TorchProducts(TINY, "cpu"), []

    @contextmanager
    def capture(_: Any) -> Iterator[None]:
        assert not torch.backends.cuda.matmul.allow_tf32
        log.append("capture")
        yield
        log.append("end")

    monkeypatch.setattr(torch.cuda, "synchronize", lambda: log.append("wait"))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: log.append("replay")))
    monkeypatch.setattr(torch.cuda, "graph", capture)
    monkeypatch.setattr(products, "device", "cuda")
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    products._replayed(lambda: log.append("products"))()
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
    assert log == ["products", "wait", "capture", "products", "end", "replay"]


def test_contenders_of_pytorch() -> None:
    """Broken if nn.LSTM gets other weights than ours, TF32 is on where it should be off, or a product is missing."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: its contenders did not run")
    entered = gpu_contenders.contenders(TINY, "cpu")
    assert list(entered) == list(gpu_contenders.TITLES)
    problem = make_problem(TINY, seed=6)
    reference = stepwise.solve(make_problem(TINY, np.float64, seed=6))
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    for name in (CUDNN, CUDNN_TF32):
        entered[name].load(problem)
        assert torch.backends.cudnn.allow_tf32 == (name == CUDNN_TF32)
        results = entered[name].results(entered[name].run())
        assert results is not None
        assert relative_error(results, reference) <= 1e-6
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before

    products: Any = entered[TORCH_PRODUCTS]
    products.load(problem)
    products.run()
    own: Any = entered[OWN_PRODUCTS]
    own.load(problem)
    own.run()
    gradients = own.workspace.gradients
    for name, memory in {
        "dh": gradients.dh0,
        "dx": gradients.dx,
        "dW_x": gradients.dW_x,
        "dW_h": gradients.dW_h,
    }.items():
        ours = memory.whole().get()
        assert np.allclose(products.arrays[name].numpy().reshape(ours.shape), ours, rtol=1e-4, atol=1e-5), name


def test_the_file_and_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if the command writes no whole file, or leaves out what the numbers were taken with."""
    monkeypatch.setattr(gpu, "CPU_DRIVER", "")
    monkeypatch.setattr(gpu, "QUICK", PLAN)
    monkeypatch.setattr(gpu, "torch_cuda_device", lambda: None)
    path = tmp_path / "results" / "gpu.json"
    done = CliRunner().invoke(gpu.app, ["--quick", "--sizes", "2x1x3x2,1x2x1x3", "--json", str(path)])
    assert done.exit_code == 0, done.output
    assert "generated, workspace" in done.output
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["date"].startswith("20")
    assert {f.name for f in dataclasses.fields(gpu.Device)} == written["device"].keys()
    assert {"python", "numpy", "torch"} <= written["environment"].keys()
    assert all(written["device"][key] for key in ("name", "compute_capability", "driver_cuda", "pycuda"))
    assert [[size[d] for d in "TNDH"] for size in written["sizes"]] == [[2, 1, 3, 2], [1, 2, 1, 3]]
    for one in (one for size in written["sizes"] for one in size["passes"]):
        assert one["floor_seconds"] > 0
        for measurement in one["measurements"]:
            assert {f.name for f in dataclasses.fields(gpu.Measurement)} == measurement.keys()


def test_the_files_name() -> None:
    """Broken if a device's name makes a path that some system cannot have."""
    assert gpu.result_file("gpu", "NVIDIA H100 80GB HBM3 / x").name == "gpu-nvidia-h100-80gb-hbm3-x.json"


@pytest.mark.skipif(not on_cpu(), reason="there is a GPU")
@pytest.mark.parametrize(("app", "options"), [(gpu.app, []), (second_order.app, ["--device", "cuda"])])
def test_the_cpu_driver_is_not_measured(app: Any, options: list[str]) -> None:
    """Broken if times of the CPU driver can be taken for a GPU's."""
    done = CliRunner().invoke(app, ["--quick", *options])
    assert done.exit_code == 2
    assert "No GPU to measure: this device is the CPU driver" in done.output


@pytest.mark.parametrize("options", [["gpu"], ["second_order", "--device", "cuda"]])
def test_without_a_gpu(options: list[str]) -> None:
    """Broken if a machine without a GPU, or without a driver, gets a traceback, or another exit code than 2."""
    benchmark, *rest = options
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", *rest]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("No GPU to measure: this module needs")
    assert done.stderr.count("\n") == 1
    assert not done.stdout


@pytest.mark.parametrize("name", second_order.OURS)
def test_second_order_on_the_device_is_the_same(name: str) -> None:
    """Broken if what is timed on a GPU is something else than on the CPU."""
    found: list[Any] = []
    for device, module in ((Place.CUDA, second_order.CUDA_MODULE), (Place.CPU, DEFAULT_MODULE)):
        contender = second_order.CONTENDERS[device][name](make_problem(TINY), module)
        contender.allocate()
        found.append(contender.results(contender.run()))
    results, due = found
    assert (results is None) == (due is None) == (name in (second_order.FORWARD, second_order.JVP))
    assert results is None or relative_error(results, due) < 1e-5
