"""Which face is which through a video, and probabilities smoothed over time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.inference.detection import Box, overlaps

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
    """Tells which face is which from frame to frame, by overlap, motion and size.

    Frames may come at any, also varying, rate.
    """

    def __init__(self, max_absence_seconds: float = 1.0) -> None:
        if not max_absence_seconds >= 0:
            raise ValueError(f"max_absence_seconds must be ≥ 0: {max_absence_seconds}")
        self._max_absence = max_absence_seconds
        self._tracks: list[_Track] = []
        self._last_id = 0
        self._time = -math.inf

    def forget(self) -> None:
        """Ends all tracks: the faces of the next frame are new ones."""
        self._tracks = []

    def update(self, boxes: Sequence[Box], time_seconds: float) -> list[int]:
        """Returns the identity of each face of the next frame, in the order of the boxes.

        Identities count from 1 and are never reused. A face that was absent for up to
        `max_absence_seconds` keeps its own; after that it is a new face. Between two frames that
        both show it, it was not absent, however far apart they are.

        Raises:
            ValueError: The frame is earlier than the one before.
        """
        if not time_seconds >= self._time:
            raise ValueError(f"time must not go backwards: {time_seconds} after {self._time}")
        self._time = time_seconds
        oldest = time_seconds - self._max_absence - _TIME_TOLERANCE
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


def assign(costs: np.ndarray) -> list[tuple[int, int]]:
    """Returns the cheapest one-to-one assignment for costs `[R, C]`: (row, column), by row.

    All min(R, C) pairs are assigned. Shortest augmenting paths (Jonker & Volgenant, "A shortest
    augmenting path algorithm for dense and sparse linear assignment problems", 1987; Crouse, "On
    implementing 2D rectangular assignment algorithms", 2016): O(min(R, C)² · max(R, C)).

    Raises:
        ValueError: A cost is not finite.
    """
    if not np.isfinite(costs).all():
        raise ValueError("costs must be finite")
    rows, columns = costs.shape
    if rows > columns:
        return sorted((row, column) for column, row in assign(costs.T))
    row_prices, column_prices = np.zeros(rows), np.zeros(columns)
    column_of, row_of = np.full(rows, -1), np.full(columns, -1)
    for start in range(rows):
        # Dijkstra from the row, over reduced costs, to the nearest column that is free.
        lengths, came_from = np.full(columns, np.inf), np.full(columns, -1)
        done = np.zeros(columns, bool)
        row, column, length = start, -1, 0.0
        while row >= 0:
            through = length + costs[row] - row_prices[row] - column_prices
            shorter = ~done & (through < lengths)
            lengths[shorter], came_from[shorter] = through[shorter], row
            column = int(np.where(done, np.inf, lengths).argmin())
            length = float(lengths[column])
            done[column] = True
            row = int(row_of[column])
        # New prices keep all reduced costs ≥ 0, and those of assigned pairs 0.
        passed = done & (row_of >= 0)
        row_prices[start] += length
        row_prices[row_of[passed]] += length - lengths[passed]
        column_prices[done] -= length - lengths[done]
        # Back along the path, each row takes the column that led on from it.
        while row != start:
            row = int(came_from[column])
            row_of[column] = row
            column, column_of[row] = int(column_of[row]), column
    return list(enumerate(column_of.tolist()))


class CausalSmoother:
    """Smooths the probabilities of each track exponentially, from the past alone."""

    def __init__(self, time_constant_seconds: float = 0.3) -> None:
        if not time_constant_seconds > 0:
            raise ValueError(f"time_constant_seconds must be > 0: {time_constant_seconds}")
        self._time_constant = time_constant_seconds
        self._states: dict[int, tuple[float, dict[str, float]]] = {}  # time, probabilities

    def update(
        self, track_id: int, time_seconds: float, probabilities: Mapping[str, float]
    ) -> dict[str, float]:
        """Returns the smoothed probabilities: s += (1 - exp(-dt / time constant)) (p - s).

        The first are returned as they are. Tracks unseen for ten time constants are forgotten,
        when less than 0.005 % of them would count.

        Raises:
            ValueError: The track was updated at a later time already.
        """
        seen, smoothed = self._states.get(track_id, (time_seconds, dict(probabilities)))
        elapsed = time_seconds - seen
        if not elapsed >= 0:
            raise ValueError(f"time must not go backwards: {time_seconds} after {seen}")
        gain = 1 - math.exp(-elapsed / self._time_constant)
        smoothed = {label: s + gain * (probabilities[label] - s) for label, s in smoothed.items()}
        self._states[track_id] = time_seconds, smoothed
        self.forget(time_seconds - 10 * self._time_constant)
        return dict(smoothed)

    def forget(self, before_seconds: float) -> None:
        """Forgets the tracks that were last updated before a time."""
        self._states = {
            track: state for track, state in self._states.items() if state[0] >= before_seconds
        }


def smooth_two_sided(
    times: Sequence[float], values: np.ndarray, at: float, half_width_seconds: float = 0.5
) -> np.ndarray:
    """Returns the mean `[K]` of the rows of `values` `[T, K]` around a time, from both sides.

    The weights are triangular, 1 - |t - at| / half width, and are made to sum to 1, so that the
    mean of probabilities is one of them.

    Args:
        times: The rows' times, seconds, in any order.
        values: Probabilities, a row per time.
        at: The time in the middle, seconds.
        half_width_seconds: Rows this far from the middle or further do not count.

    Raises:
        ValueError: No row is near enough.
    """
    if not half_width_seconds > 0:
        raise ValueError(f"half_width_seconds must be > 0: {half_width_seconds}")
    distances = np.abs(np.asarray(times, float) - at)
    weights = np.clip(1 - distances / half_width_seconds, 0, None)
    if not weights.sum() > 0:
        raise ValueError(f"no values within {half_width_seconds} s of {at} s")
    return weights / weights.sum() @ values
