"""Random cells by the thousand: ``python -m tests.fuzz --cells 10000 [--cuda]``.

Each cell is generated, imported and compared: its values with its equations, its gradients, tangents and second
derivatives with complex steps of the forward pass, and in CUDA with the NumPy module. A run goes on where the last one
with the same report ended. A cell that fails is made smaller as long as it fails, and kept in the report.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from derive.emit.files import render
from derive.errors import HandgradError
from derive.printing import replace_file
from tests import cuda
from tests.modules import cotangents_for, relative_error
from tests.random_cells import RandomCell, cell_of, random_cell
from tests.second_order import assert_all_close, directions, gradient, imaginary, names, pairing, stepped, tangents
from tests.second_order import check as check_second_order
from tests.test_random_cells import arguments, by_equations, imported

REPORT = Path(".cache/fuzz.json")
# Sums of some hundred products of powers, in float64; entries that cancel lose digits to the largest.
TOLERANCE = 1e-9
SHRINKING_SECONDS = 60
SINGLE = "single precision"
# What is nearly zero may be zero, or have another sign, in single precision.
KINKS = re.compile(r"\b(?:step|sign|relu|absolute|maximum|minimum|max|min)\(")
# How often, and how far beside the arguments, values are looked at before a difference is believed.
NEIGHBOURS, LAST_DIGITS = 8, 1e-14


@dataclass
class Report:
    """What has been tried so far: the next seed, how many cells were sound, which were refused, and the failures.

    ``rough`` are the seeds of cells that jump, or are too steep to compare, where they were looked at.
    """

    next: int = 0
    sound: int = 0
    rough: list[int] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def tried(self) -> int:
        return self.sound + sum(self.refused.values()) + len(self.rough) + len(self.failures)

    @classmethod
    def read(cls, path: Path, start: int) -> Report:
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else cls(next=start)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(self.__dict__, indent=1, ensure_ascii=False) + "\n")


def check(cell: RandomCell, in_cuda: bool) -> None:
    """Everything that must hold of a cell.

    Raises:
        AssertionError: for what does not.
    """
    made = imported(cell.program)
    args = arguments(cell)
    results = made.forward(*args)
    assert_all_close(list(results[:-1]), by_equations(cell, args), TOLERANCE, "values")
    cotangents = cotangents_for(results)
    check_gradient(made, args, cotangents)
    check_second_order(made, args, cotangents, TOLERANCE, "the cell")
    check_float32(made, args, cotangents)
    if in_cuda:
        check_cuda(cell, made, args, cotangents)


def check_gradient(made: ModuleType, args: list[np.ndarray], cotangents: list[np.ndarray]) -> None:
    """⟨gradient, v⟩ against a complex step along v, for every argument alone."""
    gradients = gradient(made, args, cotangents)
    for k, (one, v) in enumerate(zip(gradients, directions(args, 20), strict=True)):
        alone = [v if j == k else np.zeros_like(a) for j, a in enumerate(args)]
        moved = imaginary(list(made.forward(*stepped(args, alone))[:-1]))
        scale = max(sum(float(np.abs(w * m).sum()) for w, m in zip(cotangents, moved, strict=True)), 1e-3)
        assert abs(pairing([one], [v]) - pairing(cotangents, moved)) <= TOLERANCE * scale, made.Gradients._fields[k]


def check_float32(made: ModuleType, args: list[np.ndarray], cotangents: list[np.ndarray]) -> None:
    """Single precision stays single, and is near double where that is tame."""
    low = [np.asarray(a, np.float32) for a in args]
    results = made.forward(*low)
    found = [*results[:-1], *made.backward(*(np.asarray(w, np.float32) for w in cotangents), results[-1])]
    exact = made.forward(*args)
    due = [*exact[:-1], *made.backward(*cotangents, exact[-1])]
    for value, reference in zip(found, due, strict=True):
        assert np.asarray(value).dtype == np.float32
        scale = max(1.0, float(np.abs(reference).max(initial=0)))
        assert np.allclose(value, reference, rtol=1e-2, atol=1e-2 * scale), SINGLE


def check_cuda(cell: RandomCell, made: ModuleType, args: list[np.ndarray], cotangents: list[np.ndarray]) -> None:
    """The CUDA module against NumPy's, in both orders and in double precision."""
    from tests.cuda_modules import host, load

    def everything(some: ModuleType) -> list[np.ndarray]:
        moved, turned = tangents(some, directions(args, 3)), directions(cotangents, 4)
        dots = {f"d{field}": one for field, one in zip(some.Tangents._fields, turned, strict=True)}
        first = names(some)[0]
        *results, cache = some.forward(*args)
        found = [*results, *some.backward(*cotangents, cache)]
        found += some.backward_backward(cache, **{f"dd{first}": moved[f"{first}_dot"]})
        found += [*some.jvp(*args, **moved), *some.hvp(*cotangents, cache, **moved, **dots)]
        return [one if isinstance(one, np.ndarray) else host(one) for one in found]

    cuda_made = load(f"{cell.program.name}_cuda", render(cell.program))
    for value, reference in zip(everything(cuda_made), everything(made), strict=True):
        assert relative_error(value, reference) <= TOLERANCE or np.abs(value - reference).max() <= TOLERANCE


def is_rough(cell: RandomCell, text: str) -> bool:
    """Whether a difference is no wonder."""
    return (SINGLE in text and KINKS.search(cell.source) is not None) or not is_smooth(cell)


def is_smooth(cell: RandomCell) -> bool:
    """Whether values and gradients, at arguments that differ in their last digits, differ in theirs.

    Where they do not, two right computations may disagree: the sign of what an identity makes zero is that of rounding.
    """
    made, args = imported(cell.program), arguments(cell)

    def everything(at: list[np.ndarray]) -> list[np.ndarray]:
        *results, cache = made.forward(*at)
        return [np.asarray(one) for one in (*results, *made.backward(*cotangents_for((*results, cache)), cache))]

    due, chance = everything(args), np.random.default_rng(5)
    if not all(np.array_equal(one, other, equal_nan=True) for one, other in zip(everything(args), due, strict=True)):
        return True  # what differs from itself has read what it should not have
    for _ in range(NEIGHBOURS):
        moved = [np.asarray(a * (1 + LAST_DIGITS * chance.standard_normal(a.shape))) for a in args]
        for one, other in zip(everything(moved), due, strict=True):
            if not np.abs(one - other).max(initial=0) <= TOLERANCE * (1 + np.abs(other).max(initial=0)):
                return False
    return True


def problem(make: Callable[[], RandomCell], in_cuda: bool) -> tuple[str, str]:
    """(kind, text): sound, refused by a clear error, failed, or not smooth where it was compared."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        cell = None
        try:
            cell = make()
            check(cell, in_cuda)
        except HandgradError as error:
            return "refused", str(error)
        except Exception as error:
            text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            rough = isinstance(error, AssertionError) and cell is not None and is_rough(cell, text)
            return ("rough" if rough else "failed"), text
    return "sound", ""


# -- making a failure smaller ---------------------------------------------------------------------------------------


def smaller(cell: RandomCell, text: str, in_cuda: bool) -> str:
    """The source of a smaller cell that fails in the same way."""
    kind, dimensions = text.partition(":")[0], " ".join(cell.sizes)
    best, end = cell.source, time.monotonic() + SHRINKING_SECONDS
    progress = True
    while progress:
        progress = False
        for candidate in variants(best):
            if time.monotonic() > end:
                return best
            found, why = problem(lambda source=candidate: cell_of(source, dimensions), in_cuda)
            if found == "failed" and why.partition(":")[0] == kind:
                best, progress = candidate, True
                break
    return best


def variants(source: str) -> Iterator[str]:
    """Sources with a line less, or with a part of a right side in the place of the whole."""
    tree = ast.parse(source)
    body = tree.body[0].body  # type: ignore[attr-defined]
    for k in range(len(body) - 1):
        yield _with_body(source, [*body[:k], *body[k + 1 :]])
    for k, line in enumerate(body):
        if isinstance(line, ast.Assign):
            for part in ast.walk(line.value):
                if part is not line.value and isinstance(part, ast.BinOp | ast.Call | ast.Name | ast.Subscript):
                    changed = ast.Assign(line.targets, part, lineno=0)
                    yield _with_body(source, [*body[:k], changed, *body[k + 1 :]])


def _with_body(source: str, body: list[Any]) -> str:
    head = source.partition("\n")[0]
    return "\n    ".join([head, *(ast.unparse(one) for one in body)]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1000, help="how many in all, those of earlier runs counted in")
    parser.add_argument("--start", type=int, default=1_000_000, help="the first seed of a new report")
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--cuda", action="store_true", help="generate, compile and run the CUDA modules too")
    options = parser.parse_args()
    if options.cuda:
        cuda.require()
    console, report = Console(stderr=True), Report.read(options.report, options.start)
    left = options.cells - report.tried
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress, suppress(KeyboardInterrupt):
        task = progress.add_task("random cells", total=max(0, left))
        for seed in range(report.next, report.next + left):
            kind, text = problem(lambda seed=seed: random_cell(seed), options.cuda)
            if kind == "sound":
                report.sound += 1
            elif kind == "refused":
                report.refused[text] = report.refused.get(text, 0) + 1
            elif kind == "rough":
                report.rough.append(seed)
            else:
                cell = random_cell(seed)
                report.failures.append({"seed": seed, "what": text, "cell": smaller(cell, text, options.cuda)})
            report.next = seed + 1
            if seed % 20 == 0 or kind == "failed":
                report.write(options.report)
            progress.update(task, advance=1, description=f"random cells, {len(report.failures)} failures")
    report.write(options.report)
    for failure in report.failures:
        console.print(f"[bold red]{failure['seed']}: {failure['what']}[/]\n{failure['cell']}", highlight=False)
    print(
        f"{report.sound} sound, {sum(report.refused.values())} refused, {len(report.rough)} rough, "
        f"{len(report.failures)} failed; {options.report}"
    )
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
