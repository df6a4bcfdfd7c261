"""Scores against annotators: their majority, their distribution, false alarms on clear faces.

The protocol of the majority is that of FER+'s paper (Barsoum et al. 2016); see `find_majority`.
"""

from dataclasses import dataclass

import numpy as np

from mien.data import find_majority, vote_shares
from mien.evaluation import metrics
from mien.evaluation.calibration import Calibration, score_calibration

NEUTRAL = "neutral"
ALARMS = ("angry", "sad", "fear", "disgust")
"""Reading one of these in a neutral face counts as a false alarm."""
CLEAR_SHARE = 0.8
"""A face is clearly neutral, or clearly has an expression, where this part of all votes says so."""


@dataclass(frozen=True)
class Share:
    """A number of faces, its share of some total, and Wilson's 95 % interval of the share."""

    count: int
    share: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class Truth:
    """The correct answers that a model is scored against.

    Attributes:
        rows: int64 `[n]`, indices of the faces that count.
        labels: int64 `[n]`, the correct class of each.
        targets: The labels again; or float32 `[n, K]`, each class's share of the votes.
    """

    rows: np.ndarray
    labels: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class VotesReport:
    """How well a model agrees with annotators; all numbers are plain Python numbers.

    Figures are over the faces whose annotators agree on a class, except those of clear faces.

    Attributes:
        num_faces: Faces whose annotators agree on one of the model's classes.
        num_undecided: Faces left out, as their first choice has no more than half of the votes.
        num_contempt: Faces left out, as most call them contempt.
        num_unknown: Faces left out, as most call them unknown or not a face.
        accuracy: Fraction decided as the majority does.
        accuracy_ci95: Wilson's 95 % interval of it.
        balanced_accuracy: Mean recall over the classes that have faces.
        cross_entropy: Of the shares of the votes under the model's probabilities, nats.
        vote_entropy: Of these shares themselves: no model can be below it.
        kl_divergence: `cross_entropy` less `vote_entropy`, nats.
        ece: Mean gap between the probability of the model's decision and the share of the votes for
            it, in 15 equal-mass bins.
        label_agreement: Fraction of these faces whose own label is what the majority says.
        per_class: By label, against the majority.
        confusion: Rows are the majority, columns the model's decisions.
        num_clear_neutral: Faces that at least eight of ten annotators call neutral.
        false_alarms: Of these, those read as each of `ALARMS`, and as any of them (`together`).
        num_clear_expression: Faces that at least eight of ten give one and the same expression.
        read_neutral: Of these, those read neutral.
        coverages: As `Report.coverages`, against the majority.
        calibration: As `Report.calibration`, against the shares of the votes.
    """

    num_faces: int
    num_undecided: int
    num_contempt: int
    num_unknown: int
    accuracy: float
    accuracy_ci95: tuple[float, float]
    balanced_accuracy: float
    cross_entropy: float
    vote_entropy: float
    kl_divergence: float
    ece: float
    label_agreement: float
    per_class: dict[str, metrics.ClassReport]
    confusion: tuple[tuple[int, ...], ...]
    num_clear_neutral: int
    false_alarms: dict[str, Share]
    num_clear_expression: int
    read_neutral: Share | None
    coverages: tuple[metrics.Coverage, ...] = ()
    calibration: Calibration | None = None

    @property
    def clear_faces(self) -> dict[str, Share]:
        """The shares of clear faces that are misread, each with a name for people."""
        shares = {f"neutral read {name}": share for name, share in self.false_alarms.items()}
        if self.read_neutral is not None:
            shares["another expression read neutral"] = self.read_neutral
        return shares


def truth_of(labels: np.ndarray, votes: np.ndarray | None) -> Truth:
    """Returns the correct answers: from the votes if there are any, else the labels.

    Args:
        labels: int64 `[N]`.
        votes: int64 `[N, K + 3]`, as `FaceSet.votes`.

    Example:
        >>> import numpy as np
        >>> from mien.evaluation import truth_of
        >>> votes = np.array([[3, 7, 0, 0, 0], [5, 5, 0, 0, 0]])
        >>> truth = truth_of(np.array([0, 1]), votes)
        >>> truth.rows, truth.labels
        (array([0]), array([1]))
    """
    if votes is None:
        return Truth(np.arange(len(labels)), labels, labels)
    return _truth_of(votes, find_majority(votes).choice)


def _truth_of(votes: np.ndarray, choice: np.ndarray) -> Truth:
    rows = np.flatnonzero(choice >= 0)
    return Truth(rows, choice[rows], vote_shares(votes[rows], choice[rows]))


def score_votes(
    logits: np.ndarray,
    labels: np.ndarray,
    votes: np.ndarray,
    label_names: tuple[str, ...],
    temperature: float = 1.0,
) -> VotesReport | None:
    """Returns the report against annotators; None where they agree on none of the faces.

    Args:
        logits: Floats `[N, K]`.
        labels: Integers `[N]`, the faces' own labels.
        votes: int64 `[N, K + 3]`, as `FaceSet.votes`, in the order of the logits.
        label_names: The K class names.
        temperature: That the logits were divided by, for the calibration error without it.

    Raises:
        ValueError: The arguments do not fit each other.

    Example:
        >>> import numpy as np
        >>> from mien.evaluation import score_votes
        >>> votes = np.array([[9, 1, 0, 0, 0], [2, 8, 0, 0, 0], [5, 5, 0, 0, 0]])
        >>> logits = np.log([[0.8, 0.2], [0.7, 0.3], [0.5, 0.5]])
        >>> report = score_votes(logits, np.array([0, 1, 0]), votes, ("happy", "neutral"))
        >>> report.num_faces, report.num_undecided, report.accuracy
        (2, 1, 0.5)
    """
    if votes.shape != (len(logits), len(label_names) + 3):
        raise ValueError(f"votes {list(votes.shape)} do not fit logits {list(logits.shape)}")
    majority = find_majority(votes)
    truth = _truth_of(votes, majority.choice)
    if not len(truth.rows):
        return None
    decided = logits[truth.rows]
    confusion = metrics.confusion_matrix(decided, truth.labels)
    num_right = int(np.trace(confusion))
    cross_entropy, floor = metrics.log_loss(decided, truth.targets), metrics.entropy(truth.targets)
    alarms, read_neutral, num_clear = _clear_faces(logits.argmax(axis=1), votes, label_names)
    return VotesReport(
        num_faces=len(truth.rows),
        num_undecided=majority.num_undecided,
        num_contempt=majority.num_contempt,
        num_unknown=majority.num_unknown,
        accuracy=metrics.accuracy(confusion),
        accuracy_ci95=metrics.wilson_interval(num_right, len(truth.rows)),
        balanced_accuracy=metrics.balanced_accuracy(confusion),
        cross_entropy=cross_entropy,
        vote_entropy=floor,
        kl_divergence=cross_entropy - floor,
        ece=metrics.expected_calibration_error(decided, truth.targets),
        label_agreement=float((labels[truth.rows] == truth.labels).mean()),
        per_class=metrics.class_reports(confusion, label_names),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        num_clear_neutral=num_clear[0],
        false_alarms=alarms,
        num_clear_expression=num_clear[1],
        read_neutral=read_neutral,
        coverages=metrics.coverages(decided, truth.labels),
        calibration=score_calibration(decided, truth.targets, label_names, temperature),
    )


def count_false_alarms(
    decisions: np.ndarray, votes: np.ndarray, label_names: tuple[str, ...]
) -> Share | None:
    """Returns the clearly neutral faces that are read as any of `ALARMS`; None of no such faces.

    Args:
        decisions: Integers `[N]`, indices of `label_names`.
        votes: int64 `[N, K + 3]`, as `FaceSet.votes`.
        label_names: The K class names.
    """
    return _clear_faces(decisions, votes, label_names)[0].get("together")


def share_of(count: int, total: int) -> Share:
    """Returns so many of so many faces, at least one, as a share with its interval."""
    return Share(count, count / total, metrics.wilson_interval(count, total))


def _clear_faces(
    decisions: np.ndarray, votes: np.ndarray, label_names: tuple[str, ...]
) -> tuple[dict[str, Share], Share | None, tuple[int, int]]:
    """Returns false alarms, clear expressions read neutral, and the numbers of clear faces."""
    shares = votes[:, : len(label_names)] / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    clear = shares >= CLEAR_SHARE - 1e-9  # bool [N, K]
    if NEUTRAL not in label_names:
        return {}, None, (0, int(clear.sum()))
    place = label_names.index(NEUTRAL)
    neutral, expressive = clear[:, place], np.delete(clear, place, axis=1).any(axis=1)
    num_neutral, num_expressive = int(neutral.sum()), int(expressive.sum())
    read = decisions[neutral]
    places = {name: label_names.index(name) for name in ALARMS if name in label_names}
    counts = {name: int((read == alarm).sum()) for name, alarm in places.items()}
    counts["together"] = sum(counts.values())
    alarms = {name: share_of(count, num_neutral) for name, count in counts.items() if num_neutral}
    missed = int((decisions[expressive] == place).sum())
    read_neutral = share_of(missed, num_expressive) if num_expressive else None
    return alarms, read_neutral, (num_neutral, num_expressive)
