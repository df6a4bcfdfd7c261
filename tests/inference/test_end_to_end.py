"""Faces pasted into pictures, found and cut out again."""

from dataclasses import replace

import numpy as np
import pytest
from skimage.data import astronaut

from mien.data import FaceSet
from mien.errors import BadInputError
from mien.evaluation import collect
from mien.inference import Detection, measure_end_to_end
from mien.inference.end_to_end import SIZES, Scene, draw_sides, find, make_scenes, paste
from mien.labels import EXPRESSIONS
from mien.pictures import resize, to_grey

HAPPY = EXPRESSIONS.index("happy")


class Finds:
    """A detector that gives the same answer whatever it sees."""

    def __init__(self, *boxes):
        self.found = [Detection(box, 1 - place / 10) for place, box in enumerate(boxes)]

    def detect(self, rgb):
        return self.found


@pytest.fixture(scope="module")
def astronauts():
    """Nine times the astronaut, who is happy; a third are said to be sad."""
    face = resize(to_grey(np.ascontiguousarray(astronaut()[56:174, 167:285])), 48, 48)
    labels = np.full(9, HAPPY)
    labels[::3] = EXPRESSIONS.index("sad")
    return FaceSet(np.stack([face] * 9), labels, EXPRESSIONS, np.arange(9), ("set.csv",))


def test_a_face_lies_where_the_scene_says(astronauts):
    picture = np.full((100, 120, 3), 9, np.uint8)
    scene = paste(astronauts.images[0], picture, left=50, top=30, side=48)
    assert (scene.rgb[30:78, 50:98] == astronauts.images[0][..., None]).all()
    assert (scene.rgb[:30] == 9).all() and (scene.rgb[:, :50] == 9).all()
    assert (picture == 9).all()


def test_scenes_are_seeded_and_hold_their_faces(astronauts):
    sides = draw_sides(400, seed=3)
    assert SIZES[0] <= sides.min() < 70 and 210 < sides.max() <= SIZES[-1]
    assert np.median(sides) == pytest.approx(np.sqrt(SIZES[0] * SIZES[-1]), rel=0.1)
    images = astronauts.images
    first, again, other = (list(make_scenes(images, sides[:9], seed)) for seed in (3, 3, 4))
    for scene, same, side in zip(first, again, sides.tolist(), strict=False):
        assert (scene.rgb == same.rgb).all()
        assert scene.side == side
        left, top = scene.left, scene.top
        inside = scene.rgb[top : top + side, left : left + side, 0]
        assert (inside == resize(images[0], side, side)).all()
    assert {(scene.left, scene.top) for scene in first} != {(s.left, s.top) for s in other}


def test_only_what_lies_in_the_face_counts_as_found():
    scene = Scene(np.zeros((100, 100, 3), np.uint8), left=40, top=40, side=20)
    outside, surer, less = (0, 0, 30, 30), (41, 41, 59, 61), (38, 38, 60, 60)
    assert find(Finds(outside), scene) is None
    assert find(Finds(), scene) is None
    found = find(Finds(outside, surer, less), scene)
    assert found is not None
    assert found.box == surer


def test_the_astronaut_is_found_and_read(astronauts):
    evaluation = collect("default", astronauts)
    assert evaluation.correct.tolist() == [False, True, True] * 3
    measured = measure_end_to_end(evaluation, astronauts, seed=1)
    assert (measured.found.count, measured.num_faces) == (9, 9)
    assert measured.right_of_found == measured.right_of_all == measured.right_of_files
    assert (measured.right_of_all.count, measured.difference) == (6, 0)
    assert sum(band.num_faces for band in measured.bands) == 9
    assert sum(band.found.count for band in measured.bands if band.found) == 9
    assert [band.sides for band in measured.bands] == [(64, 95), (96, 143), (144, 224)]


def test_a_face_that_is_not_found_counts_wrong(astronauts):
    measured = measure_end_to_end(collect("default", astronauts), astronauts, detector=Finds())
    assert (measured.found.count, measured.right_of_all.count) == (0, 0)
    assert measured.right_of_found is None and measured.right_of_files_found is None
    assert measured.right_of_files.count == 6
    assert measured.difference == pytest.approx(-6 / 9)


def test_with_votes_the_faces_whose_annotators_agree_count(astronauts):
    votes = np.zeros((9, 10), np.int64)
    votes[:, HAPPY] = 10
    votes[:2] = [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]
    judged = replace(astronauts, votes=votes)
    measured = measure_end_to_end(collect("default", judged), judged)
    assert (measured.num_faces, measured.right_of_all.count) == (7, 7)
    votes[:] = votes[0]
    with pytest.raises(BadInputError, match="annotators agree on none"):
        measure_end_to_end(collect("default", judged), judged)
