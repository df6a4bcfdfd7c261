"""The command line on a terminal of 80 columns, which pseudo-terminals are on POSIX systems."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def on_terminal(*arguments: object, cwd: Path) -> str:
    """Returns all that `mien` shows on a terminal that is its stdin, stdout and stderr."""
    import pty

    terminal, inner = pty.openpty()
    command = [sys.executable, "-m", "mien", *map(str, arguments)]
    environment = {
        **os.environ,
        **{"OMP_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"},
    }
    with subprocess.Popen(
        command, stdin=inner, stdout=inner, stderr=inner, cwd=cwd, env=environment
    ):
        os.close(inner)
        shown = b""
        with suppress(OSError):  # how the end is told on Linux
            while part := os.read(terminal, 4096):
                shown += part
    os.close(terminal)
    return shown.decode().replace("\r\n", "\n")
