"""OpenCV's frontal-face cascade (Viola and Jones 2001; Lienhart and Maydt 2002)."""

import numpy as np

from mien.inference.detection import Detection
from mien.inference.see.tiles import find_in_tiles, find_resized
from mien.pictures import to_grey

CASCADE = "haarcascade_frontalface_default.xml"
LONGEST_SIDE = 640
"""Larger pictures are shrunk to this, pixels: the cascade takes 0.25 s even so."""
SHORTEST_LONGEST_SIDE = 192
"""Smaller ones are enlarged to this, pixels."""

# The RetinaFace box of the same face, in sides of the cascade's square: how much wider and
# higher, and how far its centre lies to the right and below. Fitted by benchmarks/fit_crop.py.
_WIDTH, _HEIGHT, _RIGHT, _DOWN = 0.81, 1.05, 0.0, 0.02


class Haar:
    """Finds upright frontal faces with OpenCV's cascade; it has no scores and no landmarks."""

    def __init__(
        self, longest_side: int | None = None, num_threads: int = 0, device: str = "cpu"
    ) -> None:
        """Loads the cascade.

        Args:
            longest_side: Larger pictures are shrunk to this, pixels; `LONGEST_SIDE`, unless given.
            num_threads: Changes nothing: OpenCV's threads are the whole program's.
            device: Changes nothing: it runs on the CPU.
        """
        import cv2
        from cv2.data import haarcascades

        self._longest_side = longest_side or LONGEST_SIDE
        self._cascade = cv2.CascadeClassifier(haarcascades + CASCADE)

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Returns the faces in a picture, RGB uint8 `[H, W, 3]`, largest first, all of score 1."""
        return find_in_tiles(self._look, rgb, self._longest_side)

    def _look(self, rgb: np.ndarray) -> list[Detection]:
        return find_resized(self._find, to_grey(rgb), SHORTEST_LONGEST_SIDE, self._longest_side)

    def _find(self, grey: np.ndarray) -> list[Detection]:
        squares = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5)
        squares = sorted(np.reshape(squares, (-1, 4)).tolist(), key=lambda square: -square[2])
        found = []
        for left, top, side, _ in squares:
            x, y = left + side * (0.5 + _RIGHT), top + side * (0.5 + _DOWN)
            width, height = side * _WIDTH / 2, side * _HEIGHT / 2
            found.append(Detection((x - width, y - height, x + width, y + height), 1.0))
        return found
