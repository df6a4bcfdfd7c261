"""mien reads perceived facial expressions: train, measure, and read them in pictures.

The names below load on first use, so that `import mien` stays quick and needs no torch.

The examples in mien's docstrings read small files: `faces.csv` has 98 faces in FER2013's layout (70
to train on, 28 to select on), `votes.csv` their votes in FER+'s; `runs/first` is a run trained on
them; `clip.mp4` shows one person for two seconds.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.classifier import Classifier
    from mien.data import read
    from mien.errors import BadInputError, MienError, MissingError, UsageError
    from mien.evaluation import evaluate
    from mien.explanation import explain
    from mien.inference import (
        Analyzer,
        Detection,
        Detector,
        Face,
        FrameResult,
        Sampling,
        to_table,
    )
    from mien.models import create_model
    from mien.recipes import load_recipe
    from mien.training import export, train

__all__ = [
    "Analyzer",
    "BadInputError",
    "Classifier",
    "Detection",
    "Detector",
    "Face",
    "FrameResult",
    "MienError",
    "MissingError",
    "Sampling",
    "UsageError",
    "create_model",
    "evaluate",
    "explain",
    "export",
    "load_recipe",
    "read",
    "to_table",
    "train",
]

_HOMES = {
    "mien.classifier": ("Classifier",),
    "mien.data": ("read",),
    "mien.errors": ("BadInputError", "MienError", "MissingError", "UsageError"),
    "mien.evaluation": ("evaluate",),
    "mien.explanation": ("explain",),
    "mien.inference": (
        *("Analyzer", "Detection", "Detector", "Face", "FrameResult", "Sampling", "to_table"),
    ),
    "mien.models": ("create_model",),
    "mien.recipes": ("load_recipe",),
    "mien.training": ("export", "train"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("mien")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'mien' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
