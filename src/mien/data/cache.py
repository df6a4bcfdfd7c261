"""The cache of what was read: whole face sets, keyed by the contents of their files.

The folder is `$MIEN_CACHE`, else the platform's cache folder for mien; `MIEN_CACHE=off` (or empty)
does without. Everything in it may be deleted at any time.

`stamps/` remembers the SHA-256 of files' contents under a stamp of path, device, inode, size,
modification and change time, so that an unchanged file is not read through again. A file is
taken for unchanged as long as all of these are; rewriting it changes the last two, whatever the
contents. Files younger than two seconds are never remembered: a clock's tick could hide a second
write. `faces/` holds the sets under the hash of contents and reading options: a moved or copied
file finds its set again. Each begins with the SHA-256 of its remaining bytes.
"""

import hashlib
import json
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from mien.data.face_set import FaceSet
from mien.errors import BadInputError
from mien.files import write_whole

_FORMAT = 1  # to be raised whenever reading the same files gives something else
_SETTLED_SECONDS = 2.0
_ARRAYS = (("labels", "<i8"), ("rows", "<i8"), ("images", "|u1"))


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
            _write(memo, [contents.encode()])
    name = hashlib.sha256(f"{_FORMAT} {contents} {options}".encode()).hexdigest()
    return Key(stamp, cache / "faces" / name)


def load(key: Key) -> FaceSet | None:
    """Returns the set kept under `key`, or None; warns where one is there but damaged."""
    if not key.path.is_file():
        return None
    try:
        return _unpack(np.fromfile(key.path, np.uint8))
    except Exception as error:  # whatever a damaged file brings about, the set can be read afresh
        warnings.warn(f"{key.path}: damaged cache, reading afresh ({error})", stacklevel=3)
        return None


def save(key: Key, path: Path, files: list[str], faces: FaceSet) -> None:
    """Keeps the set under `key`, unless the files have changed since; a failure only warns."""
    if _stamp(path, files)[0] == key.stamp:
        _write(key.path, _pack(faces))


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


def _pack(faces: FaceSet) -> list[bytes | memoryview]:
    """Returns the digest, a line of JSON, and the arrays, as pieces of one file."""
    header = {
        "label_names": faces.label_names,
        "sources": faces.sources,
        "splits": None if faces.splits is None else faces.splits.tolist(),
        "shapes": {
            name: array.shape for name, _ in _ARRAYS if (array := getattr(faces, name)) is not None
        },
    }
    pieces: list[bytes | memoryview] = [json.dumps(header).encode() + b"\n"]
    for name, dtype in _ARRAYS:
        if (array := getattr(faces, name)) is not None:
            pieces.append(np.ascontiguousarray(array, dtype).ravel().view(np.uint8).data)
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return [digest.hexdigest().encode() + b"\n", *pieces]


def _unpack(content: np.ndarray) -> FaceSet:
    start = 65
    if bytes(content[:start]) != hashlib.sha256(content[start:].data).hexdigest().encode() + b"\n":
        raise ValueError("its checksum differs")
    stop = start + int(np.argmax(content[start:] == ord("\n"))) + 1
    header = json.loads(bytes(content[start:stop]))
    arrays = {}
    for name, dtype in _ARRAYS:
        if (shape := header["shapes"].get(name)) is not None:
            start, stop = stop, stop + int(np.prod(shape)) * np.dtype(dtype).itemsize
            array = np.frombuffer(content[start:stop].data, dtype).reshape(shape)
            arrays[name] = array if name == "images" else array.astype(np.int64)
    return FaceSet(
        images=arrays["images"],
        labels=arrays.get("labels"),
        label_names=tuple(header["label_names"]),
        rows=arrays["rows"],
        sources=tuple(header["sources"]),
        splits=None if header["splits"] is None else np.array(header["splits"]),
    )


def _write(path: Path, pieces: "list[bytes] | list[bytes | memoryview]") -> None:
    """Writes a file; a failure only warns."""
    try:
        with write_whole(path) as stream:
            stream.writelines(pieces)
    except BadInputError as error:
        warnings.warn(f"cannot write to the cache, going on without: {error}", stacklevel=4)
