"""How much of some videos has been read, in seconds of video."""

from collections.abc import Sequence

from mien.inference.sources import VideoSource
from mien.inference.video import Sampling, duration_of


class SecondsRead:
    """Counts the seconds of video that were read, and knows how many there are.

    Attributes:
        total: Of all videos; one that does not say how long it is counts as nothing.
    """

    def __init__(self, videos: Sequence[VideoSource], sampling: Sampling | None = None) -> None:
        sampling = sampling or Sampling()
        self._start = sampling.start_seconds
        self._lengths = {v.name: _wanted(duration_of(v.path), sampling) for v in videos}
        self._read: dict[str, float] = {}
        self.total = sum(self._lengths.values())

    def reach(self, source: str, time_seconds: float) -> float:
        """Returns how many seconds are read once this video is read up to a time."""
        length = self._lengths.get(source, 0.0)
        self._read[source] = min(max(0.0, time_seconds - self._start), length)
        return sum(self._read.values())

    def finish(self, source: str) -> float:
        """Returns how many seconds are read once this video is done."""
        self._read[source] = self._lengths.get(source, 0.0)
        return sum(self._read.values())


def _wanted(duration: float | None, sampling: Sampling) -> float:
    end = duration or 0.0
    if sampling.end_seconds is not None:
        end = min(end, sampling.end_seconds)
    return max(0.0, end - sampling.start_seconds)
