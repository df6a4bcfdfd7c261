import numpy as np
import pytest

from drawn_faces import drawn_set, write_fer_csv
from mien.data import read
from mien.recipes import load_recipe
from mien.training import draw_preview, preview


@pytest.fixture
def data(tmp_path):
    images, labels = drawn_set(40, seed=13)
    write_fer_csv(tmp_path / "faces.csv", images, labels, ["Training"] * 30 + ["PublicTest"] * 10)
    return tmp_path / "faces.csv"


def test_without_augmentation_the_network_sees_the_training_faces(data):
    batch = preview(load_recipe("logistic"), data, num_faces=12)
    faces = read(data).take_split("Training")
    places = [int(np.flatnonzero((faces.images == view).all((1, 2)))[0]) for view in batch.views]
    assert len(set(places)) == 12
    np.testing.assert_array_equal(batch.labels, faces.labels[places])


def test_a_recipe_shows_its_crop_and_its_changes(data):
    plain = preview(load_recipe("mien_s"), data)
    assert plain.views.shape == (30, 44, 44)
    assert (plain.views == preview(load_recipe("mien_s"), data).views).all()
    assert (plain.views != preview(load_recipe("mien_s"), data, epoch=2).views).any()
    turned = preview(load_recipe("mien_s", ["augment.rotate_degrees=40"]), data)
    assert (turned.views != plain.views).any()


def test_the_picture_names_classes_and_size(data):
    batch = preview(load_recipe("mien_s"), data, num_faces=9)
    figure = draw_preview(batch, "mien_s")
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == [batch.label_names[label] for label in batch.labels]
    assert figure._suptitle.get_text() == "9 training faces as mien_s shows them, 44 px"
