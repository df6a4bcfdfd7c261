"""Frames of a program's own → results whose faces are followed."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mien.errors import UsageError
from mien.inference.follow.follower import Follower
from mien.inference.read.inputs import Colour, Pixels, find_picture
from mien.inference.read.pictures import read_one
from mien.inference.results import FrameResult


class Track:
    """Follows faces through frames that a program takes itself, such as OpenCV's from a camera.

    Each frame is answered at once: smoothing uses the past only.

    Example:
        >>> from mien import Analyzer
        >>> track = Analyzer().track()
        >>> for time_seconds in (0.0, 0.04):
        ...     result = track.update("examples/astronaut.jpg", time_seconds)
        >>> [(face.track_id, face.expression) for face in result]
        [(1, 'happy')]
    """

    def __init__(self, look: Callable[[FrameResult], FrameResult]) -> None:
        """Starts without tracks; `Analyzer.track` makes it, and gives its own `look`."""
        self._look, self._follower = look, Follower()
        self._num_frames = 0

    def update(
        self,
        frame: Any,
        time_seconds: float | None = None,
        *,
        colour: Colour = "rgb",
        white: float | None = None,
    ) -> FrameResult:
        """Returns what is in the next frame; its faces have `track_id` and `smoothed`.

        Args:
            frame: Any picture that a call of the analyzer takes.
            time_seconds: When it was taken, from any beginning, never less than before; the time
                since this was made, unless given.
            colour: As a call takes it.
            white: As a call takes it.

        Raises:
            MienError: It is no picture, or cannot be read.
            UsageError: The time goes backwards.
        """
        source = find_picture(frame, Pixels(colour, white), "camera")
        now = time.monotonic() if time_seconds is None else time_seconds
        picture = replace(read_one(source), frame=self._num_frames, time_seconds=now)
        try:
            found = self._look(picture)
            (result,) = self._follower.update(replace(found, source="camera"))
        except ValueError as error:
            raise UsageError(str(error)) from error
        self._num_frames += 1
        return result
