"""The processor here: how many cores this process may use, and whether it is quick at int8."""

import math
import os
import platform
import sys
from pathlib import Path

FAST_INT8 = frozenset({"avx512_vnni", "avx_vnni", "asimddp"})
"""Instructions that multiply and add four pairs of 8-bit integers at once, as Linux calls them:
x86's VNNI in either encoding, ARM's dot product. Without them an int8 network is hardly faster,
and on x86 it can be wrong: sums of pairs saturate at 16 bits."""

_limit = math.inf


def has_fast_int8(root: Path = Path("/")) -> bool:
    """Returns whether the processor has one of the instructions of `FAST_INT8`.

    Apple's own processors all have; elsewhere Linux tells. On other systems the answer is no.

    Args:
        root: Where `proc` is; another folder for tests.

    Example:
        >>> from mien.processors import has_fast_int8
        >>> has_fast_int8() in (True, False)
        True
    """
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, _, flags = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return not FAST_INT8.isdisjoint(flags.split())
    return False


def limit_cores(number: int) -> None:
    """Makes `count_cores` return `number` at the most in this process; 0 takes the limit away.

    So it holds for what is made afterwards: the networks, the decoders of videos, and OpenCV, if
    it is not loaded yet.

    Args:
        number: How many, 0 or more.

    Example:
        >>> from mien.processors import count_cores, limit_cores
        >>> limit_cores(1)
        >>> count_cores()
        1
        >>> limit_cores(0)
    """
    global _limit
    _limit = number or math.inf
    if number:
        os.environ["OPENCV_FOR_THREADS_NUM"] = str(number)


def count_cores(root: Path = Path("/")) -> int:
    """Returns how many processor cores this process may use, 1 or more.

    Two threads of one core share its arithmetic, so on Linux they count once. Cores that the
    process is not let run on do not count, nor what a container's limit of processor time
    (`cpu.max` of control groups, version 2) forbids: with more threads than that, the system stops
    them all for a part of every period.

    Args:
        root: Where `proc` and `sys` are; another folder for tests.

    Example:
        >>> from mien.processors import count_cores
        >>> count_cores() >= 1
        True
    """
    if not hasattr(os, "sched_getaffinity"):
        return int(min(os.cpu_count() or 1, _limit))
    topology = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    cores = {
        _text(root / topology.format(number)) or str(number) for number in os.sched_getaffinity(0)
    }
    return max(1, math.floor(min(len(cores), _time_limit(root), _limit)))


def _time_limit(root: Path) -> float:
    """Returns the processors' worth of time that control groups leave; infinity without a limit."""
    own = [line[3:] for line in _text(root / "proc/self/cgroup").splitlines() if line[:3] == "0::"]
    limit, top = math.inf, root / "sys/fs/cgroup"
    group = top / (own[0].strip("/") if own else "")
    while group.is_relative_to(top):
        quota, _, period = _text(group / "cpu.max").partition(" ")
        if quota.isdecimal() and period.isdecimal() and int(period) > 0:
            limit = min(limit, int(quota) / int(period))
        group = group.parent
    return limit


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
