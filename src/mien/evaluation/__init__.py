"""Logits and labels → metrics, calibration, reports on models, comparisons of models."""

from mien.evaluation.calibration import (
    Calibration,
    CalibrationError,
    fit_temperature,
    score_calibration,
)
from mien.evaluation.comparison import Comparison, compare
from mien.evaluation.corruptions import CORRUPTIONS, corrupt
from mien.evaluation.faces import honesty_warning, read_for_model, read_for_models
from mien.evaluation.groups import GroupColumn, read_groups, score_groups
from mien.evaluation.metrics import wilson_interval
from mien.evaluation.report import Evaluation, Report, WithoutTwins, collect, evaluate, score
from mien.evaluation.robustness import Robustness, measure_corruptions
from mien.evaluation.votes import Truth, VotesReport, score_votes, truth_of
from mien.evaluation.without_twins import add_without_twins

__all__ = [
    "CORRUPTIONS",
    "Calibration",
    "CalibrationError",
    "Comparison",
    "Evaluation",
    "GroupColumn",
    "Report",
    "Robustness",
    "Truth",
    "VotesReport",
    "WithoutTwins",
    "add_without_twins",
    "collect",
    "compare",
    "corrupt",
    "evaluate",
    "fit_temperature",
    "honesty_warning",
    "measure_corruptions",
    "read_for_model",
    "read_for_models",
    "read_groups",
    "score",
    "score_calibration",
    "score_groups",
    "score_votes",
    "truth_of",
    "wilson_interval",
]
