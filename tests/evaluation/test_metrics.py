import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from mien.evaluation import metrics


def random_case(seed, num_faces, num_classes, label_classes):
    """Logits and labels; only `label_classes` occur as labels, and class 0 is never predicted."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(num_faces, num_classes)).astype(np.float32)
    logits[:, 0] = -9
    return logits, rng.choice(label_classes, size=num_faces)


CASES = [
    random_case(0, 500, 7, [0, 1, 2, 3, 4, 5, 6]),
    random_case(1, 400, 7, [0, 3, 5]),  # others absent from the labels, but predicted
    random_case(2, 1, 3, [0]),  # one face; class 1 or 2 predicted, the other nowhere
    random_case(3, 9, 7, [2]),
]


@pytest.mark.parametrize(("logits", "labels"), CASES)
def test_scores_are_those_of_scikit_learn(logits, labels):
    predicted, classes = logits.argmax(axis=1), range(logits.shape[1])
    confusion = metrics.confusion_matrix(logits, labels)
    expected = sklearn_metrics.confusion_matrix(labels, predicted, labels=classes)
    assert confusion.tolist() == expected.tolist()
    assert metrics.accuracy(confusion) == pytest.approx(
        sklearn_metrics.accuracy_score(labels, predicted)
    )
    present = sklearn_metrics.recall_score(
        labels, predicted, labels=np.unique(labels), average="macro", zero_division=0
    )
    assert metrics.balanced_accuracy(confusion) == pytest.approx(present)

    scores = metrics.class_scores(confusion)
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0
    )
    np.testing.assert_allclose(scores.precision, precision)
    np.testing.assert_allclose(scores.recall, recall)
    np.testing.assert_allclose(scores.f1, f1)
    assert scores.support.tolist() == np.asarray(support).tolist()

    macro = sklearn_metrics.precision_recall_fscore_support(
        labels, predicted, average="macro", zero_division=0
    )
    assert metrics.macro_mean(scores.precision, confusion) == pytest.approx(macro[0])
    assert metrics.macro_mean(scores.f1, confusion) == pytest.approx(macro[2])


@pytest.mark.parametrize(("logits", "labels"), CASES)
def test_log_loss_is_that_of_scikit_learn(logits, labels):
    exact = np.exp(logits.astype(np.float64))
    probabilities = exact / exact.sum(axis=1, keepdims=True)
    expected = sklearn_metrics.log_loss(labels, probabilities, labels=list(range(logits.shape[1])))
    assert metrics.log_loss(logits, labels) == pytest.approx(expected)


def test_balanced_accuracy_is_that_of_scikit_learn_when_predictions_stay_within_the_labels():
    logits, labels = random_case(4, 300, 5, [1, 2, 3, 4])
    expected = sklearn_metrics.balanced_accuracy_score(labels, logits.argmax(axis=1))
    confusion = metrics.confusion_matrix(logits, labels)
    assert metrics.balanced_accuracy(confusion) == pytest.approx(expected)


def test_confusion_rows_are_true_and_columns_predicted():
    logits = np.array([[0, 0, 9], [0, 0, 9], [0, 9, 0]], np.float32)
    confusion = metrics.confusion_matrix(logits, np.array([0, 0, 1]))
    assert confusion.tolist() == [[0, 0, 2], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("num_correct", "num_faces", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_is_the_published_one(num_correct, num_faces, low, high):
    assert metrics.wilson_interval(num_correct, num_faces) == pytest.approx((low, high), abs=5e-5)
    mirrored = metrics.wilson_interval(num_faces - num_correct, num_faces)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_wilson_interval_ends_exactly_at_0_and_1():
    assert metrics.wilson_interval(0, 7)[0] == 0.0
    assert metrics.wilson_interval(7, 7)[1] == 1.0
    with pytest.raises(ValueError, match="0 correct of 0"):
        metrics.wilson_interval(0, 0)


def test_log_loss_survives_logits_whose_exponentials_overflow():
    logits = np.array([[1e4, 0.0], [0.0, 1e4]], np.float32)
    assert metrics.log_loss(logits, np.array([0, 0])) == 5000.0


def with_confidences(confidences, correct):
    """Two-class logits that decide for class 1 so confidently, and labels that make it so."""
    confidences = np.array(confidences)
    logits = np.log(np.stack([1 - confidences, confidences], axis=1))
    return logits, np.array(correct, int)


def test_calibration_error_by_hand(monkeypatch):
    # Two bins: (.6, .7, .8) is right once: |1/3 - .7|; (.9, .95) always: |1 - .925|.
    monkeypatch.setattr(metrics, "NUM_ECE_BINS", 2)
    logits, labels = with_confidences([0.95, 0.6, 0.8, 0.7, 0.9], [1, 0, 1, 0, 1])
    expected = 3 / 5 * abs(1 / 3 - 0.7) + 2 / 5 * abs(1 - 0.925)
    assert metrics.expected_calibration_error(logits, labels) == pytest.approx(expected)


def test_calibration_error_with_fewer_faces_than_bins_is_the_mean_gap():
    logits, labels = with_confidences([0.6, 0.9], [0, 1])
    assert metrics.expected_calibration_error(logits, labels) == pytest.approx((0.6 + 0.1) / 2)


def test_calibration_error_of_equal_confidences_is_one_gap():
    logits, labels = with_confidences([0.75] * 40, [1] * 20 + [0] * 20)
    assert metrics.expected_calibration_error(logits, labels) == pytest.approx(0.25)


def test_calibration_error_has_bins_of_equal_size_and_judges_the_top_label():
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(1500, 7)) * 3
    labels = rng.integers(0, 7, 1500)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    order = np.argsort(probabilities.max(axis=1))
    confidence = probabilities.max(axis=1)[order].reshape(15, 100)
    right = (probabilities.argmax(axis=1) == labels)[order].reshape(15, 100)
    expected = np.abs(right.mean(axis=1) - confidence.mean(axis=1)).mean()
    assert metrics.expected_calibration_error(logits, labels) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_no_score_depends_on_the_order_of_the_faces(num_faces, seed):
    rng = np.random.default_rng(seed)
    logits = rng.integers(-2, 3, size=(num_faces, 3)).astype(np.float32)  # many ties
    labels = rng.integers(0, 3, num_faces)
    shuffled = rng.permutation(num_faces)
    for metric in (metrics.log_loss, metrics.expected_calibration_error):
        value = metric(logits, labels)
        assert metric(logits[shuffled], labels[shuffled]) == pytest.approx(value)
    assert 0 <= metrics.expected_calibration_error(logits, labels) <= 1


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), "no faces"),
        (np.zeros((2, 3)), np.zeros(3, int), r"got \[2, 3\], \[3\]"),
        (np.zeros(3), np.zeros(3, int), r"expected logits \[N, K\]"),
        (np.zeros((1, 3)), np.array([3]), "labels from 0 to 2, got 3 to 3"),
        (np.zeros((1, 3)), np.array([-1]), "got -1 to -1"),
        (np.zeros((1, 3)), np.array([1.0]), "whole numbers"),
        (np.array([[0, np.nan]]), np.array([1]), "not finite"),
    ],
)
def test_unfit_arguments_are_refused(logits, labels, message):
    for metric in (
        metrics.confusion_matrix,
        metrics.log_loss,
        metrics.expected_calibration_error,
    ):
        with pytest.raises(ValueError, match=message):
            metric(logits, labels)


def test_coverage_and_accuracy_of_four_faces_worked_by_hand():
    probabilities = [[0.9, 0.1], [0.3, 0.7], [0.4, 0.6], [0.55, 0.45]]
    labels = np.array([0, 1, 0, 0])  # right, right, wrong, right
    found = metrics.coverages(np.log(probabilities), labels, (0.0, 0.6, 0.8, 0.95))
    assert [(row.num_faces, row.coverage, row.accuracy) for row in found] == [
        (4, 1.0, 0.75),
        (3, 0.75, pytest.approx(2 / 3)),
        (1, 0.25, 1.0),
        (0, 0.0, None),
    ]
    assert found[0].accuracy_ci95 == metrics.wilson_interval(3, 4)
    assert found[3].accuracy_ci95 is None
