"""Long pictures are looked at in pieces."""

import numpy as np
import pytest
from skimage.data import astronaut
from skimage.transform import rescale

from mien.inference.detection import Detection
from mien.inference.see.retinaface import RetinaFace
from mien.inference.see.tiles import MAX_TILES, find_in_tiles


def bright_square(rgb: np.ndarray) -> list[Detection]:
    """Finds the box of what is brighter than the rest."""
    rows, columns = np.nonzero(rgb[..., 0] > 100)
    if not len(rows):
        return []
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    box = (float(left), float(top), float(right), float(bottom))
    return [Detection(box, 0.9, ((left, top),) * 5)]  # type: ignore[arg-type]


@pytest.mark.parametrize("is_tall", [True, False])
@pytest.mark.parametrize("place", [0, 133, 480, 500, 517, 890, 1000, 2371, 3960])
def test_a_face_is_found_once_and_where_it_is(is_tall: bool, place: int) -> None:
    picture = np.zeros((4000, 300, 3), np.uint8)
    picture[place : place + 40, 50:90] = 255
    expected = (50, place, 90, place + 40)
    if not is_tall:
        picture, expected = picture.transpose(1, 0, 2), (place, 50, place + 40, 90)
    (face,) = find_in_tiles(bright_square, picture, 500)
    assert face.box == expected
    assert face.landmarks is not None
    assert face.landmarks[0] == expected[:2]


@pytest.mark.parametrize(("height", "width"), [(500, 10), (900, 300), (1200, 400)])
def test_what_is_not_long_is_looked_at_whole(height: int, width: int) -> None:
    shapes = []

    def look(rgb: np.ndarray) -> list[Detection]:
        shapes.append(rgb.shape)
        return []

    find_in_tiles(look, np.zeros((height, width, 3), np.uint8), 500)
    assert shapes == [(height, width, 3)]


@pytest.mark.parametrize(("height", "width"), [(100_000, 3), (4001, 300), (5000, 1), (1201, 400)])
def test_tiles_are_few_and_leave_nothing_out(height: int, width: int) -> None:
    seen = np.zeros(height, int)
    picture = np.arange(height, dtype=np.uint32)[:, None, None].view(np.uint8)
    picture = np.broadcast_to(picture[..., :3], (height, width, 3))
    num_tiles = 0

    def look(rgb: np.ndarray) -> list[Detection]:
        nonlocal num_tiles
        num_tiles += 1
        first, last = (
            int(row[0]) + 256 * int(row[1]) + 65536 * int(row[2]) for row in rgb[[0, -1], 0]
        )
        seen[first : last + 1] += 1
        return []

    find_in_tiles(look, picture, 500)
    assert seen.min() >= 1
    assert num_tiles <= MAX_TILES


def test_small_faces_in_a_long_screenshot_are_found() -> None:
    face = (rescale(astronaut()[:260, 90:360], 0.25, channel_axis=2) * 255).astype(np.uint8)
    page = np.full((9000, 800, 3), 250, np.uint8)
    places = [(300, 100), (4000, 600), (8800, 400)]
    for top, left in places:
        page[top : top + face.shape[0], left : left + face.shape[1]] = face
    found = RetinaFace().detect(page)
    assert sorted(round(one.box[1] / 100) for one in found) == [3, 40, 88]
