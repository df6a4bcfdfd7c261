"""One writer to an output folder: two would lose each other's rows without a word."""

import warnings
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from mien.errors import UsageError
from mien.files import HALF, remove_left_over

LOCK = ".lock"
"""The file in an output folder that its writer holds; an empty one is left behind."""


class FolderLock:
    """A folder held by this process until `release`, or its end, however it ends.

    What an earlier writer, killed, left half written in it is removed.
    On a file system without locks, as some network mounts are, it warns and holds nothing.
    """

    def __init__(self, folder: Path) -> None:
        """Takes the folder.

        Args:
            folder: Made if it is not there.

        Raises:
            UsageError: Another process holds it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._lock: BaseFileLock | None = FileLock(folder / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(
                f"{folder}: another process is writing to this folder; wait for its end, or choose "
                "another folder"
            ) from None
        except (NotImplementedError, OSError) as error:
            self._lock = None
            warnings.warn(
                f"{folder}: its file system has no locks ({error}); see that nothing else writes "
                "to this folder",
                stacklevel=3,
            )
        else:
            remove_left_over(folder.glob(HALF), seconds=0)

    def release(self) -> None:
        """Lets others have the folder; more than once does no harm."""
        if self._lock is not None:
            self._lock.release(force=True)
