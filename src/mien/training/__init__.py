"""Training: labelled faces and a recipe → a run with a model folder inside."""

from mien.training.run import export, resume, train
from mien.training.run_folder import free_run_folder

__all__ = ["export", "free_run_folder", "resume", "train"]
