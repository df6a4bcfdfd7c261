"""RetinaFace (Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", 2019).

The network is the MobileNet-0.25 one in `mien/pretrained/retinaface`, in float32 and in int8; what
surrounds it (priors, decoding, suppression) is written here after the paper.
"""

import math
from functools import lru_cache
from importlib.resources import files

import numpy as np

from mien.inference.detection import Detection, suppress
from mien.inference.see.tiles import find_in_tiles, find_resized
from mien.processors import has_fast_int8
from mien.sessions import find_device, open_session

WEIGHTS = "pretrained/retinaface/retinaface.onnx"
WEIGHTS_INT8 = "pretrained/retinaface/retinaface_int8.onnx"
LONGEST_SIDE = 1280
"""Larger pictures are shrunk to this, pixels; a face must keep 22 of them to be found."""
SHORTEST_LONGEST_SIDE = 192
"""Smaller ones are enlarged to this, pixels: left at 48, fewer than half are found."""
MIN_SCORE = 0.7
MIN_LOGIT = math.log(MIN_SCORE / (1 - MIN_SCORE))

_STRIDES = (8, 16, 32)
_ANCHORS = ((16, 32), (64, 128), (256, 512))  # sides of the square priors per stride, pixels
_VARIANCES = (0.1, 0.2)  # of centres, of sides
_MAX_MOVE = 64.0  # of a centre or landmark, in sides of the prior
_MAX_GROWTH = 64.0  # of a side


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
        name, device = choose_network(device)
        network = files("mien").joinpath(name).read_bytes()
        self._session = open_session(network, num_threads, device)

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Returns the faces in a picture, RGB uint8 `[H, W, 3]`, most certain first."""
        return find_in_tiles(self._look, rgb, self._longest_side)

    def _look(self, rgb: np.ndarray) -> list[Detection]:
        return find_resized(self._find, rgb, SHORTEST_LONGEST_SIDE, self._longest_side)

    def _find(self, image: np.ndarray) -> list[Detection]:
        (found,) = self._session.run(None, {"pictures": image[None]})
        logits = found[0, :, 0]
        sure = np.flatnonzero(logits >= MIN_LOGIT)
        priors, offsets = make_priors(*image.shape[:2])[sure], found[0, sure, 1:]
        scores = 1 / (1 + np.exp(-logits[sure]))
        boxes = decode_boxes(offsets[:, :4], priors)
        kept = suppress(boxes, scores)
        landmarks = decode_points(offsets[kept, 4:], priors[kept])
        return [
            Detection(tuple(box), score, tuple(tuple(point) for point in each))
            for box, score, each in zip(
                boxes[kept].tolist(), scores[kept].tolist(), landmarks.tolist(), strict=True
            )
        ]


def choose_network(device: str = "auto") -> tuple[str, str]:
    """Returns which of the two networks is the faster here, and the device for it.

    int8 is for the CPU, and for processors with instructions for it alone: others of x86 are wrong
    at it, for they add pairs in 16 bits, which overflow.

    Raises:
        UsageError: No such device.
        MissingError: The device named is not there.
    """
    if find_device(device) == "cpu" and has_fast_int8():
        return WEIGHTS_INT8, "cpu"
    return WEIGHTS, device


@lru_cache(maxsize=4)
def make_priors(height: int, width: int) -> np.ndarray:
    """Returns the priors of an image, float32 `[P, 4]`: centre x, y, width, height in pixels.

    In the order of the network's outputs: strides 8, 16, 32; in each the cells row by row; in
    each cell the two sizes (Deng et al., section 4.2, table 2, with two scales per cell). Those of
    the last few sizes are kept: the array cannot be written to.
    """
    levels = []
    for stride, sides in zip(_STRIDES, _ANCHORS, strict=True):
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        level = np.empty((rows, columns, len(sides), 4), np.float32)
        level[..., 0] = (np.arange(columns) + 0.5)[None, :, None] * stride
        level[..., 1] = (np.arange(rows) + 0.5)[:, None, None] * stride
        level[..., 2:] = np.array(sides)[:, None]
        levels.append(level.reshape(-1, 4))
    priors = np.concatenate(levels)
    priors.setflags(write=False)
    return priors


def decode_boxes(offsets: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """Returns boxes `[N, 4]` xyxy in pixels from the network's offsets `[N, 4]` and the priors.

    Centres move by 0.1 of the prior's side per unit, sides grow by exp(0.2 per unit). Both end at
    64 of the prior's sides: a picture can make the network say anything.
    """
    centres = priors[:, :2] + _moves(offsets[:, :2]) * priors[:, 2:]
    growth = np.minimum(offsets[:, 2:] * _VARIANCES[1], math.log(_MAX_GROWTH))
    halves = priors[:, 2:] * np.exp(growth) / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def decode_points(offsets: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """Returns landmarks `[N, 5, 2]` in pixels from the network's offsets `[N, 10]`."""
    offsets = offsets.reshape(-1, 5, 2)
    return priors[:, None, :2] + _moves(offsets) * priors[:, None, 2:]


def _moves(offsets: np.ndarray) -> np.ndarray:
    return np.clip(offsets * _VARIANCES[0], -_MAX_MOVE, _MAX_MOVE)
