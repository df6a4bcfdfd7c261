"""How each class fared, from a confusion matrix."""

from dataclasses import dataclass

import numpy as np

from mien.evaluation import metrics


@dataclass(frozen=True)
class ClassReport:
    """How one class fared; ratios without a denominator are 0."""

    precision: float
    recall: float
    f1: float
    support: int


def class_reports(confusion: np.ndarray, label_names: tuple[str, ...]) -> dict[str, ClassReport]:
    """Returns a report of each class, from a confusion matrix `[K true, K predicted]`."""
    scores = metrics.class_scores(confusion)
    columns = (scores.precision, scores.recall, scores.f1, scores.support)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {name: ClassReport(*row) for name, row in zip(label_names, rows, strict=True)}
