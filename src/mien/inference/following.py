"""Frames of videos → the same frames with their faces' identity, and probabilities smoothed."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from mien.inference.results import Face, FrameResult, follows
from mien.inference.tracking import Tracker, smooth_two_sided

HALF_WIDTH_SECONDS = 0.5
"""Smoothing looks this far back and ahead, so a frame waits for those up to this much later."""
MAX_HALF_WIDTH_SECONDS = 2.0
"""Of frames further apart, two steps, up to this: of those a second apart both neighbours count a
half, of those two seconds apart none."""

Pair = tuple[FrameResult, np.ndarray | None]


def follow(results: Iterable[Pair]) -> Iterator[Pair]:
    """Yields the results in their order; those of a video's frames with tracks and smoothing.

    Args:
        results: Each with its picture, or None; a video's frames in order and together.
    """
    film: _Film | None = None
    last: FrameResult | None = None
    for result, rgb in results:
        if film is not None and last is not None and _is_gap(result, last):
            yield from film.waiting_until(None)
            yield result, rgb
            continue
        if film is not None and last is not None and not follows(result, last):
            yield from film.waiting_until(None)
            film = None
        last = result
        if result.time_seconds is None:
            yield result, rgb
            continue
        film = film or _Film()
        if result.is_cut:
            film.forget_faces()
        film.add(result, rgb, result.time_seconds)
        yield from film.waiting_until(result.time_seconds)
    if film is not None:
        yield from film.waiting_until(None)


def _is_gap(result: FrameResult, last: FrameResult) -> bool:
    """Returns whether a result is of frames that are missing from the video under way."""
    return result.error is not None and result.source == last.source


class _Film:
    """One video's tracks, and its frames that wait for later ones."""

    def __init__(self) -> None:
        self._tracker = Tracker()
        self._first: float | None = None
        self._half_width = 0.0  # until the second frame has come
        self._waiting: deque[tuple[float, Pair]] = deque()
        self._values: dict[int, deque[tuple[float, np.ndarray]]] = defaultdict(deque)

    def forget_faces(self) -> None:
        """Takes every face that comes for one that was not seen before: the scene is another."""
        self._tracker.forget()

    def add(self, result: FrameResult, rgb: np.ndarray | None, time: float) -> None:
        """Takes the next frame and tells its faces' tracks."""
        if self._first is None:
            self._first = time
        elif not self._half_width:
            step = 2 * (time - self._first)
            self._half_width = min(max(HALF_WIDTH_SECONDS, step), MAX_HALF_WIDTH_SECONDS)
        tracks = self._tracker.update([face.box for face in result.faces], time)
        for face, track in zip(result.faces, tracks, strict=True):
            self._values[track].append((time, np.array(list(face.probabilities.values()))))
        faces = tuple(
            replace(face, track_id=track) for face, track in zip(result.faces, tracks, strict=True)
        )
        self._waiting.append((time, (replace(result, faces=faces), rgb)))

    def waiting_until(self, now: float | None) -> Iterator[Pair]:
        """Yields the frames that need no later ones any more; all, where no more will come."""
        width = self._half_width or HALF_WIDTH_SECONDS
        while self._waiting and (now is None or now - self._waiting[0][0] >= width):
            time, (result, rgb) = self._waiting.popleft()
            faces = tuple(self._smoothed(face, time, width) for face in result.faces)
            yield replace(result, faces=faces), rgb
            self._forget(time - width)

    def _smoothed(self, face: Face, time: float, width: float) -> Face:
        assert face.track_id is not None
        times, values = zip(*self._values[face.track_id], strict=True)
        mean = smooth_two_sided(times, np.stack(values), time, width)
        return replace(face, smoothed=dict(zip(face.probabilities, mean.tolist(), strict=True)))

    def _forget(self, before: float) -> None:
        """Drops values that no waiting frame looks at, and tracks without any."""
        for track, values in list(self._values.items()):
            while values and values[0][0] < before:
                values.popleft()
            if not values:
                del self._values[track]
