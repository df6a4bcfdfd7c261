"""A face, and the expression it is perceived to show."""

from dataclasses import dataclass, replace
from typing import Any

from mien.errors import UsageError
from mien.inference.detection import Box, Point

MIN_CONFIDENCE = 0.5
"""Below this calibrated probability an expression is marked uncertain: the model expects to be
wrong about such faces more often than right."""


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
        min_confidence: Below this confidence the face is `uncertain`.

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
    min_confidence: float = MIN_CONFIDENCE

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

    def __hash__(self) -> int:
        return hash((self.box, self.expression, self.confidence, self.track_id))

    def scores(self) -> list[dict[str, Any]]:
        """Returns `[{"label": …, "score": …}, …]`, the most probable first: Hugging Face's form."""
        ordered = sorted(self.probabilities.items(), key=lambda pair: -pair[1])
        return [{"label": label, "score": score} for label, score in ordered]

    def as_smoothed(self) -> "Face":
        """Returns the face with `smoothed` as its `probabilities`; unchanged if it has none."""
        if self.smoothed is None:
            return self
        expression, confidence, uncertain = most_probable(self.smoothed, self.min_confidence)
        return replace(
            self,
            probabilities=self.smoothed,
            expression=expression,
            confidence=confidence,
            uncertain=uncertain,
        )

    def to_dict(self) -> dict[str, Any]:
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


def most_probable(
    probabilities: dict[str, float], min_confidence: float = MIN_CONFIDENCE
) -> tuple[str, float, bool]:
    """Returns the most probable expression, its probability, and whether that is too low."""
    expression = max(probabilities, key=probabilities.__getitem__)
    confidence = probabilities[expression]
    return expression, confidence, confidence < min_confidence


def check_confidence(confidence: float) -> float:
    """Returns below which confidence an expression is marked uncertain.

    Raises:
        UsageError: It is not 0 to 1.
    """
    if not 0 <= confidence <= 1:
        raise UsageError(f"min_confidence {confidence:g}: expected 0 to 1")
    return confidence


def _rounded(probabilities: dict[str, float]) -> dict[str, float]:
    return {label: round(value, 8) for label, value in probabilities.items()}
