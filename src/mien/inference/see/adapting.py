"""Looks at the frames of a video in no more pixels than the faces in it need.

A frame in full size is looked at first, and again after every second of video, after a cut, and
whenever the smaller size shows another number of faces. In between, frames are shrunk until the
smallest face is `SMALLEST_FACE` long. So a face too small for that size is found up to a second
after it appears; a face that is lost from sight is always looked for in full size.
"""

import math
from dataclasses import replace

import numpy as np

from mien.inference.detection import Detection, Detector
from mien.inference.results import FrameResult
from mien.inference.see.retinaface import LONGEST_SIDE
from mien.inference.see.tiles import find_resized

FULL_SECONDS = 1.0
"""Seconds of video from one look in full size to the next."""
SMALLEST_FACE = 96
"""The longer side that the smallest face keeps in the shrunk frame, pixels: four times what a
detector needs, for boxes are less exact in fewer pixels (docs/detector.md)."""
SHORTEST_LONGEST_SIDE = 384
"""Frames are not shrunk further than to this longer side, pixels: new faces are to be seen."""
_WORTH = 0.8  # of the longer side that is looked at else: above it little is gained
_STEP = 32  # pixels; a face that grows does not change the size with every frame


class AdaptiveSize:
    """Looks at the frames of videos with a detector; remembers the last second."""

    def __init__(self, detector: Detector) -> None:
        """Has seen nothing yet; `detector` does the looking."""
        self._detector = detector
        self._last: FrameResult | None = None  # looked at in full size, without its pixels
        self._num_faces = 0  # in it
        self._sides: list[tuple[float, float]] = []  # when, and how long the smallest face was

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Returns the faces in a still picture, RGB uint8 `[H, W, 3]`, in full size."""
        return self._detector.detect(rgb)

    def look(self, frame: FrameResult) -> tuple[Detection, ...]:
        """Returns the faces in a frame that has its pixels, most certain first."""
        assert frame.rgb is not None
        if self._last is None or frame.is_cut or not frame.follows(self._last):
            self._last, self._num_faces, self._sides = None, 0, []
        if (side := self._choose(frame)) is not None:
            found = tuple(find_resized(self._detector.detect, frame.rgb, 1, side))
            if len(found) == self._num_faces:
                return found
        found = tuple(self._detector.detect(frame.rgb))
        self._last, self._num_faces = replace(frame, rgb=None), len(found)
        if found and frame.time_seconds is not None:
            self._sides.append((frame.time_seconds, min(face.side for face in found)))
        return found

    def _choose(self, frame: FrameResult) -> int | None:
        """Returns the longer side, pixels, to which a frame is to be shrunk; None for full size."""
        now = frame.time_seconds
        if self._last is None or now is None or self._last.time_seconds is None:
            return None
        if now - self._last.time_seconds >= FULL_SECONDS or not self._num_faces:
            return None
        self._sides = [each for each in self._sides if now - each[0] < FULL_SECONDS]
        longer = max(frame.width or 0, frame.height or 0)
        needed = longer * SMALLEST_FACE / min(side for _, side in self._sides)
        side = max(SHORTEST_LONGEST_SIDE, math.ceil(needed / _STEP) * _STEP)
        return side if side <= _WORTH * min(longer, LONGEST_SIDE) else None
