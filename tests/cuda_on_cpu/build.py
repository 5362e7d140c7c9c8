"""Compile the CPU driver: ``driver/*.cpp`` and cuda.h make a libcuda.so.1, kept in the checkout's ``.cache``."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "cuda_on_cpu"
# A GPU's driver must be as new as the headers that PyCUDA was built with, so they are not the newest. They are kept
# apart from this Python's packages, of which some may want others.
CUDA_VERSION = "13.0"
CUDA_HEADERS = CACHE / f"cuda-{CUDA_VERSION}"
COMPILER = "g++"
FLAGS = ["-std=c++17", "-O2", "-g", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"]


class UnavailableError(Exception):
    """Why there is no CUDA on this machine."""


def check_machine() -> None:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise UnavailableError(
            "the CPU driver is for Linux on x86-64: it switches between threads in assembly language"
        )
    if shutil.which(COMPILER) is None:
        raise UnavailableError(f"the CPU driver needs {COMPILER}")


def cuda_include() -> Path:
    """The folder of cuda.h."""
    for header in CUDA_HEADERS.glob("nvidia/*/include/cuda.h"):
        return header.parent
    raise UnavailableError("cuda.h is not there: python -m tests.cuda_on_cpu.install")


def driver() -> Path:
    """The libcuda.so.1 of these sources, compiled if it is not there yet."""
    check_machine()
    include = cuda_include()
    sources = sorted((HERE / "driver").glob("*.cpp"))
    shared = [HERE / "device" / name for name in ("runtime.h", "vector_types.h")]
    digest = hashlib.sha256()
    for path in [Path(__file__), *sources, *sorted((HERE / "driver").glob("*.h")), *shared, include / "cuda.h"]:
        digest.update(path.read_bytes())
    folder = CACHE / f"driver-{digest.hexdigest()[:16]}"
    if not folder.exists():
        _compile(sources, include, folder)
    return folder / "libcuda.so.1"


def _compile(sources: list[Path], include: Path, folder: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
        work = Path(temporary)
        (work / "error_names.inc").write_text(_error_names(include))
        unsupported = work / "unsupported.cpp"
        unsupported.write_text(_unsupported_entry_points(sources, include))

        def compile_one(source: Path) -> Path:
            target = work / f"{source.stem}.o"
            _run(COMPILER, *FLAGS, "-I", str(work), "-isystem", str(include), "-c", str(source), "-o", str(target))
            return target

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compile_one, [*sources, unsupported]))
        # The name that PyCUDA asks for; libcuda.so is the one that linking PyCUDA looks for.
        soname = "-Wl,-soname,libcuda.so.1"
        finished = work / "finished"
        finished.mkdir()
        _run(COMPILER, "-shared", soname, *map(str, objects), "-ldl", "-o", str(finished / "libcuda.so.1"))
        (finished / "libcuda.so").symlink_to("libcuda.so.1")
        if not folder.exists():  # another process may have been faster
            finished.rename(folder)


def _error_names(include: Path) -> str:
    names = re.findall(r"^\s*(CUDA_(?:SUCCESS|ERROR_\w+))\s*=", (include / "cuda.h").read_text(), re.MULTILINE)
    return "".join(f'{{{name}, "{name}"}},\n' for name in names)


def _unsupported_entry_points(sources: list[Path], include: Path) -> str:
    """What cuda.h declares and no source defines: with it PyCUDA links, and a call says what is missing."""
    headers = "#include <cuda.h>\n#include <cudaProfiler.h>\n"
    declarations = _run(COMPILER, "-E", "-P", "-x", "c++", "-I", str(include), "-", stdin=headers)
    declared = set(re.findall(r"\bCUresult\s+(cu[A-Z]\w*)\s*\(", declarations))
    defined = {name for path in sources for name in re.findall(r"^ENTRY (cu\w+)\(", path.read_text(), re.MULTILINE)}
    lines = ['extern "C" {', "int cuda_on_cpu_unsupported(const char *entry);"]
    for name in sorted(declared - defined):
        lines.append(
            f'__attribute__((visibility("default"))) int {name}() {{ return cuda_on_cpu_unsupported("{name}"); }}'
        )
    return "\n".join([*lines, "}", ""])


def _run(*command: str, stdin: str | None = None) -> str:
    result = subprocess.run(command, input=stdin, text=True, capture_output=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{result.stderr}")
    return result.stdout
