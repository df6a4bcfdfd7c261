"""Files that are there whole or not at all, and what killed writers leave of them."""

import glob
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mien.errors import BadInputError, UsageError

HALF = ".mien-*.part"
"""What a file is called until it is whole, in the same folder."""
LEFT_SECONDS = 86_400.0


def make_folder(path: str | Path) -> None:
    """Makes a folder that is to be written to, unless it is there.

    Raises:
        BadInputError: It cannot be made, or nothing can be written in it.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def write_whole(path: str | Path) -> Iterator[BinaryIO]:
    """Yields a new file that takes its name, and an older one's place, once all of it is on disk.

    If writing fails, or the block raises, the older one stays as it was. Half files that killed
    writers left in the folder are removed after a day.

    Args:
        path: Where to; folders are made, and a link leads to what is written.

    Raises:
        BadInputError: It cannot be written.
    """
    whole = Path(path).resolve()
    half = whole.with_name(HALF.replace("*", secrets.token_hex(8)))
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        remove_left_over(whole.parent.glob(HALF))
        with half.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        half.replace(whole)
        _keep_name(whole.parent)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            half.unlink()


@contextmanager
def make_whole(output: Path) -> Iterator[Path]:
    """Yields a folder to be made and filled, which takes its name once the block is done.

    If the block raises, nothing is left. Unfinished folders that killed writers left are removed
    after a day.

    Args:
        output: Where to; must not exist, or be an empty folder.

    Raises:
        UsageError: It is taken.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output} exists and is not an empty folder; name another --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    remove_left_over(output.parent.glob(f".{glob.escape(output.name)}.part-*"))
    unfinished = output.with_name(f".{output.name}.part-{os.getpid()}")
    try:
        yield unfinished
        if output.exists():
            output.rmdir()
        unfinished.rename(output)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def remove_left_over(unfinished: Iterable[Path], seconds: float = LEFT_SECONDS) -> None:
    """Removes half files and folders that their writers, killed, left so many seconds ago."""
    for path in unfinished:
        with suppress(OSError):  # another process was quicker, or it may not be removed
            if time.time() - path.stat().st_mtime > seconds:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _keep_name(folder: Path) -> None:
    """Waits until a new name in a folder is on the disk; Windows opens no folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
