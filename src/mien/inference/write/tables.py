"""Rows written by `mien predict`, CSV or Parquet, read back: the tracks in them."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.errors import BadInputError, MissingError, missing_extra
from mien.inference.write.parquet import is_parquet

_SMOOTHED = "smoothed_"
_Row = tuple[str, int, float, list[float]]  # source, track, seconds, smoothed probabilities


@dataclass(frozen=True)
class TrackRows:
    """What a table holds of one face of one video.

    Attributes:
        source: The video.
        track_id: Which face.
        times: float64 `[T]`, seconds, rising.
        smoothed: float64 `[T, K]`, its smoothed probabilities.
    """

    source: str
    track_id: int
    times: np.ndarray
    smoothed: np.ndarray

    @property
    def name(self) -> str:
        """What pictures call it: the video's file and the track."""
        return f"{Path(self.source).name}, track {self.track_id}"


def read_tracks(path: str | Path) -> tuple[tuple[str, ...], list[TrackRows]]:
    """Returns the expressions, and the tracks of a CSV or Parquet table in the order they begin.

    Rows of pictures, of frames without a face and of errors are passed over. A last line of a CSV
    table that was cut off, as a stopped run leaves it, is passed over too.

    Raises:
        MissingError: No such file; or it is Parquet, and pyarrow is not installed.
        BadInputError: It is no such table, holds no track, or a row cannot be read.
    """
    path = Path(path)
    try:
        labels, rows = _read_parquet(path) if is_parquet(path) else _read_csv(path)
    except FileNotFoundError as error:
        raise MissingError(f"{path}: no such file") from error
    found: dict[tuple[str, int], list[tuple[float, list[float]]]] = defaultdict(list)
    for source, track_id, time, values in rows:
        found[source, track_id].append((time, values))
    if not found:
        raise BadInputError(f"{path}: no row has a track: expected frames of a video with faces")
    tracks = []
    for (source, track_id), of_track in found.items():
        times, values = zip(*sorted(of_track), strict=True)
        tracks.append(TrackRows(source, track_id, np.array(times), np.array(values)))
    return labels, tracks


def _read_csv(path: Path) -> tuple[tuple[str, ...], list[_Row]]:
    rows: list[_Row] = []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = _smoothed_columns(path, reader.fieldnames or ())
            for row in reader:
                if not row["track_id"] or None in row.values():
                    continue
                try:
                    values = [float(row[name]) for name in columns]
                    time = float(row["time_seconds"])
                    rows.append((row["source"], int(row["track_id"]), time, values))
                except ValueError as error:
                    raise BadInputError(f"{path}, line {reader.line_num}: {error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"{path}: not a CSV table: {error}") from error
    return _labels_of(columns), rows


def _read_parquet(path: Path) -> tuple[tuple[str, ...], list[_Row]]:
    try:
        from pyarrow import ArrowException, compute, parquet
    except ImportError as error:
        raise missing_extra("pyarrow", "tables") from error

    try:
        with parquet.ParquetFile(path) as file:
            columns = _smoothed_columns(path, file.schema_arrow.names)
            table = file.read(["source", "track_id", "time_seconds", *columns])
    except (ArrowException, OSError) as error:
        raise BadInputError(f"{path}: not a whole Parquet table: {error}") from error
    table = table.filter(compute.field("track_id").is_valid())
    names = ("source", "track_id", "time_seconds", *columns)
    cells = zip(*(table[name].to_pylist() for name in names), strict=True)
    return _labels_of(columns), [(*row[:3], list(row[3:])) for row in cells]


def _smoothed_columns(path: Path, names: Sequence[str]) -> list[str]:
    columns = [name for name in names if name.startswith(_SMOOTHED)]
    if not columns or "track_id" not in names:
        raise BadInputError(
            f"{path}: expected a table of `mien predict VIDEO --csv` or `--parquet`, with the "
            f"columns track_id and {_SMOOTHED}…"
        )
    return columns


def _labels_of(columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.removeprefix(_SMOOTHED) for name in columns)
