"""The summary of a video: one row for the video, and one for each face tracked in it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mien.inference.face import Face
from mien.inference.results import FrameResult

OVERALL = 0
"""The `track_id` of the summary of all faces of a video together."""


@dataclass(frozen=True)
class TrackSummary:
    """One face of a video, or all of them.

    Attributes:
        track_id: Which face; 0 for all together.
        start_seconds, end_seconds: When it was seen first and last.
        num_faces: In how many frames; of all together, how often a face was seen.
        expression: What it was perceived to show most often, by the smoothed probabilities.
        share: In which part of these frames, 0-1.
        mean: The mean smoothed probability per expression.
    """

    track_id: int
    start_seconds: float
    end_seconds: float
    num_faces: int
    expression: str
    share: float
    mean: dict[str, float]


@dataclass(frozen=True)
class VideoSummary:
    """What was read of a video.

    Attributes:
        num_frames: Frames that were looked at.
        start_seconds, end_seconds: The first and the last of them; None if there was none.
        overall: All its faces together; None if there was none.
        tracks: Each of them.
        error: Why it could not be read to its end, or None.
    """

    num_frames: int = 0
    start_seconds: float | None = None
    end_seconds: float | None = None
    overall: TrackSummary | None = None
    tracks: tuple[TrackSummary, ...] = ()
    error: str | None = None

    @property
    def num_faces(self) -> int:
        """How often a face was seen."""
        return 0 if self.overall is None else self.overall.num_faces


class VideoSummarizer:
    """A sink that sums a video up as its results come."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = tuple(labels)
        self._num_frames = 0
        self._times: tuple[float, float] | None = None
        self._sums: dict[int, _Sum] = {}
        self._error: str | None = None

    def write(self, result: FrameResult) -> None:
        """Takes the next result of the video."""
        time = result.time_seconds
        if time is None:
            self._error = result.error
            return
        self._num_frames += 1
        self._times = (time if self._times is None else self._times[0], time)
        for face in map(Face.as_smoothed, result.faces):
            assert face.track_id is not None
            values = np.array([face.probabilities[label] for label in self._labels])
            for key in (OVERALL, face.track_id):
                self._sums.setdefault(key, _Sum(time)).add(time, face.expression, values)

    def summary(self) -> VideoSummary:
        """Returns the summary of the results so far."""
        tracks = [
            each.summary(track_id, self._labels) for track_id, each in sorted(self._sums.items())
        ]
        start, end = self._times or (None, None)
        overall = tracks[0] if tracks else None
        return VideoSummary(self._num_frames, start, end, overall, tuple(tracks[1:]), self._error)


@dataclass
class _Sum:
    start: float
    end: float = 0.0
    total: np.ndarray | float = 0.0
    shown: Counter[str] = field(default_factory=Counter)

    def add(self, time: float, expression: str, values: np.ndarray) -> None:
        self.end, self.total = time, self.total + values
        self.shown[expression] += 1

    def summary(self, track_id: int, labels: Sequence[str]) -> TrackSummary:
        num_faces = self.shown.total()
        ((expression, most),) = self.shown.most_common(1)
        mean = (np.asarray(self.total) / num_faces).tolist()
        by_label = {label: round(value, 8) for label, value in zip(labels, mean, strict=True)}
        return TrackSummary(
            track_id, self.start, self.end, num_faces, expression, most / num_faces, by_label
        )


def summary_columns(labels: Sequence[str]) -> list[str]:
    """Returns the names of the columns of `summary_rows`."""
    return [
        *("source", "table", "track_id", "start_seconds", "end_seconds", "num_frames"),
        *("num_faces", "num_tracks", "expression", "share"),
        *(f"mean_{label}" for label in labels),
        "error",
    ]


def summary_rows(source: str, table: str, summary: VideoSummary) -> list[dict[str, Any]]:
    """Returns a video's row, without a `track_id`, and one for each of its tracks.

    Args:
        source: What the video is called.
        table: Where its rows are.
        summary: What they come to.
    """
    place = {"source": source, "table": table}
    whole = {
        **(_cells(summary.overall) if summary.overall else {}),
        "track_id": None,
        "start_seconds": _rounded(summary.start_seconds),
        "end_seconds": _rounded(summary.end_seconds),
        "num_frames": summary.num_frames,
        "num_faces": summary.num_faces,
        "num_tracks": len(summary.tracks),
        "error": summary.error,
    }
    return [place | whole, *(place | _cells(track) for track in summary.tracks)]


def _cells(track: TrackSummary) -> dict[str, Any]:
    return {
        "track_id": track.track_id,
        "start_seconds": _rounded(track.start_seconds),
        "end_seconds": _rounded(track.end_seconds),
        "num_faces": track.num_faces,
        "expression": track.expression,
        "share": round(track.share, 6),
        **{f"mean_{label}": value for label, value in track.mean.items()},
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
