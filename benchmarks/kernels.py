"""``python -m benchmarks.kernels [cell…]``: what nvcc makes of the generated kernels, as a Markdown table.

Registers, shared memory and the occupancy that they allow, for several architectures, in both precisions. No GPU is
needed. Warnings, more than a few words in local memory and doubles in float kernels are errors.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GENERATED = Path(__file__).resolve().parent.parent / "generated"
ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
REALS = ("float", "double")
SLICES = {"float": 16, "double": 8}  # as the kernels count them

# Of local memory: the compiler's own choice, to have more threads at a time, and no array of a thread's sums.
FEW_WORDS = 128

# Per multiprocessor, from the CUDA C++ Programming Guide's table of compute capabilities.
REGISTERS, THREADS, BLOCKS = 65536, 2048, 32
SHARED = {"sm_80": 164 * 1024, "sm_90": 228 * 1024, "sm_100": 228 * 1024}
RESERVED_SHARED = 1024  # of every block, by the system
REGISTER_UNIT = 256  # registers are given to a warp in units of so many


@dataclass(frozen=True)
class Compiled:
    """What ptxas says about a kernel."""

    name: str
    architecture: str
    real: str
    threads: int
    registers: int
    shared: int
    local: int

    @property
    def occupancy(self) -> float:
        """The share of a multiprocessor's threads that can be resident."""
        warps = -(-self.threads // 32)
        per_warp = -(-self.registers * 32 // REGISTER_UNIT) * REGISTER_UNIT
        by_registers = REGISTERS // (per_warp * warps)
        by_shared = SHARED[self.architecture] // (self.shared + RESERVED_SHARED)
        return min(BLOCKS, THREADS // self.threads, by_registers, by_shared) * self.threads / THREADS


class CompileError(Exception):
    """nvcc refuses or warns, or a float kernel has doubles."""


def find_nvcc() -> str | None:
    """NVIDIA's compiler: of a toolkit, or of the packages of the extra ``nvcc``; no stand-in."""
    packages = Path(sysconfig.get_paths()["purelib"]) / "nvidia"
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *map(str, sorted(packages.glob("cu*/bin")))]
    for folder in folders:
        nvcc = shutil.which("nvcc", path=folder)
        if nvcc and "NVIDIA" in _run(nvcc, "--version"):
            return nvcc
    return None


def compile_kernels(nvcc: str, source: Path, architecture: str, real: str) -> Iterator[Compiled]:
    """Compile a file of kernels.

    Raises:
        CompileError: for an error or a warning.
    """
    text = source.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder, "kernels.cubin")
        said = _run(nvcc, *_options(real, architecture), "-Xptxas", "-v", "-cubin", "-o", str(cubin), str(source))
    for name, local, registers, shared in _resources(said):
        bounds = re.search(rf"__launch_bounds__\((\d+)( \* SLICES)?\) {name}\(", text)
        assert bounds is not None
        threads = int(bounds.group(1)) * (SLICES[real] if bounds.group(2) else 1)
        yield Compiled(name, architecture, real, threads, registers, shared, local)


def check_doubles(nvcc: str, source: Path) -> None:
    """Look for double arithmetic in float kernels, in what the compiler makes of them before it knows the GPU.

    Raises:
        CompileError: if there is any.
    """
    with tempfile.TemporaryDirectory() as folder:
        ptx = Path(folder, "kernels.ptx")
        _run(nvcc, *_options("float", "sm_90"), "-ptx", "-o", str(ptx), str(source))
        if found := re.search(r".*\.f64.*", ptx.read_text(encoding="utf-8")):
            raise CompileError(f"{source.name}: a float kernel has a double: {found.group()}")


def _options(real: str, architecture: str) -> list[str]:
    return ["-std=c++17", f"-DREAL={real}", f"-arch={architecture}", "-Werror", "all-warnings"]


def _resources(said: str) -> Iterator[tuple[str, int, int, int]]:
    """(kernel, bytes of local memory, registers, bytes of shared memory) from ptxas's report, in order of names."""
    pattern = (
        r"Function properties for (\w+)\s+(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
        r".*?Used (\d+) registers([^\n]*)"
    )
    for name, *numbers, registers, rest in sorted(re.findall(pattern, said, re.DOTALL)):
        shared = re.search(r"(\d+) bytes smem", rest)
        yield name, sum(map(int, numbers)), int(registers), int(shared.group(1)) if shared else 0


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def main() -> None:
    nvcc = find_nvcc()
    if nvcc is None:
        sys.exit("there is no nvcc: install a CUDA toolkit, or pip install '.[nvcc]'")
    print("| kernel | precision | architecture | threads | registers | shared memory | local memory | occupancy |")
    print("|---|---|---|---|---|---|---|---|")
    spilled = []
    cells = sys.argv[1:] or sorted(source.stem for source in GENERATED.glob("*.cu"))
    for source in (GENERATED / f"{cell}.cu" for cell in cells):
        check_doubles(nvcc, source)
        for real in REALS:
            for architecture in ARCHITECTURES:
                for one in compile_kernels(nvcc, source, architecture, real):
                    spilled += [one.name] if one.local > FEW_WORDS else []
                    print(
                        f"| {source.stem}: {one.name} | {real} | {architecture} | {one.threads} | {one.registers} "
                        f"| {one.shared} B | {one.local} B | {one.occupancy:.0%} |"
                    )
    if spilled:
        sys.exit(f"more than {FEW_WORDS} B of local memory are used by {', '.join(spilled)}")


if __name__ == "__main__":
    main()
