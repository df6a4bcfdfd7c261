"""Probabilities of followed faces, smoothed over time."""

import math
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

TIME_CONSTANT_SECONDS = 0.3
"""Of smoothing from the past alone."""
HALF_WIDTH_SECONDS = 0.5
"""Smoothing looks this far back and ahead, so a frame waits for those up to this much later."""
MAX_HALF_WIDTH_SECONDS = 2.0
"""Of frames further apart, two steps, up to this: of those a second apart both neighbours count a
half, of those two seconds apart none."""


class CausalSmoother:
    """Smooths the probabilities of each track exponentially, from the past alone."""

    wait_seconds = 0.0

    def __init__(self) -> None:
        self._states: dict[int, tuple[float, dict[str, float]]] = {}  # time, probabilities

    def add(self, time_seconds: float, by_track: Mapping[int, Mapping[str, float]]) -> None:
        """Takes a frame's probabilities, by track: s += (1 - exp(-dt / time constant)) (p - s).

        The first of a track are taken as they are. Tracks unseen for ten time constants are
        forgotten, when less than 0.005 % of them would count.

        Raises:
            ValueError: A track was seen at a later time already.
        """
        oldest = time_seconds - 10 * TIME_CONSTANT_SECONDS
        self._states = {track: state for track, state in self._states.items() if state[0] >= oldest}
        for track, probabilities in by_track.items():
            seen, smoothed = self._states.get(track, (time_seconds, dict(probabilities)))
            elapsed = time_seconds - seen
            if not elapsed >= 0:
                raise ValueError(f"time must not go backwards: {time_seconds} after {seen}")
            gain = 1 - math.exp(-elapsed / TIME_CONSTANT_SECONDS)
            smoothed = {key: s + gain * (probabilities[key] - s) for key, s in smoothed.items()}
            self._states[track] = time_seconds, smoothed

    def at(self, time_seconds: float, track_id: int) -> dict[str, float]:
        """Returns the smoothed probabilities of a track in the last frame."""
        return dict(self._states[track_id][1])


class TwoSidedSmoother:
    """Smooths the probabilities of each track over the frames around; see `smooth_two_sided`.

    Attributes:
        wait_seconds: How much later than a frame the last one comes that counts for it.
    """

    def __init__(self) -> None:
        self.wait_seconds = HALF_WIDTH_SECONDS
        self._first: float | None = None
        self._is_fitted = False  # to the time from one frame to the next
        self._frames: deque[tuple[float, Mapping[int, Mapping[str, float]]]] = deque()

    def add(self, time_seconds: float, by_track: Mapping[int, Mapping[str, float]]) -> None:
        """Takes the next frame's probabilities, by track."""
        if self._first is None:
            self._first = time_seconds
        elif not self._is_fitted:
            step = 2 * (time_seconds - self._first)
            self.wait_seconds = min(max(HALF_WIDTH_SECONDS, step), MAX_HALF_WIDTH_SECONDS)
            self._is_fitted = True
        self._frames.append((time_seconds, by_track))

    def at(self, time_seconds: float, track_id: int) -> dict[str, float]:
        """Returns the smoothed probabilities of a track in a frame; earlier ones are forgotten."""
        while time_seconds - self._frames[0][0] > self.wait_seconds:
            self._frames.popleft()
        found = [(time, each[track_id]) for time, each in self._frames if track_id in each]
        times, values = zip(*found, strict=True)
        stack = np.array([list(each.values()) for each in values])
        mean = smooth_two_sided(times, stack, time_seconds, self.wait_seconds)
        return dict(zip(values[0], mean.tolist(), strict=True))


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
