"""Finds the faces in pictures and frames; in videos, may interpolate them between two frames.

A face moves little from one frame of a video to the next. If the detector finds the same faces in
two frames a few apart, their boxes in the frames between are interpolated along straight lines. If
not (a face comes or goes, a cut, a quick move), the detector also runs on the frame in the middle,
and each half is treated the same way.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from mien.errors import UsageError
from mien.inference.assignment import assign
from mien.inference.detection import Detection, Detector, overlaps
from mien.inference.results import FrameResult
from mien.inference.see.adapting import AdaptiveSize

MAX_EVERY = 30
"""The largest `every`: the frames between two detections wait in memory."""
MAX_GAP_SECONDS = 0.5
"""The detector runs on every frame between two that are further apart: motion is not straight."""
MIN_OVERLAP = 0.5
"""Two faces at both ends of a gap are one if their intersection over union is at least this."""


def check_every(every: int) -> int:
    """Returns `every`, the number of frames from one detection to the next, if it is in range.

    Raises:
        UsageError: It is not 1 to 30.
    """
    if not 1 <= every <= MAX_EVERY:
        raise UsageError(f"detect every {every} frames: expected 1 to {MAX_EVERY}")
    return every


def detect_faces(
    pictures: Iterable[FrameResult], detector: Detector, every: int = 1
) -> Generator[FrameResult, None, None]:
    """Yields the pictures in their order, each with its faces.

    Args:
        pictures: Pictures and frames. Those that have `detections` already, or have no pixels, are
            passed on unchanged.
        detector: Runs on every still picture, and at least on every `every`-th frame of a video.
        every: The number of frames from one detection to the next; 1 detects in all.
    """
    before: FrameResult | None = None  # the last frame that was looked at
    waiting: list[FrameResult] = []  # frames that follow it
    for frame in pictures:
        last = waiting[-1] if waiting else before
        if last is not None and (frame.is_cut or not frame.follows(last)):
            yield from _settle(before, waiting, detector)
            before, waiting = None, []
        if frame.rgb is None or frame.detections is not None:
            yield frame
        elif frame.frame is None or every == 1:
            yield _look_at(frame, detector)
        elif before is None:
            before = _look_at(frame, detector)
            yield before
        else:
            waiting.append(frame)
            if len(waiting) == every:
                *_, before = settled = _settle(before, waiting, detector)
                yield from settled
                waiting = []
    yield from _settle(before, waiting, detector)


def _look_at(frame: FrameResult, detector: Detector) -> FrameResult:
    assert frame.rgb is not None
    if isinstance(detector, AdaptiveSize):
        return replace(frame, detections=detector.look(frame))
    return replace(frame, detections=tuple(detector.detect(frame.rgb)))


def _settle(
    before: FrameResult | None, frames: Sequence[FrameResult], detector: Detector
) -> list[FrameResult]:
    """Returns the frames with their faces: detected in the last, interpolated before it."""
    if not frames:
        return []
    assert before is not None
    after = _look_at(frames[-1], detector)
    return [*_between(before, frames[:-1], after, detector), after]


def _between(
    before: FrameResult, frames: Sequence[FrameResult], after: FrameResult, detector: Detector
) -> Iterator[FrameResult]:
    """Yields frames with their faces, given those before and after them."""
    if not frames:
        return
    pairs = _same_faces(before, after)
    if pairs is None:
        half = len(frames) // 2
        middle = _look_at(frames[half], detector)
        yield from _between(before, frames[:half], middle, detector)
        yield middle
        yield from _between(middle, frames[half + 1 :], after, detector)
        return
    begin, end = _time(before), _time(after)
    for frame in frames:
        part = (_time(frame) - begin) / (end - begin) if end > begin else 0.0
        faces = [_mix(old, new, part) for old, new in pairs]
        yield replace(frame, detections=tuple(sorted(faces, key=lambda face: -face.score)))


def _same_faces(
    before: FrameResult, after: FrameResult
) -> list[tuple[Detection, Detection]] | None:
    """Returns each face of both frames, as it is in one and the other; None if they differ."""
    old, new = before.detections, after.detections
    assert old is not None and new is not None
    if len(old) != len(new) or _time(after) - _time(before) > MAX_GAP_SECONDS:
        return None
    if not old:
        return []
    boxes = np.array([face.box for face in new], float)
    shared = np.stack([overlaps(np.array(face.box, float), boxes) for face in old])
    pairs = assign(1 - shared)
    if min(shared[pair] for pair in pairs) < MIN_OVERLAP:
        return None
    return [(old[row], new[column]) for row, column in pairs]


def _mix(old: Detection, new: Detection, part: float) -> Detection:
    """Returns the face on its way from one place to another."""
    landmarks = None
    if old.landmarks is not None and new.landmarks is not None:
        points = np.array(old.landmarks) * (1 - part) + np.array(new.landmarks) * part
        landmarks = tuple((x, y) for x, y in points.tolist())
    left, top, right, bottom = (
        a * (1 - part) + b * part for a, b in zip(old.box, new.box, strict=True)
    )
    score = old.score * (1 - part) + new.score * part
    return Detection((left, top, right, bottom), score, landmarks, old.is_framed)


def _time(frame: FrameResult) -> float:
    assert frame.time_seconds is not None
    return frame.time_seconds
