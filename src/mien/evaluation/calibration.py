"""Temperature scaling: one number that makes a network's confidence match its accuracy."""

import numpy as np

from mien.evaluation.metrics import checked, checked_shares

TEMPERATURE_BOUNDS = (0.2, 10.0)
"""Faces that are all decided rightly would ask for a temperature of 0, certainty; faces decided
worse than by chance for an infinite one. Real networks ask for 0.5 to 4, so a value at a bound
says that the faces were too few or too easy to tell."""


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
