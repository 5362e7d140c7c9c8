"""The tables of docs/measurements.md: broken if a figure is not, or no longer, what the benchmarks wrote."""

from __future__ import annotations

import json
import re
from typing import Any

from benchmarks.scale import Timing, exponent
from tests.pages import ROOT

RESULTS = ROOT / "benchmarks" / "results"
Results = dict[tuple[int, ...], dict[str, Any]]


def table(after: str) -> dict[tuple[int, ...], list[str]]:
    """The rows of the table below a heading, by size."""
    page = (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8")
    section = page.split(f"{after}\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| (\d+ × \d+ × \d+ × \d+) \| (.*) \|$", section, flags=re.MULTILINE)
    return {tuple(map(int, size.split(" × "))): cells.split(" | ") for size, cells in rows}


def results(name: str) -> Results:
    """What was measured, by size."""
    found = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return {(one["T"], one["N"], one["D"], one["H"]): one for one in found["sizes"]}


def named(measurements: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in measurements}


def speeds(cells: dict[tuple[int, ...], list[str]], column: int, bracket: bool) -> list[float]:
    """A column of a table as numbers, those in brackets or those before."""
    return [float(row[column].replace(")", "").split(" (")[bracket]) for row in cells.values()]


def test_readme() -> None:
    """Broken if the README promises other speeds than the tables have."""
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split("## Speed\n", 1)[1].split())
    cpu, gpu = table("## On the CPU"), table("## On a GPU")
    large = speeds({size: row for size, row in cpu.items() if size[-1] >= 128}, 1, bracket=False)
    (small,) = speeds({size: row for size, row in cpu.items() if size[-1] < 128}, 1, bracket=False)
    plain, tf32 = speeds(gpu, 5, bracket=False), speeds(gpu, 5, bracket=True)
    assert f"{min(large)} to {max(large)} on two cores of an AMD EPYC from H = 128 on, {small} at H = 64" in text
    assert f"{min(plain)} to {max(plain)} on an NVIDIA H200 beside cuDNN without TF32" in text
    assert f"{min(tf32):.2f} to {max(tf32):.2f} with it" in text


def test_cpu() -> None:
    due = {}
    for size, one in results("cpu.json").items():
        found = named(one["measurements"])
        warm, cold = found["generated_workspace"], found["generated"]
        ratios = ("time_over_floor", "speed_over_torch", "speed_over_stepwise")
        due[size] = [f"{warm[ratio]:.2f} ({cold[ratio]:.2f})" for ratio in ratios]
    assert table("## On the CPU") == due


def test_second_order() -> None:
    due = {}
    for size, one in results("second_order.json").items():
        ratios = [one[name] for name in ("jvp_over_forward", "hessian_over_gradient", "torch_over_hessian")]
        memory = one["extra_bytes"]["PyTorch, twice"] / one["extra_bytes"]["gradient + hvp"]
        due[size] = [*(f"{ratio:.2f}" for ratio in ratios), f"{memory:.1f}"]
    assert table("### Second order") == due


def test_second_order_on_a_gpu() -> None:
    due = {
        size: [f"{one[name]:.2f}" for name in ("jvp_over_forward", "hessian_over_gradient", "torch_over_hessian")]
        for size, one in results("second_order-nvidia-h200.json").items()
    }
    assert table("### Second order on a GPU") == due


def test_training() -> None:
    due = {}
    for size, one in results("training.json").items():
        training, penalty = one["tasks"]["training"]["speed_over"], one["tasks"]["gradient penalty"]["speed_over"]
        due[size] = [f"{ratio:.2f}" for ratio in (*training.values(), penalty["nn.LSTM"])]
    assert table("### Training in PyTorch") == due


def test_gpu() -> None:
    due = {}
    for size, one in results("gpu-nvidia-h200.json").items():
        due[size] = []
        for measured in one["passes"]:
            ours = named(measured["measurements"])["generated_workspace"]
            due[size] += [
                f"{1e3 * ours['median_seconds']:.2f}",
                f"{ours['time_over_floor']:.2f}",
                f"{ours['speed_over_cudnn']:.2f} ({ours['speed_over_cudnn_tf32']:.2f})",
            ]
    assert table("## On a GPU") == due


def test_scale() -> None:
    """And broken if the tool is slower on large cells than it promises: 300 equations in 30 s, no more than n^1.3."""
    sizes = json.loads((RESULTS / "scale.json").read_text(encoding="utf-8"))["sizes"]
    timings = [Timing(**one) for one in sizes]
    due, before = [], None
    for one in timings:
        grown = f"{exponent(before, one):.2f}" if before else ""
        times = [f"{value:.2f}" for value in (*one.seconds.values(), one.total)]
        cells = " | ".join([str(one.equations), *times, grown, f"{one.megabytes:.0f}"])
        due.append(f"| {cells} |".replace("|  |", "| |"))
        assert not before or exponent(before, one) <= 1.3
        before = one
    assert timings[-1].equations == 300
    assert timings[-1].total <= 30
    page = (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \d+ \|.*$", page.split("## The tool itself\n", 1)[1], flags=re.MULTILINE) == due
