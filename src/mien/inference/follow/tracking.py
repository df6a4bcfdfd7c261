"""Tracking: gives the same face the same number from frame to frame."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.inference.assignment import assign
from mien.inference.detection import Box, overlaps

MAX_ABSENCE_SECONDS = 1.0
"""For how long a face may be out of sight and keep its identity."""
MAX_EXTRAPOLATION_SECONDS = 0.3
"""For how long a face that is out of sight is taken to move on as it did."""
VELOCITY_SECONDS = 0.2
"""Time constant over which velocities are smoothed."""
REACH = 0.7
"""How far from its predicted centre a face is looked for, in sides, however short the gap."""
REACH_PER_SECOND = 3.0
"""How much further per second since it was seen, in sides."""
MAX_REACH_SECONDS = 1.0
"""From here on it is looked for no further away."""
MAX_SIDE_RATIO = 2.0
"""How much larger or smaller than when last seen a face may be."""

_TIME_TOLERANCE = 1e-6  # seconds; sums of frame durations are inexact


@dataclass
class _Track:
    """A face that is followed.

    Attributes:
        id: Its identity, from 1.
        box: Where it was last seen `[4]`, xyxy in pixels.
        velocity: Of its centre, x and y, in pixels per second, smoothed.
        born, seen: When it was first and last seen, seconds.
        missed: Frames were looked at since, without it.
    """

    id: int
    box: np.ndarray
    velocity: np.ndarray
    born: float
    seen: float
    missed: bool = False

    def predict(self, time: float) -> np.ndarray:
        """Returns where the face should be at a time, a box `[4]` of unchanged size."""
        # No further ahead than it was followed: one short step is mostly the detector's jitter.
        ahead = min(time - self.seen, self.seen - self.born, MAX_EXTRAPOLATION_SECONDS)
        return self.box + np.tile(self.velocity * ahead, 2)

    def move(self, box: np.ndarray, time: float) -> None:
        """Goes on to where the face is at a time."""
        elapsed = time - self.seen
        if elapsed > _TIME_TOLERANCE:  # a frame shown twice says nothing of motion
            measured = (_centres(box) - _centres(self.box)) / elapsed
            # A plain mean until the track is old enough to forget: else it would start too slow.
            gain = max(1 - math.exp(-elapsed / VELOCITY_SECONDS), elapsed / (time - self.born))
            self.velocity = self.velocity + gain * (measured - self.velocity)
        self.box, self.seen, self.missed = box, time, False


class Tracker:
    """Matches the faces of each frame to those of earlier frames, by overlap, motion and size.

    Frames may come at any, also varying, rate.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._last_id = 0
        self._time = -math.inf

    def forget(self) -> None:
        """Ends all tracks: the faces of the next frame are new ones."""
        self._tracks = []

    def update(self, boxes: Sequence[Box], time_seconds: float) -> list[int]:
        """Returns the identity of each face of the next frame, in the order of the boxes.

        Identities count from 1 and are never reused. A face that was absent for up to
        `MAX_ABSENCE_SECONDS` keeps its own; after that it is a new face. Between two frames that
        both show it, it was not absent, however far apart they are.

        Raises:
            ValueError: The frame is earlier than the one before.
        """
        if not time_seconds >= self._time:
            raise ValueError(f"time must not go backwards: {time_seconds} after {self._time}")
        self._time = time_seconds
        oldest = time_seconds - MAX_ABSENCE_SECONDS - _TIME_TOLERANCE
        self._tracks = [t for t in self._tracks if not t.missed or t.seen >= oldest]
        for track in self._tracks:
            track.missed = True  # until it is found below

        found = np.array(boxes, float).reshape(-1, 4)
        pairs = _match(self._tracks, found, time_seconds)
        matches = {face: self._tracks[row] for row, face in pairs}
        for face, box in enumerate(found):
            if face in matches:
                matches[face].move(box, time_seconds)
            else:
                self._last_id += 1
                track = _Track(self._last_id, box, np.zeros(2), time_seconds, time_seconds)
                matches[face] = track
                self._tracks.append(track)
        return [matches[face].id for face in range(len(found))]


def _match(tracks: Sequence[_Track], boxes: np.ndarray, time: float) -> list[tuple[int, int]]:
    """Returns which tracks go on in which of `boxes` `[N, 4]`: pairs of indices, by track.

    The cost of a pair is 1 - IoU with the predicted box, plus the distance from its centre in
    mean sides, plus the absolute logarithm of the ratio of the sides.
    """
    if not tracks or not len(boxes):
        return []
    predicted = np.stack([track.predict(time) for track in tracks])
    absence = np.array([min(time - track.seen, MAX_REACH_SECONDS) for track in tracks])[:, None]
    old, new = _sides(predicted)[:, None], _sides(boxes)
    offsets = _centres(predicted)[:, None] - _centres(boxes)
    distance = np.linalg.norm(offsets, axis=2) / ((old + new) / 2)
    growth = np.abs(np.log(new / old))
    costs = 1 - np.stack([overlaps(box, boxes) for box in predicted]) + distance + growth
    possible = (distance <= REACH + REACH_PER_SECOND * absence) & (
        growth <= math.log(MAX_SIDE_RATIO)
    )
    # No match costs a little more than the worst match, hence never displaces a lone one. Were
    # it far more, good matches would be given up for two bad ones whenever a face leaves and
    # another comes.
    unmatched = costs.max(where=possible, initial=0) + 1e-3
    return [pair for pair in assign(np.where(possible, costs, unmatched)) if possible[pair]]


def _centres(boxes: np.ndarray) -> np.ndarray:
    """Returns the centres `[..., 2]` of boxes `[..., 4]`."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _sides(boxes: np.ndarray) -> np.ndarray:
    """Returns the means `[N]` of width and height of boxes `[N, 4]`, at least a millipixel."""
    return np.maximum((boxes[:, 2:] - boxes[:, :2]).mean(axis=1), 1e-3)
