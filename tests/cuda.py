"""Where the CUDA tests get PyCUDA and a device from: a GPU, or the CPU driver."""

from __future__ import annotations

from tests.cuda_on_cpu import require, thread_order
from tests.cuda_on_cpu.sanitize import sanitize

__all__ = ["reports", "require", "thread_order"]


def reports(sanitizer: str, *script: str) -> list[str]:
    """What a sanitizer, ``address`` or ``thread``, reports about the kernels of a script."""
    found: list[str] = sanitize(sanitizer, *script).reports
    return found
