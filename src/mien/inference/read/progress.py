"""Progress of reading, for a progress bar."""

from collections.abc import Callable, Sequence

from mien.inference.read.containers import duration_of
from mien.inference.read.sampling import Sampling
from mien.inference.read.sources import Source, VideoSource
from mien.inference.results import FrameResult


class Progress:
    """A sink that counts the seconds of video read so far; pictures, if there is no video.

    Attributes:
        total: The count at the end; a video whose file states no duration adds nothing.
        advance: Called with the count so far; set it to a bar's function.
    """

    def __init__(self, sources: Sequence[Source], sampling: Sampling) -> None:
        self.advance: Callable[[float], None] = lambda done: None
        self._start = sampling.start_seconds
        videos = [source for source in sources if isinstance(source, VideoSource)]
        self._lengths = {v.name: _wanted(duration_of(v.path), sampling) for v in videos}
        self._read: dict[str, float] = {}
        self._num_read = 0
        self.total = sum(self._lengths.values()) if videos else float(len(sources))

    def write(self, result: FrameResult) -> None:
        """Counts a picture, or a frame of a video."""
        self._num_read += 1
        if not self._lengths:
            self.advance(self._num_read)
        elif result.time_seconds is not None:
            self.reach(result.source, result.time_seconds)

    def reach(self, source: str, time_seconds: float) -> None:
        """Counts a video up to a time; all of it, where that is infinite."""
        length = self._lengths.get(source, 0.0)
        self._read[source] = min(max(0.0, time_seconds - self._start), length)
        self.advance(sum(self._read.values()))


def _wanted(duration: float | None, sampling: Sampling) -> float:
    end = min(
        duration or 0.0, float("inf") if sampling.end_seconds is None else sampling.end_seconds
    )
    return max(0.0, end - sampling.start_seconds)
