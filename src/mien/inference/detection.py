"""The interface of face detectors, and the trivial one that takes a whole picture as one face."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

MAX_OVERLAP = 0.4
"""Two boxes that share more (intersection over union) are of one face."""

Box = tuple[float, float, float, float]
Point = tuple[float, float]


@dataclass(frozen=True)
class Detection:
    """A face that a detector found; all in pixels of the picture it was given.

    Attributes:
        box: Left, top, right, bottom, framed as RetinaFace frames faces. It may reach beyond
            the picture where the face does.
        score: The detector's confidence, 0-1; 1 where it has none.
        landmarks: Two eyes, the tip of the nose, two corners of the mouth, x and y each, of a
            pair the one further left in an upright picture first; or None.
        is_framed: The box is framed as the training set frames faces already: cut it as it is.

    Example:
        >>> from mien import Detection
        >>> Detection((10.0, 20.0, 60.0, 80.0), score=0.9).box
        (10.0, 20.0, 60.0, 80.0)
    """

    box: Box
    score: float
    landmarks: tuple[Point, ...] | None = None
    is_framed: bool = False

    @property
    def side(self) -> float:
        """The longer side of the box, pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)

    def mapped(
        self, scale_x: float, scale_y: float, right: float = 0, down: float = 0
    ) -> "Detection":
        """Returns it scaled, then shifted right and down, in pixels of another picture."""
        points = np.array([*np.reshape(self.box, (2, 2)), *(self.landmarks or ())], float)
        (left, top), (end, bottom), *landmarks = (
            points * (scale_x, scale_y) + (right, down)
        ).tolist()
        found = tuple((x, y) for x, y in landmarks)
        return replace(self, box=(left, top, end, bottom), landmarks=found or None)


class Detector(Protocol):
    """Finds faces: any object with this method.

    Example:
        >>> from mien import Analyzer, Detection
        >>> class Middle:
        ...     def detect(self, rgb):
        ...         height, width = rgb.shape[:2]
        ...         return [Detection((width / 3, height / 9, width * 0.54, height / 3), 1.0)]
        >>> [face.box[0] for face in Analyzer(detector=Middle())("examples/astronaut.jpg")]
        [170.66666666666666]
    """

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Returns the faces in a picture, RGB uint8 `[H, W, 3]`, most certain first."""
        ...


def cuttable(found: Sequence[Detection], height: int, width: int) -> tuple[Detection, ...]:
    """Returns the detections that can be cut out of a picture of this size.

    Boxes outside the picture, and boxes with numbers that are not finite, are left out. A box that
    reaches beyond the picture by more than a quarter of the picture's longer side is clipped there.
    Detectors that users bring may return such boxes.
    """
    reach = max(height, width) / 4
    faces = []
    for face in found:
        left, top, right, bottom = face.box
        # not finite numbers: every comparison is false
        if not (left < min(right, width) and top < min(bottom, height)):
            continue
        if not (right > max(left, 0) and bottom > max(top, 0)):
            continue
        box = (
            max(left, -reach),
            max(top, -reach),
            min(right, width + reach),
            min(bottom, height + reach),
        )
        faces.append(face if box == face.box else replace(face, box=box))
    return tuple(faces)


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Returns the intersection over union of a box `[4]` with each of `boxes` `[N, 4]`, xyxy."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return shared / np.maximum(np.prod(box[2:] - box[:2]) + areas - shared, 1e-9)


def suppress(boxes: np.ndarray, scores: np.ndarray, max_overlap: float = MAX_OVERLAP) -> np.ndarray:
    """Returns the indices of the boxes that stay, best score first.

    Greedy non-maximum suppression: a box goes if its intersection over union with a better one
    that stays exceeds `max_overlap`.
    """
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[overlaps(boxes[best], boxes[order]) <= max_overlap]
    return np.array(kept, np.intp)


class WholePicture:
    """Takes every picture for one face, framed as the training set frames them (`none`)."""

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Returns the central square of the picture, as `mien.data` takes it, as the one face."""
        height, width = rgb.shape[:2]
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        return [Detection((left, top, left + side, top + side), 1.0, is_framed=True)]
