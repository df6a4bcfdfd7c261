import io
from base64 import b64decode
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from mien.errors import UsageError
from mien.inference import Face, FrameResult
from mien.inference.hiding import MEMORY_SECONDS, FaceHider, Hiding, hide_faces
from mien.inference.see.detectors import create_detector

BOX = (178.0, 57.0, 273.0, 177.0)  # the astronaut's
GROWN = np.s_[17:217, 146:305]
WAYS = get_args(Hiding)


def face(box: tuple[float, float, float, float] = BOX, track: int | None = None) -> Face:
    probabilities = {"happy": 0.8, "sad": 0.2}
    return Face(box, 1.0, None, "happy", 0.8, False, probabilities, track_id=track)


@pytest.fixture(scope="module")
def detector():
    return create_detector("retinaface")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("scale", [0.5, 1, 3])
def test_no_face_is_found_any_more(detector, how: Hiding, scale: float) -> None:
    side = round(512 * scale)
    picture = np.asarray(Image.fromarray(astronaut()).resize((side, side)))
    (found,) = detector.detect(picture)
    assert detector.detect(hide_faces(picture, [found.box], how)) == []


@pytest.mark.parametrize("how", WAYS)
def test_what_is_left_does_not_tell_faces_apart(how: Hiding) -> None:
    """Whatever lies between the means of a few cells is gone: two such pictures are one."""
    picture = astronaut()
    cell_height, cell_width = 200 // 5, 159 // 5
    noise = np.random.default_rng(0).integers(-40, 40, (200, 159, 3))
    for down in range(5):
        for across in range(5):
            cell = np.s_[
                down * cell_height : (down + 1) * cell_height,
                across * cell_width : (across + 1) * cell_width,
            ]
            noise[cell] -= np.round(noise[cell].mean(axis=(0, 1))).astype(int)
    other = picture.copy()
    grey = np.clip(picture[GROWN], 60, 190)
    picture[GROWN], other[GROWN] = grey, grey + noise
    one, two = (hide_faces(each, [BOX], how)[GROWN].astype(int) for each in (picture, other))
    assert np.abs(picture[GROWN].astype(int) - other[GROWN]).mean() > 15
    assert np.abs(one - two).max() <= 4


@pytest.mark.parametrize("how", WAYS)
def test_the_head_goes_and_the_rest_and_the_source_stay(how: Hiding) -> None:
    picture = astronaut()
    hidden = hide_faces(picture, [BOX], how)
    assert np.array_equal(picture, astronaut())
    changed = (hidden != picture).any(axis=2)
    assert changed[GROWN].mean() > 0.9
    changed[GROWN] = False
    assert not changed.any()
    if how != "blur":
        assert len(np.unique(hidden[GROWN].reshape(-1, 3), axis=0)) <= 25


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("box", [(0, 0, 2, 2), (0, 0, 60, 40), (59, 39, 60, 40), (10, 10, 10, 10)])
def test_boxes_of_any_size_are_hidden(how: Hiding, box) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    hidden = hide_faces(picture, [box], how)
    assert hidden.shape == picture.shape
    assert (hidden != picture).any() == (box[2] > box[0])


def test_a_box_outside_the_picture_hides_nothing() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    assert not hide_faces(picture, [(-30, -30, -10, -10), (70, 50, 90, 70)], "solid").any()


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'blur'"):
        hide_faces(astronaut(), [BOX], "blurry")  # type: ignore[arg-type]


def test_in_videos_a_face_that_is_missed_stays_hidden_while_its_track_lives() -> None:
    picture = astronaut()

    def shown(frame: int, seconds: float, *faces: Face, **changes) -> FrameResult:
        result = FrameResult.of_pixels("clip", picture, frame, seconds)
        return replace(result, faces=faces, **changes)

    def is_hidden(result: FrameResult) -> bool:
        assert result.rgb is not None
        return not np.array_equal(result.rgb[GROWN], picture[GROWN])

    hider = FaceHider("solid")
    assert is_hidden(hider.hide(shown(0, 0.0, face(track=1))))
    assert is_hidden(hider.hide(shown(1, 0.5)))
    elsewhere = face((400.0, 400.0, 450.0, 450.0), track=2)
    assert is_hidden(hider.hide(shown(2, MEMORY_SECONDS, elsewhere)))
    moved = hider.hide(shown(3, MEMORY_SECONDS + 0.1, elsewhere))
    assert not is_hidden(moved)
    assert moved.faces == (elsewhere,)
    hider.hide(shown(4, 1.2, face(track=1)))
    hider.hide(FrameResult("clip", error="damaged"))
    assert is_hidden(hider.hide(shown(5, 1.4)))
    assert not is_hidden(hider.hide(shown(6, 1.5, is_cut=True)))
    hider.hide(shown(7, 1.6, face(track=1)))
    assert not is_hidden(hider.hide(replace(shown(0, 1.7), source="another")))


@pytest.mark.parametrize("how", WAYS)
def test_a_hidden_result_is_hidden_however_it_is_shown(detector, how: Hiding, tmp_path) -> None:
    result = replace(FrameResult.of_pixels("a.png", astronaut()), faces=(face(),)).hide(how)
    (crop,) = result.crops()
    assert detector.detect(crop) == []
    assert detector.detect(result.draw("boxes")) == []
    with Image.open(result.save(tmp_path / "a.png", detail="labels")) as saved:
        assert detector.detect(np.asarray(saved)) == []
    page = result._repr_html_()
    picture = b64decode(page.split("base64,")[1].split('"')[0])
    assert detector.detect(np.asarray(Image.open(io.BytesIO(picture)))) == []
