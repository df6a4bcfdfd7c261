"""RetinaFace (Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", 2019).

The network is the MobileNet-0.25 one in `mien/pretrained/retinaface`; what surrounds it (priors,
decoding, suppression) is written here after the paper.
"""

import math
from importlib.resources import files

import numpy as np

from mien.inference.detection import Detection, suppress
from mien.inference.see.tiles import find_in_tiles, find_resized
from mien.sessions import open_session

WEIGHTS = "pretrained/retinaface/retinaface.onnx"
LONGEST_SIDE = 1280
"""Larger pictures are shrunk to this, pixels; a face must keep 22 of them to be found."""
SHORTEST_LONGEST_SIDE = 192
"""Smaller ones are enlarged to this, pixels: left at 48, fewer than half are found."""
MIN_SCORE = 0.7

_STRIDES = (8, 16, 32)
_ANCHORS = ((16, 32), (64, 128), (256, 512))  # sides of the square priors per stride, pixels
_VARIANCES = (0.1, 0.2)  # of centres, of sides
_MEAN_BGR = (104, 117, 123)  # subtracted from pixels 0-255; the network reads BGR


class RetinaFace:
    """Finds faces and their five landmarks; the default."""

    def __init__(
        self, longest_side: int | None = None, num_threads: int = 0, device: str = "auto"
    ) -> None:
        """Loads the network.

        Args:
            longest_side: Larger pictures are shrunk to this, pixels; `LONGEST_SIDE`, unless given.
            num_threads: On the CPU; 0: one for each core that this process may use.
            device: As `mien.sessions.open_session` takes it.
        """
        self._longest_side = longest_side or LONGEST_SIDE
        network = files("mien").joinpath(WEIGHTS).read_bytes()
        self._session = open_session(network, num_threads, device)

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Returns the faces in a picture, RGB uint8 `[H, W, 3]`, most certain first."""
        return find_in_tiles(self._look, rgb, self._longest_side)

    def _look(self, rgb: np.ndarray) -> list[Detection]:
        return find_resized(self._find, rgb, SHORTEST_LONGEST_SIDE, self._longest_side)

    def _find(self, image: np.ndarray) -> list[Detection]:
        import cv2

        height, width = image.shape[:2]
        batch = cv2.dnn.blobFromImage(image, mean=_MEAN_BGR, swapRB=True)  # [1, 3, H, W]
        outputs = self._session.run(None, {"input": batch})
        offsets, classes, points = (np.asarray(output)[0] for output in outputs)
        sure = np.flatnonzero(classes[:, 1] >= MIN_SCORE)
        priors = make_priors(height, width)[sure]
        boxes = decode_boxes(offsets[sure], priors)
        kept = suppress(boxes, classes[sure, 1])
        scores, landmarks = classes[sure, 1], decode_points(points[sure], priors)
        return [
            Detection(tuple(box), score, tuple(tuple(point) for point in each))
            for box, score, each in zip(
                boxes[kept].tolist(), scores[kept].tolist(), landmarks[kept].tolist(), strict=True
            )
        ]


def make_priors(height: int, width: int) -> np.ndarray:
    """Returns the priors of an image, float32 `[P, 4]`: centre x, y, width, height in pixels.

    In the order of the network's outputs: strides 8, 16, 32; in each the cells row by row; in
    each cell the two sizes (Deng et al., section 4.2, table 2, with two scales per cell).
    """
    levels = []
    for stride, sides in zip(_STRIDES, _ANCHORS, strict=True):
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        level = np.empty((rows, columns, len(sides), 4), np.float32)
        level[..., 0] = (np.arange(columns) + 0.5)[None, :, None] * stride
        level[..., 1] = (np.arange(rows) + 0.5)[:, None, None] * stride
        level[..., 2:] = np.array(sides)[:, None]
        levels.append(level.reshape(-1, 4))
    return np.concatenate(levels)


def decode_boxes(offsets: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """Returns boxes `[N, 4]` xyxy in pixels from the network's offsets `[N, 4]` and the priors.

    Centres move by 0.1 of the prior's side per unit, sides grow by exp(0.2 per unit), to 64 times
    the prior's at most: a picture can make the network say anything.
    """
    centres = priors[:, :2] + offsets[:, :2] * _VARIANCES[0] * priors[:, 2:]
    growth = np.minimum(offsets[:, 2:] * _VARIANCES[1], math.log(64))
    halves = priors[:, 2:] * np.exp(growth) / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def decode_points(offsets: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """Returns landmarks `[N, 5, 2]` in pixels from the network's offsets `[N, 10]`."""
    offsets = offsets.reshape(-1, 5, 2)
    return priors[:, None, :2] + offsets * _VARIANCES[0] * priors[:, None, 2:]
