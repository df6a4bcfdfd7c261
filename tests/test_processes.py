import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

STARTS_A_CHILD_THAT_IS_BUSY = """
import multiprocessing, os, signal, time
from mien.processes import end_with_parent

def work(connection):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    connection.send(os.getpid())
    while True:
        sum(range(1000))

if __name__ == "__main__":
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.get_context("METHOD").Process(target=work, args=(theirs,)).start()
    print(ours.recv(), flush=True)
    time.sleep(600)
"""


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # nobody may wait for an orphan
    except psutil.NoSuchProcess:
        return True


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    "method",
    [
        "spawn",
        pytest.param(
            "forkserver", marks=pytest.mark.skipif(sys.platform == "win32", reason="Unix only")
        ),
    ],
)
def test_a_busy_child_ends_when_its_parent_is_killed(method: str, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(STARTS_A_CHILD_THAT_IS_BUSY.replace("METHOD", method))
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        while not has_ended(child):
            time.sleep(0.05)
