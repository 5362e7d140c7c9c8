"""All functions of the CUDA modules once, for a tool that watches kernels on a GPU.

    compute-sanitizer --tool racecheck python -m tests.cuda_passes lstm mlstm

runs those of some cells, or of all, in float32, with sequences of different lengths, backwards.
"""

from __future__ import annotations

import importlib
import sys

import numpy as np

from derive.cells import CELLS
from tests.modules import arguments

SIZES = {"T": 3, "N": 5, "D": 7, "H": 9}
LENGTHS = np.array([3, 1, 0, 2, 3])


def run(name: str) -> None:
    """Queue everything, and wait for it."""
    module = importlib.import_module(f"generated.{name}_cuda")
    given = [np.asarray(0.5 * one, np.float32) for one in arguments(name, SIZES, np.float32)]
    *results, cache = module.forward(*given, lengths=LENGTHS, reverse=True)
    cotangents = [np.ones(np.shape(one), np.float32) for one in results]
    tangents, again = (
        dict(zip((name for name in fields if name.startswith(start) and name.endswith(end)), given, strict=True))
        for fields, start, end in (
            (module.jvp.__kwdefaults__, "", "_dot"),
            (module.backward_backward.__kwdefaults__, "dd", ""),
        )
    )
    module.backward(*cotangents, cache)
    module.jvp(*given, **tangents, lengths=LENGTHS, reverse=True)
    module.hvp(*cotangents, cache, **tangents)
    module.backward_backward(cache, **again)
    module._driver().Context.synchronize()


if __name__ == "__main__":
    from tests.cuda_on_cpu import activate

    activate()
    for name in sys.argv[1:] or CELLS:
        run(name)
        print(name, flush=True)
