from dataclasses import replace

import numpy as np
import pytest

from mien.errors import UsageError
from mien.inference import Face
from mien.inference.drawing import draw_faces
from mien.labels import COLOURS


def face(label: str, box: tuple[float, float, float, float], confidence: float = 0.8) -> Face:
    probabilities = {label: confidence, "other": 1 - confidence}
    return Face(box, 1.0, None, label, confidence, False, probabilities)


def test_the_box_is_drawn_in_the_expressions_colour_and_the_source_is_left_alone() -> None:
    picture = np.full((500, 600, 3), 30, np.uint8)
    drawn = draw_faces(picture, [face("happy", (100, 150, 300, 400))])
    assert drawn.shape == picture.shape
    assert drawn.dtype == np.uint8
    assert np.all(picture == 30)
    for y, x in [(150, 200), (400, 200), (250, 100), (250, 300)]:
        assert tuple(drawn[y, x]) == COLOURS["happy"]
    assert np.all(drawn[200:390, 110:290] == 30)  # the face itself is not covered


def test_without_faces_nothing_changes() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (500, 500, 3), np.uint8)
    assert np.array_equal(draw_faces(picture, []), picture)


def test_small_pictures_are_enlarged_and_lines_scale_with_large_ones() -> None:
    small = draw_faces(np.zeros((24, 48, 3), np.uint8), [face("sad", (10, 2, 30, 22))])
    assert small.shape == (240, 480, 3)
    widths = []
    for side in (500, 3000):
        box = (side * 0.2, side * 0.2, side * 0.6, side * 0.6)
        drawn = draw_faces(np.zeros((side, side, 3), np.uint8), [face("sad", box)])
        line = drawn[round(side * 0.3), : round(side * 0.4)]
        widths.append(int(np.all(line == COLOURS["sad"], axis=-1).sum()))
    assert widths[1] >= 4 * widths[0] > 0


def test_bars_are_as_long_as_the_probabilities() -> None:
    lengths = {}
    for confidence in (0.55, 0.95):
        drawn = draw_faces(
            np.zeros((500, 900, 3), np.uint8), [face("happy", (100, 100, 300, 400), confidence)]
        )
        panel = np.all(drawn[100:400, 310:] == COLOURS["happy"], axis=-1)
        lengths[confidence] = int(panel.sum(axis=1).max())
    assert 0 < lengths[0.55] < lengths[0.95]
    assert abs(lengths[0.55] / lengths[0.95] - 0.55 / 0.95) < 0.08


def test_class_names_in_any_script_and_faces_at_the_edges_are_drawn() -> None:
    picture = np.zeros((480, 480, 3), np.uint8)
    for label in ("überrascht", "счастье", "驚き", "x" * 60):
        drawn = draw_faces(picture, [face(label, (0, 0, 480, 480)), face(label, (470, 0, 480, 9))])
        assert drawn.shape == picture.shape
        assert (drawn == 200).any()  # the colour of the user's own labels
    corner = face("happy", (479.7, 479.7, 480, 480))
    assert tuple(draw_faces(picture, [corner])[479, 479]) == COLOURS["happy"]


def test_of_videos_the_number_of_the_track_is_drawn(monkeypatch) -> None:
    from PIL import ImageDraw

    texts = []
    draw_text = ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw,
        "text",
        lambda self, xy, text, *a, **k: (texts.append(text), draw_text(self, xy, text, *a, **k)),
    )
    one, picture = face("happy", (100, 150, 300, 400)), np.zeros((500, 600, 3), np.uint8)
    draw_faces(picture, [one, replace(one, track_id=12)])
    assert [text for text in texts if "80%" in text] == ["happy 80%", "12: happy 80%"]
    texts.clear()
    draw_faces(picture, [one, replace(one, track_id=12)], "boxes")
    assert texts == ["12"]


def test_each_detail_has_what_those_before_it_have() -> None:
    picture, one = np.zeros((500, 600, 3), np.uint8), face("happy", (100, 150, 300, 400))
    boxes, labels, bars = (
        (draw_faces(picture, [one], detail) != 0).any(axis=2)
        for detail in ("boxes", "labels", "bars")
    )
    assert boxes.any()
    assert not boxes[:148].any()
    assert not (boxes & ~labels).any()
    assert (labels & ~boxes)[100:150, 100:300].any()
    assert not labels[:, 305:].any()
    assert not (labels & ~bars).any()
    assert bars[150:400, 305:].any()
    with pytest.raises(UsageError, match="did you mean 'labels'"):
        draw_faces(picture, [one], "label")  # type: ignore[arg-type]


def test_letters_suit_the_face_and_never_get_too_small(monkeypatch) -> None:
    from PIL import ImageDraw

    sizes = []
    draw_text = ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw,
        "text",
        lambda self, *a, font, **k: (sizes.append(font.size), draw_text(self, *a, font=font, **k)),
    )
    for width in (320, 1280, 4000):
        for side in (0.02, 0.2, 0.6):
            box = (width * 0.1, width * 0.1, width * (0.1 + side), width * (0.1 + side))
            sizes.clear()
            draw_faces(np.zeros((width, width, 3), np.uint8), [face("happy", box)], "labels")
            assert len(sizes) == 1
            assert 11 <= sizes[0] <= max(16, width / 45)
            assert sizes[0] >= 0.9 * width / 100


def test_a_face_without_room_for_a_panel_has_its_bars_on_its_label() -> None:
    one = face("happy", (5, 100, 995, 900), 0.6)
    drawn = draw_faces(np.zeros((1000, 1000, 3), np.uint8), [one])
    other = (drawn[:100] == 200).all(axis=2).sum(axis=1)  # labels of the user's own are grey
    happy = (drawn[:100] == COLOURS["happy"]).all(axis=2).sum(axis=1)
    strip = other > 0
    assert 0 < strip.sum() < 15
    assert np.abs(happy[strip] / (happy + other)[strip] - 0.6).max() < 0.03
