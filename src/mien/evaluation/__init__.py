"""Logits and labels → metrics, calibration, reports on models, comparisons of models."""

from mien.evaluation.calibration import (
    Calibration,
    CalibrationError,
    fit_temperature,
    score_calibration,
)
from mien.evaluation.comparison import Comparison, compare
from mien.evaluation.faces import honesty_warning, read_for_model, read_for_models
from mien.evaluation.metrics import wilson_interval
from mien.evaluation.report import Evaluation, Report, collect, evaluate, score
from mien.evaluation.votes import Truth, VotesReport, score_votes, truth_of

__all__ = [
    "Calibration",
    "CalibrationError",
    "Comparison",
    "Evaluation",
    "Report",
    "Truth",
    "VotesReport",
    "collect",
    "compare",
    "evaluate",
    "fit_temperature",
    "honesty_warning",
    "read_for_model",
    "read_for_models",
    "score",
    "score_calibration",
    "score_votes",
    "truth_of",
    "wilson_interval",
]
