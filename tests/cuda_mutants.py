"""Defects planted in the generated kernels and their host module, one at a time, from their real text.

``python -m tests.cuda_mutants FOLDER`` runs the module of a folder against NumPy and exits with 1 and the reason if it
is wrong: values in several thread orders, or memory beyond its arrays that is not as it was. With ``exact`` behind it,
arrays have nothing around them, for a sanitizer that watches.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tests import cuda
from tests.cuda_modules import cotangents_of, excess, host, load, run, scaled_arguments
from tests.modules import module, relative_error
from tests.second_order import directions, tangents

CELL = "lstm"
ORDERS = ("forward", "reverse", "random:5")
TOLERANCE = 1e-12
# More than one tile of every kind, none of them full, sums in more than one part; sums of which the last slice has
# terms; and no steps at all.
SIZES = (
    {"T": 5, "N": 18, "D": 35, "H": 18},
    {"T": 2, "N": 1, "D": 1, "H": 60},
    {"T": 0, "N": 2, "D": 3, "H": 4},
)
# How many steps each sequence has, again and again, where they have lengths of their own.
LENGTHS = (2, 5, 0, 4, 1)
GUARD = 2048  # numbers on either side of an array: NaNs with bits that no computation gives them
MARK = np.uint64(0xFFF0_0000_0000_0001)

# kind: (pattern, replacement); every match of the pattern is one defect.
IN_KERNELS: dict[str, list[tuple[str, str]]] = {
    "a barrier that is missing": [(r"(?:__sync(?:threads|warp)|Tile::wait)\(\);", ";")],
    "an index off by one in memory": [(r"(?<=\w_)\[", "[1 + ")],
    "an index off by one in shared memory": [
        (r"(pieces\.(?:left|right)\[(?:spot\.)?depth\])\[", r"\1[1 + "),
        (r"(?<=sums\[)(?=first)", "1 + "),
        (r"(column_sums\[thread(?:Idx\.y)?\])\[", r"\1[1 + "),
    ],
    "a bound that is not checked": [
        (r"start \+ spot\.depth < part\.end", "true"),
        (r"start \+ Tile::DEPTH <= part\.end", "true"),
        (r"min\((line.*), last_(?:row|column)\)", r"\1"),
        (r"inside && (?=k)", ""),
        (r"if \(!(?:\(.*\)|inside)\)\n\s*(?:continue|return);", ""),
        (r"(?<=bool inside = )(?=point).*(?=;)", "true"),
    ],
    "a gate that is another": [
        (r"sum_a\[0\]", "sum_a[1]"),
        (r"sum_a\[([123])\]", "sum_a[0]"),
        (r"(?<= = )sigmoid\(", "tanh("),
        (r"(?<= = )tanh\(", "sigmoid("),
        (r"(?<= \* )J_a_[igf]", "J_a_o"),
    ],
    "a sum that ends too early": [
        (r"start < part\.end", "start + DEPTH <= part.end"),
        (r"(?<=size, )terms", "terms - 1"),
        (r"slice < SLICE_COUNT", "slice + 1 < SLICE_COUNT"),
        (r"at_parts < parts", "at_parts + 1 < parts"),
        (r"thread < 8", "thread < 7"),
        (r"k \+= 8", "k += 9"),
        (r"last_step \? 0", "false ? 0"),
    ],
    "an end that is another": [
        (r"\[at_n\] < 0", "[at_n] >= 0"),
        (r"(?<=\[at_n\] )< 0", "<= 0"),
        (r"(?<= )ended \? (?!Real)", "false ? "),
        (r"row >= 0", "row > 0"),
        (r"~row", "row"),
        (r"repeat \?", "!repeat ?"),
    ],
    "a cotangent that is lost at an end": [(r"if \(!ended\) ", ""), (r"ended \? Real\(0\)", "false ? Real(0)")],
}
IN_SECOND: dict[str, list[tuple[str, str]]] = {
    "an index off by one in memory of a tangent": [(r"(?<=_dot_)\[", "[1 + ")],
    "a term that is missing": [(r" [+-] (?:2 \* )?\w+ \* \w+(?: \* \w+)*(?=;)", "")],
    "a product that is missing": [(r"(?<=  |, )Part\((?!\w+_ )(?=\w)", "Part(0 * ")],
    "what is missing is read": [(r"\w+_ (?:&& !last_step )?\? (?=\w+ : 0|\d \* H : 0)", "true ? ")],
    "sums of a step that is not there": [(r"last_step \? 0", "false ? 0"), (r"&& !last_step", "")],
    # Tangents beyond an end may go on: those of last states are taken where their sequences end.
    "a sequence that has no end": [(r"if \(!ended\) ", "")],
}
IN_HOST: dict[str, list[tuple[str, str]]] = {
    "memory of another step": [
        (r"\.at\(t \+ 1\)", ".at(t)"),
        (r"\.at\(t\)", ".at(0)"),
        (r"(?<=tape\.\w)\.at\(0\)", ".at(1)"),
        (r"t == T - 1", "False"),
    ],
    "a copy that is missing": [(r"(?m)^    gpu\.copy\(.*$", "    pass")],
    "an order that is another": [
        (r"(?m)^( +)\w+ = (?:cache\.)?order\.taken\(.*$", r"\1pass"),
        (r"self\.source\.at\(step\)", "self.source.at(0)"),
        (r"t < lengths", "t <= lengths"),
        (r"last - step if", "step if"),
    ],
    "a launch that is missing": [(r"(?m)^    gpu\.prepare\(.*\)\(", "    (lambda *_: None)(")],
}


@dataclass(frozen=True)
class Mutant:
    """The files of a module with one defect; ``name`` says which, and in which line."""

    name: str
    files: dict[str, str]


def mutants(files: dict[str, str]) -> Iterator[Mutant]:
    """Every defect, one at a time."""
    of = {f"{CELL}.cu": IN_KERNELS, f"{CELL}_second.cu": IN_SECOND, f"{CELL}_cuda.py": IN_HOST}
    for file, kinds in of.items():
        for kind, changes in kinds.items():
            for pattern, replacement in changes:
                for match in re.finditer(pattern, files[file]):
                    text = files[file][: match.start()] + match.expand(replacement) + files[file][match.end() :]
                    if _is_code(files[file], match.start()):
                        place = f"{file}:{_place(files[file], match.start())}"
                        yield Mutant(f"{kind}: {place}, {match.group().strip()!r}", {**files, file: text})


def _place(text: str, position: int) -> str:
    """Line and column."""
    return f"{text.count(chr(10), 0, position) + 1}:{position - text.rfind(chr(10), 0, position)}"


def _is_code(text: str, position: int) -> bool:
    """Whether a position is not in a C++ comment."""
    start = text.rfind("\n", 0, position) + 1
    return not text[start:position].lstrip().startswith("//")


def trouble(made: ModuleType, exact: bool = False) -> str | None:
    """What is wrong with a module's results, if anything is; ``exact``: without looking around its arrays."""
    guards = _exact(made) if exact else _guarded(made)
    for sizes in SIZES:
        args = scaled_arguments(CELL, sizes)
        cotangents = cotangents_of(CELL, args)
        lengths = np.minimum(np.resize(LENGTHS, sizes["N"]), sizes["T"])
        turned = {"lengths": lengths, "reverse": True}
        due = second_order(module(CELL), args, cotangents, turned)
        for order in ORDERS:
            with cuda.thread_order(order):
                values = run(made, args, cotangents)
                others = run(made, args, cotangents, turned)
                second = [host(one) for one in second_order(made, args, cotangents, turned)]
            if excess(CELL, values, args, cotangents) > 1 or excess(CELL, others, args, cotangents, turned) > 1:
                return f"wrong values, {order}"
            if not all(relative_error(a, b) <= TOLERANCE for a, b in zip(second, due, strict=True)):
                return f"wrong values of second order, {order}"
        if not _stands_still(made, args, lengths):
            return "a sequence that goes on beyond its end"
        for owner in guards:
            numbers = owner.get()
            if not (np.all(numbers[:GUARD] == MARK) and np.all(numbers[-GUARD:] == MARK)):
                return "memory written beyond an array"
    return None


def _stands_still(made: ModuleType, args: list[np.ndarray], lengths: np.ndarray) -> bool:
    """Whether beyond the end of a sequence its last step is taken again and its states and their tangents stay."""
    *_, cache = made.forward(*args, lengths=lengths)
    moved = _tangents_of(made, args, lengths)
    states = (cache.tape.h, cache.tape.c, moved.h_dot, moved.c_dot)
    x, *kept = (host(array.whole()) for array in (cache.x, *states))
    for n, length in enumerate(lengths):
        if any((values[length:, n] != values[length, n]).any() for values in kept):
            return False
        if length and (x[length:, n] != args[0][length - 1, n]).any():
            return False
    return True


def _tangents_of(made: ModuleType, args: list[np.ndarray], lengths: np.ndarray) -> Any:
    """The tangents of all steps along all arguments, which `jvp` itself keeps to itself."""
    made_by, found = made._tangents, []
    made._tangents = lambda *given: found.append(made_by(*given)) or found[0]  # type: ignore[attr-defined]
    made.jvp(*args, **tangents(made, directions(args, 3)), lengths=lengths)
    made._tangents = made_by  # type: ignore[attr-defined]
    return found[0]


def second_order(
    made: ModuleType, args: list[np.ndarray], cotangents: list[np.ndarray], turned: dict[str, Any]
) -> list[Any]:
    """The results of the functions of second order, in both orders and with some of their arguments alone."""
    moved, w_dot = tangents(made, directions(args, 3)), directions(cotangents, 4)
    dots = {f"d{field}": w for field, w in zip(made.Tangents._fields, w_dot, strict=True)}
    found: list[Any] = []
    for how in (turned, {}):
        *_, cache = made.forward(*args, **how)
        made.backward(*cotangents, cache)
        found += [*made.jvp(*args, **moved, **how), *made.hvp(*cotangents, cache, **moved, **dots)]
        found += made.backward_backward(cache, ddx=moved["x_dot"], ddW_h=moved["W_h_dot"])
    for name in ("c0_dot", "b_dot"):
        found += [*made.jvp(*args, **{name: moved[name]}), *made.hvp(*cotangents, cache, **{name: moved[name]})]
    return found


def _exact(made: ModuleType) -> list[Any]:
    """Let a module allocate every array by itself: what a pool hands out has more behind it than the array."""
    empty = made._empty
    made._empty = lambda shape, dtype, *_: empty(shape, dtype)  # type: ignore[attr-defined]
    return []


def _guarded(made: ModuleType) -> list[Any]:
    """Let a module allocate memory with guards on either side; returns what it allocates."""
    from pycuda import gpuarray

    owners: list[Any] = []

    def empty(shape: tuple[int, ...], dtype: np.dtype[Any], *_: Any) -> Any:
        assert dtype.itemsize == MARK.itemsize
        owner = gpuarray.to_gpu(np.full(int(np.prod(shape)) + 2 * GUARD, MARK))
        owners.append(owner)
        return made._Memory(owner, int(owner.gpudata) + GUARD * dtype.itemsize, shape, dtype)

    made._empty = empty  # type: ignore[attr-defined]
    return owners


def main() -> None:
    folder = Path(sys.argv[1])
    cuda.require()
    made = load(f"{CELL}_cuda", {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()})
    if found := trouble(made, exact="exact" in sys.argv[2:]):
        print(found)
        sys.exit(1)


if __name__ == "__main__":
    main()
