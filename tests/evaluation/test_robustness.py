"""What corruptions cost a model: the same figures as evaluating the corrupted faces by hand."""

import json
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest

from drawn_faces import drawn_set
from mien.data import FaceSet
from mien.evaluation import CORRUPTIONS, collect, corrupt, measure_corruptions
from mien.labels import EXPRESSIONS
from tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def faces():
    images, labels = drawn_set(21, seed=4)
    return FaceSet(images, labels, EXPRESSIONS, np.arange(21), ("set.csv",))


def with_votes(faces):
    """Nine of ten annotators agree with the label; on every third face they are undecided."""
    votes = np.zeros((len(faces), 10), np.int64)
    votes[np.arange(len(faces)), faces.labels] = 9
    votes[:, 7] = 1
    votes[::3] = [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]
    return replace(faces, votes=votes)


def test_each_score_is_that_of_the_corrupted_faces(model, faces):
    evaluation = collect(model, faces)
    robustness = measure_corruptions(evaluation, faces, seed=5)
    assert [(s.corruption, s.strength) for s in robustness.scores] == [
        (name, strength) for name in CORRUPTIONS for strength in range(1, 6)
    ]
    assert (robustness.num_faces, robustness.accuracy) == (21, evaluation.report.accuracy)
    for score in robustness.scores[::16]:
        images = corrupt(faces.images, score.corruption, score.strength, seed=5)
        expected = collect(model, replace(faces, images=images)).report.accuracy
        assert score.accuracy == expected
        assert score.relative_accuracy == pytest.approx(expected / evaluation.report.accuracy)
        assert score.value == CORRUPTIONS[score.corruption].values[score.strength - 1]
        assert score.false_alarms is None
    mean = fmean(s.accuracy for s in robustness.scores) / evaluation.report.accuracy
    assert robustness.mean_relative_accuracy == pytest.approx(mean)
    assert robustness.accuracies()["turn"] == [s.accuracy for s in robustness.scores[55:60]]
    assert json.loads(json.dumps(robustness.to_json_dict())) == robustness.to_json_dict()


def test_with_votes_the_majority_is_right_and_false_alarms_are_counted(model, faces):
    judged = with_votes(faces)
    evaluation = collect(model, judged)
    robustness = measure_corruptions(evaluation, judged)
    assert robustness.num_faces == 14
    decided = judged.take(np.arange(21) % 3 > 0)
    score = robustness.scores[44]
    images = corrupt(decided.images, score.corruption, score.strength)
    report = collect(model, replace(decided, images=images)).report
    assert report.votes is not None
    assert score.accuracy == report.votes.accuracy
    assert score.false_alarms == report.votes.false_alarms["together"].share


def test_a_model_that_is_never_right_has_nothing_left(model, faces):
    evaluation = collect(model, faces)
    wrong = replace(faces, labels=evaluation.logits.argmin(axis=1).astype(np.int64))
    robustness = measure_corruptions(collect(model, wrong), wrong)
    assert (robustness.accuracy, robustness.mean_relative_accuracy) == (0, 0)
