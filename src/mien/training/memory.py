"""How the C library hands out memory: activations of a step are reused instead of returned.

glibc gives every block over 32 MB back to the system when it is freed, and the next step faults it
in again, page by page, each page zeroed first: with large batches that costs more than the
arithmetic. `benchmarks/memory.py` measures it.
"""

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # of glibc's malloc.h
_TOP_PAD = 1 << 28  # bytes asked for at once when the heap grows

HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""Environment variable by which torch asks for pages of 2 MB, read at its first allocation."""


def reuse_freed_memory() -> bool:
    """Returns whether this process now keeps freed memory for itself.

    It does on Linux with glibc; elsewhere nothing changes. The process's memory then stays at its
    peak until it ends. `MALLOC_MMAP_MAX_`, glibc's own variable, is left as the user set it.
    """
    if not sys.platform.startswith("linux") or "MALLOC_MMAP_MAX_" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, _TOP_PAD))
    return all(mallopt(option, value) == 1 for option, value in settings)
