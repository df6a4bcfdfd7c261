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
    from mien.errors import MienError
    from mien.inference import Analyzer, Face

__all__ = ["Analyzer", "Classifier", "Face", "MienError"]

_HOMES = {
    "Analyzer": "mien.inference",
    "Classifier": "mien.classifier",
    "Face": "mien.inference",
    "MienError": "mien.errors",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("mien")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mien' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
