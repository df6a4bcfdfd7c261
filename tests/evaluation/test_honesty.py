import numpy as np
import pytest

from drawn_faces import drawn_set
from mien.data import FaceSet
from mien.evaluation import honesty_warning
from mien.labels import EXPRESSIONS
from mien.model_folder import ModelConfig


def face_set(seed, splits=None):
    images, labels = drawn_set(30, seed=seed, size=16)
    return FaceSet(images, labels, EXPRESSIONS, np.arange(30), ("drawn",), splits)


def config_of(whole, train, selection, train_split="Training"):
    return ModelConfig(
        architecture="logistic",
        labels=EXPRESSIONS,
        training={
            "data_hash": whole.content_hash(),
            "train_hash": train.content_hash(),
            "selection_hash": selection.content_hash(),
            "recipe": {"data": {"train_split": train_split}},
        },
    )


@pytest.fixture
def whole():
    splits = np.array(["Training"] * 15 + ["PublicTest"] * 10 + ["PrivateTest"] * 5)
    return face_set(0, splits)


def test_every_way_in_which_faces_took_part_is_told(whole):
    train, selection = whole.take_split("Training"), whole.take_split("PublicTest")
    config = config_of(whole, train, selection)
    assert "the model was selected on" in str(honesty_warning(config, selection, whole))
    assert "are the faces the model was trained on" in str(honesty_warning(config, train, whole))
    assert "among these faces" in str(honesty_warning(config, whole, whole))


def test_faces_that_took_no_part_raise_no_warning(whole):
    config = config_of(whole, whole.take_split("Training"), whole.take_split("PublicTest"))
    assert honesty_warning(config, whole.take_split("PrivateTest"), whole) is None
    assert honesty_warning(config, face_set(1)) is None
    same_names = face_set(1, whole.splits)
    assert honesty_warning(config, same_names.take_split("Training"), same_names) is None


def test_a_training_split_that_the_selection_was_held_out_of_is_told():
    whole = face_set(0, np.array(["train"] * 20 + ["test"] * 10))
    train, selection = whole.take_split("train").split_by_ratio(0.2)
    config = config_of(whole, train, selection)
    assert "selected on" in str(honesty_warning(config, selection, whole))
    assert "among these faces" in str(honesty_warning(config, whole.take_split("train"), whole))
    assert honesty_warning(config, whole.take_split("test"), whole) is None


def test_a_model_without_a_training_record_raises_no_warning(whole):
    config = ModelConfig(architecture="logistic", labels=EXPRESSIONS)
    assert honesty_warning(config, whole.take_split("Training"), whole) is None


def test_a_part_of_a_set_or_of_its_selection_split_is_told(whole):
    config = config_of(whole, whole.take_split("Training"), whole.take_split("PublicTest"))
    config.training.recipe["data"]["selection_split"] = "val"
    part = whole.take_split("PublicTest").take(np.arange(4))
    assert "faces the model was selected on" in str(honesty_warning(config, part, whole))
    assert honesty_warning(config, whole.take_split("PrivateTest"), whole) is None
    unsplit = face_set(0)
    config = config_of(unsplit, *unsplit.split_by_ratio(0.2))
    part = unsplit.take(np.arange(25))
    assert "among these faces" in str(honesty_warning(config, part, unsplit))
