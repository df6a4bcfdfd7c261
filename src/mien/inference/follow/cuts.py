"""Hard cuts: where the frames of a video begin to show another scene."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from mien.inference.results import FrameResult

SIDE = 24
"""Frames are compared as this many by this many mean grey values."""
MIN_LIKENESS = 0.6
"""Two frames whose grey values correlate more are of one scene: fades, motion, a lamp."""
MIN_SHARED = 0.85
"""As are two whose histograms of colours share more: pans and zooms."""
MIN_SPREAD = 4.0
"""A frame whose grey values spread less (standard deviation, of 255) shows no scene."""


@dataclass(frozen=True)
class _Appearance:
    """What a frame looks like.

    Attributes:
        grey: Mean grey values, of mean 0 and variance 1; of another shape if it is small.
        shares: Which part of the pixels has which eighth of red, of green, of blue, `[24]`.
        is_scene: Whether it shows anything; a white flash or a black gap does not.
    """

    grey: np.ndarray
    shares: np.ndarray
    is_scene: bool

    def is_unlike(self, other: "_Appearance") -> bool:
        """Returns whether the two are of two scenes."""
        if not (self.is_scene and other.is_scene):
            return False
        if self.grey.shape != other.grey.shape:
            return True
        likeness = float((self.grey * other.grey).mean())
        shared = float(np.minimum(self.shares, other.shares).sum()) / 3
        return likeness < MIN_LIKENESS and shared < MIN_SHARED


def mark_cuts(frames: Generator[FrameResult, None, None]) -> Generator[FrameResult, None, None]:
    """Yields pictures as they come; frames of videos one late, those that begin a scene marked.

    A scene begins where a frame and the one after it are both unlike the one before: what lasts
    for one frame only, a flash, is none. Closing the generator closes `frames`.
    """
    before: _Appearance | None = None
    held: tuple[FrameResult, _Appearance] | None = None
    with closing(frames):
        for frame in frames:
            if held is not None and not frame.follows(held[0]):
                yield _marked(*held, before, None)
                held = before = None
            if frame.rgb is None or frame.frame is None:
                yield frame
                continue
            look = _appearance_of(frame.rgb)
            if held is not None:
                marked, shown = _marked(*held, before, look), held[1]
                yield marked
                if shown.is_scene and (
                    before is None or marked.is_cut or not shown.is_unlike(before)
                ):
                    before = shown
            held = frame, look
        if held is not None:
            yield _marked(*held, before, None)


def _marked(
    frame: FrameResult, look: _Appearance, before: _Appearance | None, after: _Appearance | None
) -> FrameResult:
    looks = [look] if after is None else [look, after]
    is_cut = before is not None and all(each.is_unlike(before) for each in looks)
    return replace(frame, is_cut=True) if is_cut else frame


def _appearance_of(rgb: np.ndarray) -> _Appearance:
    """Returns what a frame, RGB uint8 `[H, W, 3]`, looks like, from every few of its pixels."""
    step = max(1, min(rgb.shape[:2]) // (4 * SIDE))
    few = rgb[::step, ::step]
    eighths = (few >> 5) + np.array([0, 8, 16], np.uint8)
    shares = np.bincount(eighths.ravel(), minlength=24) / (few.size / 3)
    grey = few.mean(axis=2, dtype=np.float32)
    for axis in (0, 1):
        length = grey.shape[axis]
        bounds = np.linspace(0, length, min(SIDE, length) + 1).astype(int)[:-1]
        sizes = np.diff([*bounds, length])
        grey = np.add.reduceat(grey, bounds, axis=axis)
        grey /= sizes[:, None] if axis == 0 else sizes
    spread = float(grey.std())
    return _Appearance((grey - grey.mean()) / max(spread, 1e-6), shares, spread >= MIN_SPREAD)
