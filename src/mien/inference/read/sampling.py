"""Which frames of a video are read."""

import math
import re
from dataclasses import dataclass

from mien.errors import UsageError

_TIME = re.compile(r"(?:(?:(\d+):(?=\d+:))?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are read.

    Attributes:
        every_frames: Every so many frames, from the first one that is not before the start.
        every_seconds: Instead: the first frame at or after each of start, start + this, ...
        start_seconds: Frames before it are left out.
        end_seconds: Frames at or after it are left out; the end of the file, unless given.

    Raises:
        UsageError: A step is not positive, both are given, or the times are not in order.

    Example:
        >>> from mien.inference import Analyzer, Sampling
        >>> sampling = Sampling(every_seconds=1.0, start_seconds=0.5)
        >>> [frame.time_seconds for frame in Analyzer().stream("clip.mp4", sampling)]
        [1.0]
    """

    every_frames: int = 1
    every_seconds: float | None = None
    start_seconds: float = 0.0
    end_seconds: float | None = None

    def __post_init__(self) -> None:
        start, end, seconds = self.start_seconds, self.end_seconds, self.every_seconds
        if self.every_frames < 1:
            raise UsageError(f"every {self.every_frames} frames: expected 1 or more")
        if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
            raise UsageError(f"every {seconds} seconds: expected more than 0")
        if seconds is not None and self.every_frames != 1:
            raise UsageError("every so many frames and every so many seconds: expected one of them")
        if not (math.isfinite(start) and start >= 0):
            raise UsageError(f"from {start} s: expected 0 or more")
        if end is not None and not (math.isfinite(end) and end > start):
            raise UsageError(f"to {end} s: expected a time after the start, {start} s")


def parse_every(text: str) -> tuple[int, float | None]:
    """Returns a `Sampling`'s first two fields: "3" → (3, None), "0.5s" → (1, 0.5).

    Raises:
        UsageError: It is neither, or not positive.
    """
    text = text.strip()
    seconds = text.removesuffix("s").rstrip()
    if text.endswith("s") and _NUMBER.fullmatch(seconds) and float(seconds) > 0:
        return 1, float(seconds)
    if re.fullmatch(r"[0-9]+", text) and int(text) > 0:
        return int(text), None
    raise UsageError(f"{text!r}: expected a number of frames like 3, or seconds like 0.5s")


def parse_time(text: str) -> float:
    """Returns the seconds of a time: "90" → 90, "1:30" → 90, "1:02:03.5" → 3723.5.

    Raises:
        UsageError: It is no such time.
    """
    match = _TIME.fullmatch(text.strip())
    if match:
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        if (match[2] is None or seconds < 60) and (match[1] is None or minutes < 60):
            return hours * 3600 + minutes * 60 + seconds
    raise UsageError(f"{text!r}: expected a time like 90, 1:30 or 1:02:03.5")
