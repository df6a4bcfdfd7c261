"""How the C library hands out memory, told to it in the way that suits what a process does.

The command line tells it; importing mien, or calling it from Python, changes nothing of a process.

In training activations of a step are reused instead of returned: glibc gives every block over 32 MB
back to the system when it is freed, and the next step faults it in again, page by page, each page
zeroed first: with large batches that costs more than the arithmetic. `benchmarks/memory.py`
measures it. A service wants the opposite: the memory of the largest picture back, at once.
"""

import ctypes
import os
import sys
from collections.abc import Sequence

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -3, -4, -8
_TOP_PAD = 1 << 28  # bytes asked for at once when the heap grows


def reuse_freed_memory() -> bool:
    """Returns whether this process now keeps freed memory for itself, as training wants it.

    It does on Linux with glibc; elsewhere nothing changes. The process's memory then stays at its
    peak until it ends. `MALLOC_MMAP_MAX_`, glibc's own variable, is left as the user set it, as is
    `THP_MEM_ALLOC_ENABLE`, which torch reads at its first allocation: call this before.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch then asks for pages of 2 MB
    if "MALLOC_MMAP_MAX_" in os.environ:
        return False
    return _tell(((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, _TOP_PAD)))


def return_freed_memory() -> bool:
    """Returns whether this process now gives the memory of pictures back when they are freed.

    A service of many threads would else keep a heap for each, with holes that pictures have left.
    On Linux with glibc; what the user set by glibc's own variables is left so.
    """
    if {"MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys():
        return False
    return _tell(((_M_MMAP_THRESHOLD, 2_000_000), (_M_ARENA_MAX, 2)))


def _tell(settings: Sequence[tuple[int, int]]) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return False
    return all(mallopt(option, value) == 1 for option, value in settings)
