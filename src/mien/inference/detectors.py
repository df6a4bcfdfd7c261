"""The detectors by name."""

from collections.abc import Callable

from mien.errors import UsageError
from mien.inference.detection import Detector, WholePicture
from mien.inference.haar import Haar
from mien.inference.retinaface import RetinaFace
from mien.labels import nearest

DETECTORS: dict[str, Callable[[], Detector]] = {}


def register(name: str, make: Callable[[], Detector]) -> None:
    """Adds a detector under a name that is not taken.

    Raises:
        ValueError: It is.
    """
    if name in DETECTORS:
        raise ValueError(f"a detector {name!r} is registered already")
    DETECTORS[name] = make


register("retinaface", RetinaFace)
register("haar", Haar)
register("none", WholePicture)


def create_detector(name: str) -> Detector:
    """Returns a new detector.

    Raises:
        UsageError: There is none of this name.
    """
    if name not in DETECTORS:
        raise UsageError(f"no detector {name!r}{nearest(name, list(DETECTORS))}")
    return DETECTORS[name]()
