"""The detectors by name."""

from collections.abc import Callable

from mien.errors import UsageError
from mien.inference.detection import Detector, WholePicture
from mien.inference.see.haar import Haar
from mien.inference.see.retinaface import SHORTEST_LONGEST_SIDE, RetinaFace
from mien.labels import nearest

Make = Callable[[int | None, int, str], Detector]
"""What makes a detector, given the longer side it shrinks pictures to (None: its own choice), its
number of threads (0: likewise) and its device (`auto`: likewise)."""

DETECTORS: dict[str, Make] = {}


def register(name: str, make: Make) -> None:
    """Adds a detector under a name that is not taken.

    Raises:
        ValueError: It is.
    """
    if name in DETECTORS:
        raise ValueError(f"a detector {name!r} is registered already")
    DETECTORS[name] = make


def _take_whole(longest_side: int | None, num_threads: int, device: str) -> Detector:
    if longest_side is not None:
        raise UsageError(
            "the detector 'none' does not look: its size changes nothing, leave it out"
        )
    return WholePicture()


register("retinaface", RetinaFace)
register("haar", Haar)
register("none", _take_whole)


def create_detector(
    name: str, longest_side: int | None = None, num_threads: int = 0, device: str = "auto"
) -> Detector:
    """Returns a new detector.

    Args:
        name: One of `DETECTORS`.
        longest_side: Larger pictures are shrunk to this for it, pixels; its own, unless given.
        num_threads: That it may use; 0 lets it choose.
        device: As `mien.sessions.find_device` takes it. Of these only RetinaFace is a network; the
            others run on the CPU wherever the model does.

    Raises:
        UsageError: There is none of this name, or no such device, or the side is too short to find
            a face.
        MissingError: The device named is not there.
    """
    if name not in DETECTORS:
        raise UsageError(f"no detector {name!r}{nearest(name, list(DETECTORS))}")
    if longest_side is not None and longest_side < SHORTEST_LONGEST_SIDE:
        raise UsageError(
            f"a longer side of {longest_side} pixels for the detector: expected "
            f"{SHORTEST_LONGEST_SIDE} or more"
        )
    return DETECTORS[name](longest_side, num_threads, device)
