"""Stored frames of a video → pictures as they are shown."""

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import av


class Upright:
    """Turns, mirrors and stretches the frames of one video as its file says."""

    def __init__(self, pixel_aspect: Fraction | None) -> None:
        """Takes the width of a stored pixel over its height; None or 0 where it is not known."""
        self._pixel_aspect = pixel_aspect or Fraction(1)
        self._rotation: int | None = None
        self._matrix: tuple[int, int, int, int] | None = None

    def rgb(self, frame: "av.VideoFrame") -> np.ndarray:
        """Returns the frame, upright and with square pixels, RGB uint8 `[H, W, 3]`."""
        # The matrix is not asked for with every frame: PyAV's frame and its side data then refer to
        # each other, and hundreds of frames would stay until Python looks for such circles.
        if frame.rotation != self._rotation:
            self._rotation, self._matrix = frame.rotation, _display_matrix(frame)
        # The side that is too short grows, so that nothing is lost.
        width = round(frame.width * max(self._pixel_aspect, 1))
        height = round(frame.height * max(1 / self._pixel_aspect, 1))
        rgb = frame.to_ndarray(format="rgb24", width=width, height=height)
        if self._matrix is not None:
            # frame.rotation would take a mirrored picture (a front camera's) for a turned one.
            a, b, c, d = self._matrix
            mirror_x, mirror_y = a < 0, d < 0
            if abs(b) + abs(c) > abs(a) + abs(d):
                rgb, mirror_x, mirror_y = rgb.transpose(1, 0, 2), c < 0, b < 0
            rgb = rgb[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1]
        return np.ascontiguousarray(rgb)


def _display_matrix(frame: "av.VideoFrame") -> tuple[int, int, int, int] | None:
    """Returns a, b, c, d: what is stored at x, y is shown at a x + c y, b x + d y (in 1/65536)."""
    from av.sidedata.sidedata import Type

    matrix = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]
    if matrix is None:
        return None
    # The file's matrix is a b u, c d v, x y w.
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    return a, b, c, d
