"""Pure metrics of (logits, labels), calibration, reports on models and how these differ."""

from mien.evaluation.calibration import TEMPERATURE_BOUNDS, fit_temperature
from mien.evaluation.class_report import ClassReport
from mien.evaluation.compare import (
    Comparison,
    Difference,
    Group,
    bootstrap_interval,
    compare,
    group_seeds,
    mcnemar_exact,
)
from mien.evaluation.disagreement import find_disagreements
from mien.evaluation.faces import JudgedFaces, read_for
from mien.evaluation.honesty import honesty_warning
from mien.evaluation.metrics import (
    CalibrationBins,
    ClassScores,
    accuracy,
    balanced_accuracy,
    calibration_bins,
    class_scores,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
    macro_mean,
    wilson_interval,
)
from mien.evaluation.report import Evaluation, Report, collect, evaluate, score
from mien.evaluation.votes import Share, Truth, VotesReport, score_votes, truth_of

__all__ = [
    "TEMPERATURE_BOUNDS",
    "CalibrationBins",
    "ClassReport",
    "ClassScores",
    "Comparison",
    "Difference",
    "Evaluation",
    "Group",
    "JudgedFaces",
    "Report",
    "Share",
    "Truth",
    "VotesReport",
    "accuracy",
    "balanced_accuracy",
    "bootstrap_interval",
    "calibration_bins",
    "class_scores",
    "collect",
    "compare",
    "confusion_matrix",
    "evaluate",
    "expected_calibration_error",
    "find_disagreements",
    "fit_temperature",
    "group_seeds",
    "honesty_warning",
    "log_loss",
    "macro_mean",
    "mcnemar_exact",
    "read_for",
    "score",
    "score_votes",
    "truth_of",
    "wilson_interval",
]
