"""mien reads perceived facial expressions: train, measure, and read them in pictures.

The names below load on first use, so that `import mien` stays quick and needs no torch.
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
