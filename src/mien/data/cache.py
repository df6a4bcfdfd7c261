"""The cache of what was read: whole face sets, keyed by the contents of their files.

The folder is `$MIEN_CACHE`, else the platform's cache folder for mien; `MIEN_CACHE=off` (or empty)
does without. Everything in it may be deleted at any time.

`stamps/` remembers the SHA-256 of files' contents under a stamp of path, device, inode, size,
modification and change time, so that an unchanged file is not read through again. A file is
taken for unchanged as long as all of these are; rewriting it changes the last two, whatever the
contents. Files younger than two seconds are never remembered: a clock's tick could hide a second
write. `faces/` holds the sets under the hash of contents and reading options: a moved or copied
file finds its set again. Each is a NumPy archive, whose checksums are looked at when it is read.
"""

import hashlib
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from platformdirs import user_cache_path

from mien.data.face_set import FaceSet
from mien.errors import BadInputError
from mien.files import write_whole

_FORMAT = 2  # to be raised whenever reading the same files gives something else
_SETTLED_SECONDS = 2.0
_PARTS = ("images", "labels", "label_names", "rows", "sources", "splits")


@dataclass(frozen=True)
class Key:
    """Where the set read from some files, as they are now, is kept."""

    stamp: str
    path: Path


def folder() -> Path | None:
    """Returns the cache folder, or None when `MIEN_CACHE` turns caching off."""
    setting = os.environ.get("MIEN_CACHE")
    if setting is None:
        return user_cache_path("mien", appauthor=False)
    return None if setting.strip().lower() in ("", "off") else Path(setting).expanduser()


def find_key(path: Path, files: list[str], options: str) -> Key | None:
    """Returns the key of the set read from `files` under `path`; None when caching is off.

    Args:
        path: The set's file or folder.
        files: The files it consists of, relative to `path`.
        options: All that decides, beside the files, what reading them gives.
    """
    cache = folder()
    if cache is None:
        return None
    try:
        stamp, newest = _stamp(path, files)
    except OSError:
        return None  # reading will say what is wrong with the file
    memo = cache / "stamps" / stamp
    try:
        contents = memo.read_text("ascii", errors="replace")
    except OSError:
        contents = ""
    if len(contents) != 64:
        contents = _hash_contents(path, files)
        if time.time() - newest > _SETTLED_SECONDS and _stamp(path, files)[0] == stamp:
            _write(memo, lambda stream: stream.write(contents.encode()))
    name = hashlib.sha256(f"{_FORMAT} {contents} {options}".encode()).hexdigest()
    return Key(stamp, cache / "faces" / name)


def load(key: Key) -> FaceSet | None:
    """Returns the set kept under `key`, or None; warns where one is there but damaged."""
    if not key.path.is_file():
        return None
    try:
        with key.path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = dict(archive)
        return FaceSet(
            images=arrays["images"],
            labels=arrays.get("labels"),
            label_names=tuple(arrays["label_names"].tolist()),
            rows=arrays["rows"],
            sources=tuple(arrays["sources"].tolist()),
            splits=arrays.get("splits"),
        )
    except Exception as error:  # whatever a damaged file brings about, the set can be read afresh
        warnings.warn(f"{key.path}: damaged cache, reading afresh ({error})", stacklevel=3)
        return None


def save(key: Key, path: Path, files: list[str], faces: FaceSet) -> None:
    """Keeps the set under `key`, unless the files have changed since; a failure only warns."""
    if _stamp(path, files)[0] != key.stamp:
        return
    parts = {name: getattr(faces, name) for name in _PARTS}
    arrays = {name: np.asarray(part) for name, part in parts.items() if part is not None}
    _write(key.path, lambda stream: np.savez(stream, allow_pickle=False, **arrays))


def _stamp(path: Path, files: list[str]) -> tuple[str, float]:
    """Returns the stamp of the files, and when the youngest of them changed (seconds)."""
    digest = hashlib.sha256(os.fsencode(path.resolve()))
    newest = 0.0
    for name in files:
        about = (path / name).stat()
        times = (about.st_mtime_ns, about.st_ctime_ns)
        digest.update(repr((name, about.st_dev, about.st_ino, about.st_size, times)).encode())
        newest = max(newest, *(nanoseconds / 1e9 for nanoseconds in times))
    return digest.hexdigest(), newest


def _hash_contents(path: Path, files: list[str]) -> str:
    digest = hashlib.sha256()
    for name in files:
        with (path / name).open("rb") as stream:
            inner = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{name}\0{inner}\n".encode())
    return digest.hexdigest()


def _write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Writes a file; a failure only warns."""
    try:
        with write_whole(path) as stream:
            fill(stream)
    except BadInputError as error:
        warnings.warn(f"cannot write to the cache, going on without: {error}", stacklevel=4)
