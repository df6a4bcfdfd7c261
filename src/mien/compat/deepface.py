"""deepface's `analyze` for expressions: change the import, keep the program.

    from mien.compat import deepface as DeepFace

It takes what `DeepFace.analyze` takes (a path, or pixels in BGR as OpenCV has them) and
gives its keys. Age, gender and race are not read.
"""

from functools import cache
from typing import Any

import numpy as np

from mien.errors import BadInputError, UsageError
from mien.inference import Analyzer, Face, FrameResult

ACTIONS = ("emotion",)


def analyze(
    img_path: Any,
    actions: str | tuple[str, ...] | list[str] = ACTIONS,
    enforce_detection: bool = True,
    detector_backend: str = "retinaface",
    align: bool = True,
    expand_percentage: int = 0,
    silent: bool = False,
    anti_spoofing: bool = False,
) -> list[dict[str, Any]] | list[list[dict[str, Any]]]:
    """Returns a dict per face: `emotion`, `dominant_emotion`, `region`, `face_confidence`.

    `emotion` holds a percentage, 0-100, per expression; `region` has `x`, `y`, `w`, `h` in whole
    pixels and `left_eye`, `right_eye` (the person's own, as deepface has them) or None. Of a list
    of pictures, or a batch `[N, H, W, 3]`, a list per picture.

    Args:
        img_path: A path; pixels `[H, W, 3]` in BGR, uint8, or floats of which white is 255; or
            several of these.
        actions: `emotion` only; deepface's others are not read.
        enforce_detection: Raise where there is no face; else the whole picture is taken for one.
        detector_backend: `retinaface`, or `opencv` for Haar's cascade, or `skip`: the picture is a
            face.
        align: Not used: mien's crop is fitted to its model.
        expand_percentage: Not used, likewise.
        silent: Not used: nothing is printed.
        anti_spoofing: Must be False: mien has none.

    Raises:
        UsageError: Another action, detector or anti-spoofing is asked for. It is a ValueError, as
            deepface raises.
        BadInputError: There is no face, or no picture. Likewise.
        MissingError: No such file.

    Example:
        >>> from mien.compat import deepface as DeepFace
        >>> (face,) = DeepFace.analyze("examples/astronaut.jpg", actions=["emotion"])
        >>> face["dominant_emotion"], round(face["emotion"]["happy"]) > 90
        ('happy', True)
    """
    asked = (actions,) if isinstance(actions, str) else tuple(actions)
    if asked != ACTIONS:
        raise UsageError(f"actions {list(asked)}: mien reads ['emotion'] only")
    if anti_spoofing:
        raise UsageError("anti_spoofing: mien has none")
    detectors = {"retinaface": "retinaface", "opencv": "haar", "skip": "none"}
    if detector_backend not in detectors:
        raise UsageError(f"detector_backend {detector_backend!r}: expected {', '.join(detectors)}")
    analyzer = _analyzer(detectors[detector_backend])
    is_batch = isinstance(img_path, np.ndarray) and img_path.ndim == 4
    if isinstance(img_path, list | tuple) or is_batch:
        return [_analyze(analyzer, each, enforce_detection) for each in img_path]
    return _analyze(analyzer, img_path, enforce_detection)


@cache
def _analyzer(detector: str) -> Analyzer:
    return Analyzer(detector=detector)


def _analyze(analyzer: Analyzer, picture: Any, enforce_detection: bool) -> list[dict[str, Any]]:
    is_float = isinstance(picture, np.ndarray) and picture.dtype.kind == "f"
    result: FrameResult = analyzer(picture, colour="bgr", white=255 if is_float else None)
    if result.faces:
        return [_page(face, face.detection_score) for face in result]
    if enforce_detection:
        raise BadInputError(
            f"Face could not be detected in {result.source}. Set enforce_detection=False to take "
            "the whole picture for one"
        )
    whole: FrameResult = _analyzer("none")(result.pixels())
    return [_page(face, 0.0) for face in whole]


def _page(face: Face, confidence: float) -> dict[str, Any]:
    left, top, right, bottom = (round(value) for value in face.box)
    eyes: list[tuple[int, int] | None] = [None, None]
    if face.landmarks is not None:
        eyes = [(round(x), round(y)) for x, y in face.landmarks[:2]]
    return {
        "emotion": {label: 100 * value for label, value in face.probabilities.items()},
        "dominant_emotion": face.expression,
        "region": {
            "x": left,
            "y": top,
            "w": right - left,
            "h": bottom - top,
            "left_eye": eyes[1],
            "right_eye": eyes[0],
        },
        "face_confidence": round(confidence, 2),
    }
