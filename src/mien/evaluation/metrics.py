"""How well probabilities and decisions fit the labels: pure functions, numpy only.

Everywhere `logits` are `[N, K]` floats (log probabilities will do: a constant added to a row alters
nothing), `labels` are `[N]` integers from 0 to K - 1, and the decision is the highest logit (the
first of equals). Sums run in float64 whatever comes in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

NUM_ECE_BINS = 15


@dataclass(frozen=True)
class ClassScores:
    """One float64 value per class, each array `[K]`; `support` counts the faces of the class.

    A ratio without a denominator is 0: precision of a class never predicted, recall of a class
    absent from the labels, F1 of both (scikit-learn's `zero_division=0`).
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


@dataclass(frozen=True)
class ClassReport:
    """How one class fared; ratios without a denominator are 0."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class CalibrationBins:
    """What is known of each bin of faces, arrays `[bins]`.

    Attributes:
        confidence: Mean confidence, float64, 0 to 1.
        accuracy: Part of the decisions that are right, float64, 0 to 1.
        counts: Faces.
        variances: Of the estimate `accuracy - confidence`: the sample variance of the faces' own
            gaps, divided by their number; 0 where a bin has one face.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray
    variances: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """Accuracy less mean confidence of each bin."""
        return self.accuracy - self.confidence

    @property
    def weights(self) -> np.ndarray:
        """Each bin's part of the faces; they sum to 1."""
        return self.counts / self.counts.sum()


def confusion_matrix(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns how often each class was taken for each, int64 `[K true, K predicted]`.

    Raises:
        ValueError: The logits and labels do not fit each other, or hold no face.
    """
    logits, labels = checked(logits, labels)
    num_classes = logits.shape[1]
    cells = labels * num_classes + logits.argmax(axis=1)
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def accuracy(confusion: np.ndarray) -> float:
    """Returns the fraction of faces decided rightly, from a confusion matrix."""
    return float(np.trace(confusion) / confusion.sum())


def wilson_interval(num_correct: int, num_faces: int) -> tuple[float, float]:
    """Returns the 95 % interval of a proportion, within [0, 1].

    The score interval without continuity correction: E. B. Wilson, "Probable inference, the law
    of succession, and statistical inference", JASA 22 (1927); Newcombe (1998), method 3.

    Raises:
        ValueError: There are no faces, or more correct ones than faces.

    Example:
        >>> from mien.evaluation import wilson_interval
        >>> low, high = wilson_interval(80, 100)
        >>> round(low, 3), round(high, 3)
        (0.711, 0.867)
    """
    if not 0 <= num_correct <= num_faces or num_faces == 0:
        raise ValueError(f"{num_correct} correct of {num_faces} is no proportion")
    z = 1.959963984540054  # the 97.5 % point of the standard normal distribution
    proportion = num_correct / num_faces
    centre = proportion + z**2 / (2 * num_faces)
    spread = z * sqrt(proportion * (1 - proportion) / num_faces + (z / (2 * num_faces)) ** 2)
    scale = 1 + z**2 / num_faces
    low, high = (centre - spread) / scale, (centre + spread) / scale
    # At the ends the bound is 0 or 1 exactly; rounding would miss it.
    return (0.0 if num_correct == 0 else low, 1.0 if num_correct == num_faces else high)


def class_scores(confusion: np.ndarray) -> ClassScores:
    """Returns precision, recall, F1 and support of every class, from a confusion matrix."""
    hits = np.diag(confusion)
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return ClassScores(
        precision=_ratio(hits, predicted),
        recall=_ratio(hits, support),
        f1=_ratio(2 * hits, support + predicted),
        support=support,
    )


def class_reports(confusion: np.ndarray, label_names: tuple[str, ...]) -> dict[str, ClassReport]:
    """Returns a report of each class, from a confusion matrix `[K true, K predicted]`."""
    scores = class_scores(confusion)
    columns = (scores.precision, scores.recall, scores.f1, scores.support)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {name: ClassReport(*row) for name, row in zip(label_names, rows, strict=True)}


def balanced_accuracy(confusion: np.ndarray) -> float:
    """Returns the mean recall over the classes that have faces, from a confusion matrix.

    It is macro recall too, as scikit-learn gives it with the classes that occur as its `labels`.
    """
    return float(class_scores(confusion).recall[confusion.sum(axis=1) > 0].mean())


def macro_mean(values: np.ndarray, confusion: np.ndarray) -> float:
    """Returns the mean of per-class `values` over the classes that occur.

    A class occurs if it is in the labels or was predicted; one that is predicted but has no face
    counts with its zeros, one that is neither is left out (scikit-learn's `average="macro"`).
    Recall needs no such mean: of a class without faces there is none, see `balanced_accuracy`.
    """
    return float(values[(confusion.sum(axis=0) + confusion.sum(axis=1)) > 0].mean())


def log_loss(logits: np.ndarray, targets: np.ndarray) -> float:
    """Returns the mean negative log likelihood of the targets, in nats; stable for any logits.

    Args:
        logits: `[N, K]` floats.
        targets: `[N]` integers, labels; or `[N, K]` floats, each class's share of the truth, whose
            cross-entropy this is then.

    Raises:
        ValueError: The logits and targets do not fit each other, or hold no face.
    """
    if targets.ndim == 1:
        logits, labels = checked(logits, targets)
        return float(-_log_softmax(logits)[np.arange(len(labels)), labels].mean())
    logits, shares = checked_shares(logits, targets)
    return float(-(shares * _log_softmax(logits)).sum(axis=1).mean())


def entropy(shares: np.ndarray) -> float:
    """Returns the mean entropy of the rows of `[N, K]` shares, in nats.

    No probabilities can have a lower cross-entropy with the shares.
    """
    logs = np.log(shares, out=np.zeros(shares.shape), where=shares > 0)
    return float(-(shares * logs).sum(axis=1).mean())


def calibration_bins(
    logits: np.ndarray, targets: np.ndarray, num_bins: int = NUM_ECE_BINS
) -> CalibrationBins:
    """Returns mean confidence and accuracy of decisions, in bins with equally many faces.

    The faces are sorted by the probability of their decision and cut into `num_bins` bins (one
    face more in the first ones where N is no multiple; bins without a face, where N is fewer,
    are left out). Faces of equal confidence share their mean correctness, so that their order does
    not matter.

    Bins of equal mass: Nguyen and O'Connor, "Posterior calibration and exploratory analysis for
    natural language processing models", EMNLP 2015; Kumar, Liang and Ma, "Verified uncertainty
    calibration", NeurIPS 2019. Top label and 15 bins: Guo et al., ICML 2017, whose bins have equal
    width.

    Args:
        logits: `[N, K]` floats.
        targets: `[N]` integers, labels; or `[N, K]` floats, each class's share of the truth: a
            decision is as right as its share then.
        num_bins: How many bins, where there are as many faces.

    Raises:
        ValueError: The logits and targets do not fit each other, or hold no face.
    """
    if targets.ndim == 1:
        logits, labels = checked(logits, targets)
        correct = logits.argmax(axis=1) == labels
    else:
        logits, shares = checked_shares(logits, targets)
        correct = shares[np.arange(len(shares)), logits.argmax(axis=1)]
    confidence = np.exp(_log_softmax(logits).max(axis=1))
    _, group, sizes = np.unique(confidence, return_inverse=True, return_counts=True)
    correctness = (np.bincount(group, weights=correct) / sizes)[group]
    order = np.argsort(confidence)
    bins = [part for part in np.array_split(order, num_bins) if len(part)]
    gaps = correct - confidence
    return CalibrationBins(
        confidence=np.array([confidence[part].mean() for part in bins]),
        accuracy=np.array([correctness[part].mean() for part in bins]),
        counts=np.array([len(part) for part in bins]),
        variances=np.array(
            [gaps[part].var(ddof=1) / len(part) if len(part) > 1 else 0.0 for part in bins]
        ),
    )


def expected_calibration_error(logits: np.ndarray, targets: np.ndarray) -> float:
    """Returns the mean gap between the confidence in a decision and how often it is right.

    Each of `calibration_bins` adds |accuracy - mean confidence| times its share of the faces.
    Chance alone keeps it above 0: perfect calibration is given about sqrt(15 / (2 pi N)) at
    worst, 0.026 for 3,589 faces, so compare sets of like size only.

    Raises:
        ValueError: The logits and targets do not fit each other, or hold no face.
    """
    bins = calibration_bins(logits, targets, NUM_ECE_BINS)
    return float((bins.weights * np.abs(bins.gaps)).sum())


@dataclass(frozen=True)
class Coverage:
    """What is left of a set, and how right it is, if less confident answers are not given.

    Attributes:
        min_confidence: The least probability of the decision that counts as an answer.
        num_faces: Faces with an answer.
        coverage: Their share of all faces.
        accuracy: Share of the answers that are right; None without an answer.
        accuracy_ci95: Its Wilson interval; likewise.
    """

    min_confidence: float
    num_faces: int
    coverage: float
    accuracy: float | None
    accuracy_ci95: tuple[float, float] | None


CONFIDENCES = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def coverages(
    logits: np.ndarray, labels: np.ndarray, confidences: Sequence[float] = CONFIDENCES
) -> tuple[Coverage, ...]:
    """Returns coverage and accuracy at each least confidence (El-Yaniv and Wiener 2010).

    Args:
        logits: Floats `[N, K]`.
        labels: Integers `[N]`, from 0 to K - 1.
        confidences: Probabilities of the decision; a face with less has no answer.

    Raises:
        ValueError: The arguments do not fit each other, or hold no face.
    """
    logits, labels = checked(logits, labels)
    confidence = np.exp(_log_softmax(logits)).max(axis=1)
    is_right = logits.argmax(axis=1) == labels
    rows = []
    for least in confidences:
        answered = confidence >= least
        count, num_right = int(answered.sum()), int(is_right[answered].sum())
        right = (num_right / count, wilson_interval(num_right, count)) if count else (None, None)
        rows.append(Coverage(least, count, count / len(labels), *right))
    return tuple(rows)


def find_disagreements(opinions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the indices of faces whose label is not the most probable class, int64.

    Sorted by how far the most probable class leads over the label, largest first.

    Args:
        opinions: `[N, K]` floats, rows sum to 1: a model's probabilities or shares of votes.
        labels: `[N]` integers from 0 to K - 1.
    """
    gaps = opinions.max(axis=1) - opinions[np.arange(len(labels)), labels]
    order = np.argsort(-gaps, kind="stable")
    return order[gaps[order] > 0]


def checked(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Checks that logits and labels fit; returns them as float64 and int64.

    Raises:
        ValueError: Shapes or label values do not fit, a logit is not finite, or there is no face.
    """
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or logits.shape[1] < 2:
        raise ValueError(
            f"expected logits [N, K] and labels [N], got {list(logits.shape)}, {list(labels.shape)}"
        )
    if len(labels) == 0:
        raise ValueError("no faces to score")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"expected whole numbers as labels, got {labels.dtype}")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"expected labels from 0 to {logits.shape[1] - 1}, got {labels.min()} to {labels.max()}"
        )
    if not np.isfinite(logits).all():
        raise ValueError("the logits hold values that are not finite")
    return logits.astype(np.float64), labels.astype(np.int64)


def checked_shares(logits: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Checks that logits and shares `[N, K]` fit; returns both as float64.

    Raises:
        ValueError: Shapes or values do not fit, or there is no face.
    """
    shares = np.asarray(shares, np.float64)
    if shares.shape != logits.shape:
        raise ValueError(f"expected shares {list(logits.shape)}, got {list(shares.shape)}")
    logits, _ = checked(logits, shares.argmax(axis=1))
    if not (shares >= 0).all() or not np.allclose(shares.sum(axis=1), 1, atol=1e-4):
        raise ValueError("every row of shares must be at least 0 and sum to 1")
    return logits, shares


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
