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
    follower: Follower | None = None
    last: FrameResult | None = None  # the last frame of the video under way
    for result in results:
        if follower is not None and last is not None and not _goes_on(result, last):
            yield from follower.finish()
            follower = None
        if follower is None and result.time_seconds is None:
            yield result
            continue
        follower = follower or Follower(look_ahead=True)
        last = last if result.error is not None else result
        yield from follower.update(result)
    if follower is not None:
        yield from follower.finish()


def _goes_on(result: FrameResult, last: FrameResult) -> bool:
    """Returns whether a result is of the video under way: a frame, or some that are missing."""
    is_gap = result.error is not None and result.source == last.source
    return is_gap or result.follows(last)


class Follower:
    """Tells who is who in the frames of one video or camera, and smooths their probabilities."""

    def __init__(self, look_ahead: bool = False) -> None:
        """Knows nobody yet.

        Args:
            look_ahead: Smooth over half a second before and after, so that frames wait for later
                ones; else from the past alone, so that none waits.
        """
        self._tracker = Tracker()
        self._smoother = TwoSidedSmoother() if look_ahead else CausalSmoother()
        self._waiting: deque[tuple[float, FrameResult, Sequence[int]]] = deque()
        self._time = 0.0

    def update(self, result: FrameResult) -> Iterator[FrameResult]:
        """Yields the frames that need no later ones any more, now that this one has come.

        Of a frame that could not be read, nothing is known: it is no absence. Those before it
        are smoothed without later ones.

        Raises:
            ValueError: It has no time, or an earlier one than the frame before.
        """
        if result.error is not None:
            yield from self.finish()
            yield result
            return
        time = result.time_seconds
        if time is None:
            raise ValueError(f"{result.source}: a frame without a time")
        if result.is_cut:
            self._tracker.forget()
        self._time = time
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
        self._tracker.update([], self._time)

    def _smoothed(self, time: float, result: FrameResult, tracks: Sequence[int]) -> FrameResult:
        faces = tuple(
            replace(face, track_id=track, smoothed=self._smoother.at(time, track))
            for face, track in zip(result.faces, tracks, strict=True)
        )
        return replace(result, faces=faces)
