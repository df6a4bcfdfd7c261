"""The result of a picture or frame: as Python objects, as nested JSON, and as rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from mien.inference.detection import Box, Detection, Point
from mien.text import printable

MIN_CONFIDENCE = 0.5
"""Below this calibrated probability an expression is marked uncertain: the model expects to be
wrong about such faces more often than right."""

_SIDES = ("x1", "y1", "x2", "y2")


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
        track_id: In videos: the same number for the same face through time, from 1; else None.
        smoothed: In videos: the probabilities averaged over the track's neighbouring frames.

    Example:
        >>> from mien import Analyzer
        >>> (face,) = Analyzer()("examples/astronaut.jpg")
        >>> face.expression, face.uncertain, len(face.landmarks)
        ('happy', False, 5)
        >>> max(face.probabilities.values()) == face.confidence
        True
    """

    box: Box
    detection_score: float
    landmarks: tuple[Point, ...] | None
    expression: str
    confidence: float
    uncertain: bool
    probabilities: dict[str, float]
    track_id: int | None = None
    smoothed: dict[str, float] | None = None

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

    def as_smoothed(self) -> "Face":
        """Returns the face with `smoothed` as its `probabilities`; unchanged if it has none."""
        if self.smoothed is None:
            return self
        expression, confidence, uncertain = most_probable(self.smoothed)
        return replace(
            self,
            probabilities=self.smoothed,
            expression=expression,
            confidence=confidence,
            uncertain=uncertain,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the face as JSON's types: pixels to 1/100, probabilities to 8 digits."""
        points = self.landmarks
        page = {
            "box": [round(value, 2) for value in self.box],
            "detection_score": round(self.detection_score, 4),
            "landmarks": points and [[round(x, 2), round(y, 2)] for x, y in points],
            "expression": self.expression,
            "confidence": round(self.confidence, 8),
            "uncertain": self.uncertain,
            "probabilities": _rounded(self.probabilities),
        }
        if self.track_id is not None:
            page["track_id"] = self.track_id
        if self.smoothed is not None:
            page["smoothed"] = _rounded(self.smoothed)
        return page


@dataclass(frozen=True)
class FrameResult:
    """A picture, or a frame of a video, on its way from the reader to the results.

    A reader gives it with its pixels, or with why it could not be read. Then its faces are found,
    their expressions read, and, of videos, their tracks followed.

    Attributes:
        source: The path of the picture or video, or another name for it.
        width, height: Its size, pixels, upright; None if it could not be read.
        faces: The faces, most certain detection first; none is no error.
        error: Why it could not be read, or None.
        frame: The frame's number in its video, from 0; None for a picture, and for the error of a
            video that could not be read on.
        time_seconds: When it is shown, seconds from the video's start; None like `frame`.
        is_passing: The error is the system's, not the file's: tried again, it may be read.
        is_cut: Another scene begins with this frame: who is in it has not been seen before.
        rgb: Its pixels, uint8 `[H, W, 3]`, upright; None where they are not kept.
        detections: Faces that were found, and whose expressions are not read yet; None until they
            were looked for, and after.

    Example:
        >>> from mien import Analyzer
        >>> (result,) = Analyzer().results(["examples/astronaut.jpg"])
        >>> result.source, result.width, result.height, len(result.faces)
        ('examples/astronaut.jpg', 512, 512, 1)
        >>> (result,) = Analyzer().results(["nothing.jpg"])
        >>> result.error
        'nothing.jpg: no such file'
    """

    source: str
    width: int | None = None
    height: int | None = None
    faces: tuple[Face, ...] = ()
    error: str | None = None
    frame: int | None = None
    time_seconds: float | None = None
    is_passing: bool = False
    is_cut: bool = False
    rgb: np.ndarray | None = field(default=None, repr=False, compare=False)
    detections: tuple[Detection, ...] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of_pixels(
        cls,
        source: str,
        rgb: np.ndarray,
        frame: int | None = None,
        time_seconds: float | None = None,
    ) -> Self:
        """Returns a picture or frame, RGB uint8 `[H, W, 3]`, before its faces are detected."""
        height, width = rgb.shape[:2]
        return cls(source, width, height, frame=frame, time_seconds=time_seconds, rgb=rgb)

    def __post_init__(self) -> None:
        unread = self.width is None or self.height is None
        if unread != (self.error is not None) or (unread and self.faces):
            raise ValueError("a picture has either a size or an error, and faces only with a size")
        if (self.frame is None) != (self.time_seconds is None):
            raise ValueError("a frame of a video has both a number and a time")

    def follows(self, other: "FrameResult") -> bool:
        """Returns whether it is a later frame of the same video, not the same one read again."""
        if self.frame is None or other.frame is None:
            return False
        return self.source == other.source and self.frame > other.frame

    def to_json(self) -> dict[str, Any]:
        """Returns the nested JSON object; `frame` and `time_seconds` stand in those of videos."""
        page: dict[str, Any] = {"source": printable(self.source)}
        if self.time_seconds is not None:
            page |= {"frame": self.frame, "time_seconds": round(self.time_seconds, 6)}
        return page | {
            "width": self.width,
            "height": self.height,
            "faces": [face.to_json() for face in self.faces],
            "error": self.error and printable(self.error),
        }

    def to_rows(self, labels: Sequence[str]) -> list[list[Any]]:
        """Returns the flat rows, one per face, with the cells that `row_columns(labels)` names.

        Cells are of JSON's types; None where a table's is empty.
        A picture or frame without a face, and one that could not be read, has one row with empty
        cells.
        """
        page = self.to_json()
        rows = [page | _cells(face) for face in page["faces"]] or [page]
        return [[row.get(name) for name in row_columns(labels)] for row in rows]


def row_columns(labels: Sequence[str]) -> dict[str, str]:
    """Returns the columns of flat rows, in their order, each with its type by Arrow's name.

    CSV, Parquet and the page's table all have these. `x1` to `y2` are a face's box. Pictures leave
    the columns of videos empty: `frame`, `time_seconds`, `track_id` and `smoothed_…`.
    """
    return {
        "source": "string",
        "frame": "int32",
        "time_seconds": "float64",
        "track_id": "int32",
        **dict.fromkeys((*_SIDES, "detection_score"), "float32"),
        "expression": "string",
        "confidence": "float32",
        "uncertain": "bool",
        **{f"p_{label}": "float32" for label in labels},
        **{f"smoothed_{label}": "float32" for label in labels},
        "error": "string",
    }


def most_probable(probabilities: dict[str, float]) -> tuple[str, float, bool]:
    """Returns the most probable expression, its probability, and whether that is uncertain."""
    expression = max(probabilities, key=probabilities.__getitem__)
    confidence = probabilities[expression]
    return expression, confidence, confidence < MIN_CONFIDENCE


def _cells(face: dict[str, Any]) -> dict[str, Any]:
    """Returns the cells of a face's JSON object by the names of their columns."""
    return {
        **face,
        **dict(zip(_SIDES, face["box"], strict=True)),
        **{f"p_{label}": value for label, value in face["probabilities"].items()},
        **{f"smoothed_{label}": value for label, value in face.get("smoothed", {}).items()},
    }


def _rounded(probabilities: dict[str, float]) -> dict[str, float]:
    return {label: round(value, 8) for label, value in probabilities.items()}
