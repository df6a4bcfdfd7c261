"""How far reading has come."""

from collections.abc import Sequence

from mien.inference.read.containers import duration_of
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import Source, VideoSource


class Progress:
    """Counts what was read: seconds of video, or pictures where there is no video.

    Attributes:
        total: Of all sources; a video that does not say how long it is counts as nothing.
    """

    def __init__(self, sources: Sequence[Source], sampling: Sampling | None = None) -> None:
        sampling = sampling or Sampling()
        self._start = sampling.start_seconds
        videos = [source for source in sources if isinstance(source, VideoSource)]
        self._lengths = {v.name: _wanted(duration_of(v.path), sampling) for v in videos}
        self._read: dict[str, float] = {}
        self._num_read = 0
        self.total = sum(self._lengths.values()) if videos else float(len(sources))

    def reach(self, source: str, time_seconds: float | None) -> float:
        """Returns how much is read once a picture, or a video up to a time, is read."""
        self._num_read += 1
        if time_seconds is not None:
            length = self._lengths.get(source, 0.0)
            self._read[source] = min(max(0.0, time_seconds - self._start), length)
        return sum(self._read.values()) if self._lengths else self._num_read

    def finish(self, source: str) -> float:
        """Returns how much is read once a video is done."""
        self._read[source] = self._lengths.get(source, 0.0)
        return sum(self._read.values())


def _wanted(duration: float | None, sampling: Sampling) -> float:
    end = duration or 0.0
    if sampling.end_seconds is not None:
        end = min(end, sampling.end_seconds)
    return max(0.0, end - sampling.start_seconds)
