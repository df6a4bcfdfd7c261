import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.data import astronaut

from mien.inference.detection import Detection
from mien.inference.see.crop import cut, place_in_frame, square_of
from mien.inference.see.retinaface import RetinaFace
from mien.model_folder import CropGeometry
from mien.pictures import to_grey

PLAIN = CropGeometry(scale=1, offset_x=0, offset_y=0)


def gradient(height: int, width: int) -> np.ndarray:
    """Red is the column, green the row, blue 200."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, np.full_like(rows, 200)], axis=-1).astype(np.uint8)


def test_the_frame_worked_by_hand() -> None:
    face = Detection((10, 20, 40, 80), 1.0)  # centre 25, 50; the longer side is 60
    assert square_of(face, PLAIN) == (-5, 20, 60)
    shifted = CropGeometry(scale=0.5, offset_x=0.1, offset_y=-0.2)
    assert square_of(face, shifted) == pytest.approx((25 + 6 - 15, 50 - 12 - 15, 30))
    framed = Detection((10, 20, 40, 50), 1.0, is_framed=True)
    assert square_of(framed, shifted) == (10, 20, 30)


# A pixel's centre lies at its index + 1/2: pixel i of S shows the picture at
# left + (i + 1/2) * side / S - 1/2, and a linear filter keeps a gradient.
@settings(max_examples=60, deadline=None)
@given(
    left=st.floats(10, 120),
    top=st.floats(10, 120),
    side=st.floats(9, 100),
    size=st.sampled_from([8, 24, 48]),
)
def test_pixels_come_from_where_the_geometry_says(
    left: float, top: float, side: float, size: int
) -> None:
    face = Detection((left, top, left + side, top + side), 1.0)
    image = cut(gradient(240, 240), face, PLAIN, size, 3)
    along = left + (np.arange(size) + 0.5) * side / size - 0.5
    down = top + (np.arange(size) + 0.5) * side / size - 0.5
    assert image.shape == (size, size, 3)
    assert np.abs(image[..., 0] - along[None, :]).max() < 1.3
    assert np.abs(image[..., 1] - down[:, None]).max() < 1.3
    assert np.all(image[..., 2] == 200)


def test_beyond_the_picture_its_edge_is_repeated() -> None:
    picture = gradient(20, 20)
    image = cut(picture, Detection((-20, -20, 20, 20), 1.0), PLAIN, 40, 3)
    assert np.array_equal(image[20:, 20:], picture)
    assert np.array_equal(image[0, 20:, 0], picture[0, :, 0])
    assert np.all(image[:20, :20, :2] == 0)


def test_a_face_that_fits_is_copied_and_colour_keeps_its_order() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    face = Detection((0, 0, 48, 48), 1.0, is_framed=True)
    assert np.array_equal(cut(picture, face, CropGeometry(scale=2), 48, 3), picture)
    assert np.array_equal(cut(picture, face, CropGeometry(scale=2), 48, 1), to_grey(picture))


def test_a_huge_face_is_cut_as_from_a_smaller_picture() -> None:
    """The square needs no memory of its own size: 18,000 pixels a side would be 1 GB."""
    picture = gradient(250, 250).repeat(24, axis=0).repeat(24, axis=1)  # 6,000 pixels a side
    small = cut(gradient(250, 250), Detection((25, 25, 225, 225), 1.0), PLAIN, 48, 3)
    large = cut(picture, Detection((600, 600, 5400, 5400), 1.0), PLAIN, 48, 3)
    assert np.abs(large.astype(int) - small).max() <= 1
    tracemalloc.start()
    strip = cut(picture[:100], Detection((0, -8950, 6000, 9150), 1.0), PLAIN, 48, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert strip.shape == (48, 48, 3)
    assert peak < 100_000_000


def test_fine_stripes_are_averaged_not_picked() -> None:
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 254
    image = cut(stripes, Detection((50, 50, 350, 350), 1.0), PLAIN, 24, 1)
    assert np.abs(image.astype(int) - 127).max() < 10


def test_levelling_undoes_a_turn() -> None:
    picture = astronaut()
    turned = np.asarray(
        Image.fromarray(picture).rotate(-25, Image.Resampling.BILINEAR, center=(226, 115))
    )
    detector = RetinaFace(num_threads=1)
    upright, tilted = detector.detect(picture)[0], detector.detect(turned)[0]
    level = PLAIN.model_copy(update={"level_eyes": True})
    reference = cut(picture, upright, level, 48, 1).astype(float)
    levelled, crooked = (cut(turned, tilted, g, 48, 1).astype(float) for g in (level, PLAIN))

    def likeness(image: np.ndarray) -> float:
        return float(np.corrcoef(image.ravel(), reference.ravel())[0, 1])

    assert likeness(levelled) > 0.85
    assert likeness(levelled) > likeness(crooked) + 0.2


def test_where_points_lie_in_the_face_image() -> None:
    eyes = ((20.0, 30.0), (50.0, 60.0))  # falls to the right by 45 degrees
    face = Detection((10, 20, 70, 80), 1.0, (*eyes, (0, 0), (0, 0), (0, 0)))  # centre 40, 50
    found = place_in_frame(eyes, face, PLAIN)
    np.testing.assert_allclose(found, [[1 / 6, 1 / 6], [2 / 3, 2 / 3]])
    level = PLAIN.model_copy(update={"level_eyes": True})
    # the first eye is 28.28 pixels up and left of the centre, the second 14.14 down and right
    found = place_in_frame(eyes, face, level) * 60
    np.testing.assert_allclose(found, [[30 - 800**0.5, 30], [30 + 200**0.5, 30]])


def test_points_are_where_the_levelled_face_image_shows_them() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    eyes = ((30.0, 40.0), (60.0, 58.0))
    for x, y in eyes:
        picture[int(y) - 2 : int(y) + 2, int(x) - 2 : int(x) + 2] = 255
    face = Detection((10, 20, 70, 80), 1.0, (*eyes, (0, 0), (0, 0), (0, 0)))
    level = PLAIN.model_copy(update={"level_eyes": True})
    image = cut(picture, face, level, 60, 1).astype(float)
    for x, y in place_in_frame(eyes, face, level) * 60:
        window = image[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4]
        assert window.sum() > 0.95 * image.sum() / 2
