"""Frames as they come → the same with their faces' identity, and probabilities smoothed."""

from dataclasses import replace

from mien.inference.results import FrameResult
from mien.inference.tracking import CausalSmoother, Tracker


class LiveFollowing:
    """Tells who is who in one live picture after the other; looks only back, so nothing waits."""

    def __init__(self) -> None:
        self._tracker, self._smoother = Tracker(), CausalSmoother()
        self._time = 0.0

    def follow(self, result: FrameResult) -> FrameResult:
        """Returns the next frame's result with track and smoothed probabilities in its faces.

        Of a frame that could not be read, nothing is known: it is no absence.

        Raises:
            ValueError: It has no time, or an earlier one than the frame before.
        """
        if result.error is not None:
            return result
        time = result.time_seconds
        if time is None:
            raise ValueError(f"{result.source}: a frame without a time")
        self._time = time
        tracks = self._tracker.update([face.box for face in result.faces], time)
        faces = tuple(
            replace(
                face,
                track_id=track,
                smoothed=self._smoother.update(track, time, face.probabilities),
            )
            for face, track in zip(result.faces, tracks, strict=True)
        )
        return replace(result, faces=faces)

    def interrupt(self) -> None:
        """Says that nobody was in sight: after a long drop, a face is a new one."""
        self._tracker.update([], self._time)
