"""Where results go as lines and rows: text, JSON, CSV and Parquet."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Literal, Protocol, TextIO

from mien.errors import BadInputError, UsageError
from mien.inference.read.sources import Source, source_files
from mien.inference.results import FrameResult, row_columns
from mien.inference.write.parquet import ParquetRows
from mien.text import printable, table_cell

Table = Literal["csv", "parquet"]
"""The formats of tables."""


class Sink(Protocol):
    """Takes results as they come."""

    def write(self, result: FrameResult) -> None:
        """Takes a result, with its pixels if they are kept."""
        ...


class Lines:
    """Lines of text for each result, written as it comes."""

    def __init__(self, stream: TextIO, lines_of: Callable[[FrameResult], Iterable[str]]) -> None:
        """Takes where they go, and what makes them: `text_lines`, `json_lines`, `error_lines`."""
        self._stream, self._lines_of = stream, lines_of

    def write(self, result: FrameResult) -> None:
        """Writes the result's lines."""
        for line in self._lines_of(result):
            print(line, file=self._stream, flush=True)


def text_lines(result: FrameResult) -> Iterator[str]:
    """Yields a line per face, or that there is none; nothing if it could not be read."""
    place = printable(result.source)
    if result.time_seconds is not None:
        place += f" {result.time_seconds:.3f} s"
    for face in result.faces:
        left, top, right, bottom = (round(value) for value in face.box)
        shown = f"{printable(face.expression)} {face.confidence:.0%}"
        track = "" if face.track_id is None else f"  track {face.track_id}"
        doubt = "  uncertain" if face.uncertain else ""
        yield f"{place}: {shown}  at {left},{top} to {right},{bottom}{track}{doubt}"
    if result.error is None and not result.faces:
        yield f"{place}: no face found"


def error_lines(result: FrameResult) -> list[str]:
    """Returns a line for people that says why it could not be read, if so."""
    return [] if result.error is None else [f"mien: {printable(result.error)}"]


def json_lines(result: FrameResult) -> list[str]:
    """Returns its nested JSON object."""
    return [result.to_json()]


class CsvRows:
    """A flat row per face; the header first."""

    def __init__(self, stream: TextIO, labels: Sequence[str]) -> None:
        self._stream, self._labels = stream, labels
        self._writer = csv.writer(stream, lineterminator="\n")
        self._writer.writerow(map(table_cell, row_columns(labels)))

    def write(self, result: FrameResult) -> None:
        """Writes the picture's rows; yes and no as `true` and `false`."""
        for row in result.to_rows(self._labels):
            self._writer.writerow(map(table_cell, row))
        self._stream.flush()


@contextmanager
def open_rows(path: Path, kind: Table, labels: Sequence[str]) -> Iterator[Sink]:
    """Yields a sink of rows in the new file `path`.

    Raises:
        OSError: It cannot be written.
        MissingError: pyarrow is needed and not installed.
    """
    if kind == "parquet":
        with closing(ParquetRows(path, labels)) as rows:
            yield rows
        return
    with path.open("w", encoding="utf-8", newline="") as stream:
        yield CsvRows(stream, labels)


@contextmanager
def create_table(
    path: Path, kind: Table, labels: Sequence[str], sources: Sequence[Source]
) -> Iterator[Sink]:
    """Yields a sink of rows in the new file `path`.

    Parquet appears when all went well. Until then, and after an interruption, the rows are in a
    file whose name ends in `.part`.

    Raises:
        UsageError: It is one of the sources.
        BadInputError: It cannot be written.
        MissingError: pyarrow is needed and not installed.
    """
    if path.resolve() in source_files(sources):
        raise UsageError(f"{path} would be written over; choose another file")
    unfinished = path.with_name(f"{path.name}.part") if kind == "parquet" else path
    with ExitStack() as stack:
        try:
            rows = stack.enter_context(open_rows(unfinished, kind, labels))
        except OSError as error:
            raise unwritable(path, error) from error
        yield rows
    unfinished.replace(path)


def unwritable(path: Path, error: OSError) -> BadInputError:
    """Returns the error for a file that cannot be written."""
    return BadInputError(f"{path}: cannot be written: {error.strerror or error}")
