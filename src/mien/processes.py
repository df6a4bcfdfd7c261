"""Processes that work for another one."""

import os
import threading
from multiprocessing import parent_process


def end_with_parent() -> None:
    """Sees to it that this process ends, whatever it is doing, when the one that started it has."""
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="end with parent", daemon=True).start()
