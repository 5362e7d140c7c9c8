"""nvcc for the CPU: ``nvcc --cubin [options] kernel.cu`` makes a shared object of that name with g++.

It runs g++'s preprocessor, finds the kernels and their shared memory in what comes out, and compiles that followed by a
table of the kernels. It understands the options that PyCUDA and its users pass, and refuses others.

CUDA_ON_CPU_CXXFLAGS are further flags for g++; CUDA_ON_CPU_SANITIZE is what -fsanitize= takes.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

DEVICE = Path(__file__).parent / "device"

# Kernels may treat the same memory as float and float4; nvcc evaluates sqrtf without looking at errno.
CXXFLAGS = ["-fPIC", "-fno-strict-aliasing", "-fno-math-errno", "-fno-exceptions", "-Wno-unknown-pragmas"]
# A local array larger than a page must not reach over the guard below its stack.
CXXFLAGS += ["-fstack-clash-protection"]
# Modules share no variables, even if they have them by the same name.
CXXFLAGS += ["-fno-gnu-unique"]
LDFLAGS = ["-shared", "-Wl,-Bsymbolic"]

# nvcc's options that say nothing to a CPU, without and with a value of their own.
FLAGS = re.compile(
    r"--?(O[0-3]|g|G|w|m64|keep|lineinfo|use_fast_math|restrict|generate-line-info|device-debug|debug"
    r"|expt-relaxed-constexpr|extended-lambda|fmad=\w+|rdc=false|code=\S+|gencode=\S+|maxrregcount=\d+)"
)
VALUED = re.compile(
    r"--?(code|gpu-code|gencode|maxrregcount|Xptxas|ptxas-options|Xcompiler|compiler-options|Werror|diag-suppress)"
)
ARCHITECTURE = re.compile(r"--?(?:arch|gpu-architecture)(?:=(\S+))?")
STANDARD = re.compile(r"--?std=(c\+\+\d\w)")
OLD_STANDARDS = ("c++03", "c++11", "c++14")  # the headers are written in C++17


@dataclass
class Options:
    source: str = ""
    output: str = ""
    preprocess: bool = False
    standard: str = "c++17"
    architecture: str = "90"
    passed_on: list[str] = field(default_factory=list)


def parse(arguments: list[str]) -> Options:
    options = Options()
    rest = iter(arguments)
    for argument in rest:
        if argument.endswith(".cu"):
            options.source = argument
        elif argument == "--preprocess":
            options.preprocess = True
        elif argument in ("-o", "--output-file"):
            options.output = next(rest)
        elif architecture := ARCHITECTURE.fullmatch(argument):
            options.architecture = re.sub(r"\D", "", architecture[1] or next(rest))
        elif standard := STANDARD.fullmatch(argument):
            options.standard = "c++17" if standard[1] in OLD_STANDARDS else standard[1]
        elif argument in ("-I", "-D", "-U", "-include"):
            options.passed_on += [argument, next(rest)]
        elif argument.startswith(("-I", "-D", "-U")):
            options.passed_on.append(argument)
        elif VALUED.fullmatch(argument):
            next(rest)
        elif argument not in ("--cubin", "-cubin") and not FLAGS.fullmatch(argument):
            raise SystemExit(f"nvcc fatal   : Unknown option '{argument}' (on the CPU)")
    if not options.source:
        raise SystemExit("nvcc fatal   : No input files specified")
    options.output = options.output or f"{Path(options.source).stem}.cubin"
    return options


@dataclass(frozen=True)
class Kernel:
    name: str  # with template arguments, if it is an explicit instantiation
    bounds: str  # what is in the brackets of __launch_bounds__
    body: range  # of characters; empty for a declaration or an instantiation

    @property
    def section(self) -> str:
        """The linker section of its __shared__ arrays."""
        return "cuda_shared_" + re.sub(r"\W", "_", self.name)


NO_BOUNDS = "1024"
LITERAL = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'')
BOUNDS = re.compile(r"\s*__launch_bounds__\s*(?=\()")
SPECIFIER = re.compile(r"\s*(?:void|static|inline|__attribute__\s*\(\(\w+\)\))(?!\w)")
NAME = re.compile(r"\s*([\w:]+(?:\s*<[^;{}()]*>)?)\s*(?=\()")
SHARED = re.compile(r"\b(extern\s+|static\s+)?__shared__\b")


def blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def closing(code: str, start: int) -> int:
    """Where the bracket that opens at ``start`` is closed."""
    opening = code[start]
    depth = 0
    for match in re.compile({"(": r"[()]", "{": r"[{}]"}[opening]).finditer(code, start):
        depth += 1 if match[0] == opening else -1
        if depth == 0:
            return match.start()
    raise SystemExit(f"nvcc error   : a {opening} is not closed")


def find_kernels(code: str) -> list[Kernel]:
    """The kernels that can be launched: function definitions and explicit instantiations of templates."""
    found: dict[str, Kernel] = {}
    for match in re.finditer(r"\b__global__\b", code):
        before = re.split(r"[;{}]", code[max(0, match.start() - 1000) : match.start()])[-1]
        position, bounds = match.end(), NO_BOUNDS
        while word := BOUNDS.match(code, position) or SPECIFIER.match(code, position):
            position = word.end()
            if code[position] == "(":
                bounds, position = code[position + 1 : closing(code, position)], closing(code, position) + 1
        name = NAME.match(code, position)
        if name is None:
            raise SystemExit(f"nvcc error   : after __global__: {code[position : position + 60].strip()}")
        opens = re.compile(r"\s*\{").match(code, closing(code, name.end()) + 1)
        body = range(opens.end() - 1, closing(code, opens.end() - 1)) if opens else range(0)
        is_template = re.search(r"\btemplate\s*<", before) is not None
        if not is_template and not (name[1] in found and found[name[1]].body):
            found[name[1]] = Kernel(name[1], bounds, body)
    return list(found.values())


def translate(text: str) -> str:
    """Preprocessed CUDA C as C++: what is no macro is rewritten in its place, so that lines stay what they were."""
    code = LITERAL.sub(blank, text)
    kernels = find_kernels(code)
    edits: list[tuple[int, int, str]] = []
    for match in re.finditer(r"\b__global__\b", code):
        edits.append((match.start(), match.end(), ""))
    for match in re.finditer(r"__launch_bounds__\s*(?=\()", code):
        edits.append((match.start(), closing(code, match.end()) + 1, ""))
    arrays = 0  # __shared__ arrays outside of kernels' bodies: any kernel may use them
    for match in SHARED.finditer(code):
        if (match[1] or "").startswith("extern"):
            # The driver's array, whatever name and type it has here; its size is what the launch says.
            end = code.index(";", match.end())
            edits += [(match.start(), match.end(), "extern"), (end, end, ' __asm__("cuda_dynamic_shared")')]
            continue
        section = next((kernel.section for kernel in kernels if match.start() in kernel.body), None)
        if section is None:
            section = f"cuda_shared_array_{arrays}"
            arrays += 1
        edits.append((match.start(), match.end(), f'static __attribute__((section("{section}")))'))
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text + kernel_table(kernels, [f"cuda_shared_array_{i}" for i in range(arrays)])


def kernel_table(kernels: list[Kernel], array_sections: list[str]) -> str:
    declarations = [
        f'extern char {name}[] __asm__("__{name}") __attribute__((weak, visibility("hidden")));'
        for section in [*array_sections, *(kernel.section for kernel in kernels)]
        for name in (f"start_{section}", f"stop_{section}")
    ]
    rows = [f"{{nullptr, nullptr, nullptr, 0, 0, start_{section}, stop_{section}}}," for section in array_sections]
    for kernel in kernels:
        rows.append(
            f"cuda_on_cpu::Describe<{kernel.name}>::entry(cuda_on_cpu::launch_bounds({kernel.bounds}),"
            f" start_{kernel.section}, stop_{kernel.section}),"
        )
    return "\n".join(
        [
            *("", '# 1 "kernel table"', *declarations, 'extern "C" {'),
            *("extern const Kernel cuda_on_cpu_kernels[] = {", *rows, "};"),
            *(f"extern const unsigned cuda_on_cpu_kernel_count = {len(rows)};", "}", ""),
        ]
    )


def compiler_flags() -> list[str]:
    flags = ["-O2", *CXXFLAGS]
    if sanitizers := os.environ.get("CUDA_ON_CPU_SANITIZE"):
        flags += [f"-fsanitize={sanitizers}", "-g", "-fno-omit-frame-pointer"]
        if "address" in sanitizers:
            flags.append("-fsanitize-sections=cuda_shared_*")  # red zones around __shared__ arrays as well
    return flags + os.environ.get("CUDA_ON_CPU_CXXFLAGS", "").split()


def version() -> str:
    """PyCUDA keeps what it compiled for as long as this text stays the same."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for header in sorted(DEVICE.rglob("*.h")):
        digest.update(header.read_bytes())
    compiler = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    return f"CUDA C for the CPU, {digest.hexdigest()[:16]}; g++ {compiler} {' '.join(compiler_flags())}"


def main(arguments: list[str]) -> int:
    if "--version" in arguments:
        print(version())
        return 0
    options = parse(arguments)
    language = [f"-std={options.standard}", "-I", str(DEVICE / "include"), *options.passed_on]
    header = ["-include", str(DEVICE / "cuda_c.h"), f"-D__CUDA_ARCH__={options.architecture}0"]
    preprocess = ["g++", *language, *header, *compiler_flags(), "-E", "-x", "c++", options.source]
    if options.preprocess:
        return subprocess.run([*preprocess, "-P"], check=False).returncode
    preprocessed = subprocess.run(preprocess, stdout=subprocess.PIPE, text=True, check=False)
    if preprocessed.returncode:
        return preprocessed.returncode
    # From standard input, under the name that the line markers give it.
    compile_ = ["g++", f"-std={options.standard}", *compiler_flags(), *LDFLAGS, "-x", "c++-cpp-output", "-"]
    return subprocess.run(
        [*compile_, "-o", options.output], input=translate(preprocessed.stdout), text=True, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
