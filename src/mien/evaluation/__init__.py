"""Pure metrics of (logits, labels), calibration, and the report on a model."""

from mien.evaluation.calibration import TEMPERATURE_BOUNDS, fit_temperature
from mien.evaluation.honesty import honesty_warning
from mien.evaluation.metrics import (
    ClassScores,
    accuracy,
    balanced_accuracy,
    class_scores,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
    macro_mean,
    wilson_interval,
)
from mien.evaluation.report import ClassReport, Report, evaluate, score

__all__ = [
    "TEMPERATURE_BOUNDS",
    "ClassReport",
    "ClassScores",
    "Report",
    "accuracy",
    "balanced_accuracy",
    "class_scores",
    "confusion_matrix",
    "evaluate",
    "expected_calibration_error",
    "fit_temperature",
    "honesty_warning",
    "log_loss",
    "macro_mean",
    "score",
    "wilson_interval",
]
