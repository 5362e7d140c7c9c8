"""``python -m tests.cuda_on_cpu.install`` puts PyCUDA into this Python's environment, with no CUDA toolkit needed.

PyCUDA comes as source. It is built against the headers of CUDA's own packages and linked with the CPU driver, which has
every entry point that cuda.h declares; which driver it then runs on is decided when it is imported.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cuda_on_cpu import build

PYCUDA = "pycuda==2026.1"
HEADERS = ["nvidia-cuda-runtime", "nvidia-cuda-profiler-api"]  # cuda.h and cudaProfiler.h
# Read from the home folder by PyCUDA's setup.py, which otherwise links cuRAND and waits for a configuration.
CONFIGURATION = "CUDA_ENABLE_CURAND = False\n"


def pip_install(*arguments: str, **environment: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", *arguments]
    subprocess.run(command, check=True, env=os.environ | environment)


def main() -> None:
    build.check_machine()
    if not any(build.CUDA_HEADERS.glob("nvidia/*/include/cudaProfiler.h")):
        packages = [f"{name}=={build.CUDA_VERSION}.*" for name in HEADERS]
        pip_install("--no-deps", "--upgrade", "--target", str(build.CUDA_HEADERS), *packages)
    driver = build.driver()
    if importlib.util.find_spec("pycuda") is not None:
        return
    print(f"building {PYCUDA}: a minute or two, once", flush=True)
    with tempfile.TemporaryDirectory() as home:
        Path(home, ".aksetup-defaults.py").write_text(CONFIGURATION)
        # pip keeps looking for its own configuration where it did before. A wheel that pip may have kept from another
        # build is of no use: it could need cuRAND.
        pip_install(
            *("--no-cache-dir", "--no-binary", "pycuda", PYCUDA),
            HOME=home,
            XDG_CONFIG_HOME=os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config")),
            CPATH=str(build.cuda_include()),
            LIBRARY_PATH=str(driver.parent),
        )


if __name__ == "__main__":
    try:
        main()
    except (build.UnavailableError, subprocess.CalledProcessError) as why:
        raise SystemExit(f"PyCUDA is not installed, the CUDA tests will be skipped: {why}") from None
