from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from mien.compat import deepface
from mien.errors import MissingError

KEYS = ["emotion", "dominant_emotion", "region", "face_confidence"]
BGR = astronaut()[..., ::-1]


def test_a_face_has_deepfaces_keys_and_percentages(tmp_path: Path) -> None:
    Image.fromarray(astronaut()).save(tmp_path / "a.png")
    (face,) = deepface.analyze(str(tmp_path / "a.png"), actions=["emotion"])
    assert list(face) == KEYS
    assert face["dominant_emotion"] == "happy"
    assert sum(face["emotion"].values()) == pytest.approx(100)
    assert face["emotion"]["happy"] > 90
    region = face["region"]
    assert list(region) == ["x", "y", "w", "h", "left_eye", "right_eye"]
    assert region["x"] < region["right_eye"][0] < region["left_eye"][0] < region["x"] + region["w"]
    assert all(type(region[key]) is int for key in "xywh")
    assert 0.9 < face["face_confidence"] <= 1
    assert deepface.analyze(BGR) == deepface.analyze(BGR.astype(np.float32)) == [face]


def test_several_pictures_give_a_list_of_lists() -> None:
    first, second = deepface.analyze([BGR, BGR])
    assert first == second == deepface.analyze(np.stack([BGR, BGR]))[0]
    assert [face["dominant_emotion"] for face in first] == ["happy"]


def test_without_a_face_it_raises_or_takes_the_whole() -> None:
    blank = np.full((60, 80, 3), 120, np.uint8)
    with pytest.raises(ValueError, match="Face could not be detected"):
        deepface.analyze(blank)
    (whole,) = deepface.analyze(blank, enforce_detection=False)
    assert whole["face_confidence"] == 0
    assert whole["region"] | {"x": 10} == {
        "x": 10, "y": 0, "w": 60, "h": 60, "left_eye": None, "right_eye": None
    }  # fmt: skip


def test_what_mien_does_not_read_is_told() -> None:
    for wrong in ({"actions": ["age"]}, {"actions": "gender"}, {"anti_spoofing": True}):
        with pytest.raises(ValueError, match="mien"):
            deepface.analyze(BGR, **wrong)
    with pytest.raises(ValueError, match="detector_backend 'mtcnn': expected retinaface"):
        deepface.analyze(BGR, detector_backend="mtcnn")
    with pytest.raises(MissingError):
        deepface.analyze("gone.jpg")
