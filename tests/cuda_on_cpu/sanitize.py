"""Run a PyCUDA script on the CPU with its kernels under a sanitizer, and collect what it reports.

``python -m tests.cuda_on_cpu.sanitize address|thread script.py [arguments]``: ``address`` finds accesses out of bounds
and undefined behaviour (ASan, UBSan), ``thread`` finds data races, also those between blocks (TSan). In place of a
script, ``-m module`` will do, also ``-m pytest -s tests/…``: without -s, UBSan's words are lost. The exit status is 1
if there are reports.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cuda_on_cpu import build

SANITIZERS = {"address": "address,undefined", "thread": "thread"}
OPTIONS = {
    # Python does not give back all its memory. An error ends the process: what follows it is of no use.
    "ASAN_OPTIONS": "detect_leaks=0",
    "UBSAN_OPTIONS": "print_stacktrace=0",
    "TSAN_OPTIONS": "exitcode=0:report_thread_leaks=0:history_size=4",
    # NumPy's threads are not instrumented: TSan would see races where there are none.
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONMALLOC": "malloc",
}
# What tells a kernel's frame: its source, or the shared object that the driver loaded.
KERNEL_FRAME = re.compile(r"\.cu:\d+|/module-\d+\.so")


@dataclass(frozen=True)
class Sanitized:
    reports: list[str]  # those that have a kernel's frame, in the sanitizers' own words
    returncode: int
    stdout: str
    stderr: str


def sanitize(sanitizer: str, *script: str, timeout: float = 600) -> Sanitized:
    """Run ``python *script`` on the CPU driver, with its kernels compiled and run under the sanitizer."""
    root = build.HERE.parents[1]
    environment = os.environ | OPTIONS
    environment["CUDA_ON_CPU_SANITIZE"] = SANITIZERS[sanitizer]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    # Python itself is not linked with the C++ library, whose functions the sanitizers want to find when they start.
    libraries = ({"address": "libasan.so", "thread": "libtsan.so"}[sanitizer], "libstdc++.so")
    environment["LD_PRELOAD"] = " ".join(map(_library, libraries))
    # Addresses that are not randomized: TSan claims a part of them for itself.
    command = ["setarch", "--addr-no-randomize", sys.executable, "-m", "tests.cuda_on_cpu", *script]
    with tempfile.TemporaryDirectory() as folder:
        # ASan's and TSan's reports go to files: pytest, for one, keeps standard error to itself.
        for options in ("ASAN_OPTIONS", "TSAN_OPTIONS"):
            environment[options] += f":log_path={folder}/log"
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
        logs = [path.read_text(errors="replace") for path in sorted(Path(folder).iterdir())]
    stderr = "".join([result.stderr, *logs])
    return Sanitized(_reports(stderr), result.returncode, result.stdout, stderr)


def _library(name: str) -> str:
    found = subprocess.run(
        [build.COMPILER, f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_absolute():
        raise build.UnavailableError(f"{build.COMPILER} has no {name}")
    return found


def _reports(stderr: str) -> list[str]:
    # ASan and TSan put a line of = before each report, UBSan says "runtime error" in a single line.
    long = [part for part in re.split(r"^={10,}\n", stderr, flags=re.MULTILINE)[1:] if KERNEL_FRAME.search(part)]
    return long + re.findall(r"^.*: runtime error: .*$", stderr, re.MULTILINE)


def main() -> int:
    if len(sys.argv) < 3 or sys.argv[1] not in SANITIZERS:
        raise SystemExit(__doc__)
    result = sanitize(*sys.argv[1:])
    print(result.stdout, end="")
    print(result.stderr, end="", file=sys.stderr)
    print(f"{len(result.reports)} reports in kernels", file=sys.stderr)
    return 1 if result.reports else result.returncode


if __name__ == "__main__":
    sys.exit(main())
