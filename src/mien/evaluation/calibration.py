"""Temperature scaling, and how well a network's confidence then matches its accuracy."""

from dataclasses import dataclass

import numpy as np

from mien.data import assign_folds
from mien.evaluation.metrics import (
    NUM_ECE_BINS,
    CalibrationBins,
    calibration_bins,
    checked,
    checked_shares,
)

TEMPERATURE_BOUNDS = (0.2, 10.0)
"""Faces that are all decided rightly would ask for a temperature of 0, certainty; faces decided
worse than by chance for an infinite one. Real networks ask for 0.5 to 4, so a value at a bound
says that the faces were too few or too easy to tell."""

NUM_FOLDS = 5
"""Folds of the faces; each is measured with the temperature that the other four ask for."""
FACES_PER_BIN = 20
"""A bin has at least so many faces: of 300 faces on there are 15 bins, of fewer there are fewer."""
NUM_DRAWS = 10_000


@dataclass(frozen=True)
class CalibrationError:
    """How far confidence in decisions is from how often they are right, 0 to 1.

    Attributes:
        num_faces: Faces measured.
        num_bins: Bins with equally many faces, by confidence (`metrics.calibration_bins`).
        confidence: Mean probability of the decision.
        accuracy: Part of the decisions that are right; against votes, the mean share of the votes
            for them.
        ece: Mean gap between these two over the bins, each taken positive: the plain expected
            calibration error, an L1 norm. Chance alone keeps it above 0.
        rms: Root of the mean squared gap over the bins: the same in the L2 norm, never below `ece`.
        rms_debiased: The root after the variance of each bin's gap is taken from its square, which
            makes the mean square free of bias; 0 where it would be below 0.
        rms_debiased_ci95: Its 95 % interval, by bootstrap.
    """

    num_faces: int
    num_bins: int
    confidence: float
    accuracy: float
    ece: float
    rms: float
    rms_debiased: float
    rms_debiased_ci95: tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """The calibration error of one model, before and after its temperature.

    Attributes:
        as_exported: Of the probabilities that the model gives: its temperature was fitted once.
        uncalibrated: Of those it would give without a temperature.
        cross_fitted: Of those with a temperature that was fitted on other faces: five folds of
            every class alike, each measured with the temperature of the other four. This is what
            to expect on new faces, also where the model's own was fitted on these.
        temperatures: The five, from the logits without a temperature.
        per_class: `cross_fitted` by the expression decided, of those decided 20 times or more.
    """

    as_exported: CalibrationError
    uncalibrated: CalibrationError
    cross_fitted: CalibrationError
    temperatures: tuple[float, ...]
    per_class: dict[str, CalibrationError]

    @property
    def stages(self) -> dict[str, CalibrationError]:
        """The three errors, each with a name for people."""
        return {
            "no temperature": self.uncalibrated,
            "as exported": self.as_exported,
            "cross-fitted": self.cross_fitted,
        }


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Returns the T within `TEMPERATURE_BOUNDS` that minimises the log loss of logits / T.

    Guo et al., "On calibration of modern neural networks", ICML 2017, section 4.2. The log loss
    is convex in the inverse temperature, its slope there the mean of the logit expected under
    the probabilities less that under the targets, so bisection finds the one zero of the slope.
    Where every temperature is as good (each row of logits is constant), T is 1.

    Args:
        logits: `[N, K]` floats, of faces the network was not trained on.
        targets: `[N]` integers from 0 to K - 1; or `[N, K]` floats, each class's share of the
            truth.

    Raises:
        ValueError: The logits and targets do not fit each other, or hold no face.

    Example:
        Logits that claim 98 %, of decisions of which three in four are right:

        >>> import numpy as np
        >>> from mien.evaluation import fit_temperature
        >>> logits = np.array([[4.0, 0.0], [0.0, 4.0], [4.0, 0.0], [4.0, 0.0]])
        >>> round(fit_temperature(logits, np.array([0, 1, 0, 1])), 2)
        3.64
    """
    if targets.ndim == 1:
        logits, labels = checked(logits, targets)
        targets = np.eye(logits.shape[1])[labels]
    logits, targets = checked_shares(logits, targets)
    logits -= logits.max(axis=1, keepdims=True)
    if not logits.any():
        return 1.0
    of_target = (logits * targets).sum(axis=1)

    def slope(temperature: float) -> float:
        weights = np.exp(logits / temperature)
        expected = (weights * logits).sum(axis=1) / weights.sum(axis=1)
        return float((expected - of_target).mean())

    low, high = TEMPERATURE_BOUNDS
    if slope(low) <= 0:
        return low
    if slope(high) >= 0:
        return high
    while high / low > 1 + 1e-7:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return (low * high) ** 0.5


def score_calibration(
    logits: np.ndarray,
    targets: np.ndarray,
    label_names: tuple[str, ...],
    temperature: float = 1.0,
) -> Calibration | None:
    """Returns the calibration error before and after temperature; None of fewer than 20 faces.

    Args:
        logits: Floats `[N, K]`, as the model gives them: its temperature is applied.
        targets: Integers `[N]`, labels; or floats `[N, K]`, each class's share of the truth.
        label_names: The K class names.
        temperature: The model's, which is taken back for `uncalibrated`.

    Raises:
        ValueError: The logits and targets do not fit each other, or hold no face.

    Example:
        Logits twice as large as they should be, and a model that does not correct them:

        >>> import numpy as np
        >>> from mien.evaluation import score_calibration
        >>> random = np.random.default_rng(0)
        >>> logits = random.normal(size=(4000, 2))
        >>> labels = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
        >>> calibration = score_calibration(2 * logits, labels, ("happy", "sad"))
        >>> calibration.uncalibrated.rms_debiased > 0.1 > calibration.cross_fitted.rms_debiased
        True
        >>> all(1.8 < temperature < 2.2 for temperature in calibration.temperatures)
        True
    """
    if len(logits) < FACES_PER_BIN:
        return None
    raw = logits.astype(np.float64) * temperature
    mended, temperatures = cross_fit(raw, targets)
    decisions = mended.argmax(axis=1)
    per_class = {}
    for index, name in enumerate(label_names):
        decided = decisions == index
        if decided.sum() >= FACES_PER_BIN:
            per_class[name] = _error(mended[decided], targets[decided])
    return Calibration(
        as_exported=_error(logits, targets),
        uncalibrated=_error(raw, targets),
        cross_fitted=_error(mended, targets),
        temperatures=temperatures,
        per_class=per_class,
    )


def cross_fit(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, tuple[float, ...]]:
    """Returns the logits over temperatures fitted on other faces, and these, one for each fold.

    Args:
        logits: Floats `[N, K]`, N of `NUM_FOLDS` or more.
        targets: Integers `[N]`, or shares `[N, K]`.
    """
    labels = targets if targets.ndim == 1 else targets.argmax(axis=1)
    folds = assign_folds(labels, NUM_FOLDS, seed=0)
    others = [folds != fold for fold in range(NUM_FOLDS)]
    temperatures = np.array([fit_temperature(logits[rows], targets[rows]) for rows in others])
    return logits / temperatures[folds, None], tuple(temperatures.tolist())


def _error(logits: np.ndarray, targets: np.ndarray) -> CalibrationError:
    num_bins = min(NUM_ECE_BINS, len(logits) // FACES_PER_BIN)
    return calibration_error(calibration_bins(logits, targets, num_bins))


def calibration_error(bins: CalibrationBins) -> CalibrationError:
    """Returns the calibration error over bins of faces: plain, and without the bias of chance.

    The mean gap of a bin is known with a variance, by which its square is too large on average.
    Taking it off leaves an estimate of the mean square without bias: Kumar, Liang and Ma, "Verified
    uncertainty calibration", NeurIPS 2019, section 5; Bröcker, "Estimating reliability and
    resolution of probability forecasts through decomposition of the empirical score", Climate
    Dynamics 39 (2012). Where a bin's confidences are all equal and decisions right or wrong, the
    variance is theirs, accuracy (1 - accuracy) / (n - 1).

    The interval is a parametric bootstrap: each bin's gap is drawn `NUM_DRAWS` times from a normal
    distribution with the estimated mean and variance; it runs from the 2.5th to the 97.5th
    percentile of the draws' mean squares. A draw carries the bias twice, its own and that of the
    estimate it is drawn around, so the variance is taken off twice.
    """
    weights, gaps, variances = bins.weights, bins.gaps, bins.variances
    plain = float((weights * gaps**2).sum())
    bias = float((weights * variances).sum())
    normal = np.random.default_rng(0).standard_normal((NUM_DRAWS, len(gaps)))
    draws = (gaps + normal * np.sqrt(variances)) ** 2 @ weights
    ends = np.percentile(draws - 2 * bias, [2.5, 97.5])
    low, high = np.sqrt(np.maximum(ends, 0)).tolist()
    return CalibrationError(
        num_faces=int(bins.counts.sum()),
        num_bins=len(gaps),
        confidence=float((weights * bins.confidence).sum()),
        accuracy=float((weights * bins.accuracy).sum()),
        ece=float((weights * np.abs(gaps)).sum()),
        rms=plain**0.5,
        rms_debiased=max(plain - bias, 0.0) ** 0.5,
        rms_debiased_ci95=(low, high),
    )
