"""Rows written by `mien predict --csv`, read back: the tracks in them."""

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.errors import BadInputError, MissingError

_SMOOTHED = "smoothed_"


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
    """Returns the expressions, and the tracks of a CSV table in the order they begin.

    Rows of pictures, of frames without a face and of errors are passed over. A last line that was
    cut off, as a stopped run leaves it, is passed over too.

    Raises:
        MissingError: No such file.
        BadInputError: It is no such table, holds no track, or a row cannot be read.
    """
    path = Path(path)
    found: dict[tuple[str, int], list[tuple[float, list[float]]]] = defaultdict(list)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = [name for name in reader.fieldnames or () if name.startswith(_SMOOTHED)]
            if not columns or "track_id" not in (reader.fieldnames or ()):
                raise BadInputError(
                    f"{path}: expected a table of `mien predict VIDEO --csv`, with the columns "
                    f"track_id and {_SMOOTHED}…"
                )
            for row in reader:
                if not row["track_id"] or None in row.values():
                    continue
                try:
                    values = [float(row[name]) for name in columns]
                    key = row["source"], int(row["track_id"])
                    found[key].append((float(row["time_seconds"]), values))
                except ValueError as error:
                    raise BadInputError(f"{path}, line {reader.line_num}: {error}") from error
    except FileNotFoundError as error:
        raise MissingError(f"{path}: no such file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"{path}: not a CSV table: {error}") from error
    if not found:
        raise BadInputError(f"{path}: no row has a track: expected frames of a video with faces")
    labels = tuple(name.removeprefix(_SMOOTHED) for name in columns)
    tracks = []
    for (source, track_id), rows in found.items():
        times, values = zip(*sorted(rows), strict=True)
        tracks.append(TrackRows(source, track_id, np.array(times), np.array(values)))
    return labels, tracks
