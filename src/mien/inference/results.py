"""The one row schema: what is known of a face, as Python, nested JSON and flat CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mien.inference.detection import Box, Point


@dataclass(frozen=True)
class Face:
    """A face in a picture, and the expression it is perceived to show.

    Attributes:
        box: Left, top, right, bottom in pixels of the picture, inside it.
        detection_score: The detector's confidence, 0-1.
        landmarks: Two eyes, the tip of the nose, two corners of the mouth, x and y in pixels;
            None where the detector finds none.
        expression: The most probable expression.
        confidence: Its probability, 0-1, calibrated on held-out faces.
        uncertain: Whether the confidence is too low to rely on.
        probabilities: Per expression, in the model's order; they sum to 1.
    """

    box: Box
    detection_score: float
    landmarks: tuple[Point, ...] | None
    expression: str
    confidence: float
    uncertain: bool
    probabilities: dict[str, float]

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not (0 <= left <= right and 0 <= top <= bottom):
            raise ValueError(f"box must be left ≤ right, top ≤ bottom, from 0 on: {self.box}")
        if not 0 <= self.detection_score <= 1:
            raise ValueError(f"detection_score must be 0-1: {self.detection_score}")
        if self.landmarks is not None and [len(point) for point in self.landmarks] != [2] * 5:
            raise ValueError(f"landmarks must be five points: {self.landmarks}")
        values = self.probabilities.values()
        if abs(sum(values) - 1) > 1e-4 or min(values) < 0:
            raise ValueError(f"probabilities must be ≥ 0 and sum to 1: {self.probabilities}")
        if not self.probabilities.get(self.expression) == self.confidence == max(values):
            raise ValueError(f"{self.expression} {self.confidence} is not the most probable")

    def to_json(self) -> dict[str, Any]:
        """Returns the face as JSON's types: pixels to 1/100, probabilities to 8 digits."""
        points = self.landmarks
        return {
            "box": [round(value, 2) for value in self.box],
            "detection_score": round(self.detection_score, 4),
            "landmarks": points and [[round(x, 2), round(y, 2)] for x, y in points],
            "expression": self.expression,
            "confidence": round(self.confidence, 8),
            "uncertain": self.uncertain,
            "probabilities": {label: round(p, 8) for label, p in self.probabilities.items()},
        }


@dataclass(frozen=True)
class PictureResult:
    """The faces of one picture, or why it could not be read.

    Attributes:
        source: The picture's path, or another name for it.
        width, height: Its size, pixels, upright; None if it could not be read.
        faces: The faces, most certain detection first; none is no error.
        error: Why it could not be read, or None.
    """

    source: str
    width: int | None = None
    height: int | None = None
    faces: tuple[Face, ...] = ()
    error: str | None = None

    def __post_init__(self) -> None:
        unread = self.width is None or self.height is None
        if unread != (self.error is not None) or (unread and self.faces):
            raise ValueError("a picture has either a size or an error, and faces only with a size")

    def to_json(self) -> dict[str, Any]:
        """Returns the nested JSON object of the picture."""
        return {
            "source": self.source,
            "width": self.width,
            "height": self.height,
            "faces": [face.to_json() for face in self.faces],
            "error": self.error,
        }

    def to_rows(self, labels: Sequence[str]) -> list[list[Any]]:
        """Returns the flat rows of the picture, one per face, as `csv_columns(labels)` names them.

        A picture without a face, and one that could not be read, has one row with empty cells.
        """
        return [
            [self.source, index, *_cells(face, labels), None]
            for index, face in enumerate(self.faces)
        ] or [[self.source, *[None] * (9 + len(labels)), self.error]]


def csv_columns(labels: Sequence[str]) -> list[str]:
    """Returns the names of the flat columns; `face` counts from 0 within the picture."""
    return [
        *("source", "face", "x1", "y1", "x2", "y2", "detection_score"),
        *("expression", "confidence", "uncertain"),
        *(f"p_{label}" for label in labels),
        "error",
    ]


def _cells(face: Face, labels: Sequence[str]) -> list[Any]:
    values = face.to_json()
    return [
        *values["box"],
        values["detection_score"],
        values["expression"],
        values["confidence"],
        str(values["uncertain"]).lower(),
        *(values["probabilities"][label] for label in labels),
    ]
