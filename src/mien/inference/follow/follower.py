"""Frames of a video or camera → the same frames with `track_id` and `smoothed` for each face."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mien.inference.follow.smoothing import CausalSmoother, TwoSidedSmoother
from mien.inference.follow.tracking import Tracker
from mien.inference.results import FrameResult


def follow(results: Iterable[FrameResult]) -> Iterator[FrameResult]:
    """Yields the results in their order; those of a video's frames with tracks and smoothing.

    Args:
        results: A video's frames are in order and together.
    """
    follower = Follower(look_ahead=True)
    for result in results:
        yield from follower.update(result)
    yield from follower.finish()


class Follower:
    """Tracks faces from frame to frame of a video or camera, and smooths their probabilities."""

    def __init__(self, look_ahead: bool = False) -> None:
        """Starts without tracks.

        Args:
            look_ahead: Smooth over half a second before and after; each frame then waits for later
                ones. Otherwise smooth over the past only, and no frame waits.
        """
        self._look_ahead = look_ahead
        self._waiting: deque[tuple[float, FrameResult, Sequence[int]]] = deque()
        self._begin_anew()

    def update(self, result: FrameResult) -> Iterator[FrameResult]:
        """Takes the next frame; yields each waiting frame that is now complete, in order.

        A frame of another video ends all tracks. A frame that could not be read does not count as
        an absence of any face: the frames before it are yielded at once, smoothed without later
        ones, and then the frame itself, unchanged. Still pictures are also yielded unchanged.

        Raises:
            ValueError: The frame has an earlier time than the one before.
        """
        time = result.time_seconds
        if time is None:
            yield from self.finish()
            yield result
            return
        if self._last is not None and not result.follows(self._last):
            yield from self.finish()
            self._begin_anew()
        if result.is_cut:
            self._tracker.forget()
        self._last = result
        tracks = self._tracker.update([face.box for face in result.faces], time)
        values = [face.probabilities for face in result.faces]
        self._smoother.add(time, dict(zip(tracks, values, strict=True)))
        self._waiting.append((time, result, tracks))
        while self._waiting and time - self._waiting[0][0] >= self._smoother.wait_seconds:
            yield self._smoothed(*self._waiting.popleft())

    def finish(self) -> Iterator[FrameResult]:
        """Yields the frames that still wait, smoothed without later ones."""
        while self._waiting:
            yield self._smoothed(*self._waiting.popleft())

    def interrupt(self) -> None:
        """Records that no face was in sight, so that faces seen after a long gap get new tracks."""
        if self._last is not None and self._last.time_seconds is not None:
            self._tracker.update([], self._last.time_seconds)

    def _begin_anew(self) -> None:
        self._tracker = Tracker()
        self._smoother = TwoSidedSmoother() if self._look_ahead else CausalSmoother()
        self._last: FrameResult | None = None

    def _smoothed(self, time: float, result: FrameResult, tracks: Sequence[int]) -> FrameResult:
        faces = tuple(
            replace(face, track_id=track, smoothed=self._smoother.at(time, track))
            for face, track in zip(result.faces, tracks, strict=True)
        )
        return replace(result, faces=faces)
