"""``python -m tests.cuda_on_cpu script.py [arguments]`` runs a PyCUDA script on the CPU, as does ``-m module``."""

from __future__ import annotations

import os
import runpy
import sys

from tests import cuda_on_cpu


def main() -> None:
    os.environ["CUDA_ON_CPU"] = "1"
    cuda_on_cpu.activate()
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    if sys.argv[1] == "-m":
        sys.argv = sys.argv[2:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
