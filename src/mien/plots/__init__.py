"""Pictures of numbers: pure functions that return matplotlib figures (no pyplot, no state)."""

from mien.plots.classes import draw_class_counts
from mien.plots.comparison import draw_accuracies, draw_recalls
from mien.plots.faces import draw_face_grid
from mien.plots.robustness import draw_corruptions
from mien.plots.runs import draw_runs
from mien.plots.scores import draw_class_scores, draw_confusion, draw_coverage, draw_reliability
from mien.plots.style import PICTURE_SUFFIXES, check_picture_path, write_figure
from mien.plots.timeline import draw_timeline

__all__ = [
    "PICTURE_SUFFIXES",
    "check_picture_path",
    "draw_accuracies",
    "draw_class_counts",
    "draw_class_scores",
    "draw_confusion",
    "draw_corruptions",
    "draw_coverage",
    "draw_face_grid",
    "draw_recalls",
    "draw_reliability",
    "draw_runs",
    "draw_timeline",
    "write_figure",
]
