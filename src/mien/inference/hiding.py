"""Faces made unrecognisable before a picture is shown or written."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from mien.errors import UsageError
from mien.labels import nearest
from mien.pictures import resize

if TYPE_CHECKING:
    from mien.inference.detection import Box
    from mien.inference.results import FrameResult

Hiding = Literal["blur", "pixelate", "solid"]
"""How faces are hidden: a smooth patch, a few squares, plain grey."""

MARGIN = 1 / 3
"""How far a box is grown at each side, in its width and height: hair, ears and chin go too."""
MEMORY_SECONDS = 1.0
"""For how long the last box of a face that is no longer found stays hidden: its track's life."""

_CELLS = 5  # means across a grown box: all that a blurred or pixelated head is made of
_GREY = 96


def hide_faces(rgb: np.ndarray, boxes: "Sequence[Box]", how: Hiding) -> np.ndarray:
    """Returns a copy of the picture, RGB uint8 `[H, W, 3]`, with what is in the boxes hidden.

    Each box is grown by a third of its size at each side. What was there cannot be had back: of
    a blurred or pixelated head 5 x 5 mean colours are left, of a solid one nothing.

    Args:
        rgb: The picture, RGB uint8 `[H, W, 3]`.
        boxes: Left, top, right, bottom in pixels of it.
        how: `blur`, `pixelate` or `solid`.

    Raises:
        UsageError: `how` is none of these.
    """
    if how not in get_args(Hiding):
        raise UsageError(f"hide {how!r}{nearest(str(how), get_args(Hiding))}")
    hidden = rgb.copy()
    for left, top, right, bottom in boxes:
        x, y = MARGIN * (right - left), MARGIN * (bottom - top)
        rows = slice(max(0, math.floor(top - y)), max(0, math.ceil(bottom + y)))
        columns = slice(max(0, math.floor(left - x)), max(0, math.ceil(right + x)))
        height, width = hidden[rows, columns].shape[:2]
        if not height or not width:
            continue
        if how == "solid":
            hidden[rows, columns] = _GREY
            continue
        down, across = (min(_CELLS, max(1, side // 2)) for side in (height, width))
        cells = resize(np.ascontiguousarray(hidden[rows, columns]), down, across)
        if how == "blur":
            hidden[rows, columns] = resize(cells, height, width)
        else:
            row, column = np.arange(height) * down // height, np.arange(width) * across // width
            hidden[rows, columns] = cells[row[:, None], column]
    return hidden


class FaceHider:
    """Hides faces in results as they come; in videos also where one is not found for a moment."""

    def __init__(self, how: Hiding) -> None:
        """Takes `blur`, `pixelate` or `solid`."""
        self._how: Hiding = how
        self._last: FrameResult | None = None
        self._seen: dict[int, tuple[float, Box]] = {}  # per track: when and where last

    def hide(self, result: "FrameResult") -> "FrameResult":
        """Returns the result with its faces hidden in its pixels, if it has any.

        Frames of a video come in order. For a second the last box of a face that is missing is
        hidden too, unless another scene has begun.
        """
        boxes = [face.box for face in result.faces]
        time = result.time_seconds
        if time is not None and result.error is None:
            if result.is_cut or (self._last is not None and not result.follows(self._last)):
                self._seen = {}
            self._last = result
            present = {
                face.track_id: (time, face.box)
                for face in result.faces
                if face.track_id is not None
            }
            self._seen = {
                track: seen
                for track, seen in (self._seen | present).items()
                if time - seen[0] <= MEMORY_SECONDS
            }
            boxes += [box for track, (_, box) in self._seen.items() if track not in present]
        if result.rgb is None:
            return result
        return replace(result, rgb=hide_faces(result.rgb, boxes, self._how))
