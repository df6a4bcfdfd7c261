"""Models against annotators: a protocol, false alarms and probabilities worked out by hand."""

import numpy as np
import pytest

from mien.data import find_majority, vote_shares
from mien.evaluation import fit_temperature, score, wilson_interval
from mien.labels import EXPRESSIONS

# angry, disgust, fear, happy, sad, surprise, neutral | contempt, unknown, not a face
VOTES = {
    "nine of ten neutral": [1, 0, 0, 0, 0, 0, 9, 0, 0, 0],
    "eight of ten neutral": [0, 0, 0, 0, 2, 0, 8, 0, 0, 0],
    "neutral, six of the eight votes that are not stray": [1, 0, 2, 0, 0, 0, 6, 0, 1, 0],
    "happy, nine of nine": [0, 0, 0, 9, 0, 0, 0, 0, 0, 0],
    "sad, eight of ten": [0, 0, 0, 0, 8, 0, 2, 0, 0, 0],
    "undecided: exactly half": [0, 0, 0, 0, 5, 0, 5, 0, 0, 0],
    "undecided: half of the votes are for unknown": [4, 0, 0, 0, 0, 0, 0, 0, 3, 3],
    "contempt": [0, 0, 0, 0, 0, 0, 2, 8, 0, 0],
    "unknown": [0, 0, 0, 0, 3, 0, 0, 0, 7, 0],
    "not a face": [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],
    "stray votes only": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
}
COUNTS = np.array(list(VOTES.values()))
ANGRY, HAPPY, SAD, NEUTRAL = (
    EXPRESSIONS.index(name) for name in ("angry", "happy", "sad", "neutral")
)


def certain(*choices: int) -> np.ndarray:
    """Logits of a model that gives its choice 0.7 and each other expression 0.05."""
    logits = np.zeros((len(choices), 7), np.float32)
    logits[np.arange(len(choices)), choices] = np.log(14)
    return logits


def test_the_majority_by_hand():
    majority = find_majority(COUNTS)
    decided = [NEUTRAL, NEUTRAL, NEUTRAL, HAPPY, SAD]
    assert majority.choice.tolist() == [*decided, *[-1] * 6]
    left_out = majority.num_undecided, majority.num_contempt, majority.num_unknown
    assert left_out == (2, 1, 3)


def test_without_its_stray_vote_a_half_becomes_a_majority():
    counts = np.array([[5, 0, 0, 0, 4, 0, 1, 0, 0, 0]])
    assert find_majority(counts).choice.tolist() == [ANGRY]  # 5 of 9; 5 of 10 would be undecided


def test_shares_keep_stray_votes_and_forget_what_is_no_class():
    shares = vote_shares(COUNTS[[2, 9]], np.array([NEUTRAL, SAD]))
    np.testing.assert_allclose(shares[0], [1 / 9, 0, 2 / 9, 0, 0, 0, 6 / 9], atol=1e-6)
    assert shares[1].tolist() == np.eye(7)[SAD].tolist()


def test_the_report_by_hand():
    """Of the five decided faces a neutral one is read sad; of three clear neutrals the same one."""
    choices = [NEUTRAL, SAD, NEUTRAL, HAPPY, NEUTRAL, *[ANGRY] * 6]
    labels = np.array([ANGRY, NEUTRAL, NEUTRAL, HAPPY, SAD, *[ANGRY] * 6])
    votes = score(certain(*choices), labels, EXPRESSIONS, votes=COUNTS).votes
    assert votes is not None
    assert votes.num_faces == 5
    assert votes.accuracy == pytest.approx(3 / 5)
    assert votes.accuracy_ci95 == wilson_interval(3, 5)
    assert votes.balanced_accuracy == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert votes.label_agreement == pytest.approx(4 / 5)
    assert votes.per_class["neutral"].recall == pytest.approx(2 / 3)
    assert votes.per_class["neutral"].support == 3
    assert votes.confusion[NEUTRAL][SAD] == 1

    # Each face costs share x -log 0.7 for the class that was chosen, -log 0.05 for the rest.
    chosen = np.array([0.9, 0.2, 6 / 9, 1.0, 0.2])
    cost = -(chosen * np.log(0.7) + (1 - chosen) * np.log(0.05)).mean()
    assert votes.cross_entropy == pytest.approx(cost, rel=1e-5)
    parts = [(0.9, 0.1), (0.8, 0.2), (1 / 9, 2 / 9, 6 / 9), (1.0,), (0.8, 0.2)]
    floor = -np.mean([sum(part * np.log(part) for part in row) for row in parts])
    assert votes.vote_entropy == pytest.approx(floor, rel=1e-5)
    assert votes.kl_divergence == pytest.approx(cost - floor, rel=1e-5)
    # All are decided with 0.7, so a decision's mean share is what counts.
    assert votes.ece == pytest.approx(abs(chosen.mean() - 0.7), rel=1e-4)

    # Clear: two faces are neutral by eight of ten, and one is happy, one sad by as many.
    assert votes.num_clear_neutral == 2
    counts = {name: share.count for name, share in votes.false_alarms.items()}
    assert counts == {"angry": 0, "sad": 1, "fear": 0, "disgust": 0, "together": 1}
    assert votes.false_alarms["together"].share == pytest.approx(1 / 2)
    assert votes.false_alarms["sad"].ci95 == wilson_interval(1, 2)
    assert votes.num_clear_expression == 2
    assert votes.read_neutral is not None
    assert (votes.read_neutral.count, votes.read_neutral.share) == (1, 0.5)


def test_faces_without_agreement_have_no_report():
    report = score(certain(SAD), np.array([SAD]), EXPRESSIONS, votes=COUNTS[5:6])
    assert report.votes is None
    assert report.accuracy == 1


def test_the_temperature_of_shares_makes_them_likeliest():
    """Twice the logarithm of a share, always: halved, the probabilities are the shares."""
    shares = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]])
    assert fit_temperature(2 * np.log(shares), shares) == pytest.approx(2, rel=1e-5)
    labels = np.array([0, 1])
    logits = np.array([[2.0, 1.0, 0.0], [1.0, 0.0, 2.0]])
    assert fit_temperature(logits, np.eye(3)[labels]) == fit_temperature(logits, labels)
