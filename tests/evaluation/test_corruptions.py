"""Corruptions of faces: pinned by a picture of the astronaut's, and by numbers worked by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from drawn_faces import drawn_set
from mien.errors import UsageError
from mien.evaluation import CORRUPTIONS, corrupt
from mien.pictures import resize, to_grey

GOLDEN = Path(__file__).with_name("corrupted_astronaut.png")
"""Her face at strength 3 of each, one below the other; `golden()` made it."""


def astronauts_face() -> np.ndarray:
    return resize(to_grey(np.ascontiguousarray(astronaut()[56:174, 167:285])), 48, 48)


def golden() -> np.ndarray:
    return np.vstack([corrupt(astronauts_face()[None], name, 3)[0] for name in CORRUPTIONS])


def one(value: int, side: int = 48) -> np.ndarray:
    return np.full((1, side, side), value, np.uint8)


def test_the_astronaut_looks_as_she_did():
    difference = np.abs(golden().astype(int) - np.asarray(Image.open(GOLDEN)))
    assert difference.max() <= 3  # libraries may round differently
    assert difference.mean() < 0.1


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_strength_changes_more_and_nothing_else_is_touched(name):
    images, _ = drawn_set(12, seed=3)
    before = images.copy()
    steps = [corrupt(images, name, strength) for strength in range(1, 6)]
    assert (images == before).all()
    assert all(step.shape == images.shape and step.dtype == np.uint8 for step in steps)
    errors = [np.abs(step.astype(int) - images).mean() for step in steps]
    assert errors[0] > 0
    assert errors == sorted(errors)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_seed_alone_decides_and_colours_stay_grey_where_they_were(name):
    grey = drawn_set(6, seed=1, size=40)[0]
    assert (corrupt(grey, name, 4) == corrupt(grey, name, 4)).all()
    coloured = corrupt(np.repeat(grey[..., None], 3, axis=3), name, 4)
    assert coloured.shape == (6, 40, 40, 3)
    if name != "noise":  # of each channel by itself
        np.testing.assert_allclose(coloured[..., 1], corrupt(grey, name, 4), atol=1)


@pytest.mark.parametrize("name", ["noise", "side covered", "shift", "turn", "eyes covered"])
def test_another_seed_draws_anew(name):
    images, _ = drawn_set(6, seed=1)
    assert (corrupt(images, name, 4, seed=1) != corrupt(images, name, 4, seed=2)).any()


def test_light_and_contrast_by_hand():
    assert corrupt(one(200), "low light", 1).max() == 146  # 200 / 2 ** (1 / 2.2)
    assert corrupt(one(255), "low light", 5).max() == 53  # 255 / 2 ** (5 / 2.2)
    halves = np.concatenate([one(100)[:, :24], one(140)[:, :24]], axis=1)
    assert np.unique(corrupt(halves, "low contrast", 2)).tolist() == [110, 130]  # half, about 120


def test_noise_has_the_deviation_it_says():
    deviations = [corrupt(one(128, 400), "noise", level).std() / 255 for level in range(1, 6)]
    np.testing.assert_allclose(deviations, CORRUPTIONS["noise"].values, rtol=0.02)


def test_an_even_face_stays_as_it_is_where_only_detail_and_place_change():
    for name in ("blur", "low contrast", "shift", "zoom in", "turn", "fewer pixels"):
        assert (corrupt(one(90), name, 5) == 90).all(), name


def test_a_shift_moves_whole_pixels_as_far_as_it_says():
    dot = one(0)
    dot[0, 24, 24] = 255
    many = np.repeat(dot, 50, axis=0)
    places = np.argwhere(corrupt(many, "shift", 5) == 255)  # a fifth of 48 pixels: 9.6
    assert len(places) == 50
    np.testing.assert_allclose(np.hypot(*(places[:, 1:] - 24).T), 9.6, atol=0.71)


def test_a_zoom_and_a_turn_move_a_dot_by_the_geometry():
    dot = one(0)
    dot[0, 23:25, 35:37] = 255  # its centre is 12 pixels right of the face's
    for name, strength, distance in (("zoom in", 5, 18.0), ("zoom out", 3, 9.6), ("turn", 5, 12)):
        seen = corrupt(dot, name, strength)[0].astype(float)
        rows, columns = np.indices(seen.shape)
        down = (seen * rows).sum() / seen.sum() - 23.5
        right = (seen * columns).sum() / seen.sum() - 23.5
        assert np.hypot(right, down) == pytest.approx(distance, abs=0.2), name
        turned = 30 if name == "turn" else 0
        assert abs(np.degrees(np.arctan2(down, right))) == pytest.approx(turned, abs=1)


def test_what_covers_eyes_mouth_and_side_lies_there():
    face = np.repeat(one(7), 40, axis=0)
    for name, inside, outside in (
        ("eyes covered", (slice(17, 21), slice(6, 42)), (slice(26, 48), slice(0, 48))),
        ("mouth covered", (slice(35, 39), slice(12, 36)), (slice(0, 26), slice(0, 48))),
    ):
        covered = corrupt(face, name, 5, seed=4)
        values = covered[:, inside[0], inside[1]].reshape(40, -1)
        assert (values == values[:, :1]).all(), name
        assert len(np.unique(values)) > 20, "faces differ in the grey"
        assert (covered[:, outside[0], outside[1]] == 7).all(), name
    sides = corrupt(face, "side covered", 5, seed=4)
    left, right = (sides[:, :, :24] == 7).all((1, 2)), (sides[:, :, 24:] == 7).all((1, 2))
    assert (left ^ right).all()
    assert 8 < left.sum() < 32


def test_a_larger_face_is_blursed_as_much_of_itself():
    def spread(side):
        dot = one(0, side)
        dot[0, side // 2, side // 2] = 255
        seen = corrupt(dot, "blur", 4)[0].astype(float)
        distance = (np.indices(seen.shape) - side // 2) ** 2
        return np.sqrt((seen * distance.sum(axis=0)).sum() / seen.sum() / 2) / side

    assert spread(96) == pytest.approx(spread(48), rel=0.1)
    assert spread(48) == pytest.approx(1.6 / 48, rel=0.1)


def test_names_and_strengths_that_are_not_there_are_told():
    with pytest.raises(UsageError, match="no corruption 'blurs'; did you mean 'blur'"):
        corrupt(one(1), "blurs", 1)
    for strength in (0, 6):
        with pytest.raises(UsageError, match=f"strength {strength}: expected .* from 1 to 5"):
            corrupt(one(1), "blur", strength)
