"""Layout: FER2013's CSV, one face per line as decimal pixels; Kaggle's train.csv and test.csv.

Columns `emotion,pixels,Usage` in any order, with stray spaces and quotes; `emotion,pixels` (all
one split); `pixels` (no labels). Other columns beside these are ignored. Plain, `.gz` or `.xz`.
"""

import gzip
import lzma
import os
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from io import BufferedIOBase
from itertools import chain, islice
from math import isqrt, sqrt
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import cast

import numpy as np

from mien.data.face_set import FaceSet
from mien.data.pixel_text import PixelDecoder
from mien.errors import BadInputError
from mien.labels import EXPRESSIONS
from mien.pictures import resize

USAGES = ("Training", "PublicTest", "PrivateTest")
MIN_SIDE = 8

_BLOCK = 1 << 20  # bytes decoded at a time; no line may be longer
_START = 8  # the text of a block begins here: the decoder looks three bytes back
_BLANK = b' \t\r"'
_EMPTY = _BLANK + b"\n"
_DAMAGE = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)


class _BadRowError(ValueError):
    """What is wrong with a row, and what was expected."""


@dataclass(frozen=True)
class _Table:
    """What the header says, and how many pixels a row should have."""

    path: Path
    columns: tuple[str, ...]
    num_pixels: int = 0
    known: dict[bytes, tuple[int, str]] = field(default_factory=dict)

    def has(self, column: str) -> bool:
        return column in self.columns

    def describe(self, fields: list[bytes]) -> tuple[int, str]:
        """Returns a row's label (-1 if it has none) and split ("" if it has none)."""
        label, split = -1, ""
        if self.has("emotion"):
            word = fields[self.columns.index("emotion")].strip(_BLANK)
            if len(word) != 1 or not b"0" <= word <= b"6":
                meanings = ", ".join(f"{i} {name}" for i, name in enumerate(EXPRESSIONS))
                raise _BadRowError(f"unknown label {_shown(word)}, expected one of {meanings}")
            label = int(word)
        if self.has("usage"):
            word = fields[self.columns.index("usage")].strip(_BLANK)
            split = next((u for u in USAGES if u.lower().encode() == word.lower()), "")
            if not split:
                raise _BadRowError(
                    f"unknown usage {_shown(word)}, expected one of {', '.join(USAGES)}"
                )
        return label, split


@dataclass(frozen=True)
class _Rows:
    """A block's good rows and what was wrong with the others."""

    images: np.ndarray  # uint8 [rows, num_pixels]
    labels: list[int]
    splits: list[str]
    rows: list[int]  # among the block's rows, the bad ones too
    num_rows: int
    num_lines: int
    problems: list[tuple[int, str]]  # line of the block, what is wrong with it


@dataclass
class _Located:
    """Where a block's pixels are, and what stands beside them."""

    spans: list[tuple[int, int]]
    labels: list[int]
    splits: list[str]
    num_lines: int = 0


class _Block:
    """A thread's block of lines, and the arrays to decode it with; filled again and again.

    Attributes:
        text: The lines, from `_START` to `stop`.
        decoder: Its arrays are as long as `text`.
        stop: Where the lines end.
        number: The block's place in the file, from 0.
    """

    def __init__(self) -> None:
        self.text = bytearray(_START + _BLOCK + 1)
        self.decoder = PixelDecoder(len(self.text))
        self.stop = self.number = 0


class _Lines:
    """The open file after its header, read by several threads in blocks of whole lines."""

    def __init__(self, stream: BufferedIOBase, table: _Table) -> None:
        self.table = table
        self.damage = ""
        self._stream = stream
        self._lock = Lock()
        self._rest = b""
        self._num_blocks = 0
        self._finished = False

    def stop(self) -> None:
        """Hands out no more."""
        self._finished = True

    def read_into(self, block: _Block) -> bool:
        """Puts the file's next lines into the block; returns whether there were any."""
        with self._lock:
            if self._finished:
                return False
            text, stop = block.text, _START + len(self._rest)
            text[_START:stop] = self._rest
            space = memoryview(text)[stop : _START + _BLOCK]
            num_bytes, self.damage = _fill(self._stream, space)
            stop += num_bytes
            self._finished = num_bytes < len(space)
            if self._finished and not self.damage and text[stop - 1] != ord("\n"):
                text[stop] = ord("\n")
                stop += 1
            cut = max(text.rfind(b"\n", _START, stop) + 1, _START)
            if cut == _START and not self._finished:
                self._finished = True
                self.damage = f"a line of more than {_BLOCK} bytes, expected one face"
            elif not self._finished and not text[_START:cut].strip(_EMPTY):
                self._finished = True  # compressed, such a file may be as long as one likes
                self.damage = f"{cut - _START} bytes of empty lines, expected faces"
            self._rest = bytes(text[cut:stop])
            if not self.table.num_pixels:
                num_pixels = _expected_pixels(text[_START:cut], self.table)
                self.table = replace(self.table, num_pixels=num_pixels)
            block.stop, block.number = cut, self._num_blocks
            self._num_blocks += 1
            return True


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
    with _open(path) as stream:
        lines = _Lines(stream, _read_header(stream, path))
        blocks = _read_blocks(lines, skip_bad)
    table = lines.table
    rows, problems = _number(blocks, path)
    if lines.damage:
        num_lines = 1 + sum(block.num_lines for block in blocks)
        problems.append(f"{path}:{num_lines + 1}: {lines.damage}")
    if problems and not skip_bad:
        raise BadInputError(problems[0])
    labels = [label for block in blocks for label in block.labels]
    if not labels:
        reason = f"; all of them are bad, the first: {problems[0]}" if problems else ""
        raise BadInputError(f"{path}: no rows of pixels in it{reason}")
    images = np.concatenate([block.images for block in blocks if block.labels])
    side = isqrt(images.shape[1])
    images = images.reshape(-1, side, side)
    if face_size not in (None, side):
        images = np.stack([resize(image, face_size, face_size) for image in images])
    labelled, split = table.has("emotion"), table.has("usage")
    return FaceSet(
        images=images,
        labels=np.array(labels, np.int64) if labelled else None,
        label_names=EXPRESSIONS if labelled else (),
        rows=np.array(rows, np.int64),
        sources=("",),
        splits=np.array([name for block in blocks for name in block.splits]) if split else None,
        problems=tuple(problems),
    )


def _open(path: Path) -> BufferedIOBase:
    if path.stat().st_size == 0:
        raise BadInputError(f"{path}: the file is empty; expected emotion,pixels,Usage")
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix.lower(), open)
    return cast(BufferedIOBase, opener(path, "rb"))


def _read_header(stream: BufferedIOBase, path: Path) -> _Table:
    try:
        line = stream.readline(1 << 16)
        header = line.decode("utf-8-sig")
    except _DAMAGE as error:
        raise BadInputError(f"{path}:1: a damaged archive, or none: {error}") from error
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"{path}:1: binary data where a header such as emotion,pixels,Usage was expected"
        ) from error
    columns = tuple(name.strip(' \t\r\n"').lower() for name in header.split(","))
    missing = {"pixels"} if columns == ("pixels",) else {"emotion", "pixels"}
    missing -= set(columns)
    if missing or any(columns.count(name) > 1 for name in ("emotion", "pixels", "usage")):
        wrong = f"no column {' or '.join(sorted(missing))}" if missing else "a column twice"
        raise BadInputError(
            f"{path}:1: {wrong} in the header {header.strip()[:80]!r}; expected "
            "emotion,pixels,Usage in any order, emotion,pixels, or pixels alone"
        )
    return _Table(path, columns)


def _read_blocks(lines: _Lines, skip_bad: bool) -> list[_Rows]:
    """Returns the rows of every block, in order; only up to the first bad row if none may be.

    Every thread reads what it decodes: text fetched from another core's cache costs as much as
    decoding it.
    """

    def work(block: _Block) -> list[tuple[int, _Rows]]:
        done = []
        while lines.read_into(block):
            rows = _parse_block(block, lines.table)
            done.append((block.number, rows))
            if rows.problems and not skip_bad:
                lines.stop()
        return done

    num_threads = min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(num_threads) as pool:
        parts = pool.map(work, [_Block() for _ in range(num_threads)])
        return [rows for _, rows in sorted(chain(*parts), key=itemgetter(0))]


def _number(blocks: list[_Rows], path: Path) -> tuple[list[int], list[str]]:
    """Returns the good rows' numbers in the file, and every problem with its line."""
    rows: list[int] = []
    problems: list[str] = []
    row, line = 0, 2
    for block in blocks:
        rows += [row + inside for inside in block.rows]
        problems += [f"{path}:{line + inside}: {what}" for inside, what in block.problems]
        row += block.num_rows
        line += block.num_lines
    return rows, problems


def _fill(stream: BufferedIOBase, space: memoryview) -> tuple[int, str]:
    """Returns the bytes read, fewer than there is space for at the end, and what went wrong."""
    num_bytes = 0
    try:
        while num_bytes < len(space) and (got := stream.readinto1(space[num_bytes:])):
            num_bytes += got
    except _DAMAGE as error:
        return num_bytes, f"the archive is damaged or cut off here: {error}"
    return num_bytes, ""


def _expected_pixels(text: bytearray, table: _Table) -> int:
    """Returns what most of the first rows have, or the nearest square number to that."""
    column = table.columns.index("pixels")
    rows = (line.split(b",") for line in islice(text.split(b"\n"), 100) if line.strip())
    counts = Counter(len(row[column].split()) for row in rows if len(row) > column)
    ((count, _),) = counts.most_common(1) or [(48 * 48, 1)]
    return max(MIN_SIDE, round(sqrt(count))) ** 2


def _parse_block(block: _Block, table: _Table) -> _Rows:
    """Returns the rows of a block: decoded at once, or one by one if any of them is odd."""
    located = _locate(block.text, block.stop, table)
    if located is not None and located.spans:
        text = np.frombuffer(block.text, np.uint8)[: block.stop]
        images = block.decoder.decode(text, located.spans, table.num_pixels)
        if images is not None:
            count = len(images)
            rows = list(range(count))
            return _Rows(images, located.labels, located.splits, rows, count, located.num_lines, [])
    images, labels, splits, rows, problems = [], [], [], [], []
    num_rows = 0
    lines = bytes(block.text[_START : block.stop]).split(b"\n")[:-1]
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            pixels, label, split = _parse_line(line, table)
        except _BadRowError as error:
            problems.append((number, str(error)))
        else:
            images.append(pixels)
            labels.append(label)
            splits.append(split)
            rows.append(num_rows)
        num_rows += 1
    stacked = np.array(images, np.uint8).reshape(-1, table.num_pixels)
    return _Rows(stacked, labels, splits, rows, num_rows, len(lines), problems)


def _locate(text: bytearray, stop: int, table: _Table) -> _Located | None:
    """Returns where every row's pixels are, its label and its split; None if any row is odd."""
    found = _Located([], [], [])
    num_before = table.columns.index("pixels")
    num_after = len(table.columns) - 1 - num_before
    position = _START
    while position < stop:
        found.num_lines += 1
        line_end = text.find(b"\n", position, stop)
        start, end = position, line_end
        for _ in range(num_before):
            start = text.find(b",", start, line_end) + 1
            if start == 0:
                return None
        for _ in range(num_after):
            end = text.rfind(b",", start, end)
            if end < 0:
                return None
        outside = bytes(text[position:start] + text[end:line_end])  # pixels empty
        position = line_end + 1
        while start < end and text[start] in _BLANK:
            start += 1
        while end > start and text[end - 1] in _BLANK:
            end -= 1
        if start == end and not outside.strip():
            continue  # a blank line
        described = table.known.get(outside)
        if described is None:
            try:
                described = table.describe(outside.split(b","))
            except _BadRowError:
                return None
            table.known[outside] = described
        found.spans.append((start, end))
        found.labels.append(described[0])
        found.splits.append(described[1])
    return found


def _parse_line(line: bytes, table: _Table) -> tuple[list[int], int, str]:
    """Returns a row's pixels, label and split, or raises what is wrong with it."""
    fields = line.split(b",")
    if len(fields) != len(table.columns):
        raise _BadRowError(
            f"{len(fields)} fields, expected {len(table.columns)} ({','.join(table.columns)}); "
            f"the line begins {_shown(line)}"
        )
    label, split = table.describe(fields)
    words = fields[table.columns.index("pixels")].strip(_BLANK).split()
    pixels = [_parse_pixel(word, i) for i, word in enumerate(words, 1)]
    if len(pixels) != table.num_pixels:
        side = isqrt(table.num_pixels)
        raise _BadRowError(f"{len(pixels)} pixels, expected {table.num_pixels} ({side} x {side})")
    return pixels, label, split


def _parse_pixel(word: bytes, place: int) -> int:
    if not word.isdigit() or len(word.lstrip(b"0")) > 3 or int(word) > 255:
        raise _BadRowError(
            f"pixel {place} is {_shown(word)}, expected a whole number from 0 to 255"
        )
    return int(word)


def _shown(text: bytes) -> str:
    return repr(text[:24].decode("latin-1")) + ("…" if len(text) > 24 else "")
