"""Peak memory of this process: how far its resident set has grown since a marked moment."""

from __future__ import annotations

import re
import sys
from pathlib import Path

METHOD = "growth of the process's peak resident set over the first call, its inputs being loaded and BLAS warm"


def mark() -> int | None:
    """Forget the peak so far and return the resident bytes; None where the system cannot (it takes Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        # 5 resets VmHWM, the high-water mark, to the present resident set (proc_pid_clear_refs(5)).
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _status("VmRSS")


def growth(start: int | None) -> int | None:
    """Bytes from `start` to the peak since `mark`."""
    if start is None:
        return None
    return max(0, _status("VmHWM") - start)


def _status(field: str) -> int:
    match = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if match is None:
        raise OSError(f"/proc/self/status has no {field}")
    return 1024 * int(match[1])
