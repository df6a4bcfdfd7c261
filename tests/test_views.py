import numpy as np
import pytest

from mien.classifier import Classifier
from mien.views import centre_crop, test_time_views
from tiny_model import write_tiny_model

test_time_views.__test__ = False


def numbered(count: int = 2, side: int = 48) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, side, side), dtype=np.uint8)


def test_the_centre_is_cut_evenly():
    faces = numbered()
    np.testing.assert_array_equal(centre_crop(faces, 44), faces[:, 2:46, 2:46])
    assert np.shares_memory(centre_crop(faces, 44), faces)
    with pytest.raises(ValueError, match="a crop of 50 pixels from faces of 48"):
        centre_crop(faces, 50)


def test_ten_views_are_five_places_and_their_mirror_images():
    faces = numbered()
    places = [(2, 2), (0, 0), (0, 4), (4, 0), (4, 4)]
    views = test_time_views(faces, 44)
    assert len(views) == 10
    for number, (top, left) in enumerate(places):
        crop = faces[:, top : top + 44, left : left + 44]
        np.testing.assert_array_equal(views[2 * number], crop)
        np.testing.assert_array_equal(views[2 * number + 1], crop[:, :, ::-1])


def test_without_room_for_crops_there_is_the_mirror_image_alone():
    faces = numbered()
    views = test_time_views(faces, 48)
    assert len(views) == 2
    np.testing.assert_array_equal(views[1], faces[:, :, ::-1])


def test_test_time_logits_are_the_mean_over_the_views(tmp_path):
    write_tiny_model(tmp_path, face_size=48, input_size=44)
    classifier, faces = Classifier(tmp_path), numbered(3)
    each = [classifier.run(view[..., None]) for view in test_time_views(faces, 44)]
    np.testing.assert_allclose(
        classifier.logits(faces, tta=True), np.mean(each, axis=0), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        classifier.logits(faces), classifier.run(faces[:, 2:46, 2:46, None]), rtol=1e-5
    )
    assert classifier.num_views(tta=True) == 10
