"""Frames of a video, a camera or a user's own → the same with their faces' tracks, smoothed."""

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
    """Tells who is who from frame to frame of a video or camera, and smooths probabilities."""

    def __init__(self, look_ahead: bool = False) -> None:
        """Knows nobody yet.

        Args:
            look_ahead: Smooth over half a second before and after, so that frames wait for later
                ones; else from the past alone, so that none waits.
        """
        self._look_ahead = look_ahead
        self._waiting: deque[tuple[float, FrameResult, Sequence[int]]] = deque()
        self._begin_anew()

    def update(self, result: FrameResult) -> Iterator[FrameResult]:
        """Yields the frames that need no later ones any more, now that this one has come.

        Another video begins anew. Of a frame that could not be read, nothing is known: it is no
        absence. Those before it are smoothed without later ones; it, and pictures, stay as they
        are.

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
        """Yields the frames that still wait: no more will come, or not soon."""
        while self._waiting:
            yield self._smoothed(*self._waiting.popleft())

    def interrupt(self) -> None:
        """Says that nobody was in sight: after a long drop, a face is a new one."""
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
