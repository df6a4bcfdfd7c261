"""Training: labelled faces and a recipe → a run with a model folder inside."""

from mien.run_folder import free_run_folder
from mien.training.preview import draw_preview, preview
from mien.training.run import export, resume, train

__all__ = ["draw_preview", "export", "free_run_folder", "preview", "resume", "train"]
