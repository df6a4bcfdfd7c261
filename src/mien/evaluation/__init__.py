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
from mien.evaluation.report import Evaluation, Report, WithoutTwins, collect, evaluate, score
from mien.evaluation.votes import Truth, VotesReport, score_votes, truth_of
from mien.evaluation.without_twins import add_without_twins

__all__ = [
    "Calibration",
    "CalibrationError",
    "Comparison",
    "Evaluation",
    "Report",
    "Truth",
    "VotesReport",
    "WithoutTwins",
    "add_without_twins",
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
