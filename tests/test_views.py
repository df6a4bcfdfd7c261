import numpy as np
import pytest
from PIL import Image

from mien.classifier import Classifier
from mien.views import centre_crop, test_time_views, zoom
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


def resized(face: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(Image.fromarray(face).resize((size, size), Image.Resampling.BILINEAR))


def test_six_views_are_three_zooms_as_pillow_makes_them_and_their_mirror_images():
    faces = numbered()
    whole = np.stack([resized(face, 44) for face in faces])
    near = np.stack([resized(face[4:44, 4:44], 44) for face in faces])
    views = test_time_views(faces, 44)
    assert len(views) == 6
    for number, expected in enumerate([faces[:, 2:46, 2:46], whole, near]):
        assert views[2 * number].dtype == np.uint8
        np.testing.assert_allclose(views[2 * number].astype(int), expected.astype(int), atol=1)
        np.testing.assert_array_equal(views[2 * number + 1], views[2 * number][:, :, ::-1])


def test_a_zoom_keeps_colours_apart_and_even_faces_even():
    faces = np.broadcast_to(np.array([10, 200, 30], np.uint8), (2, 48, 48, 3))
    for region, size in ((48, 44), (40, 44), (48, 7), (5, 44)):
        views = zoom(faces, region, size)
        assert views.shape == (2, size, size, 3)
        assert (views == [10, 200, 30]).all()


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
    assert classifier.num_views(tta=True) == 6
