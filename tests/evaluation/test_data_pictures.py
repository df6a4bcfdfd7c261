from dataclasses import replace

import numpy as np
import pytest

from drawn_faces import drawn_set
from mien.data import FaceSet
from mien.errors import BadInputError, UsageError
from mien.evaluation import collect
from mien.evaluation.data_pictures import FACES_PER_ROW, draw_data
from mien.labels import EXPRESSIONS
from tiny_model import write_tiny_model


@pytest.fixture
def faces():
    images, labels = drawn_set(70, seed=1)
    splits = np.array(["Training"] * 40 + ["PublicTest"] * 30)
    rows = np.arange(70, dtype=np.int64)
    return FaceSet(images, labels, EXPRESSIONS, rows, ("set.csv",), splits)


def captions(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_row_of_different_samples_of_each_class(faces):
    figure = draw_data(faces, "samples", "set.csv")
    assert figure.get_suptitle() == "set.csv: samples of 70 faces"
    assert captions(figure) == [f"{name}\n10 faces" for name in EXPRESSIONS]
    shown = [image.get_array().tobytes() for image in figure.axes[0].images]
    assert len(set(shown)) == 7 * FACES_PER_ROW
    place_of = {image.tobytes(): place for place, image in enumerate(faces.images)}
    labels = [faces.labels[place_of[each]] for each in shown]
    assert labels == np.repeat(np.arange(7), FACES_PER_ROW).tolist()
    other = draw_data(faces, "samples", "set.csv", seed=1)
    assert [image.get_array().tobytes() for image in other.axes[0].images] != shown


def test_class_bars_with_and_without_splits(faces):
    titles = [axes.get_title() for axes in draw_data(faces, "classes", "set").axes]
    assert titles == ["Training: 40 faces", "PublicTest: 30 faces"]
    pooled = draw_data(replace(faces, splits=None), "classes", "set")
    assert [axes.get_title() for axes in pooled.axes] == ["all: 70 faces"]


def test_ambiguous_faces_by_votes(faces):
    votes = np.eye(7, dtype=np.float32)[faces.labels]
    happy, sad = (np.flatnonzero(faces.labels == label) for label in (3, 4))
    votes[happy[5]] = [0, 0, 0, 0.25, 0, 0, 0.75]
    votes[happy[2]] = [0, 0, 0, 0, 0, 0.9, 0.1]
    votes[sad[0]] = [0, 0, 0, 0, 0.5, 0, 0.5]  # a draw is no disagreement
    figure = draw_data(replace(faces, soft_labels=votes), "ambiguous", "set")
    assert figure.get_suptitle() == "set: label and FER+ votes disagree on 2 of 70 faces (2.9%)"
    first, second = figure.axes[0].images
    assert np.array_equal(first.get_array(), faces.images[happy[2]])
    assert np.array_equal(second.get_array(), faces.images[happy[5]])
    words = [caption for caption in captions(figure) if caption]
    assert words[:2] == ["surprise 90%", "neutral 75%"]
    assert "labelled happy\n2 of 10\ndisagree" in words
    assert "labelled sad\n0 of 10\ndisagree" in words


def test_ambiguous_faces_by_a_model(faces, tmp_path):
    evaluation = collect(write_tiny_model(tmp_path / "m"), faces)
    figure = draw_data(faces, "ambiguous", "set", evaluation)
    num_wrong = int((~evaluation.correct).sum())
    assert f"disagree on {num_wrong} of 70 faces" in figure.get_suptitle()
    assert str(tmp_path / "m") in figure.get_suptitle()


def test_what_cannot_be_drawn_says_why(faces):
    with pytest.raises(UsageError, match="need votes, or a model"):
        draw_data(faces, "ambiguous", "set")
    bare = replace(faces, labels=None, label_names=())
    with pytest.raises(BadInputError, match="no labelled faces"):
        draw_data(bare, "samples", "set")
    with pytest.raises(BadInputError, match="no labelled faces"):
        draw_data(faces.take(np.array([], np.int64)), "classes", "set")
