"""Training: labelled faces and a recipe → a run with a model folder inside."""

from mien.run_folder import free_run_folder
from mien.training.data import TrainingSource
from mien.training.exporting import export
from mien.training.previewing import draw_preview, preview
from mien.training.run import resume, train

__all__ = [
    "TrainingSource",
    "draw_preview",
    "export",
    "free_run_folder",
    "preview",
    "resume",
    "train",
]
