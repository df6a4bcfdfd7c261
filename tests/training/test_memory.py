"""Memory that a step frees is there for the next one."""

import os
import subprocess
import sys

COUNT_FAULTS = """
import resource, sys
import numpy as np
from mien.memory import reuse_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(1 << 26, np.uint8)  # 64 MB, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

reused = reuse_freed_memory()
faults()
print(int(reused), faults())
"""


def count(**settings: str) -> tuple[bool, int]:
    # With pages of 2 MB, which numpy gets when there are some, faults are few in either case.
    environment = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0", **settings}
    words = [sys.executable, "-c", COUNT_FAULTS]
    run = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    reused, faults = map(int, run.stdout.split())
    return bool(reused), faults


def test_freed_memory_is_used_again_unless_the_user_set_mallocs_own_variable():
    reused, faults = count()
    assert reused
    assert faults < 100
    left_alone, faults = count(MALLOC_MMAP_MAX_="65536")
    assert not left_alone
    assert faults > 100
