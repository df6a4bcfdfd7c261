"""Training: labelled faces and a recipe → a run with a model folder inside."""

import os

# GNU OpenMP's threads spin while they wait: one other busy process then slows training many times
# over. It reads this when torch loads it, so it stands above every import of torch.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from mien.memory import HUGE_PAGES

os.environ.setdefault(HUGE_PAGES, "1")

from mien.run_folder import free_run_folder
from mien.training.data import TrainingSource
from mien.training.export import export
from mien.training.preview import draw_preview, preview
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
