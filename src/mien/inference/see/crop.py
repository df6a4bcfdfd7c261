"""Picture and detection → face image, framed as the training set frames faces."""

import math
from collections.abc import Sequence

import numpy as np

from mien.inference.detection import Detection, Point
from mien.model_folder import CropGeometry
from mien.pictures import reduce, to_grey

_LARGE = 2048
"""Larger squares are cut from a picture that was made smaller, of this side at least."""


def cut(
    rgb: np.ndarray, detection: Detection, geometry: CropGeometry, face_size: int, channels: int
) -> np.ndarray:
    """Returns the face image of a detection: uint8 `[S, S]` (grey) or `[S, S, 3]` (RGB).

    Where the square reaches beyond the picture, its edge pixels are repeated.

    Args:
        rgb: The picture, RGB uint8 `[H, W, 3]`.
        detection: A face in it.
        geometry: The square around the box; does not apply to a detection that is framed.
        face_size: S, pixels.
        channels: 1 or 3.
    """
    left, top, side = square_of(detection, geometry)
    angle = _eye_angle(detection) if geometry.level_eyes else 0.0
    face = _sample(rgb, left, top, side, angle, face_size)
    return face if channels == 3 else to_grey(face)


def square_of(detection: Detection, geometry: CropGeometry) -> tuple[float, float, float]:
    """Returns left, top and side, in pixels of the picture, of the square that is cut."""
    if detection.is_framed:
        geometry = CropGeometry(scale=1, offset_x=0, offset_y=0)
    left, top, right, bottom = detection.box
    longer = max(right - left, bottom - top)
    side = geometry.scale * longer
    x = (left + right) / 2 + geometry.offset_x * longer
    y = (top + bottom) / 2 + geometry.offset_y * longer
    return x - side / 2, y - side / 2, side


def place_in_frame(
    points: Sequence[Point], detection: Detection, geometry: CropGeometry
) -> np.ndarray:
    """Returns where points of the picture lie in the face image that `cut` makes.

    Args:
        points: x and y in pixels of the picture.
        detection: The face that is cut.
        geometry: As `cut` takes it.

    Returns:
        `[N, 2]`, x and y in sides of the face image, 0-1 inside it.
    """
    left, top, side = square_of(detection, geometry)
    turn = math.radians(_eye_angle(detection) if geometry.level_eyes else 0.0)
    x, y = ((np.array(points, float) - (left, top)) / side - 0.5).T
    turned = (x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn))
    return np.stack(turned, axis=1) + 0.5


def _sample(
    rgb: np.ndarray, left: float, top: float, side: float, angle: float, size: int
) -> np.ndarray:
    """Returns a square of the picture, turned by `angle` degrees about its centre, resized."""
    from PIL import Image

    if (factor := int(side // _LARGE)) > 1:  # what repeats beyond the edge needs memory too
        rgb = reduce(rgb, factor, factor)
        left, top, side = left / factor, top / factor, side / factor
    reach = 0.25 if angle else 0.0  # a turned square's corners lie .21 sides further out
    margin = math.ceil(side * (reach + 1 / size)) + 1  # the filter reaches a pixel of the result
    first_x, first_y = math.floor(left) - margin, math.floor(top) - margin
    columns = np.arange(first_x, math.ceil(left + side) + margin)
    rows = np.arange(first_y, math.ceil(top + side) + margin)
    columns, rows = columns.clip(0, rgb.shape[1] - 1), rows.clip(0, rgb.shape[0] - 1)
    patch = Image.fromarray(rgb[rows[:, None], columns])
    x, y = left - first_x, top - first_y
    if angle:
        centre = (x + side / 2, y + side / 2)
        patch = patch.rotate(angle, Image.Resampling.BILINEAR, center=centre)
    box = (x, y, x + side, y + side)
    return np.asarray(patch.resize((size, size), Image.Resampling.BILINEAR, box, reducing_gap=3.0))


def _eye_angle(detection: Detection) -> float:
    """Returns by how many degrees the line through the eyes falls to the right."""
    if detection.landmarks is None:
        return 0.0
    (x1, y1), (x2, y2) = detection.landmarks[:2]
    return math.degrees(math.atan2(y2 - y1, x2 - x1))
