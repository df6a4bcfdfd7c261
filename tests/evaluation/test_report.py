import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from sklearn import metrics as sklearn_metrics

from drawn_faces import drawn_set, write_fer_csv
from mien.classifier import Classifier
from mien.data import read
from mien.errors import BadInputError
from mien.evaluation import evaluate, score
from mien.labels import EXPRESSIONS
from tiny_model import write_tiny_model

# The keys that `mien evaluate --json` promises, in their order.
KEYS = [
    "num_faces",
    "num_views",
    "accuracy",
    "accuracy_ci95",
    "balanced_accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "log_loss",
    "ece",
    "per_class",
    "confusion",
    "coverages",
    "calibration",
]


@pytest.fixture
def faces(tmp_path, monkeypatch):
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    images, labels = drawn_set(60, seed=3)
    return read(write_fer_csv(tmp_path / "faces.csv", images, labels, "PublicTest"))


def subset(path, images, labels):
    return read(write_fer_csv(path, images, labels, "PublicTest"))


def test_a_report_by_hand():
    # Three faces of "a" (one taken for "b"), one of "b", decided with confidence 3/4 each.
    sure_of_a, sure_of_b = [np.log(3), 0], [0, np.log(3)]
    logits = np.array([sure_of_a, sure_of_a, sure_of_b, sure_of_b], np.float32)
    document = score(logits, np.array([0, 0, 0, 1]), ("a", "b")).to_json_dict()
    low, high = document.pop("accuracy_ci95")
    assert (low, high) == pytest.approx((0.3006, 0.9544), abs=1e-4)
    answered = [(row["coverage"], row["accuracy"]) for row in document.pop("coverages")]
    assert answered == [(1, 0.75)] * 5 + [(0, None)] * 3
    assert document == {
        "num_faces": 4,
        "num_views": 1,
        "accuracy": 0.75,
        "balanced_accuracy": pytest.approx((2 / 3 + 1) / 2),
        "macro_precision": pytest.approx((1 + 1 / 2) / 2),
        "macro_recall": pytest.approx((2 / 3 + 1) / 2),
        "macro_f1": pytest.approx((0.8 + 2 / 3) / 2),
        "log_loss": pytest.approx(-(3 * np.log(0.75) + np.log(0.25)) / 4),
        "ece": pytest.approx(0, abs=1e-6),
        "per_class": {
            "a": {
                "precision": 1.0,
                "recall": pytest.approx(2 / 3),
                "f1": pytest.approx(0.8),
                "support": 3,
            },
            "b": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1},
        },
        "confusion": [[2, 1], [0, 1]],
        "calibration": None,
    }


def test_the_json_has_the_promised_keys_and_survives_json(tmp_path, faces):
    document = evaluate(write_tiny_model(tmp_path / "model"), faces).to_json_dict()
    assert list(document) == KEYS
    assert list(document["per_class"]) == list(EXPRESSIONS)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_report_agrees_with_scikit_learn_on_the_classifiers_decisions(tmp_path, faces):
    classifier = Classifier(write_tiny_model(tmp_path / "model"))
    report = evaluate(classifier, faces)
    predicted = classifier.logits(faces.images).argmax(axis=1)
    expected = sklearn_metrics.confusion_matrix(faces.labels, predicted, labels=range(7))
    assert [list(row) for row in report.confusion] == expected.tolist()
    assert report.num_faces == 60


@pytest.mark.parametrize(("input_size", "num_views"), [(44, 6), (48, 2)])
def test_test_time_views_are_averaged_and_counted(tmp_path, faces, input_size, num_views):
    model = write_tiny_model(tmp_path / "model", input_size=input_size)
    classifier = Classifier(model)
    plain, averaged = evaluate(model, faces), evaluate(model, faces, tta=True)
    assert (plain.num_views, averaged.num_views) == (1, num_views)
    logits = classifier.logits(faces.images, tta=True)
    assert averaged == score(logits, faces.labels, EXPRESSIONS, num_views)
    assert averaged.log_loss != plain.log_loss


def test_classes_are_matched_by_name_whatever_their_order(tmp_path, faces):
    names = tuple(reversed(EXPRESSIONS))
    classifier = Classifier(write_tiny_model(tmp_path / "model", labels=names))
    report = evaluate(classifier, faces)
    predicted = [names[index] for index in classifier.logits(faces.images).argmax(axis=1)]
    truth = [faces.label_names[label] for label in faces.labels]
    assert report.accuracy == sklearn_metrics.accuracy_score(truth, predicted)
    assert list(report.per_class) == list(names)
    assert report.confusion[0][6] == sum(
        pair == ("neutral", "angry") for pair in zip(truth, predicted, strict=True)
    )


def test_a_set_may_lack_classes_of_the_model(tmp_path, faces):
    some = np.flatnonzero(faces.labels == EXPRESSIONS.index("happy"))
    happy = subset(tmp_path / "happy.csv", faces.images[some], faces.labels[some])
    report = evaluate(write_tiny_model(tmp_path / "model"), happy)
    assert report.per_class["happy"].support == len(some)
    assert report.per_class["angry"].support == 0
    assert report.balanced_accuracy == report.per_class["happy"].recall == report.accuracy
    assert report.macro_recall == report.balanced_accuracy < 1  # others are predicted too


def test_only_classes_with_faces_need_be_known_to_the_model(tmp_path, faces):
    model = write_tiny_model(tmp_path / "model", labels=("sad", "happy", "bored"))
    with pytest.raises(BadInputError) as caught:
        evaluate(model, faces)
    message = str(caught.value)
    assert "'angry', 'disgust', 'fear', 'surprise', 'neutral'" in message
    assert "sad, happy, bored" in message
    some = np.flatnonzero(np.isin(faces.labels, [3, 4]))
    pair = subset(tmp_path / "pair.csv", faces.images[some], faces.labels[some])
    report = evaluate(model, pair)
    assert report.per_class["sad"].support == np.sum(faces.labels == 4)
    assert report.per_class["happy"].support == np.sum(faces.labels == 3)
    assert report.per_class["bored"].support == 0


def test_faces_of_another_size_are_refused(tmp_path, faces):
    model = write_tiny_model(tmp_path / "model", face_size=64, input_size=64)
    with pytest.raises(BadInputError, match=r"48x48 pixels, but .*model expects 64x64"):
        evaluate(model, faces)


def test_faces_without_labels_are_refused(tmp_path, faces):
    unlabelled = read(write_fer_csv(tmp_path / "test.csv", faces.images, None, None))
    with pytest.raises(BadInputError, match="no labels"):
        evaluate(write_tiny_model(tmp_path / "model"), unlabelled)


def test_an_empty_set_is_refused(tmp_path, faces):
    with pytest.raises(BadInputError, match="no faces to evaluate"):
        evaluate(write_tiny_model(tmp_path / "model"), faces.take(np.array([], int)))


def test_a_model_whose_logits_are_not_numbers_is_named(tmp_path, faces):
    folder = write_tiny_model(tmp_path / "model")
    network = onnx.load(folder / "model.onnx")
    weight = next(each for each in network.graph.initializer if each.name == "weight")
    broken = np.full_like(numpy_helper.to_array(weight), np.nan)
    weight.CopyFrom(numpy_helper.from_array(broken, "weight"))
    onnx.save(network, folder / "model.onnx")
    with pytest.raises(BadInputError, match=r"model\.onnx: gives logits that are not finite"):
        evaluate(folder, faces)


def test_names_must_fit_the_logits():
    with pytest.raises(ValueError, match="2 logits per face, but 3 label names"):
        score(np.zeros((1, 2)), np.array([0]), ("a", "b", "c"))
