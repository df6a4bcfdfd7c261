"""Layout: FER2013's CSV, one face per line as decimal pixels; Kaggle's train.csv and test.csv.

Columns `emotion,pixels,Usage` in any order, with stray spaces and quotes; `emotion,pixels` (all
one split); `pixels` (no labels). Other columns beside these are ignored. Plain, `.gz` or `.xz`.
"""

import gzip
import lzma
import zlib
from collections import Counter
from collections.abc import Iterator
from io import BufferedIOBase
from itertools import chain, count, islice
from math import isqrt, sqrt
from pathlib import Path
from typing import cast

import numpy as np

from mien.data.face_set import FaceSet
from mien.errors import BadInputError
from mien.labels import EXPRESSIONS
from mien.pictures import resize

USAGES = ("Training", "PublicTest", "PrivateTest")
MIN_SIDE = 8

_LONGEST = 1 << 20  # bytes of one line, or of empty lines in a row
_BLANK = b' \t\r\n"'
_DAMAGE = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)


class _BadRowError(ValueError):
    """What is wrong with a row, and what was expected."""


def find_files(path: Path) -> tuple[list[str], tuple[str, ...]]:
    """Returns the files that the set consists of, relative to `path`: the CSV itself."""
    return [""], ()


def read_faces(
    path: Path, files: list[str], skip_bad: bool, face_size: int | None, channels: int
) -> FaceSet:
    """Returns the CSV's faces, grey; `face_size` None keeps theirs.

    Raises:
        BadInputError: The header or a row is not what it should be, or there are no rows.
    """
    images, labels, splits, rows, problems = [], [], [], [], []
    with _open(path) as stream:
        columns = _read_header(stream, path)
        lines = _read_lines(stream)
        first = list(islice(lines, 100))
        num_pixels = _expected_pixels(first, columns)
        for row, (number, line) in enumerate(chain(first, lines)):
            try:
                pixels, label, split = _parse_line(line, columns, num_pixels)
            except _BadRowError as error:
                problem = f"{path}:{number}: {error}"
                if not skip_bad:
                    raise BadInputError(problem) from error
                problems.append(problem)
                continue
            images.append(pixels)
            labels.append(label)
            splits.append(split)
            rows.append(row)
    if not images:
        reason = f"; all of them are bad, the first: {problems[0]}" if problems else ""
        raise BadInputError(f"{path}: no rows of pixels in it{reason}")
    side = isqrt(num_pixels)
    faces = np.stack(images).reshape(-1, side, side)
    if face_size not in (None, side):
        faces = np.stack([resize(face, face_size, face_size) for face in faces])
    labelled = "emotion" in columns
    return FaceSet(
        images=faces,
        labels=np.array(labels, np.int64) if labelled else None,
        label_names=EXPRESSIONS if labelled else (),
        rows=np.array(rows, np.int64),
        sources=("",),
        splits=np.array(splits) if "usage" in columns else None,
        problems=tuple(problems),
    )


def _open(path: Path) -> BufferedIOBase:
    if path.stat().st_size == 0:
        raise BadInputError(f"{path}: the file is empty; expected emotion,pixels,Usage")
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix.lower(), open)
    return cast(BufferedIOBase, opener(path, "rb"))


def _read_header(stream: BufferedIOBase, path: Path) -> tuple[str, ...]:
    try:
        line = stream.readline(1 << 16)
        header = line.decode("utf-8-sig")
    except _DAMAGE as error:
        raise BadInputError(f"{path}:1: a damaged archive, or none: {error}") from error
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"{path}:1: binary data where a header such as emotion,pixels,Usage was expected"
        ) from error
    columns = tuple(name.strip(_BLANK.decode()).lower() for name in header.split(","))
    missing = {"pixels"} if columns == ("pixels",) else {"emotion", "pixels"}
    missing -= set(columns)
    if missing or any(columns.count(name) > 1 for name in ("emotion", "pixels", "usage")):
        wrong = f"no column {' or '.join(sorted(missing))}" if missing else "a column twice"
        raise BadInputError(
            f"{path}:1: {wrong} in the header {header.strip()[:80]!r}; expected "
            "emotion,pixels,Usage in any order, emotion,pixels, or pixels alone"
        )
    return columns


def _read_lines(stream: BufferedIOBase) -> Iterator[tuple[int, bytes | _BadRowError]]:
    """Yields the lines that are not empty, each with its number; at last what cut them off."""
    number, num_empty = 2, 0
    try:
        for number in count(2):
            line = stream.readline(_LONGEST + 1)
            num_empty = 0 if line.strip() else num_empty + len(line)
            if len(line) > _LONGEST:
                what = f"a line of more than {_LONGEST} bytes, expected one face"
                yield number, _BadRowError(what)
                return
            if num_empty > _LONGEST:  # compressed, such a file may be as long as one likes
                yield number, _BadRowError(f"{num_empty} bytes of empty lines, expected faces")
                return
            if not line:
                return
            if not num_empty:
                yield number, line.removesuffix(b"\n")
    except _DAMAGE as error:
        yield number, _BadRowError(f"the archive is damaged or cut off here: {error}")


def _expected_pixels(
    lines: list[tuple[int, bytes | _BadRowError]], columns: tuple[str, ...]
) -> int:
    """Returns what most of the first rows have, or the nearest square number to that."""
    column = columns.index("pixels")
    rows = (line.split(b",") for _, line in lines if isinstance(line, bytes))
    counts = Counter(len(row[column].split()) for row in rows if len(row) > column)
    ((most, _),) = counts.most_common(1) or [(48 * 48, 1)]
    return max(MIN_SIDE, round(sqrt(most))) ** 2


def _parse_line(
    line: bytes | _BadRowError, columns: tuple[str, ...], num_pixels: int
) -> tuple[np.ndarray, int, str]:
    """Returns a row's pixels, label (-1 without a column of them) and split ("" without).

    Raises:
        _BadRowError: What is wrong with it.
    """
    if isinstance(line, _BadRowError):
        raise line
    fields = line.split(b",")
    if len(fields) != len(columns):
        raise _BadRowError(
            f"{len(fields)} fields, expected {len(columns)} ({','.join(columns)}); "
            f"the line begins {_shown(line)}"
        )
    words = {name: word.strip(_BLANK) for name, word in zip(columns, fields, strict=True)}
    label, split = -1, ""
    if "emotion" in words:
        word = words["emotion"]
        if len(word) != 1 or not b"0" <= word <= b"6":
            meanings = ", ".join(f"{i} {name}" for i, name in enumerate(EXPRESSIONS))
            raise _BadRowError(f"unknown label {_shown(word)}, expected one of {meanings}")
        label = int(word)
    if "usage" in words:
        word = words["usage"]
        split = next((u for u in USAGES if u.lower().encode() == word.lower()), "")
        if not split:
            raise _BadRowError(f"unknown usage {_shown(word)}, expected one of {', '.join(USAGES)}")
    pixels = _parse_pixels(words["pixels"])
    if len(pixels) != num_pixels:
        side = isqrt(num_pixels)
        raise _BadRowError(f"{len(pixels)} pixels, expected {num_pixels} ({side} x {side})")
    return pixels, label, split


def _parse_pixels(text: bytes) -> np.ndarray:
    """Returns the numbers of a row, uint8."""
    if text and not text.translate(None, b"0123456789 "):
        pixels = np.fromstring(text, np.int64, sep=" ")
        if pixels.max() <= 255:
            return pixels.astype(np.uint8)
    words = text.split()  # whatever is odd is looked at word by word
    for place, word in enumerate(words, 1):
        if not word.isdigit() or len(word.lstrip(b"0")) > 3 or int(word) > 255:
            raise _BadRowError(
                f"pixel {place} is {_shown(word)}, expected a whole number from 0 to 255"
            )
    return np.array([int(word) for word in words], np.uint8)


def _shown(text: bytes) -> str:
    return repr(text[:24].decode("latin-1")) + ("…" if len(text) > 24 else "")
